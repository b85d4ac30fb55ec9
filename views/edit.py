"""Changes to names: put, make folders, delete, amend. Each runs alone, inside a change of the store.

The order of work in each: look and refuse, act on the disk, set rows, tell the event. `views.transfer` moves and copies,
`views.by_hand` follows what people did on the disk; both stand on this room.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from cas.committer import Acts
from cas.digest import Digest
from cas.incoming import Incoming
from cas.index import ReadTxn, WriteTxn
from cas.link import Reflink, Seal
from cas.store import Store
from views import naming, old_world
from views.entry import Entry, Kind
from views.errors import AlreadyThere, CannotBeEditable, Clash, IsAFolder, NameReserved
from views.folder import Folder, Folders, day_of, name_in_trash
from views.old_world import Past
from views.tree import TRASH, AliasRow, KeptRow, ProjectRow, Spot, TrashRow, Tree, entry_key, pack_id, past_key

log = logging.getLogger("filmcan.edit")
Guard = Callable[[Callable[[str], Entry | None]], None]
SCAFFOLD: tuple[Folders, ...] = (("ingest",), ("ingest", "originals"), ("ingest", "thumbnails"))


@dataclass(frozen=True, slots=True)
class Placed:
    """What came of a change: the entry as it is now, whether the name is new, whether the bytes were here before.

    copied   a file that was to be linked from was copied: its folder cannot link to the store
    torn     a project was adopted whose index.json was broken off: what could be read of it was taken
    lost     paths inside a folder that was copied: the contents of these files are lost, so they were left out
    """

    entry: Entry
    created: bool
    known: bool = False
    replaced: Digest | None = None
    path: str = ""
    copied: bool = False
    torn: bool = False
    lost: tuple[str, ...] = ()


class Editor:
    """The changes. `refuse_clashes`: names that differ only by case are refused (always where the disk ignores case)."""

    def __init__(self, store: Store, tree: Tree, *, refuse_clashes: bool) -> None:
        self._store, self._tree, self._folder = store, tree, Folder(store, tree)
        self.refuse_clashes = refuse_clashes

    def ask(self, acts: Acts, guard: Guard | None) -> None:
        """Let the guard refuse, in sight of the tree as it is now."""
        if guard is not None:
            guard(lambda path: self._tree.find(acts.txn, path))

    def admit(self, txn: ReadTxn, spot: Spot, *, but: Entry | None = None) -> None:
        """May something be called `spot.name` there? `but` is the entry that is about to take the name."""
        naming.check(spot.name)
        junk = naming.is_junk(spot.name)
        if spot.at_top and spot.name.startswith("_") and not junk:
            raise NameReserved(spot.path, why="names that begin with _ are kept for generated trees")
        if len(spot.chain) == 1 and spot.parent.kind is Kind.PROJECT and naming.is_generated(spot.name):
            raise NameReserved(spot.path, why="it is generated")
        if self.refuse_clashes and spot.entry is None:
            other = self._tree.clash(txn, spot.parent.id, spot.name)
            if other is not None and (but is None or other.id != but.id):
                raise Clash(spot.path, other=other.name)

    # put

    def put(
        self, acts: Acts, path: str, body: Incoming, *, modified_ns: int | None, writer: str, via: str, guard: Guard | None
    ) -> Placed:
        self.ask(acts, guard)
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None and spot.entry.is_folder:
            raise IsAFolder(spot.path)
        self.admit(acts.txn, spot)
        assert body.sums is not None
        digest, old = body.sums.digest, spot.entry
        before = self._store.blobs.get(acts.txn, digest.raw)
        row, known = self._store.contents.publish(acts, body)
        if before is not None and not known:
            self.mend(acts, digest, before.seal)
        fresh = self.entry_for(acts, spot, digest, row.size_bytes, writer)
        entry = replace(fresh, modified_ns=acts.at_ns if modified_ns is None else modified_ns)
        if old is None or old.raw_digest != digest.raw:
            entry = replace(entry, arrived_ns=acts.at_ns, via=via)  # the same bytes sent again arrived when they first did
        if not entry.hidden:
            entry = replace(entry, own=self.show(acts, spot, digest))
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        replaced = old.digest if old else None
        acts.tell("put", self.facts(spot, entry, sha256=body.sums.sha256.hex(), known=known,
                                     replaced=replaced.hex if replaced else None))  # fmt: skip
        return Placed(entry, old is None, known, replaced, spot.path)

    def entry_for(self, acts: Acts, spot: Spot, digest: Digest, size_bytes: int, writer: str) -> Entry:
        """The row of a file at `spot` with this content; an entry that is there keeps its id, birth and properties."""
        hidden = spot.parent.hidden or naming.is_junk(spot.name)
        fresh = {"size_bytes": size_bytes, "raw_digest": digest.raw, "own": None}
        if spot.entry is not None:
            return replace(spot.entry, **fresh)
        entry = Entry(self._tree.new_id(acts.txn), Kind.FILE, spot.name, acts.at_ns, acts.at_ns)
        return replace(entry, **fresh, hidden=hidden, writer=writer if hidden else "")

    def show(self, acts: Acts, spot: Spot, digest: Digest) -> Seal | None:
        """The bytes under the name of `spot` on disk; the seal where that is a file of its own."""
        if spot.entry is None:
            return self._folder.show(acts, spot.folders, spot.name, digest)
        same = spot.entry.raw_digest == digest.raw
        if same and self._folder.is_ours(acts, spot.folders, spot.entry.name, spot.entry):
            return spot.entry.own
        return self._folder.replace(acts, spot.folders, spot.entry.name, digest, spot.entry)

    def mend(self, acts: Acts, digest: Digest, damaged: Seal) -> list[str]:
        """Bytes that were lost came again: names that still show the old file, as it was sealed, show the whole one.

        Returns their paths.
        """
        paths = []
        for key in list(self._tree.uses_of(acts.txn, digest)):
            entry, path = self._tree.entries.get(acts.txn, key), self._tree.path_of(acts.txn, key)
            if entry is not None and path is not None and not entry.hidden and entry.own in (None, damaged):
                *folders, name = path.split("/")
                if self._folder.looks(acts, tuple(folders), name, damaged):
                    own = self._folder.replace(acts, tuple(folders), name, digest, entry)
                    self._tree.entries.put(acts.txn, key, replace(entry, own=own))
                    paths.append(path)
        return paths

    @staticmethod
    def facts(spot: Spot, entry: Entry, **more: Any) -> dict[str, Any]:
        """What every event about an entry says of it."""
        path = "/".join((*spot.folders, entry.name))
        facts = {"path": path, "id": entry.id, "via": entry.via, **more}
        if entry.hidden:
            facts["hidden"] = True
        if not entry.is_folder:
            facts |= {"digest": entry.raw_digest.hex(), "size": entry.size_bytes}
        return facts

    # folders and projects

    def make_folder(self, acts: Acts, path: str, guard: Guard | None) -> Placed:
        self.ask(acts, guard)
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None:
            raise AlreadyThere(spot.path)
        if spot.at_top and not naming.is_junk(spot.name):
            return self._new_project(acts, spot)
        self.admit(acts.txn, spot)
        hidden = spot.parent.hidden or naming.is_junk(spot.name)
        if not hidden:
            self._folder.make(acts, spot.folders, spot.name)
        entry = Entry(self._tree.new_id(acts.txn), Kind.FOLDER, spot.name, acts.at_ns, acts.at_ns, hidden=hidden)
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        acts.tell("folder", self.facts(spot, entry))
        return Placed(entry, True, path=spot.path)

    def _new_project(self, acts: Acts, spot: Spot) -> Placed:
        """What a client asked for as a folder at the top: its name is cleaned, but must be one that could be."""
        naming.check(spot.name)
        placed = self.make_project(acts, spot.name, "")
        if not placed.created:
            raise AlreadyThere(placed.path)
        return placed

    def make_project(self, acts: Acts, wanted: str | None, notes: str, *, editable: bool = False) -> Placed:
        """A new project, or the one there is when `wanted` names it whole; its folders on disk and in the tree.

        editable   of a new one: CannotBeEditable where the disk shares no blocks
        """
        name, spot = self.free_project_name(acts, wanted)
        if spot.entry is not None and not spot.entry.is_folder:
            raise AlreadyThere(spot.path)
        if spot.entry is not None:
            return Placed(spot.entry, False, path=spot.path)
        if editable and (why := self._store.ways[Reflink.name]):
            raise CannotBeEditable(name, why=why)
        return self.begin_project(acts, spot, name, wanted or "", notes, editable=editable)

    def begin_project(
        self, acts: Acts, spot: Spot, name: str, wanted: str, notes: str, *, editable: bool = False
    ) -> Placed:
        """A project under just this name, which is free in the tree; a folder of that name on disk becomes its folder."""
        for folders in ((), *SCAFFOLD, ("_manifest",)):
            self._folder.ensure(acts, (name, *folders))
        past = old_world.read(acts.system, acts.folder((name,), touch=False), self._store.layout.root / name)
        created_ns, notes = past.created_ns or acts.at_ns, notes or past.notes
        entry = Entry(self._tree.new_id(acts.txn), Kind.PROJECT, name, acts.at_ns, created_ns)
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        self.enrol(acts, entry, notes, editable)
        self._remember_past(acts, spot, entry, past)
        self.remember_choice(acts.txn, wanted, entry)
        self._scaffold(acts, spot, entry)
        more = {"editable": True} if editable else {}
        acts.tell("project", self.facts(spot, entry, notes=notes, **more))
        return Placed(entry, True, path=spot.path, torn=past.torn)

    def _remember_past(self, acts: Acts, spot: Spot, project: Entry, past: Past) -> None:
        """What was known of a project before it had a row: counted on; of its files until each is adopted; the old index kept."""
        manifest = (project.name, "_manifest")
        files_bytes, events_bytes = (self._folder.size_of(acts, manifest, name) for name in ("files.jsonl", "events.jsonl"))
        if files_bytes or events_bytes:
            self._tree.kept.put(acts.txn, pack_id(project.id), KeptRow(files_bytes, events_bytes))
        for inner, row in past.files.items():
            self._tree.past.put(acts.txn, past_key(project.id, inner), row)
        if past.index is None:
            return
        removed, duplicates = past.removed_missing + past.gone, past.duplicates_skipped
        self.count(acts, spot._replace(chain=(project,)), removed=removed, duplicates=duplicates)
        kept = self._folder.keep(acts, (*manifest, "old"), "index.json", past.index)
        if past.torn:
            log.warning("%s/index.json is broken off; what can be read of it was taken, and it is kept as %s", project.name, kept)

    def free_project_name(self, acts: Acts, wanted: str | None) -> tuple[str, Spot]:
        """The name a new project gets: cleaned, numbered, free in the index and on disk."""
        if naming.names_itself(wanted):
            name = naming.project_name(wanted, set())
            return name, self._tree.spot(acts.txn, name)
        numbers = self._tree.numbers_in_use(acts.txn)
        while True:
            name = naming.project_name(wanted, numbers)
            spot = self._tree.spot(acts.txn, name)
            if spot.entry is None and not self._folder.exists(acts, (), name):
                return name, spot
            numbers.add(naming.project_number(name) or 0)

    def enrol(self, acts: Acts, entry: Entry, notes: str, editable: bool = False) -> None:
        """The row a project has beside its folder."""
        row = ProjectRow(naming.key(entry.name), notes, entry.created_ns, editable=editable)
        self._tree.projects.put(acts.txn, pack_id(entry.id), row)

    def _scaffold(self, acts: Acts, spot: Spot, project: Entry) -> None:
        chain: tuple[Entry, ...] = (project,)
        for folders in SCAFFOLD:
            parents = chain[: len(folders)]
            entry = Entry(self._tree.new_id(acts.txn), Kind.FOLDER, folders[-1], acts.at_ns, acts.at_ns)
            self._tree.entries.put(acts.txn, entry_key(parents[-1].id, entry.name), entry)
            chain = (*parents, entry)

    def remember_choice(self, txn: WriteTxn, wanted: str, entry: Entry) -> None:
        """The name a client chose goes on resolving, so that what it made is where it put it."""
        if wanted and naming.key(wanted) != naming.key(entry.name):
            self._tree.aliases.put(txn, naming.key(wanted), AliasRow(entry.id, wanted))

    # delete

    def delete(self, acts: Acts, path: str, guard: Guard | None) -> None:
        self.ask(acts, guard)
        spot, entry = self._tree.found(acts.txn, path)
        if not spot.name:
            raise NameReserved(path, why="the top folder stays")
        self.count(acts, spot, removed=self.files_in(acts, entry))
        trash_name = self.bury(acts, spot, entry)
        acts.tell("delete", {**self.facts(spot, entry), "trash": trash_name})

    def bury(self, acts: Acts, spot: Spot, entry: Entry) -> str:
        """Take a name away, into the trash: one rename on disk, one row. Its name there; "" for junk, which just goes."""
        txn = acts.txn
        if entry.hidden:
            self._tree.remove(txn, spot, acts.at_ns)
            self._tree.remove_below(txn, entry)
            return ""
        day, trash_name = day_of(acts.at_ns), name_in_trash(entry)
        try:
            on_disk = self._folder.bury(acts, spot.folders, entry.name, day, trash_name)
        except OSError as error:
            if error.errno != errno.EXDEV or entry.is_folder:
                raise
            # on another mount than the trash: its bytes are in the store
            self._folder.drop(acts, spot.folders, entry.name, entry)
            on_disk = False
        self.into_trash(acts, spot, entry, trash_name, day if on_disk else "")
        return trash_name

    def into_trash(self, acts: Acts, spot: Spot, entry: Entry, trash_name: str, day: str) -> None:
        """The row of a name goes into the trash; on disk it lies in the folder of that day already, or nowhere ("")."""
        was = self._tree.forget_project(acts.txn, entry) if entry.kind is Kind.PROJECT else (None, ())
        self._tree.remove(acts.txn, spot, acts.at_ns)
        self._tree.entries.put(acts.txn, entry_key(TRASH, trash_name), replace(entry, name=trash_name))
        self._tree.trashed.put(acts.txn, naming.key(trash_name), TrashRow(spot.path, acts.at_ns, day, *was))

    def files_in(self, acts: Acts, entry: Entry) -> int:
        """How many files people see go with an entry."""
        if not entry.is_folder:
            return int(not entry.hidden)
        return sum(not inner.is_folder and not inner.hidden for _, inner in self._tree.walk(acts.txn, entry, ""))

    def count(self, acts: Acts, spot: Spot, *, removed: int = 0, duplicates: int = 0) -> None:
        """Add to the counters of the project a spot lies in."""
        row = self._tree.projects.get(acts.txn, pack_id(spot.chain[0].id)) if spot.chain else None
        if row is not None:
            removed, duplicates = row.removed_missing + removed, row.duplicates_skipped + duplicates
            row = replace(row, removed_missing=removed, duplicates_skipped=duplicates)
            self._tree.projects.put(acts.txn, pack_id(spot.chain[0].id), row)

    # amend

    def amend(
        self, acts: Acts, path: str, *, modified_ns: int | None, created_ns: int | None, set_props: Mapping[str, str],
        remove_props: Collection[str], guard: Guard | None,
    ) -> Entry:  # fmt: skip
        """Times and dead properties of a name. The file on disk keeps its time: other names may share its inode."""
        self.ask(acts, guard)
        spot, entry = self._tree.found(acts.txn, path)
        props = {name: value for name, value in entry.props.items() if name not in remove_props} | dict(set_props)
        changed = replace(
            entry, modified_ns=entry.modified_ns if modified_ns is None else modified_ns,
            created_ns=entry.created_ns if created_ns is None else created_ns, props=props,
        )  # fmt: skip
        key = entry_key(spot.parent.id if spot.name else 0, entry.name)
        self._tree.entries.put(acts.txn, key, changed)
        acts.tell("amend", self.facts(spot, changed))
        return changed
