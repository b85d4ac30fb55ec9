"""Moving and copying names: files, folders, whole projects. No content byte is written.

The order of work is that of `views.edit`. A folder that comes into being is built aside and put in place in one step.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from cas.committer import Acts
from cas.digest import Digest
from cas.errors import BlobDamaged, BlobUnknown
from cas.layout import HOME
from cas.link import Seal
from cas.store import Store
from views import naming
from views.edit import Editor, Guard, Placed
from views.entry import Entry, Kind
from views.errors import AlreadyThere, IntoItself, NameNotFound, NameReserved
from views.folder import Folder, Folders
from views.tree import TOP, ProjectRow, Spot, Tree, entry_key, pack_id

STAGED = 3  # names in the path of a folder that is built aside
Members = Callable[[Acts, Entry], Iterable[Entry]]  # what a folder holds


class Transfer:
    """Moves and copies, inside a change of the store."""

    def __init__(self, store: Store, tree: Tree, edit: Editor) -> None:
        self._store, self._system, self._tree, self._edit = store, store.system, tree, edit
        self._folder = Folder(store, tree)

    # move

    def move(self, acts: Acts, source: str, target: str, *, overwrite: bool, guard: Guard | None) -> Placed:
        self._edit.ask(acts, guard)
        src, entry = self._tree.found(acts.txn, source)
        dst, there = self.target(acts, src, entry, target, overwrite)
        moved = self.as_it_will_be(acts, src, entry, dst, there)
        moved = replace(moved, own=self._move_on_disk(acts, src, entry, dst, there, moved))
        if src.chain[:1] != dst.chain[:1]:
            self._edit.count(acts, src, removed=self._edit.files_in(acts, entry))
        self.move_rows(acts, src, entry, dst, moved)
        final = self._tree.spot(acts.txn, "/".join((*dst.folders, moved.name)))
        replaced = there.digest if there else None
        acts.tell("move", {**self._edit.facts(dst, moved), "from": src.path, "replaced": replaced.hex if replaced else None})
        return Placed(moved, there is None, replaced=replaced, path=final.path)

    def target(self, acts: Acts, src: Spot, entry: Entry, target: str, overwrite: bool) -> tuple[Spot, Entry | None]:
        """Where a move or copy goes, and what will be replaced there; refused when it may not."""
        dst = self._tree.spot(acts.txn, target)
        there = dst.entry if dst.entry is not None and dst.entry.id != entry.id else None
        below = any(folder.id == entry.id for folder in dst.chain)
        above = there is not None and any(folder.id == there.id for folder in src.chain)
        if not dst.name or not src.name or below or above:
            raise IntoItself(src.path)
        if there is not None and not overwrite:
            raise AlreadyThere(dst.path)
        self._edit.admit(acts.txn, dst, but=entry)
        return dst, there

    def as_it_will_be(self, acts: Acts, src: Spot, entry: Entry, dst: Spot, there: Entry | None) -> Entry:
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
            return self._edit.free_project_name(acts, dst.name)[0]
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
            self._edit.bury(acts, dst, there)
            there = None
        if entry.hidden and not moved.hidden:
            return self._surface(acts, entry, dst, there, moved)
        if not entry.hidden and moved.hidden:
            self._submerge(acts, src, entry)
        elif not entry.hidden:
            own = self._rename(acts, src, entry, dst, there, moved)
            if entry.is_folder and self._is_shown_otherwise(acts, src, dst):
                self._show_below(acts, entry, (*dst.folders, moved.name))
            if entry.kind is Kind.PROJECT and moved.kind is not Kind.PROJECT:
                self.retire(acts, (*dst.folders, moved.name))
            return own
        return None

    def retire(self, acts: Acts, folders: Folders) -> None:
        """A project became a folder of another: what was generated for it is set aside, or it would look like footage."""
        for name in naming.GENERATED:
            self._folder.set_aside(acts, folders, name)

    def _rename(self, acts: Acts, src: Spot, entry: Entry, dst: Spot, there: Entry | None, moved: Entry) -> Seal | None:
        over = there is not None and self._folder.is_ours(acts, dst.folders, there.name, there)
        if there is not None:
            self._store.contents.losing_name(acts, there.digest, there.own)
        if entry.digest is not None and self._is_shown_otherwise(acts, src, dst):
            return self._rename_across(acts, src, entry, entry.digest, dst, there, moved)
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

    def _is_shown_otherwise(self, acts: Acts, src: Spot, dst: Spot) -> bool:
        """Is one of these in a project whose files are their own, and the other not?"""
        if src.at_top or dst.at_top:
            return False  # a project keeps its way
        return self._folder.is_editable(acts, src.folders) != self._folder.is_editable(acts, dst.folders)

    def _show_below(self, acts: Acts, folder: Entry, folders: Folders) -> None:
        """A folder came into a project whose files are their own, or out of one: each file in it is shown as it is done there."""
        for child in list(self._tree.children(acts.txn, folder.id)):
            if child.is_folder:
                self._show_below(acts, child, (*folders, child.name))
            elif child.digest is not None and not child.hidden:
                own = self._folder.replace(acts, folders, child.name, child.digest, child)
                self._tree.entries.put(acts.txn, entry_key(folder.id, child.name), replace(child, own=own))

    def _rename_across(
        self, acts: Acts, src: Spot, entry: Entry, digest: Digest, dst: Spot, there: Entry | None, moved: Entry
    ) -> Seal | None:
        """From one mount to another, or to where files are shown in another way: it is shown there, then taken away here."""
        if there is not None:
            own = self._folder.replace(acts, dst.folders, moved.name, digest, there)
        else:
            own = self._folder.show(acts, dst.folders, moved.name, digest)
        self._folder.drop(acts, src.folders, entry.name, entry)
        return own

    def _surface(self, acts: Acts, entry: Entry, dst: Spot, there: Entry | None, moved: Entry) -> Seal | None:
        """Junk becomes a real name (Office and macOS save aside, then rename)."""
        if entry.digest is None:
            self.plant(acts, entry, moved, (*dst.folders, moved.name), self.now, fresh=False)
            return None
        if there is not None and not there.hidden:
            return self._folder.replace(acts, dst.folders, moved.name, entry.digest, there)
        return self._folder.show(acts, dst.folders, moved.name, entry.digest)

    def _submerge(self, acts: Acts, src: Spot, entry: Entry) -> None:
        """A real name becomes junk (Office moves the original aside)."""
        if entry.is_folder:
            raise NameReserved(src.path, why="a folder cannot take the name of a client's temporary file")
        self._folder.drop(acts, src.folders, entry.name, entry)

    def move_rows(self, acts: Acts, src: Spot, entry: Entry, dst: Spot, moved: Entry) -> None:
        self._tree.remove(acts.txn, src, acts.at_ns)
        if src.at_top and entry.is_folder:
            self._tree.aliases.delete(acts.txn, naming.key(src.name))
        self.land(acts, entry, dst, moved)

    def land(self, acts: Acts, entry: Entry, dst: Spot, moved: Entry, known: ProjectRow | None = None) -> None:
        """The row of what came to `dst`; of a project, also what it has beside its folder: what it had, or what is `known`."""
        txn = acts.txn
        if dst.entry is not None and dst.entry.id != entry.id and not (dst.entry.is_folder or entry.is_folder):
            self._tree.entries.delete(txn, entry_key(dst.parent.id, dst.entry.name))
        self._tree.put(txn, Spot(dst.chain, moved.name, None), moved, acts.at_ns)
        if moved.kind is Kind.PROJECT:
            row = self._tree.projects.get(txn, pack_id(moved.id)) or known or ProjectRow(b"", "", moved.created_ns)
            row = replace(row, key=naming.key(moved.name))
            self._tree.projects.put(txn, pack_id(moved.id), row)
            self._edit.remember_choice(txn, dst.name, moved)
        elif entry.kind is Kind.PROJECT:
            self._tree.forget_project(txn, entry)

    # copy

    def copy(
        self, acts: Acts, source: str, target: str, *, overwrite: bool, members: bool, guard: Guard | None
    ) -> Placed:
        self._edit.ask(acts, guard)
        src, entry = self._tree.found(acts.txn, source)
        return self.copy_of(acts, src, entry, target, overwrite=overwrite, members=self.now if members else None)

    def copy_of(
        self, acts: Acts, src: Spot, entry: Entry, target: str, *, overwrite: bool, members: Members | None, source: str = ""
    ) -> Placed:
        """A second name for an entry that was found, here or in the past.

        members   what a folder holds; None for nothing
        source    the path the event tells; that of `src` when it is not given
        raises    BlobDamaged when the content of a file is lost; of a folder the rest is copied, and `Placed.lost` tells
        """
        dst, there = self.target(acts, src, entry, target, overwrite)
        if dst.entry is not None and dst.entry.id == entry.id:
            raise IntoItself(src.path)
        if entry.digest is not None:
            self._store.contents.require_calm(acts, entry.digest)
        copied, lost = self._as_copied(acts, entry, dst, there), list[str]()
        if entry.is_folder:
            old = self._tree.projects.get(acts.txn, pack_id(entry.id)) if copied.kind is Kind.PROJECT else None
            place = (*dst.folders, copied.name)
            editable = bool(old and old.editable) if copied.kind is Kind.PROJECT else None
            self.plant(acts, entry, copied, place, members, editable=editable, lost=lost, over=dst if there else None)
        else:
            copied = replace(copied, own=self._copied_file(acts, Digest(entry.raw_digest), copied, dst, there))
        self._tree.put(acts.txn, Spot(dst.chain, copied.name, None), copied, acts.at_ns)
        if copied.kind is Kind.PROJECT:
            old = self._tree.projects.get(acts.txn, pack_id(entry.id))
            self._edit.enrol(acts, copied, old.notes if old else "", old.editable if old else False)
            self._edit.remember_choice(acts.txn, dst.name, copied)
        replaced = there.digest if there else None
        facts: dict[str, Any] = {"from": source or src.path, "replaced": replaced.hex if replaced else None}
        if lost:
            facts["lost"] = lost
        acts.tell("copy", {**self._edit.facts(dst, copied), **facts})
        path = "/".join((*dst.folders, copied.name))
        return Placed(copied, there is None, known=True, replaced=replaced, path=path, lost=tuple(lost))

    def _copied_file(self, acts: Acts, digest: Digest, copied: Entry, dst: Spot, there: Entry | None) -> Seal | None:
        """On disk, in the place of what is there. Returns the seal of the file where it is one of its own."""
        if there is not None and there.is_folder:
            self._edit.bury(acts, dst, there)
        if copied.hidden:
            return None
        keep = there is not None and not there.is_folder and not there.hidden
        return self._edit.show(acts, dst if keep else Spot(dst.chain, copied.name, None), digest)

    def _as_copied(self, acts: Acts, entry: Entry, dst: Spot, there: Entry | None) -> Entry:
        hidden = dst.parent.hidden or naming.is_junk(dst.name)
        keep = there is not None and not there.is_folder and not entry.is_folder
        copied = replace(
            entry, id=there.id if there and keep else self._tree.new_id(acts.txn), name=naming_of(entry, dst),
            created_ns=there.created_ns if there and keep else acts.at_ns, arrived_ns=acts.at_ns, via="copy",
            hidden=hidden, own=None, kind=Kind.FOLDER if entry.is_folder else Kind.FILE,
        )  # fmt: skip
        if not entry.is_folder:
            return copied
        number = naming.project_number(there.name) if there is not None and there.kind is Kind.PROJECT else None
        return self._folder_kind(acts, copied, dst, number)

    def now(self, acts: Acts, folder: Entry) -> list[Entry]:
        """What a folder holds at this moment."""
        return list(self._tree.children(acts.txn, folder.id))

    def plant(
        self, acts: Acts, entry: Entry, planted: Entry, folders: Folders, members: Members | None, *, fresh: bool = True,
        editable: bool | None = None, lost: list[str] | None = None, over: Spot | None = None,
    ) -> None:  # fmt: skip
        """Rows and real names for a folder and all in it: built aside, then moved into place in one step.

        entry     the folder that is taken
        members   what it and the folders in it hold; None for nothing
        fresh     members get ids of their own (a copy); else they keep them (junk that became real)
        editable  of a project that is only coming into being; None asks the project it lies in
        over      what stands there goes into the trash, when the new one is ready
        lost      gets the paths inside of files whose content is lost, which are left out; None refuses them (BlobDamaged)
        """
        editable = self._folder.is_editable(acts, folders) if editable is None else editable
        staged = self._store.system.token()
        stage = (HOME, "incoming", staged)
        if not planted.hidden:
            self._folder.make(acts, stage[:2], staged)
            self._system.sync_before(acts.folder(stage[:2]))
        self._plant_members(acts, entry, planted, stage, members or _nothing, fresh, editable, lost)
        if over is not None and over.entry is not None:
            self._edit.bury(acts, over, over.entry)
        if not planted.hidden:
            self._folder.rename(acts, stage[:2], staged, folders[:-1], folders[-1])
            acts.folder(folders[:-1])

    def _plant_members(
        self, acts: Acts, entry: Entry, planted: Entry, stage: Folders, members: Members, fresh: bool, editable: bool,
        lost: list[str] | None,
    ) -> None:  # fmt: skip
        for child in members(acts, entry):
            hidden = planted.hidden or naming.is_junk(child.name)
            grown = replace(child, hidden=hidden, own=None)
            if fresh:
                grown = replace(grown, id=self._tree.new_id(acts.txn), arrived_ns=acts.at_ns, via="copy")
            if child.digest is not None and not hidden:
                try:
                    grown = replace(grown, own=self._folder.show(acts, stage, child.name, child.digest, editable=editable))
                except (BlobDamaged, BlobUnknown):
                    if lost is None:
                        raise
                    lost.append("/".join((*stage[STAGED:], child.name)))
                    continue
            elif child.is_folder:
                if not hidden:
                    self._folder.make(acts, stage, child.name)
                self._plant_members(acts, child, grown, (*stage, child.name), members, fresh, editable, lost)
            self._tree.entries.put(acts.txn, entry_key(planted.id, grown.name), grown)
        if not planted.hidden:
            self._system.sync_before(acts.folder(stage))


def _nothing(acts: Acts, folder: Entry) -> Iterable[Entry]:
    """What a folder holds that is copied without its members."""
    return ()


def naming_of(entry: Entry, dst: Spot) -> str:
    """The spelling a moved or copied entry gets: as asked; what is replaced gives its own spelling up, unless it is the same."""
    if dst.entry is None or dst.entry.id == entry.id:
        return dst.name
    return dst.entry.name if not dst.entry.is_folder else dst.name

