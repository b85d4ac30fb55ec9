"""What an event of the journal means for people who audit a project: lines of `files.jsonl` and `events.jsonl`.

files.jsonl  {"ts", "op", "relative_path", "sha256", "blake3", "size", "source", …, "seq"}
    op        stored, duplicate (the same bytes came again), indexed (found on disk, or copied), relocated, moved_in,
              moved_out, deleted, missing
    source    what made the change: dav, upload, import (bytes that came), reindex, move, copy, delete
    replaced  BLAKE3 of the content that had the name before, if it was another
    from, to  relocated: `from` is the path before, inside the project. moved_in, and indexed by a copy: `from` inside
              `project`; moved_out: `to` inside `project`; there `project` is null for a place outside every project;
              `from_source`, `to_source` where that is another source

events.jsonl  {"timestamp", "event", "payload", "seq"}
    event     those of contract §2.13, and media_indexed, media_edited, media_relocated, media_copied, media_missing,
              media_damaged (its bytes are lost: "kind" says how), media_healed (they are back: "from" says whence),
              project_renamed

A change that takes a folder away from where it was (relocated, moved_out, deleted, missing) gives first a line whose
`relative_path` ends in "/" and which speaks of everything below: it makes files.jsonl enough to say which files there
are. A line for each visible file in it follows, so that the history of a file is found by its name or its sum. The
journal tells such a change as one row: its files are those found in the folder when the follower comes to it (as a rule
milliseconds later) that came there no later than the change.

A project renamed keeps all its relative paths and gives no lines. A project deleted takes its files along.

Two events are told by routes that change no name: `duplicate` {path, digest, size, via} for an upload that was refused
because `path` has its bytes, and `sync-album` {path: the project, body: as it was sent}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from cas.blobs import BlobRow
from cas.index import ReadTxn, Table
from cas.journal import Event
from views import media, naming
from views.entry import Entry, Kind
from views.tree import TRASH, Tree, pack_id

INDEX, FILES, EVENTS = "index.json", "files.jsonl", "events.jsonl"
UPLOADS = ("dav", "upload", "import")  # these make `uploaded_at`, everything else `indexed_at`
QUIET_OPS = ("amend", "folder", "sync-album")  # change nothing that index.json tells
NAMING = ("stored", "indexed", "relocated", "moved_in")  # ops that gave a name, perhaps one that other bytes had
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)  # all that is told of an event, and of its group, has one time
def timestamp(at_ns: int) -> str:
    """ISO 8601, UTC, microseconds: 2026-01-18T20:15:00.000001+00:00."""
    return (EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat(timespec="microseconds")


def index_entry(
    relative_path: str, sha256: str, size_bytes: int, arrived_ns: int, via: str, tags: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A file as index.json, events and answers tell it; `tags` only where there are any."""
    when = "uploaded_at" if via in UPLOADS else "indexed_at"
    entry: dict[str, Any] = {"relative_path": relative_path, "sha256": sha256, "size": size_bytes, when: timestamp(arrived_ns)}
    if tags:
        entry["tags"] = tags
    return entry if media.is_media(relative_path) else {**entry, "media": False}


class Note(NamedTuple):
    """Something to be written for a project: a line of FILES or EVENTS; no line for INDEX, or for the id of a batch of uploads,
    that changed."""

    project: int
    file: str
    seq: int
    line: bytes


class Place(NamedTuple):
    """A path as it was when an event happened. Outside of every project: id 0, and `inner` is the whole path."""

    id: int
    project: str | None
    inner: str


class Item(NamedTuple):
    """A file an event is about: its path below the path of the event ("" for a file itself), its sums and size."""

    inner: str
    blake3: str | None
    sha256: str | None
    size_bytes: int | None


WHOLE = Item("", None, None, None)  # a folder with all in it


class Shift(NamedTuple):
    """Names at the top that an event took away and gave, with the ids of the folders that had and have them."""

    gone: dict[str, int]
    come: dict[str, int]


