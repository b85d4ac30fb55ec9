"""The tree of names in the index: rows, keys, paths. It knows nothing of the disk.

    entries   parent id (8) + key of the name → Entry        a listing is one range scan; moving a folder is one row
    uses      digest (32) + entries key → ()                 where a content is shown; derived from entries
    parents   id of a folder (8) → the key of its own row    the way from an entry up to its path; derived from entries
    projects  id (8) → ProjectRow                            what a project has beside its folder
    editable  key of a name → ()                             projects whose files are their own; derived from projects
    aliases   key of a name → AliasRow                       names clients chose for projects at the top
    trashed   key of the name in the trash → TrashRow        where a name was before it was taken away
    buried    newest time (8) + key of the name in the trash → ()   the trash by time; derived from trashed
    past      project id (8) + tag of an inner path → PastRow what is known of a file that is still to be adopted
    kept      project id (8) → KeptRow                       what its audit files held before it was adopted
    tags      digest (32) → TagRow                           words people gave a content
    numbers   name → NumberRow                               the next id
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from cas.digest import Digest, tag
from cas.index import Index, ReadTxn, WriteTxn
from views import naming
from views.batches import Batches
from views.entry import Entry, Kind
from views.errors import NameNotFound, NameReserved, NotAFolder, ParentMissing

NOWHERE, TOP, TRASH = 0, 1, 2  # ids of no folder, of the top of the tree, of the folder of what was taken away
FIRST_ID = 16
SECOND_NS = 10**9
LAST = 2**64 - 1


class ProjectRow(msgspec.Struct, array_like=True, frozen=True):
    """What a project has beside its folder; key: its entry's id.

    key        the key of its row under the top
    editable   its files are files of their own, sharing blocks with the blobs: people write into them in place
    """

    key: bytes
    notes: str
    created_ns: int
    duplicates_skipped: int = 0
    removed_missing: int = 0
    editable: bool = False


class AliasRow(msgspec.Struct, array_like=True, frozen=True):
    id: int
    name: str


class TrashRow(msgspec.Struct, array_like=True, frozen=True):
    """Where a name was, when it was taken away, and the folder of the day on disk ("" when it had no name on disk).

    project, aliases   what a project had beside its folder, to be as it was when it is brought back
    """

    path: str
    at_ns: int
    day: str
    project: ProjectRow | None = None
    aliases: tuple[str, ...] = ()


class PastRow(msgspec.Struct, array_like=True, frozen=True):
    """What a record older than the row of a file tells of it: its sum (b"" unknown) and size, when it came, and `via` what; the
    tags of its content."""

    sha256: bytes
    size_bytes: int | None
    arrived_ns: int | None
    via: str
    tags: tuple[str, ...] = ()


class KeptRow(msgspec.Struct, array_like=True, frozen=True):
    """How long files.jsonl and events.jsonl were when their project was adopted: numbers of events in there are another
    journal's."""

    files_bytes: int
    events_bytes: int


class TagRow(msgspec.Struct, array_like=True, frozen=True):
    """Words people gave a content, in the order of letters; no row for none."""

    tags: tuple[str, ...]


class NumberRow(msgspec.Struct, array_like=True, frozen=True):
    value: int


class ParentRow(msgspec.Struct, array_like=True, frozen=True):
    """The key in `entries` of a folder's own row."""

    key: bytes


class UseRow(msgspec.Struct, array_like=True, frozen=True):
    """Nothing: the key says it all."""


def pack_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def newest(number: int) -> bytes:
    """A number for keys, so that a scan meets the larger ones first."""
    return (LAST - number).to_bytes(8, "big")


def number_of(key: bytes) -> int:
    """The number that `newest` made the end of a key of."""
    return LAST - int.from_bytes(key[-8:], "big")


def entry_key(parent: int, name: str) -> bytes:
    return pack_id(parent) + naming.key(name)


