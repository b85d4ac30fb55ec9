"""Bytes that arrive for a project rather than for a path: kept once in each project, under a name that is free.

Whether the project has them already is decided inside the change, and after looking: a name counts only when the file on
disk is the one the index believes. Somebody who deleted a clip by hand gets it back, never the word "duplicate".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from cas.committer import Acts
from cas.digest import Digest, Sums
from cas.incoming import Incoming
from cas.store import Store
from views import naming
from views.batches import BatchItem
from views.edit import Editor
from views.entry import Entry, Kind
from views.errors import NameInvalid, NameNotFound
from views.folder import Folder
from views.transfer import Transfer
from views.tree import Spot, Tree

ORIGINALS = "ingest/originals"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of an upload. `path` is that inside the project; of a duplicate, the path that shows the bytes."""

    path: str
    entry: Entry
    sums: Sums
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a file that was moved into a project: its path there. Of a duplicate, only its old name went."""

    path: str
    duplicate: bool


def check_name(name: str) -> str:
    """A file name as a client sent it, trimmed. NameInvalid for a path, for nothing, and for client junk."""
    name = name.strip()
    if ".." in name:
        raise NameInvalid(name, why="it holds two dots in a row")
    naming.check(name)
    if naming.is_junk(name):
        raise NameInvalid(name, why="it is what a client's system leaves behind, and is not kept")
    return name


def numbered(name: str, count: int) -> str:
    """`<stem>_<k><suffix>`; a stem that would grow too long gives way."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > 20:
        stem, dot, suffix = name, "", ""
    tail = f"_{count}{dot}{suffix}"
    while len(naming.nfc(stem + tail).encode()) > naming.MAX_NAME_BYTES:
        stem = stem[:-1]
    return stem + tail


def item_of(uploaded: Uploaded, name: str, at_ns: int) -> BatchItem:
    """What became of an upload, as its batch notes it."""
    status, sums = "duplicate" if uploaded.duplicate else "stored", uploaded.sums
    return BatchItem(at_ns, status, name, uploaded.path, sums.sha256, sums.size_bytes, uploaded.entry.arrived_ns)