class Teller:
    """Says what an event means for the files of projects. Events come in order; `names` is the top of the tree then.

    An event tells paths, and a project may have got another name since: so names are followed along, not looked up.
    """

    def __init__(self, tree: Tree, blobs: Table[BlobRow], source: str) -> None:
        self._tree, self._blobs, self._source = tree, blobs, source
        self.names: dict[str, int] = {}
        self._ops: dict[str, Callable[[ReadTxn, Event, Place, Place], Iterator[Note]]] = {
            "put": self._put, "adopt": self._adopted, "edited": self._edited, "move": self._moved, "copy": self._copied,
            "tags": self._tagged, "delete": self._deleted, "missing": self._missing, "duplicate": self._duplicate,
            "sync-album": self._synced,
            "damaged": self._damaged, "healed": self._healed,
        }  # fmt: skip

    # names at the top

    def shift(self, event: Event) -> Shift:
        """What an event did to the names at the top."""
        facts, shift = event.facts, Shift({}, {})
        path, origin = facts.get("path", ""), facts.get("from", "")
        if "digest" in facts or "id" not in facts:
            return shift
        if event.op == "move" and "/" not in origin:
            shift.gone[origin] = facts["id"]
        if "/" not in path:
            if event.op in ("delete", "missing"):
                shift.gone[path] = facts["id"]
            elif event.op in ("project", "move", "copy"):
                shift.come[path] = facts["id"]
        return shift

    def _follow(self, shift: Shift) -> None:
        for name in shift.gone:
            self.names.pop(name, None)
        self.names.update(shift.come)

    def undo(self, shifts: Sequence[Shift]) -> None:
        """Go back to the names before the first of these."""
        for shift in reversed(shifts):
            for name in shift.come:
                self.names.pop(name, None)
            self.names.update(shift.gone)

    def _buried(self, event: Event) -> Entry | None:
        """What a move or a copy took away to make room, and put into the trash."""
        for table, key, packed in event.rows:
            if table == self._tree.entries.name and key.startswith(pack_id(TRASH)) and packed is not None:
                return self._tree.entries.unpack(packed)
        return None

    # telling

    def tell(self, txn: ReadTxn, event: Event) -> list[Note]:
        """What is to be written. Events of other kinds, and those about junk only, give nothing."""
        facts = event.facts
        before = self._place(facts.get("from") or facts.get("path", ""))
        self._follow(self.shift(event))
        after = self._place(facts.get("path", ""))
        teller = self._ops.get(event.op)
        if facts.get("hidden") and event.op != "move":
            return []
        notes = list(teller(txn, event, before, after)) if teller else []
        touched = {note.project for note in notes} | {before.id, after.id}
        if event.op not in QUIET_OPS:
            notes += [Note(project, INDEX, event.seq, b"") for project in sorted(touched) if project]
        return notes + batch_note(event)

    def _place(self, path: str) -> Place:
        name, _, inner = path.partition("/")
        project = self.names.get(name, 0)
        return Place(project, name, inner) if project else Place(0, None, path)

    def _items(self, txn: ReadTxn, event: Event) -> list[Item]:
        """The files an event is about."""
        if "digest" in event.facts:
            return [self._item(txn, event.facts["digest"], event.facts["size"])]
        return self._below(txn, event.facts["id"], event.at_ns)

    def _item(self, txn: ReadTxn, blake3: str, size_bytes: int | None, inner: str = "") -> Item:
        blob = self._blobs.get(txn, bytes.fromhex(blake3))
        return Item(inner, blake3, blob.sha256.hex() if blob else None, size_bytes)

    def _below(self, txn: ReadTxn, folder: int, until_ns: int) -> list[Item]:
        """The visible files in a folder, wherever it is now, that came there no later than `until_ns`."""
        inside = self._tree.walk(txn, Entry(folder, Kind.FOLDER, "", 0, 0), "")
        return [
            self._item(txn, entry.raw_digest.hex(), entry.size_bytes, path)
            for path, entry in inside
            if not (entry.is_folder or entry.hidden) and entry.arrived_ns <= until_ns
        ]

    def _line(self, event: Event, place: Place, op: str, item: Item, **more: Any) -> Note:
        """A line of files.jsonl."""
        facts = event.facts
        if op in NAMING and facts.get("replaced") not in (None, item.blake3):
            more["replaced"] = facts["replaced"]
        record = {
            "ts": timestamp(event.at_ns), "op": op, "relative_path": join(place.inner, item.inner),
            "sha256": item.sha256, "blake3": item.blake3, "size": item.size_bytes, "source": source_of(event),
            **more, "seq": event.seq,
        }  # fmt: skip
        return Note(place.id, FILES, event.seq, msgspec.json.encode(record) + b"\n")

    def _whole(self, event: Event, place: Place, op: str, **more: Any) -> Note:
        """A line of files.jsonl that speaks of a folder and everything in it."""
        return self._line(event, place._replace(inner=f"{place.inner}/"), op, WHOLE, **more)

    def _event(self, event: Event, place: Place, name: str, payload: Any) -> Note:
        """A line of events.jsonl."""
        record = {"timestamp": timestamp(event.at_ns), "event": name, "payload": payload, "seq": event.seq}
        return Note(place.id, EVENTS, event.seq, msgspec.json.encode(record) + b"\n")

    def _entry(self, event: Event, place: Place, item: Item, via: str) -> dict[str, Any]:
        path, size_bytes = join(place.inner, item.inner), item.size_bytes or 0
        arrived_ns, via = event.facts.get("arrived", (event.at_ns, via))  # adopted, with the time an older record told
        return index_entry(path, item.sha256 or "", size_bytes, arrived_ns, via)

    # each kind of event

    def _put(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """New bytes under a name. The bytes it had already are a duplicate; a preview is no media."""
        if not after.id or event.facts.get("via") == "preview":
            return
        for item in self._items(txn, event):
            if event.facts.get("replaced") == item.blake3:
                yield from self._duplicate_of(event, after, item)
                continue
            if "sent" in event.facts:
                yield from self._sent_in(event, after, item)
                continue
            yield self._line(event, after, "stored", item)
            yield self._event(event, after, "upload_ingested", self._entry(event, after, item, event.facts["via"]))

    def _duplicate(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """An upload was refused, because the project has these bytes under the path that is told."""
        if after.id:
            for item in self._items(txn, event):
                yield from self._duplicate_of(event, after, item)

    def _duplicate_of(self, event: Event, place: Place, item: Item) -> Iterator[Note]:
        path = join(place.inner, item.inner)
        yield self._line(event, place, "duplicate", item)
        yield self._event(event, place, "upload_duplicate_skipped", {"path": path, "sha256": item.sha256})

    def _adopted(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        if after.id and event.facts.get("via") != "preview":
            for item in self._items(txn, event):
                yield self._line(event, after, "indexed", item)
                yield self._event(event, after, "media_indexed", self._entry(event, after, item, event.facts["via"]))

    def _edited(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """Bytes were edited in place, under all the names that show them, perhaps in many projects."""
        [item] = self._items(txn, event)
        for place in map(self._place, event.facts["paths"]):
            if place.id:
                yield self._line(event, place, "indexed", item)
                yield self._event(event, place, "media_edited", self._entry(event, place, item, "reindex"))
        if restored := event.facts.get("restored"):
            yield from self._in_each(txn, event, "media_healed", restored, **{"from": "an edit elsewhere"})

    def _damaged(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """The bytes of a content are lost, and with them all its names."""
        facts = event.facts
        yield from self._in_each(txn, event, "media_damaged", facts.get("paths", []), kind=facts.get("kind", "damaged"))

    def _healed(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        yield from self._in_each(txn, event, "media_healed", event.facts["paths"], **{"from": event.facts["from"]})

    def _in_each(self, txn: ReadTxn, event: Event, name: str, paths: list[str], **more: str) -> Iterator[Note]:
        """One line in each project that shows a content, with its paths there."""
        item = self._item(txn, event.facts["replaced" if event.op == "edited" else "digest"], None)
        by_project: dict[Place, list[str]] = {}
        for place in map(self._place, paths):
            by_project.setdefault(place._replace(inner=""), []).append(place.inner)
        for place, inner in by_project.items():
            if place.id:
                yield self._event(event, place, name, {"paths": inner, "sha256": item.sha256, "blake3": item.blake3, **more})

    def _deleted(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        if event.facts.get("via") == "preview":
            return
        items = self._items(txn, event)
        if "sent" in event.facts and before.id:
            yield from self._sent_out(event, before, items)
            return
        yield from self._gone(event, before, items, "deleted")
        if event.facts.get("duplicate_in") and before.id:
            payload = {"target_project": event.facts["duplicate_in"], "paths": [join(before.inner, item.inner) for item in items]}
            yield self._event(event, before, "media_move_duplicate", payload)

    def _sent_in(self, event: Event, after: Place, item: Item) -> Iterator[Note]:
        """A file came from another source."""
        sent = event.facts["sent"]
        payload = {"items": [{"from": sent["path"], "to": after.inner}], "source": self._source, "from_source": sent["source"]}
        more = {"from": sent["path"], "project": sent["project"], "from_source": sent["source"]}
        yield self._line(event, after, "moved_in", item, **more)
        yield self._event(event, after, "media_moved_in", {"source_project": sent["project"], **payload})

    def _sent_out(self, event: Event, before: Place, items: list[Item]) -> Iterator[Note]:
        """A file went to another source."""
        sent = event.facts["sent"]
        payload = {"items": [{"from": before.inner, "to": sent["path"]}], "source": self._source, "to_source": sent["source"]}
        for item in items:
            more = {"to": sent["path"], "project": sent["project"], "to_source": sent["source"]}
            yield self._line(event, before, "moved_out", item, **more)
        yield self._event(event, before, "media_moved_out", {"target_project": sent["project"], **payload})

    def _missing(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        yield from self._gone(event, before, self._items(txn, event), "missing")

    def _gone(self, event: Event, place: Place, items: list[Item], op: str) -> Iterator[Note]:
        """Files are no longer where they were. A whole project takes its records along."""
        if not (place.id and place.inner):
            return
        if not is_file(items):
            yield self._whole(event, place, op)
        for item in items:
            yield self._line(event, place, op, item)
        if items:
            paths = [join(place.inner, item.inner) for item in items]
            yield self._event(event, place, f"media_{op}", {"paths": paths, "source": self._source})

    def _moved(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        yield from self._made_room(txn, event, after)
        was_junk = any(map(naming.is_junk, before.inner.split("/")))
        if event.facts.get("hidden"):  # Office puts the original aside under a temporary name
            if not was_junk:
                yield from self._deleted(txn, event, before, after)
        elif was_junk:  # and gives the new file its name
            yield from self._put(txn, event, before, after)
        elif before.id == after.id:
            yield from self._relocated(txn, event, before, after)
        else:
            yield from self._crossed(txn, event, before, after)

    def _made_room(self, txn: ReadTxn, event: Event, place: Place) -> Iterator[Note]:
        """A folder in the way, or a file in the way of a folder, went to the trash."""
        buried = self._buried(event)
        if buried is not None and buried.is_folder:
            yield from self._gone(event, place, self._below(txn, buried.id, event.at_ns), "deleted")
        elif buried is not None:
            item = self._item(txn, buried.raw_digest.hex(), buried.size_bytes)
            yield from self._gone(event, place, [item], "deleted")

    def _relocated(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """Another name inside one project, or for the project."""
        if after.id and not after.inner:
            yield self._event(event, after, "project_renamed", {"from": before.project, "to": after.project})
        elif after.id:
            items = self._items(txn, event)
            if not is_file(items):
                yield self._whole(event, after, "relocated", **{"from": f"{before.inner}/"})
            for item in items:
                yield self._line(event, after, "relocated", item, **{"from": join(before.inner, item.inner)})
            if items:
                payload = {"items": pairs(items, before, after), "source": self._source}
                yield self._event(event, after, "media_relocated", payload)

    def _crossed(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """Out of one project, into another; or from and to a place outside."""
        items = self._items(txn, event)
        payload = {"items": pairs(items, before, after), "source": self._source}
        if before.id and before.inner:
            yield from self._left(event, before, after, items)
            if items:
                yield self._event(event, before, "media_moved_out", {"target_project": after.project, **payload})
        if after.id and items:
            yield from self._came(event, "moved_in", before, after, items)
            yield self._event(event, after, "media_moved_in", {"source_project": before.project, **payload})

    def _left(self, event: Event, before: Place, after: Place, items: list[Item]) -> Iterator[Note]:
        if not is_file(items):
            yield self._whole(event, before, "moved_out", to=f"{after.inner}/", project=after.project)
        for item in items:
            yield self._line(event, before, "moved_out", item, to=join(after.inner, item.inner), project=after.project)

    def _came(self, event: Event, op: str, before: Place, after: Place, items: list[Item]) -> Iterator[Note]:
        for item in items:
            more = {"from": join(before.inner, item.inner), "project": before.project}
            yield self._line(event, after, op, item, **more)

    def _copied(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        yield from self._made_room(txn, event, after)
        items = self._items(txn, event)
        if after.id and items:
            yield from self._came(event, "indexed", before, after, items)
            payload = {"items": pairs(items, before, after), "source": self._source}
            yield self._event(event, after, "media_copied", {"source_project": before.project, **payload})

    def _tagged(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """Contents got or lost tags: told in every project that shows one of them."""
        shown: dict[Place, list[str]] = {}
        for place in map(self._place, event.facts["paths"]):
            if place.id:
                shown.setdefault(place._replace(inner=""), []).append(place.inner)
        for project, paths in shown.items():
            did = {"add_tags": event.facts["add"], "remove_tags": event.facts["remove"]}
            yield self._event(event, project, "media_tags_updated", {"paths": paths, **did, "source": self._source})

    def _synced(self, txn: ReadTxn, event: Event, before: Place, after: Place) -> Iterator[Note]:
        """A phone said which album it sends: kept as it was said."""
        if after.id:
            yield self._event(event, after, "sync-album", event.facts["body"])


def batch_note(event: Event) -> list[Note]:
    """The batch of uploads that an event changed, if it did."""
    if "batch" not in event.facts:
        return []
    project, batch = event.facts["batch"]
    return [Note(project, batch, event.seq, b"")]


def source_of(event: Event) -> str:
    """What made a change. An event's own `via` tells how the bytes came, so it is asked only where they came."""
    if event.op in ("missing", "edited"):
        return "reindex"
    if "sent" in event.facts:
        return "move"
    return str(event.facts["via"]) if event.op in ("put", "adopt", "duplicate") else event.op


def is_file(items: list[Item]) -> bool:
    """Is this a file itself, rather than what is in a folder?"""
    return len(items) == 1 and not items[0].inner


def join(path: str, inner: str) -> str:
    return f"{path}/{inner}" if path and inner else path or inner


def pairs(items: Iterable[Item], before: Place, after: Place) -> list[dict[str, str]]:
    return [{"from": join(before.inner, item.inner), "to": join(after.inner, item.inner)} for item in items]