def past_key(project: int, inner: str) -> bytes:
    """The key in `past` of a path inside a project."""
    return pack_id(project) + tag(naming.nfc(inner).encode("utf-8", "surrogatepass"))


BARE_TOP = Entry(TOP, Kind.FOLDER, "top", 0, 0)  # as far as its members need it; Tree.top has its times


class Spot(NamedTuple):
    """A place in the tree: a folder that exists, a name in it, and what has that name now.

    chain   the folders from below the top down to the parent; empty when the parent is the top
    name    the name as it was asked for
    """

    chain: tuple[Entry, ...]
    name: str
    entry: Entry | None

    @property
    def parent(self) -> Entry:
        return self.chain[-1] if self.chain else BARE_TOP

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the parent's folders as they are stored, and so on disk."""
        return tuple(entry.name for entry in self.chain)

    @property
    def stored_name(self) -> str:
        return self.entry.name if self.entry else self.name

    @property
    def path(self) -> str:
        """The path in stored spelling."""
        return "/".join((*self.folders, self.stored_name)) if self.name else ""

    @property
    def at_top(self) -> bool:
        return not self.chain

    def called(self, name: str) -> Spot:
        return self._replace(name=name)


class Tree:
    """Rows of the tree. Reading with any transaction; writing only inside a change."""

    def __init__(self, index: Index) -> None:
        self.parents = index.table("parents", ParentRow, derived=True)
        self.uses = index.table("uses", UseRow, derived=True)
        self.entries = index.table("entries", Entry, derive=self._derive)
        self.editable = index.table("editable", UseRow, derived=True)
        self.projects = index.table("projects", ProjectRow, derive=self._derive_editable)
        self.aliases = index.table("aliases", AliasRow)
        self.buried = index.table("buried", UseRow, derived=True)
        self.trashed = index.table("trashed", TrashRow, derive=self._derive_buried)
        self.past = index.table("past", PastRow)
        self.kept = index.table("kept", KeptRow)
        self.tags = index.table("tags", TagRow)
        self.numbers = index.table("numbers", NumberRow)
        self.batches = Batches(index)

    def _derive(self, txn: WriteTxn, key: bytes, old: Entry | None, new: Entry | None) -> None:
        if new is not None and new.is_folder:
            self.parents.put(txn, pack_id(new.id), ParentRow(key))
        if old is not None and old.is_folder and (new is None or new.id != old.id):
            self._forget_parent(txn, key, old)
        before, after = (entry.raw_digest if entry else b"" for entry in (old, new))
        if before == after:
            return
        if before:
            self.uses.delete(txn, before + key)
        if after:
            self.uses.put(txn, after + key, UseRow())

    def _derive_buried(self, txn: WriteTxn, key: bytes, old: TrashRow | None, new: TrashRow | None) -> None:
        if old is not None:
            self.buried.delete(txn, newest(old.at_ns) + key)
        if new is not None:
            self.buried.put(txn, newest(new.at_ns) + key, UseRow())

    def _derive_editable(self, txn: WriteTxn, key: bytes, old: ProjectRow | None, new: ProjectRow | None) -> None:
        before, after = (row.key if row and row.editable else b"" for row in (old, new))
        if before != after:
            if before:
                self.editable.delete(txn, before)
            if after:
                self.editable.put(txn, after, UseRow())

    def _forget_parent(self, txn: WriteTxn, key: bytes, folder: Entry) -> None:
        """A folder that moved has its new key already; only a row that still points here goes."""
        row = self.parents.get(txn, pack_id(folder.id))
        if row is not None and row.key == key:
            self.parents.delete(txn, pack_id(folder.id))

    def complete(self, txn: WriteTxn) -> None:
        """Derive what an index from before the table `buried` lacks."""
        for key, row in list(self.trashed.scan(txn)):
            self._derive_buried(txn, key, None, row)

    def lacks(self, txn: ReadTxn) -> bool:
        return self.buried.count(txn) != self.trashed.count(txn)

    # reading

    def is_editable(self, txn: ReadTxn, name: str) -> bool:
        """Are the files of the project with this name files of their own, for people to write into?"""
        return self.editable.get(txn, naming.key(name)) is not None

    def top(self, txn: ReadTxn) -> Entry:
        row = self.entries.get(txn, entry_key(NOWHERE, "top"))
        return row or BARE_TOP

    def child(self, txn: ReadTxn, parent: int, name: str) -> Entry | None:
        return self.entries.get(txn, entry_key(parent, name))

    def children(self, txn: ReadTxn, parent: int) -> Iterator[Entry]:
        """What a folder holds, hidden entries too, in the order of folded names."""
        return (entry for _, entry in self.entries.scan(txn, pack_id(parent)))

    def spot(self, txn: ReadTxn, path: str) -> Spot:
        """Where `path` is or would be. NotAFolder, ParentMissing, NameReserved when it could not be anywhere."""
        known = txn.memo.get(path)  # a guard asked first
        if known is None:
            known = txn.memo[path] = self._spot(txn, path)
        return known

    def _spot(self, txn: ReadTxn, path: str) -> Spot:
        if not path:
            return Spot((), "", self.top(txn))
        chain: list[Entry] = []
        *folders, name = path.split("/")
        for step in folders:
            entry = self._step(txn, chain, step)
            if entry is None and len(chain) == 1 and chain[0].kind is Kind.PROJECT and naming.is_generated(step):
                raise NameReserved(path, why="it is generated")
            if entry is None:
                raise ParentMissing(path)
            if not entry.is_folder:
                raise NotAFolder("/".join(e.name for e in (*chain, entry)))
            chain.append(entry)
        return Spot(tuple(chain), name, self._step(txn, chain, name))

    def _step(self, txn: ReadTxn, chain: list[Entry], name: str) -> Entry | None:
        if chain:
            return self.child(txn, chain[-1].id, name)
        return self.child(txn, TOP, name) or self._by_alias(txn, name)

    def _by_alias(self, txn: ReadTxn, name: str) -> Entry | None:
        alias = self.aliases.get(txn, naming.key(name))
        project = alias and self.projects.get(txn, pack_id(alias.id))
        return self.entries.get(txn, pack_id(TOP) + project.key) if project else None

    def find(self, txn: ReadTxn, path: str) -> Entry | None:
        try:
            return self.spot(txn, path).entry
        except (ParentMissing, NotAFolder, NameReserved):
            return None

    def found(self, txn: ReadTxn, path: str) -> tuple[Spot, Entry]:
        """The spot of something that exists, else NameNotFound."""
        try:
            spot = self.spot(txn, path)
        except (ParentMissing, NotAFolder, NameReserved):
            raise NameNotFound(path) from None
        if spot.entry is None:
            raise NameNotFound(path)
        return spot, spot.entry

    def clash(self, txn: ReadTxn, parent: int, name: str) -> Entry | None:
        """Another entry whose name differs only by case."""
        prefix = pack_id(parent) + naming.fold(name) + b"\0"
        mine = entry_key(parent, name)
        return next((entry for key, entry in self.entries.scan(txn, prefix) if key != mine), None)

    def walk(self, txn: ReadTxn, entry: Entry, path: str) -> Iterator[tuple[str, Entry]]:
        """Everything below a folder, parents first, with its path; hidden entries too."""
        for child in self.children(txn, entry.id):
            inner = f"{path}/{child.name}" if path else child.name
            yield inner, child
            if child.is_folder:
                yield from self.walk(txn, child, inner)

    def uses_of(self, txn: ReadTxn, digest: Digest) -> Iterator[bytes]:
        """Keys in `entries` of every name that shows this content."""
        return (key[len(digest.raw) :] for key, _ in self.uses.scan(txn, digest.raw))

    def path_of(self, txn: ReadTxn, key: bytes) -> str | None:
        """The path of an entry by its key; None for what is in the trash."""
        names: list[str] = []
        while True:
            entry = self.entries.get(txn, key)
            parent = int.from_bytes(key[:8], "big")
            if entry is None or parent == TRASH:
                return None
            names.append(entry.name)
            if parent == TOP:
                return "/".join(reversed(names))
            found = self.parents.get(txn, pack_id(parent))
            if found is None:
                return None
            key = found.key

    def paths_of(self, txn: ReadTxn, digest: Digest) -> list[str]:
        """Every path that shows a content, sorted; what lies in the trash is left out."""
        paths = (self.path_of(txn, key) for key in self.uses_of(txn, digest))
        return sorted(path for path in paths if path is not None)

    def numbers_in_use(self, txn: ReadTxn) -> set[int]:
        names = (entry.name for entry in self.children(txn, TOP) if entry.is_folder)
        return {number for name in names if (number := naming.project_number(name)) is not None}

    def buried_before(self, txn: ReadTxn, at_ns: int) -> Iterator[bytes]:
        """Keys in `trashed` of what was taken away before a time, the newest first."""
        return (key[8:] for key, _ in self.buried.scan(txn, after=newest(at_ns)))

    # writing

    def new_id(self, txn: WriteTxn) -> int:
        row = self.numbers.get(txn, b"next id") or NumberRow(FIRST_ID)
        self.numbers.put(txn, b"next id", NumberRow(row.value + 1))
        return row.value

    def put(self, txn: WriteTxn, spot: Spot, entry: Entry, at_ns: int) -> None:
        """Set the row of `entry` at `spot` under the entry's own name, and move the folder's time forward."""
        if spot.entry is not None and naming.key(spot.entry.name) != naming.key(entry.name):
            self.entries.delete(txn, entry_key(spot.parent.id, spot.entry.name))
        self.entries.put(txn, entry_key(spot.parent.id, entry.name), entry)
        self.touch(txn, spot, at_ns)

    def remove(self, txn: WriteTxn, spot: Spot, at_ns: int) -> None:
        """Take the row of `spot` away (not what is below it)."""
        self.entries.delete(txn, entry_key(spot.parent.id, spot.stored_name))
        self.touch(txn, spot, at_ns)

    def remove_below(self, txn: WriteTxn, folder: Entry) -> None:
        """Take every row below a folder away."""
        for child in list(self.children(txn, folder.id)):
            if child.is_folder:
                self.remove_below(txn, child)
            self.entries.delete(txn, entry_key(folder.id, child.name))

    def touch(self, txn: WriteTxn, spot: Spot, at_ns: int) -> None:
        """The folder of `spot` changed: its time moves forward by a whole second at least (Finder's negative cache)."""
        if spot.chain:
            parent_id = spot.chain[-2].id if len(spot.chain) > 1 else TOP
            key = entry_key(parent_id, spot.parent.name)
        else:
            key = entry_key(NOWHERE, "top")
        folder = self.entries.get(txn, key) or spot.parent
        modified_ns = max(at_ns, folder.modified_ns + SECOND_NS)
        self.entries.put(txn, key, msgspec.structs.replace(folder, modified_ns=modified_ns))

    def forget_project(self, txn: WriteTxn, entry: Entry) -> tuple[ProjectRow | None, tuple[str, ...]]:
        """A project stops being one: its row and the names clients chose for it go. What went."""
        row, aliases = self.projects.get(txn, pack_id(entry.id)), list[str]()
        self.projects.delete(txn, pack_id(entry.id))
        for key, _ in list(self.past.scan(txn, pack_id(entry.id))):
            self.past.delete(txn, key)
        for key, alias in list(self.aliases.scan(txn)):
            if alias.id == entry.id:
                self.aliases.delete(txn, key)
                aliases.append(alias.name)
        return row, tuple(aliases)
