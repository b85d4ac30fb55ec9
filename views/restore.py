"""Taking things out of the past: back from the trash by a rename, out of history by links. No content byte is written.

The order of work is that of `views.edit`. What comes back from the trash keeps its id, and so its own past; what comes out of
history is a copy, made of links to contents that are here.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from msgspec.structs import replace

from cas.committer import Acts
from cas.errors import BlobDamaged
from cas.layout import HOME
from cas.link import Seal
from cas.store import Store
from views import naming
from views.edit import Editor, Guard, Placed
from views.entry import Entry, Kind
from views.errors import AlreadyThere, NameInvalid, NameReserved
from views.folder import Folder, Folders
from views.past import HISTORY_NAME, Buried, Past, is_past
from views.transfer import Transfer
from views.tree import TRASH, Spot, Tree, entry_key

READ_ONLY = "it shows what was; copy out of it, or move out of _trash"


def writable(*paths: str) -> None:
    """NameReserved for a path into the past: nothing is ever written there."""
    for path in paths:
        if is_past(path):
            raise NameReserved(path, why=READ_ONLY)


class Restorer:
    """Brings back, inside a change of the store."""

    def __init__(self, store: Store, tree: Tree, edit: Editor, transfer: Transfer, past: Past) -> None:
        self._store, self._tree, self._edit, self._transfer, self._past = store, tree, edit, transfer, past
        self._folder = Folder(store, tree)

    def _ask(self, acts: Acts, guard: Guard | None) -> None:
        """Let the guard refuse, in sight of the tree and of the past."""
        if guard is not None:
            guard(lambda path: self._past.find(acts.txn, path) if is_past(path) else self._tree.find(acts.txn, path))

    # out of the past, by links

    def copy_out(
        self, acts: Acts, source: str, target: str, *, overwrite: bool, members: bool, guard: Guard | None
    ) -> Placed:
        """A copy of what was, under a name of today. NameNotFound; BlobDamaged when a content of it is lost."""
        self._ask(acts, guard)
        seen = self._past.look(acts.txn, source)
        if seen.entry.is_folder and not seen.entry.id:
            raise NameReserved(source, why="it is a list of what was; copy what is in it")
        top = replace(seen.entry, id=0)  # it is nothing of today: an old state of a file may be put over the file

        def held(acts: Acts, folder: Entry) -> list[Entry]:
            return list(seen.members(acts.txn, seen.entry if folder is top else folder))

        try:
            src = Spot((), source.rpartition("/")[2], top)
            inside = held if members else None
            return self._transfer.copy_of(acts, src, top, target, overwrite=overwrite, members=inside, source=source)
        except FileNotFoundError as error:
            raise BlobDamaged(source, f"a content of it is lost ({error.filename})") from error

    def copy_version(self, acts: Acts, path: str, seq: int, target: str, guard: Guard | None) -> Placed:
        """What a path of today stood for after an event, under a name of today, over what has it. NameNotFound, BlobDamaged."""
        self._ask(acts, guard)
        top = replace(self._past.version(acts.txn, path, seq), id=0)
        project, _, inner = path.partition("/")
        source = f"{HISTORY_NAME}/{project}/seq-{seq}/{inner}"
        try:
            src = Spot((), top.name, top)
            return self._transfer.copy_of(acts, src, top, target, overwrite=True, members=None, source=source)
        except FileNotFoundError as error:
            raise BlobDamaged(source, f"its content is lost ({error.filename})") from error

    # back from the trash, by a rename

    def take_back(self, acts: Acts, source: str, target: str, *, overwrite: bool, guard: Guard | None) -> Placed:
        """What lies in the trash, or in a folder there, under a name of today again. NameNotFound."""
        self._ask(acts, guard)
        item = self._past.buried(acts.txn, source)
        entry = item.entry if item.chain else replace(item.entry, name=self._own_name(acts, item.entry))
        src = Spot((), entry.name, entry)
        dst, there = self._transfer.target(acts, src, entry, target, overwrite)
        moved = self._transfer.as_it_will_be(acts, src, entry, dst, there)
        if moved.hidden:
            raise NameInvalid(target, why="it is what a client's system leaves behind; restore under another name")
        moved = replace(moved, own=self._take_out(acts, item, entry, dst, there, moved))
        self._rows(acts, item, entry, dst, moved)
        replaced = there.digest if there else None
        facts = {"from": source, "replaced": replaced.hex if replaced else None}
        acts.tell("move", {**self._edit.facts(dst, moved), **facts})
        return Placed(moved, there is None, known=True, replaced=replaced, path="/".join((*dst.folders, moved.name)))

    def _own_name(self, acts: Acts, entry: Entry) -> str:
        """The name before it went into the trash; of a project whose number another has by now, only the label."""
        name = entry.name.removeprefix(f"{entry.id}-")
        taken = entry.kind is Kind.PROJECT and naming.project_number(name) in self._tree.numbers_in_use(acts.txn)
        return name.partition("-")[2] if taken else name

    def _take_out(self, acts: Acts, item: Buried, entry: Entry, dst: Spot, there: Entry | None, moved: Entry) -> Seal | None:
        """On disk. What lies there no more, or is not what it should be, is made again of its contents."""
        if there is not None and (there.is_folder or entry.is_folder):
            self._edit.bury(acts, dst, there)
            there = None
        folders = _place(item)
        if folders and self._renamed(acts, item, entry, folders, dst, there, moved):
            if entry.kind is Kind.PROJECT and moved.kind is not Kind.PROJECT:
                self._transfer.retire(acts, (*dst.folders, moved.name))
            return entry.own
        if entry.digest is None:
            now = self._transfer.now
            self._transfer.plant(acts, entry, moved, (*dst.folders, moved.name), now, fresh=False)
            return None
        if there is not None and not there.hidden:
            return self._folder.replace(acts, dst.folders, moved.name, entry.digest, there)
        return self._folder.show(acts, dst.folders, moved.name, entry.digest)

    def _renamed(
        self, acts: Acts, item: Buried, entry: Entry, folders: Folders, dst: Spot, there: Entry | None, moved: Entry
    ) -> bool:
        if not entry.is_folder and not self._folder.is_ours(acts, folders, item.entry.name, entry):
            with suppress(FileNotFoundError, NotADirectoryError):
                self._folder.set_aside(acts, folders, item.entry.name)
            return False
        over = there is not None and self._folder.is_ours(acts, dst.folders, there.name, there)
        if there is not None:
            self._store.contents.losing_name(acts, there.digest, there.own)
        try:
            self._folder.rename(acts, folders, item.entry.name, dst.folders, moved.name, over=over)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False  # to another mount: links or copies of what is in the store
        return True

    def _rows(self, acts: Acts, item: Buried, entry: Entry, dst: Spot, moved: Entry) -> None:
        txn = acts.txn
        parent = item.chain[-1].id if item.chain else TRASH
        self._tree.entries.delete(txn, entry_key(parent, item.entry.name))
        if item.chain:
            self._transfer.land(acts, entry, dst, moved)
            return
        self._tree.trashed.delete(txn, naming.key(item.name))
        self._transfer.land(acts, entry, dst, moved, known=item.row.project)
        if moved.kind is Kind.PROJECT:
            for alias in item.row.aliases:
                if self._tree.find(txn, alias) is None:
                    self._edit.remember_choice(txn, alias, moved)

    # under a name that is free

    def free(self, acts: Acts, path: str) -> str:
        """The path itself, or the next beside it that nobody has. ParentMissing."""
        spot = self._tree.spot(acts.txn, path)
        stem, dot, suffix = spot.name.rpartition(".") if spot.entry is None or not spot.entry.is_folder else ("", "", "")
        if not stem:
            stem, dot, suffix = spot.name, "", ""
        count, name = 0, spot.name
        while self._taken(acts, spot.called(name), name):
            count += 1
            name = f"{stem}_{count}{dot}{suffix}"
        return "/".join((*spot.folders, name))

    def _taken(self, acts: Acts, spot: Spot, name: str) -> bool:
        if self._tree.child(acts.txn, spot.parent.id, name) is not None:
            return True
        try:
            return self._folder.exists(acts, spot.folders, name)
        except (FileNotFoundError, NotADirectoryError):
            return False  # a folder that is gone from disk is made again

    def put_back(self, acts: Acts, source: str, guard: Guard | None) -> Placed:
        """Something in the trash goes where it was, or beside what has its name by now. The folders above it must be there."""
        item = self._past.buried(acts.txn, source)
        path = "/".join((item.row.path, *(entry.name for entry in item.chain[1:]), *([item.entry.name] if item.chain else [])))
        if "/" not in path and self._tree.find(acts.txn, path) is not None:
            raise AlreadyThere(path)
        return self.take_back(acts, source, self.free(acts, path) if "/" in path else path, overwrite=False, guard=guard)


def _place(item: Buried) -> Folders:
    """The folder on disk that holds something of the trash; () when it lies nowhere."""
    if not item.row.day:
        return ()
    return (HOME, "trash", item.row.day, *(entry.name for entry in item.chain))
