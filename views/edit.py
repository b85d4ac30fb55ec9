"""Changes to names: put, make folders, move, copy, delete, amend. Each runs alone, inside a change of the store.

The order of work in each: look and refuse, act on the disk, set rows, tell the event.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from cas.committer import Acts
from cas.digest import Digest
from cas.incoming import Incoming
from cas.index import ReadTxn, WriteTxn
from cas.link import Seal
from cas.store import FileBusy, Found, Store, Verdict
from views import naming
from views.entry import Entry, Kind
from views.errors import AlreadyThere, Clash, IntoItself, IsAFolder, NameNotFound, NameReserved
from views.folder import Folder, Folders, day_of
from views.tree import TOP, TRASH, AliasRow, ProjectRow, Spot, TrashRow, Tree, entry_key, pack_id

Guard = Callable[[Callable[[str], Entry | None]], None]
SCAFFOLD: tuple[Folders, ...] = (("ingest",), ("ingest", "originals"), ("ingest", "thumbnails"))


@dataclass(frozen=True, slots=True)
class Placed:
    """What came of a change: the entry as it is now, whether the name is new, whether the bytes were here before.

    copied   a file that was to be linked from was copied: its folder cannot link to the store
    """

    entry: Entry
    created: bool
    known: bool = False
    replaced: Digest | None = None
    path: str = ""
    copied: bool = False


class Editor:
    """The changes. `refuse_clashes`: names that differ only by case are refused (always where the disk ignores case)."""

    def __init__(self, store: Store, tree: Tree, *, refuse_clashes: bool) -> None:
        self._store, self._tree, self._folder = store, tree, Folder(store)
        self.refuse_clashes = refuse_clashes

    def _ask(self, acts: Acts, guard: Guard | None) -> None:
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
        self._ask(acts, guard)
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None and spot.entry.is_folder:
            raise IsAFolder(spot.path)
        self.admit(acts.txn, spot)
        row, known = self._store.publish(acts, body)
        assert body.sums is not None
        digest, old = body.sums.digest, spot.entry
        fresh = self._entry_for(acts, spot, digest, row.size_bytes, writer)
        entry = replace(fresh, modified_ns=acts.at_ns if modified_ns is None else modified_ns)
        if old is None or old.raw_digest != digest.raw:
            entry = replace(entry, arrived_ns=acts.at_ns, via=via)  # the same bytes sent again arrived when they first did
        if not entry.hidden:
            entry = replace(entry, own=self._show(acts, spot, digest))
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        replaced = old.digest if old else None
        acts.tell("put", self._facts(spot, entry, sha256=body.sums.sha256.hex(), known=known,
                                     replaced=replaced.hex if replaced else None))  # fmt: skip
        return Placed(entry, old is None, known, replaced, spot.path)

    def _entry_for(self, acts: Acts, spot: Spot, digest: Digest, size_bytes: int, writer: str) -> Entry:
        """The row of a file at `spot` with this content; an entry that is there keeps its id, birth and properties."""
        hidden = spot.parent.hidden or naming.is_junk(spot.name)
        fresh = {"size_bytes": size_bytes, "raw_digest": digest.raw, "own": None}
        if spot.entry is not None:
            return replace(spot.entry, **fresh)
        entry = Entry(self._tree.new_id(acts.txn), Kind.FILE, spot.name, acts.at_ns, acts.at_ns)
        return replace(entry, **fresh, hidden=hidden, writer=writer if hidden else "")

    def _show(self, acts: Acts, spot: Spot, digest: Digest) -> Any:
        if spot.entry is None:
            return self._folder.show(acts, spot.folders, spot.name, digest)
        same = spot.entry.raw_digest == digest.raw
        if same and self._folder.is_ours(acts, spot.folders, spot.entry.name, spot.entry):
            return spot.entry.own
        return self._folder.replace(acts, spot.folders, spot.entry.name, digest, spot.entry)

    @staticmethod
    def _facts(spot: Spot, entry: Entry, **more: Any) -> dict[str, Any]:
        path = "/".join((*spot.folders, entry.name))
        facts = {"path": path, "id": entry.id, "via": entry.via, **more}
        if entry.hidden:
            facts["hidden"] = True
        if not entry.is_folder:
            facts |= {"digest": entry.raw_digest.hex(), "size": entry.size_bytes}
        return facts

    # folders and projects

    def make_folder(self, acts: Acts, path: str, guard: Guard | None) -> Placed:
        self._ask(acts, guard)
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
        acts.tell("folder", self._facts(spot, entry))
        return Placed(entry, True, path=spot.path)

    def _new_project(self, acts: Acts, spot: Spot) -> Placed:
        """What a client asked for as a folder at the top: its name is cleaned, but must be one that could be."""
        naming.check(spot.name)
        placed = self.make_project(acts, spot.name, "")
        if not placed.created:
            raise AlreadyThere(placed.path)
        return placed

    def make_project(self, acts: Acts, wanted: str | None, notes: str) -> Placed:
        """A new project, or the one there is when `wanted` names it whole; its folders on disk and in the tree."""
        name, spot = self._free_project_name(acts, wanted)
        if spot.entry is not None and not spot.entry.is_folder:
            raise AlreadyThere(spot.path)
        if spot.entry is not None:
            return Placed(spot.entry, False, path=spot.path)
        for folders in ((), *SCAFFOLD, ("_manifest",)):
            self._folder.ensure(acts, (name, *folders))
        entry = Entry(self._tree.new_id(acts.txn), Kind.PROJECT, name, acts.at_ns, acts.at_ns)
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        self.enrol(acts, entry, notes)
        self._remember_choice(acts.txn, wanted or "", entry)
        self._scaffold(acts, spot, entry)
        acts.tell("project", self._facts(spot, entry, notes=notes))
        return Placed(entry, True, path=spot.path)

    def _free_project_name(self, acts: Acts, wanted: str | None) -> tuple[str, Spot]:
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

    def enrol(self, acts: Acts, entry: Entry, notes: str) -> None:
        """The row a project has beside its folder."""
        self._tree.projects.put(acts.txn, pack_id(entry.id), ProjectRow(naming.key(entry.name), notes, entry.created_ns))

    def _scaffold(self, acts: Acts, spot: Spot, project: Entry) -> None:
        chain: tuple[Entry, ...] = (project,)
        for folders in SCAFFOLD:
            parents = chain[: len(folders)]
            entry = Entry(self._tree.new_id(acts.txn), Kind.FOLDER, folders[-1], acts.at_ns, acts.at_ns)
            self._tree.entries.put(acts.txn, entry_key(parents[-1].id, entry.name), entry)
            chain = (*parents, entry)

    def _remember_choice(self, txn: WriteTxn, wanted: str, entry: Entry) -> None:
        """The name a client chose goes on resolving, so that what it made is where it put it."""
        if wanted and naming.key(wanted) != naming.key(entry.name):
            self._tree.aliases.put(txn, naming.key(wanted), AliasRow(entry.id, wanted))

    # move

    def move(self, acts: Acts, source: str, target: str, *, overwrite: bool, guard: Guard | None) -> Placed:
        self._ask(acts, guard)
        src, entry = self._tree.found(acts.txn, source)
        dst, there = self._target(acts, src, entry, target, overwrite)
        moved = self._as_it_will_be(acts, src, entry, dst, there)
        moved = replace(moved, own=self._move_on_disk(acts, src, entry, dst, there, moved))
        if src.chain[:1] != dst.chain[:1]:
            self._count(acts, src, removed=self._files_in(acts, entry))
        self._move_rows(acts, src, entry, dst, moved)
        final = self._tree.spot(acts.txn, "/".join((*dst.folders, moved.name)))
        replaced = there.digest if there else None
        acts.tell("move", {**self._facts(dst, moved), "from": src.path, "replaced": replaced.hex if replaced else None})
        return Placed(moved, there is None, replaced=replaced, path=final.path)

    def _target(self, acts: Acts, src: Spot, entry: Entry, target: str, overwrite: bool) -> tuple[Spot, Entry | None]:
        """Where a move or copy goes, and what will be replaced there; refused when it may not."""
        dst = self._tree.spot(acts.txn, target)
        there = dst.entry if dst.entry is not None and dst.entry.id != entry.id else None
        below = any(folder.id == entry.id for folder in dst.chain)
        above = there is not None and any(folder.id == there.id for folder in src.chain)
        if not dst.name or not src.name or below or above:
            raise IntoItself(src.path)
        if there is not None and not overwrite:
            raise AlreadyThere(dst.path)
        self.admit(acts.txn, dst, but=entry)
        return dst, there

    def _as_it_will_be(self, acts: Acts, src: Spot, entry: Entry, dst: Spot, there: Entry | None) -> Entry:
        """The entry under its new name. Over a file it is an edit of that file: its birth and properties go on (Office saves)."""
        hidden = dst.parent.hidden or naming.is_junk(dst.name)
        moved = replace(entry, name=naming_of(entry, dst), hidden=hidden, own=None if hidden else entry.own)
        if entry.is_folder:
            number = naming.project_number(entry.name) if entry.kind is Kind.PROJECT else None
            moved = self._folder_kind(acts, moved, dst, number)
        elif there is not None and not there.is_folder:
            moved = replace(moved, created_ns=there.created_ns, props={**there.props, **entry.props})
        if entry.is_folder or src.chain[:1] == dst.chain[:1]:
            return moved
        return replace(moved, via="move", arrived_ns=acts.at_ns)

    def _folder_kind(self, acts: Acts, moved: Entry, dst: Spot, number: int | None) -> Entry:
        """A folder at the top is a project and has its number, its old one (`number`) if it can; anywhere else it is a folder."""
        if not dst.at_top or moved.hidden:
            return replace(moved, kind=Kind.FOLDER)
        return replace(moved, kind=Kind.PROJECT, name=self._label(acts, dst, number, moved))

    def _label(self, acts: Acts, dst: Spot, number: int | None, moved: Entry) -> str:
        """The whole name of a project for the one that was asked for. Never the name of another, unless that is what `dst`
        names."""
        there = {moved.id, dst.entry.id if dst.entry else moved.id}
        if naming.names_itself(dst.name):
            name = naming.project_name(dst.name, set())
            if self._is_taken(acts, name, there):
                raise AlreadyThere(name)
            return name
        name = naming.project_name(dst.name, {(number or 1) - 1})
        if number is None or self._is_taken(acts, name, there):
            return self._free_project_name(acts, dst.name)[0]
        return name

    def _is_taken(self, acts: Acts, name: str, but: set[int]) -> bool:
        """Does this name at the top belong to something else, here or on disk?"""
        entry = self._tree.child(acts.txn, TOP, name)
        return entry.id not in but if entry is not None else self._folder.exists(acts, (), name)

    def _move_on_disk(
        self, acts: Acts, src: Spot, entry: Entry, dst: Spot, there: Entry | None, moved: Entry
    ) -> Seal | None:
        """Returns the seal of the file where it is one of its own (Entry.own)."""
        if there is not None and (there.is_folder or entry.is_folder):
            self.bury(acts, dst, there)
            there = None
        if entry.hidden and not moved.hidden:
            return self._surface(acts, entry, dst, there, moved)
        if not entry.hidden and moved.hidden:
            self._submerge(acts, src, entry)
        elif not entry.hidden:
            own = self._rename(acts, src, entry, dst, there, moved)
            if entry.kind is Kind.PROJECT and moved.kind is not Kind.PROJECT:
                self._retire(acts, (*dst.folders, moved.name))
            return own
        return None

    def _retire(self, acts: Acts, folders: Folders) -> None:
        """A project became a folder of another: what was generated for it is set aside, or it would look like footage."""
        for name in naming.GENERATED:
            self._folder.set_aside(acts, folders, name)

    def _rename(self, acts: Acts, src: Spot, entry: Entry, dst: Spot, there: Entry | None, moved: Entry) -> Seal | None:
        over = there is not None and self._folder.is_ours(acts, dst.folders, there.name, there)
        try:
            self._folder.rename(acts, src.folders, entry.name, dst.folders, moved.name, over=over)
        except (FileNotFoundError, NotADirectoryError):
            if entry.digest is None:
                raise NameNotFound(src.path) from None
            return self._folder.show(acts, dst.folders, moved.name, entry.digest)
        except OSError as error:
            if error.errno != errno.EXDEV or entry.digest is None:
                raise
            return self._rename_across(acts, src, entry, entry.digest, dst, there, moved)
        return entry.own

    def _rename_across(
        self, acts: Acts, src: Spot, entry: Entry, digest: Digest, dst: Spot, there: Entry | None, moved: Entry
    ) -> Seal | None:
        """From one mount to another: the file is shown there, then taken away here."""
        if there is not None:
            own = self._folder.replace(acts, dst.folders, moved.name, digest, there)
        else:
            own = self._folder.show(acts, dst.folders, moved.name, digest)
        self._folder.drop(acts, src.folders, entry.name, entry)
        return own

    def _surface(self, acts: Acts, entry: Entry, dst: Spot, there: Entry | None, moved: Entry) -> Seal | None:
        """Junk becomes a real name (Office and macOS save aside, then rename)."""
        if entry.digest is None:
            self._plant(acts, entry, moved, (*dst.folders, moved.name), fresh=False)
            return None
        if there is not None and not there.hidden:
            return self._folder.replace(acts, dst.folders, moved.name, entry.digest, there)
        return self._folder.show(acts, dst.folders, moved.name, entry.digest)

    def _submerge(self, acts: Acts, src: Spot, entry: Entry) -> None:
        """A real name becomes junk (Office moves the original aside)."""
        if entry.is_folder:
            raise NameReserved(src.path, why="a folder cannot take the name of a client's temporary file")
        self._folder.drop(acts, src.folders, entry.name, entry)

    def _move_rows(self, acts: Acts, src: Spot, entry: Entry, dst: Spot, moved: Entry) -> None:
        txn = acts.txn
        self._tree.remove(txn, src, acts.at_ns)
        if dst.entry is not None and dst.entry.id != entry.id and not (dst.entry.is_folder or entry.is_folder):
            self._tree.entries.delete(txn, entry_key(dst.parent.id, dst.entry.name))
        self._tree.put(txn, Spot(dst.chain, moved.name, None), moved, acts.at_ns)
        if src.at_top and entry.is_folder:
            self._tree.aliases.delete(txn, naming.key(src.name))
        if moved.kind is Kind.PROJECT:
            row = self._tree.projects.get(txn, pack_id(moved.id)) or ProjectRow(b"", "", moved.created_ns)
            row = replace(row, key=naming.key(moved.name))
            self._tree.projects.put(txn, pack_id(moved.id), row)
            self._remember_choice(txn, dst.name, moved)
        elif entry.kind is Kind.PROJECT:
            self._tree.forget_project(txn, entry)

    # copy

    def copy(
        self, acts: Acts, source: str, target: str, *, overwrite: bool, members: bool, guard: Guard | None
    ) -> Placed:
        self._ask(acts, guard)
        src, entry = self._tree.found(acts.txn, source)
        dst, there = self._target(acts, src, entry, target, overwrite)
        if dst.entry is not None and dst.entry.id == entry.id:
            raise IntoItself(source)
        if there is not None and (there.is_folder or entry.is_folder):
            self.bury(acts, dst, there)
        copied = self._as_copied(acts, entry, dst, there)
        if entry.is_folder:
            self._plant(acts, entry if members else None, copied, (*dst.folders, copied.name), fresh=True)
        elif not copied.hidden:
            keep = there is not None and not there.is_folder and not there.hidden
            copied = replace(copied, own=self._show(acts, dst if keep else Spot(dst.chain, copied.name, None),
                                                    Digest(entry.raw_digest)))  # fmt: skip
        self._tree.put(acts.txn, Spot(dst.chain, copied.name, None), copied, acts.at_ns)
        if copied.kind is Kind.PROJECT:
            old = self._tree.projects.get(acts.txn, pack_id(entry.id))
            self.enrol(acts, copied, old.notes if old else "")
            self._remember_choice(acts.txn, dst.name, copied)
        replaced = there.digest if there else None
        acts.tell("copy", {**self._facts(dst, copied), "from": src.path, "replaced": replaced.hex if replaced else None})
        return Placed(copied, there is None, known=True, replaced=replaced, path="/".join((*dst.folders, copied.name)))

    def _as_copied(self, acts: Acts, entry: Entry, dst: Spot, there: Entry | None) -> Entry:
        hidden = dst.parent.hidden or naming.is_junk(dst.name)
        keep = there is not None and not there.is_folder and not entry.is_folder
        copied = replace(
            entry, id=there.id if there and keep else self._tree.new_id(acts.txn), name=naming_of(entry, dst),
            created_ns=there.created_ns if there and keep else acts.at_ns, arrived_ns=acts.at_ns, via="copy",
            hidden=hidden, own=None, kind=Kind.FOLDER if entry.is_folder else Kind.FILE,
        )  # fmt: skip
        return self._folder_kind(acts, copied, dst, None) if entry.is_folder else copied

    def _plant(self, acts: Acts, entry: Entry | None, planted: Entry, folders: Folders, *, fresh: bool) -> None:
        """Rows and real names for a folder and all in it: built aside, then moved into place in one step.

        entry   the folder whose members are taken; None for none
        fresh   members get ids of their own (a copy); else they keep them (junk that became real)
        """
        staged = self._store.system.token()
        stage = (".filmcan", "incoming", staged)
        if not planted.hidden:
            self._folder.make(acts, stage[:2], staged)
        if entry is not None:
            self._plant_members(acts, entry, planted, stage, fresh)
        if not planted.hidden:
            self._folder.rename(acts, stage[:2], staged, folders[:-1], folders[-1])
            acts.folder(folders[:-1])

    def _plant_members(self, acts: Acts, entry: Entry, planted: Entry, stage: Folders, fresh: bool) -> None:
        for child in list(self._tree.children(acts.txn, entry.id)):
            hidden = planted.hidden or naming.is_junk(child.name)
            grown = replace(child, hidden=hidden, own=None)
            if fresh:
                grown = replace(grown, id=self._tree.new_id(acts.txn), arrived_ns=acts.at_ns, via="copy")
            if child.digest is not None and not hidden:
                grown = replace(grown, own=self._folder.show(acts, stage, child.name, child.digest))
            elif child.is_folder:
                if not hidden:
                    self._folder.make(acts, stage, child.name)
                self._plant_members(acts, child, grown, (*stage, child.name), fresh)
            self._tree.entries.put(acts.txn, entry_key(planted.id, grown.name), grown)

    # delete

    def delete(self, acts: Acts, path: str, guard: Guard | None) -> None:
        self._ask(acts, guard)
        spot, entry = self._tree.found(acts.txn, path)
        if not spot.name:
            raise NameReserved(path, why="the top folder stays")
        self._count(acts, spot, removed=self._files_in(acts, entry))
        trash_name = self.bury(acts, spot, entry)
        acts.tell("delete", {**self._facts(spot, entry), "trash": trash_name})

    def bury(self, acts: Acts, spot: Spot, entry: Entry) -> str:
        """Take a name away, into the trash: one rename on disk, one row. Its name there; "" for junk, which just goes."""
        txn = acts.txn
        if entry.kind is Kind.PROJECT:
            self._tree.forget_project(txn, entry)
        if entry.hidden:
            self._tree.remove(txn, spot, acts.at_ns)
            self._tree.remove_below(txn, entry)
            return ""
        day, trash_name = day_of(acts.at_ns), f"{entry.id}-{entry.name}"
        try:
            on_disk = self._folder.bury(acts, spot.folders, entry.name, day, trash_name)
        except OSError as error:
            if error.errno != errno.EXDEV or entry.is_folder:
                raise
            # on another mount than the trash: its bytes are in the store
            self._folder.drop(acts, spot.folders, entry.name, entry)
            on_disk = False
        self._tree.remove(txn, spot, acts.at_ns)
        self._tree.entries.put(txn, entry_key(TRASH, trash_name), replace(entry, name=trash_name))
        row = TrashRow(spot.path, acts.at_ns, day if on_disk else "")
        self._tree.trashed.put(txn, naming.key(trash_name), row)
        return trash_name

    # following the disk: rows for what people did by hand

    def adopt(
        self, acts: Acts, path: str, found: Found, source: tuple[int, str], *, via: str, in_place: bool,
        guard: Guard | None = None, copied: Incoming | None = None,
    ) -> Placed:  # fmt: skip
        """A row for a file that lies on disk, its bytes made a blob by linking from it.

        source     folder descriptor and name of the file; it must still be as it was `found`, else FileBusy
        in_place   the file lies at `path` itself and its name becomes (or stays) a link of the blob; otherwise one is made there
        copied     the same bytes, where the store cannot be linked to; a file `in_place` then stays the file it is
        """
        self._ask(acts, guard)
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None and spot.entry.is_folder:
            raise IsAFolder(spot.path)
        self.admit(acts.txn, spot)
        if not self._folder.still(*source, found.seal):
            raise FileBusy(path)
        if in_place and spot.entry is not None and self._folder.is_ours(acts, spot.folders, spot.entry.name, spot.entry):
            return Placed(spot.entry, False, known=True, path=spot.path)  # a request got here first
        row, known = self._store.publish(acts, found, *source) if copied is None else self._store.publish(acts, copied)
        digest, old = found.sums.digest, spot.entry
        entry = self._entry_for(acts, spot, digest, row.size_bytes, "")
        entry = replace(entry, modified_ns=found.seal.modified_ns, arrived_ns=acts.at_ns, via=via)
        if not in_place:
            entry = replace(entry, own=self._show(acts, spot, digest))
        elif copied is not None:
            entry = replace(entry, own=found.seal)
        elif found.seal != row.seal:
            entry = replace(entry, own=self._folder.swap(acts, spot.folders, spot.stored_name, digest, found.seal))
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        replaced = old.digest if old else None
        facts = self._facts(spot, entry, sha256=found.sums.sha256.hex(), known=known, replaced=replaced.hex if replaced else None)
        acts.tell("adopt", facts)
        return Placed(entry, old is None, known, replaced, spot.path, copied is not None)

    def adopt_folder(self, acts: Acts, path: str) -> Placed:
        """A row for a folder that lies on disk; at the top it is a project and keeps its name."""
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None:
            return Placed(spot.entry, False, path=spot.path)
        if spot.at_top:
            return self.make_project(acts, spot.name, "")
        self.admit(acts.txn, spot)
        entry = Entry(self._tree.new_id(acts.txn), Kind.FOLDER, spot.name, acts.at_ns, acts.at_ns, via="reindex")
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        acts.tell("folder", self._facts(spot, entry))
        return Placed(entry, True, path=spot.path)

    def follow(self, acts: Acts, path: str, to: str) -> Placed:
        """A row goes where its file or folder was moved by hand; ids, times and properties stay.

        FileBusy when the tree is not as it was looked at: the move was a request's, seen between its disk and its index.
        """
        dst = self._tree.spot(acts.txn, to)
        if self._tree.find(acts.txn, path) is None or dst.entry is not None:
            raise FileBusy(path)
        src, entry = self._tree.found(acts.txn, path)
        moved = replace(entry, name=dst.name, kind=self._kind_there(entry, dst))
        self._move_rows(acts, src, entry, dst, moved)
        acts.tell("move", {**self._facts(dst, moved), "from": src.path, "replaced": None, "via": "reindex"})
        return Placed(moved, True, path=dst.path)

    @staticmethod
    def _kind_there(entry: Entry, dst: Spot) -> Kind:
        if not entry.is_folder:
            return Kind.FILE
        return Kind.PROJECT if dst.at_top else Kind.FOLDER

    def forget(self, acts: Acts, path: str) -> bool:
        """A name is gone from disk: its row goes into the trash, the bytes stay. False when it is back, or gone here too."""
        try:
            spot, entry = self._tree.found(acts.txn, path)
        except NameNotFound:
            return False
        if self._folder.exists_at(acts, spot.folders, entry.name, entry.is_folder):
            return False
        self._count(acts, spot, removed=self._files_in(acts, entry))
        trash_name = self.bury(acts, spot, entry)
        acts.tell("missing", {**self._facts(spot, entry), "trash": trash_name})
        return True

    def _files_in(self, acts: Acts, entry: Entry) -> int:
        """How many files people see go with an entry."""
        if not entry.is_folder:
            return int(not entry.hidden)
        return sum(not inner.is_folder and not inner.hidden for _, inner in self._tree.walk(acts.txn, entry, ""))

    def _count(self, acts: Acts, spot: Spot, *, removed: int = 0, duplicates: int = 0) -> None:
        """Add to the counters of the project a spot lies in."""
        row = self._tree.projects.get(acts.txn, pack_id(spot.chain[0].id)) if spot.chain else None
        if row is not None:
            removed, duplicates = row.removed_missing + removed, row.duplicates_skipped + duplicates
            row = replace(row, removed_missing=removed, duplicates_skipped=duplicates)
            self._tree.projects.put(acts.txn, pack_id(spot.chain[0].id), row)

    def accept_edit(self, acts: Acts, old: Digest, verdict: Verdict) -> list[str]:
        """A blob was edited in place through one of its names: the bytes get the digest they have now, and so do all its names.

        They all show the edited bytes, since they are one file; saying so is all that is honest. The paths; the old content is
        lost unless a spare or another upload brings it back.
        """
        self._store.rename_edited(acts, old, verdict)
        paths = []
        for key in list(self._tree.uses_of(acts.txn, old)):
            entry = self._tree.entries.get(acts.txn, key)
            if entry is None or entry.own is not None:
                continue
            fresh = {"raw_digest": verdict.sums.digest.raw, "size_bytes": verdict.sums.size_bytes}
            changed = replace(entry, **fresh, modified_ns=verdict.seal.modified_ns, arrived_ns=acts.at_ns, via="reindex")
            self._tree.entries.put(acts.txn, key, changed)
            paths.append(self._tree.path_of(acts.txn, key) or entry.name)
        acts.tell("edited", {"paths": paths, "digest": verdict.sums.digest.hex, "size": verdict.sums.size_bytes,
                             "sha256": verdict.sums.sha256.hex(), "replaced": old.hex})  # fmt: skip
        return paths

    # amend

    def amend(
        self, acts: Acts, path: str, *, modified_ns: int | None, created_ns: int | None, set_props: Mapping[str, str],
        remove_props: Collection[str], guard: Guard | None,
    ) -> Entry:  # fmt: skip
        """Times and dead properties of a name. The file on disk keeps its time: other names may share its inode."""
        self._ask(acts, guard)
        spot, entry = self._tree.found(acts.txn, path)
        props = {name: value for name, value in entry.props.items() if name not in remove_props} | dict(set_props)
        changed = replace(
            entry, modified_ns=entry.modified_ns if modified_ns is None else modified_ns,
            created_ns=entry.created_ns if created_ns is None else created_ns, props=props,
        )  # fmt: skip
        key = entry_key(spot.parent.id if spot.name else 0, entry.name)
        self._tree.entries.put(acts.txn, key, changed)
        acts.tell("amend", self._facts(spot, changed))
        return changed


def naming_of(entry: Entry, dst: Spot) -> str:
    """The spelling a moved or copied entry gets: as asked; what is replaced gives its own spelling up, unless it is the same."""
    if dst.entry is None or dst.entry.id == entry.id:
        return dst.name
    return dst.entry.name if not dst.entry.is_folder else dst.name