class Arrivals:
    """Uploads and moves into projects, inside a change of the store. All go to `ingest/originals`, flat."""

    def __init__(self, store: Store, tree: Tree, edit: Editor, transfer: Transfer) -> None:
        self._store, self._tree, self._edit, self._transfer = store, tree, edit, transfer
        self._folder = Folder(store, tree)

    def receive(
        self, acts: Acts, project: str, name: str, body: Incoming, *, modified_ns: int | None, via: str, batch: str = ""
    ) -> Uploaded:
        """A finished body under `name`, or under the next that is free; noted in `batch`, which must be open."""
        if not batch:
            return self._receive(acts, project, name, body, modified_ns, via)
        batches, top = self._tree.batches, self._tree.found(acts.txn, project)[1]
        batches.check_open(acts.txn, top.id, batch)
        uploaded = self._receive(acts, project, name, body, modified_ns, via)
        batches.note(acts, top.id, batch, item_of(uploaded, name, acts.at_ns))
        return uploaded

    def _receive(self, acts: Acts, project: str, name: str, body: Incoming, modified_ns: int | None, via: str) -> Uploaded:
        assert body.sums is not None
        top = self._project(acts, project)
        shown = self.shown(acts, top, body.sums.digest)
        if shown is not None:
            spot, entry = shown
            self._edit.count(acts, spot, duplicates=1)
            facts = {"path": spot.path, "digest": body.sums.digest.hex, "size": body.sums.size_bytes, "via": via}
            acts.tell("duplicate", facts)
            return Uploaded(_inner(spot.path), entry, body.sums, True)
        path = self._free(acts, top, name, body.sums.digest)
        placed = self._edit.put(acts, path, body, modified_ns=modified_ns, writer="", via=via, guard=None)
        entry = placed.entry
        if placed.replaced is not None:  # the same bytes, whose file was gone: it is back, and arrived now
            spot = self._tree.spot(acts.txn, path)
            entry = replace(entry, arrived_ns=acts.at_ns, via=via)
            self._tree.put(acts.txn, spot, entry, acts.at_ns)
            acts.tell("put", {**acts.facts, "via": via, "replaced": None})
        return Uploaded(_inner(placed.path), entry, body.sums, False)

    def bring(self, acts: Acts, source: str, project: str) -> Brought:
        """A file moves into another project of this source: its name there and here change in one step. Content that is there
        already only loses its name here."""
        spot, entry = self._tree.found(acts.txn, source)
        if entry.digest is None:
            raise NameNotFound(source)
        top = self._project(acts, project)
        shown = self.shown(acts, top, entry.digest)
        if shown is not None:
            self._edit.delete(acts, spot.path, None)
            acts.tell(acts.op, {**acts.facts, "duplicate_in": top.name})
            return Brought(_inner(shown[0].path), True)
        placed = self._transfer.move(acts, spot.path, self._free(acts, top, entry.name, None), overwrite=False, guard=None)
        return Brought(_inner(placed.path), False)

    def place(self, acts: Acts, digest: Digest, name: str, project: str) -> Brought:
        """Another name, in a project, for a content that some name of this source shows."""
        top = self._project(acts, project)
        shown = self.shown(acts, top, digest)
        if shown is not None:
            return Brought(_inner(shown[0].path), True)
        there = next(self._shown_below(acts, "", digest), None)
        if there is None:
            raise NameNotFound(digest.hex)
        path = self._free(acts, top, name, None)
        placed = self._transfer.copy(acts, there[0].path, path, overwrite=False, members=True, guard=None)
        return Brought(_inner(placed.path), False)

    def shown_of(self, acts: Acts, project: str, digests: Iterable[Digest]) -> dict[Digest, str]:
        """As Library.shown. Changes nothing."""
        _, top = self._tree.found(acts.txn, project)
        found = dict[Digest, str]()
        for digest in digests:
            shown = self.shown(acts, top, digest)
            if shown is not None:
                found[digest] = _inner(shown[0].path)
            elif next(self._shown_below(acts, "", digest), None) is not None:
                found[digest] = ""
        return found

    # looking

    def _project(self, acts: Acts, name: str) -> Entry:
        """The folder of a project; the place its originals go to is made again when somebody deleted it."""
        _, entry = self._tree.found(acts.txn, name)
        if entry.kind is not Kind.PROJECT:
            raise NameNotFound(name)
        path = entry.name
        for step in ORIGINALS.split("/"):
            path = f"{path}/{step}"
            if self._tree.find(acts.txn, path) is None:
                self._edit.make_folder(acts, path, None)
        return entry

    def shown(self, acts: Acts, project: Entry, digest: Digest) -> tuple[Spot, Entry] | None:
        """The name that came first of those below the project's originals which show this content, its file being there."""
        found = self._shown_below(acts, f"{project.name}/{ORIGINALS}/", digest)
        return min(found, key=lambda item: (item[1].arrived_ns, item[1].id), default=None)

    def _shown_below(self, acts: Acts, below: str, digest: Digest) -> Iterator[tuple[Spot, Entry]]:
        for key in self._tree.uses_of(acts.txn, digest):
            path = self._tree.path_of(acts.txn, key)
            if path is not None and path.startswith(below):
                spot, entry = self._tree.found(acts.txn, path)
                if not entry.hidden and self._folder.is_ours(acts, spot.folders, entry.name, entry):
                    yield spot, entry

    def _free(self, acts: Acts, project: Entry, name: str, digest: Digest | None) -> str:
        """A path that nobody has: in the tree, on disk, or but for case where that counts. A row with the same content whose
        file is gone counts as free."""
        count, wanted = 0, name
        while self._taken(acts, f"{project.name}/{ORIGINALS}/{wanted}", digest):
            count += 1
            wanted = numbered(name, count)
        return f"{project.name}/{ORIGINALS}/{wanted}"

    def _taken(self, acts: Acts, path: str, digest: Digest | None) -> bool:
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None and (spot.entry.is_folder or spot.entry.digest != digest):
            return True
        if self._edit.refuse_clashes and spot.entry is None and self._tree.clash(acts.txn, spot.parent.id, spot.name):
            return True
        try:
            if spot.entry is None and digest is not None and self._folder.shows(acts, spot.folders, spot.name, digest):
                return False  # this very upload, after a kill: nobody was told of it
            return self._folder.exists(acts, spot.folders, spot.name)
        except (FileNotFoundError, NotADirectoryError):
            return False  # the folder was deleted by hand; it is made again


def _inner(path: str) -> str:
    return path.partition("/")[2]
