"""The same names on disk: what a change does to real folders. Knows rows as facts handed to it, and which projects are editable.

Every act happens inside a change; the folders touched are synced before anybody is answered. A name on disk that is not what the
index believes (dropped, edited or swapped by hand a moment ago) is never written over: it is set aside in
`.filmcan/quarantine/` first.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import time

from cas.committer import Acts
from cas.digest import EMPTY, Digest
from cas.layout import HOME
from cas.link import Seal, seal_from
from cas.store import Store
from views.entry import Entry
from views.tree import Tree

STAGE = (HOME, "incoming")
QUARANTINE = (HOME, "quarantine")
Folders = tuple[str, ...]


def day_of(at_ns: int) -> str:
    """The UTC day a moment belongs to, as the trash names it: 2026-01-31."""
    return time.strftime("%Y-%m-%d", time.gmtime(at_ns // 10**9))


def name_in_trash(entry: Entry) -> str:
    """What an entry is called in the trash: no two have one name there."""
    return f"{entry.id}-{entry.name}"


def days_of_trash(store: Store) -> list[str]:
    """The folders of the trash on disk."""
    with store.system.folder(store.home.root, (HOME, "trash")) as fd:
        return sorted(entry.name for entry in store.system.scan(fd) if entry.is_dir(follow_symlinks=False))


class Folder:
    """Names on disk below one root. In projects that are editable each file is one of its own, which people may write to."""

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store, self._system, self._tree = store, store.system, tree

    def is_editable(self, acts: Acts, folders: Folders) -> bool:
        """Do these folders lie in a project whose files are their own?"""
        return bool(folders) and self._tree.is_editable(acts.txn, folders[0])

    def make(self, acts: Acts, folders: Folders, name: str) -> None:
        """A real folder; one that somebody made by hand is taken as it is."""
        fd = self._folder(acts, folders)
        try:
            self._system.make_folder(fd, name)
        except FileExistsError:
            if not modes.S_ISDIR(self._system.stat(fd, name).st_mode):
                self.set_aside(acts, folders, name)
                self._system.make_folder(fd, name)
        acts.folder((*folders, name))

    def ensure(self, acts: Acts, folders: Folders) -> None:
        """The folder `folders` and all above it exist on disk."""
        for depth in range(1, len(folders) + 1):
            try:
                acts.folder(folders[:depth], touch=False)
            except (FileNotFoundError, NotADirectoryError):  # gone, or a file or symbolic link by somebody's hand
                self.make(acts, folders[: depth - 1], folders[depth - 1])

    def show(self, acts: Acts, folders: Folders, name: str, digest: Digest, *, editable: bool | None = None) -> Seal | None:
        """Give a blob a new name. The seal of the file when it is one of its own (see Contents.link).

        editable   for folders that are built aside; None asks the project they lie in
        """
        fd = self._folder(acts, folders)
        editable = self.is_editable(acts, folders) if editable is None else editable
        try:
            return self._store.contents.link(acts, digest, fd, name, editable=editable)
        except FileExistsError:
            if not editable and self.shows(acts, folders, name, digest):
                return None
            self.set_aside(acts, folders, name)
            return self._store.contents.link(acts, digest, fd, name, editable=editable)

    def replace(self, acts: Acts, folders: Folders, name: str, digest: Digest, old: Entry) -> Seal | None:
        """Give a name other bytes, in one step: a reader sees the old or the new file, and no other link changes."""
        fd = self._folder(acts, folders)
        if not self.is_ours(acts, folders, name, old):
            self.set_aside(acts, folders, name)
        self._store.contents.losing_name(acts, old.digest, old.own)
        staged, editable = self._system.token(), self.is_editable(acts, folders)
        seal = self._store.contents.link(acts, digest, self._store.home.incoming, staged, editable=editable)
        try:
            self._system.rename(self._store.home.incoming, staged, fd, name)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            seal = self._replace_here(acts, fd, name, digest, editable)
        finally:  # rename(2) does nothing when both names are one inode; then the staged name is still there
            self._system.unlink(self._store.home.incoming, staged)
        return seal and self._store.contents.own_seal(acts, fd, name)

    def _replace_here(self, acts: Acts, fd: int, name: str, digest: Digest, editable: bool) -> Seal | None:
        """As replace, for a folder on another mount than the store's: staged beside the name, as a dot file."""
        staged = f".filmcan-{self._system.token()}"
        seal = self._store.contents.link(acts, digest, fd, staged, editable=editable)
        self._system.rename(fd, staged, fd, name)
        return seal

    def rename(
        self, acts: Acts, folders: Folders, name: str, to_folders: Folders, to_name: str, *, over: bool = False
    ) -> None:
        """Another name for a file or a whole folder, in one step. FileNotFoundError when the name is gone from disk.

        over   what stands at the new name is known and may be replaced; otherwise it is set aside
        """
        fd, to_fd = acts.folder(folders), self._folder(acts, to_folders)
        stat = self._system.stat(fd, name)
        target = self._stat(to_fd, to_name)
        same = target is not None and target.st_ino == stat.st_ino
        if target is not None and not (same or over):
            self.set_aside(acts, to_folders, to_name)
        self._system.rename(fd, name, to_fd, to_name)
        if same and (folders, name) != (to_folders, to_name) and name in (entry.name for entry in self._system.scan(fd)):
            self._system.unlink(fd, name)  # rename(2) does nothing when both names are links of one inode
        if modes.S_ISDIR(stat.st_mode):
            acts.forget_folders()
        else:
            self._follow(acts, stat, to_fd, to_name)

    def _follow(self, acts: Acts, before: os.stat_result, fd: int, name: str) -> None:
        """We gave a file another name: that is no edit (cas/calm.py)."""
        after = self._stat(fd, name)
        if after is not None:
            self._store.contents.calm.follow(acts.txn, before, after)

    def drop(self, acts: Acts, folders: Folders, name: str, entry: Entry) -> None:
        """Take the name of a file off the disk; its bytes are in the store. A stranger under that name is set aside."""
        try:
            if self.is_ours(acts, folders, name, entry):
                self._store.contents.losing_name(acts, entry.digest, entry.own)
                self._system.unlink(acts.folder(folders), name)
            else:
                self.set_aside(acts, folders, name)
        except (FileNotFoundError, NotADirectoryError):
            return  # somebody took it away by hand already

    def bury(self, acts: Acts, folders: Folders, name: str, day: str, trash_name: str) -> bool:
        """Move a file or a whole folder into the trash of `day`: one rename. False when it was gone from disk already."""
        trash = (HOME, "trash", day)
        if not self.exists_at(acts, trash[:2], day, True):
            self.ensure(acts, trash)
            self._system.sync_before(acts.folder(trash[:2]))
        try:
            before = self._system.stat(acts.folder(folders), name)
            self._system.rename(acts.folder(folders), name, acts.folder(trash), trash_name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if modes.S_ISREG(before.st_mode):
            self._follow(acts, before, acts.folder(trash), trash_name)
        acts.forget_folders()
        return True

    def dig_up(self, acts: Acts, day: str, entry: Entry, folders: Folders) -> bool:
        """Undo `bury`. False when it does not lie there as the index believes, or something else has the name."""
        trash, trash_name = (HOME, "trash", day), name_in_trash(entry)
        try:
            if self.exists(acts, folders, entry.name) or not (entry.is_folder or self.is_ours(acts, trash, trash_name, entry)):
                return False
            self.rename(acts, trash, trash_name, folders, entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def set_aside(self, acts: Acts, folders: Folders, name: str) -> None:
        """Move what is under a name, and is not what the index believes, into quarantine for a person to look at."""
        fd = acts.folder(folders)
        if self._stat(fd, name) is None:
            return
        self._system.rename(fd, name, acts.folder(QUARANTINE), f"{self._system.token()}-{name}"[:250])

    def is_ours(self, acts: Acts, folders: Folders, name: str, entry: Entry) -> bool:
        """Is the file under this name the one the index believes: by inode, size and time?"""
        try:
            stat = self._stat(acts.folder(folders, touch=False), name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        row = self._store.blobs.get(acts.txn, entry.raw_digest)
        believed = entry.own or (row and row.seal)
        return stat is not None and seal_from(stat) == believed

    def is_calm(self, acts: Acts, folders: Folders, name: str) -> bool:
        """Has nobody but us touched this file, as far as is known? False when there is none."""
        stat = self._stat(acts.folder(folders, touch=False), name)
        return stat is not None and self._store.contents.calm.is_calm(acts.txn, stat) is not False

    def moved_by_hand(self, acts: Acts, folders: Folders, name: str) -> None:
        """Somebody gave a file this name: its change time moved, and says nothing any more (cas/calm.py)."""
        stat = self._stat(acts.folder(folders, touch=False), name)
        if stat is not None:
            self._store.contents.calm.forget(acts.txn, stat)

    def swap(self, acts: Acts, folders: Folders, name: str, digest: Digest, seal: Seal) -> Seal | None:
        """Put a link of the blob in the place of a file with the same bytes, if the file is still as it was looked at."""
        if digest == EMPTY.digest:
            return seal
        fd, staged = acts.folder(folders), self._system.token()
        editable = self.is_editable(acts, folders)
        own = self._store.contents.link(acts, digest, self._store.home.incoming, staged, editable=editable)
        try:
            if self.still(fd, name, seal):
                self._system.rename(self._store.home.incoming, staged, fd, name)
                return own and self._store.contents.own_seal(acts, fd, name)
        finally:
            self._system.unlink(self._store.home.incoming, staged)
        return seal

    def still(self, fd: int, name: str, seal: Seal) -> bool:
        """Does the file look as it did when `seal` was taken?"""
        stat = self._stat(fd, name)
        return stat is not None and seal_from(stat) == seal

    def looks(self, acts: Acts, folders: Folders, name: str, seal: Seal) -> bool:
        """As `still`, by names."""
        try:
            return self.still(acts.folder(folders, touch=False), name, seal)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def exists_at(self, acts: Acts, folders: Folders, name: str, is_folder: bool) -> bool:
        """Is there a plain file (or a folder) under this name, all folders above it included?"""
        try:
            stat = self._system.stat(acts.folder(folders, touch=False), name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return modes.S_ISDIR(stat.st_mode) if is_folder else modes.S_ISREG(stat.st_mode)

    def shows(self, acts: Acts, folders: Folders, name: str, digest: Digest) -> bool:
        """Is the file under this name a link of the blob already? A kill between link and journal leaves one without a row."""
        stat, blob = self._stat(acts.folder(folders, touch=False), name), self._store.blobs_on_disk.stat(digest)
        return stat is not None and blob is not None and (stat.st_dev, stat.st_ino) == (blob.st_dev, blob.st_ino)

    def exists(self, acts: Acts, folders: Folders, name: str) -> bool:
        """Is there anything under this name on disk?"""
        return self._stat(acts.folder(folders, touch=False), name) is not None

    def size_of(self, acts: Acts, folders: Folders, name: str) -> int:
        """How many bytes a plain file holds; 0 when there is none."""
        stat = self._stat(acts.folder(folders, touch=False), name)
        return stat.st_size if stat is not None and modes.S_ISREG(stat.st_mode) else 0

    def keep(self, acts: Acts, folders: Folders, name: str, data: bytes) -> str:
        """Put bytes aside for people, under `name` or the next that is free; its path. The same bytes are kept once."""
        self.ensure(acts, folders)
        fd, (stem, _, suffix) = acts.folder(folders), name.rpartition(".")
        known, count = {entry.name for entry in self._system.scan(fd)}, 0
        while name in known and self._content(fd, name, len(data)) != data:
            count += 1
            name = f"{stem}_{count}.{suffix}"
        if name not in known:
            self._store.home.replace(fd, name, data, 0o644, lasting=True)
        return "/".join((*folders, name))

    def _content(self, fd: int, name: str, size_bytes: int) -> bytes | None:
        """The bytes of a plain file of this size; None for any other."""
        stat = self._system.stat(fd, name)
        if not modes.S_ISREG(stat.st_mode) or stat.st_size != size_bytes:
            return None
        file = self._system.open_read(fd, name)
        try:
            return self._system.read(file, size_bytes + 1) if size_bytes else b""
        finally:
            self._system.close(file)

    def _stat(self, fd: int, name: str) -> os.stat_result | None:
        try:
            return self._system.stat(fd, name)
        except FileNotFoundError:
            return None

    def _folder(self, acts: Acts, folders: Folders) -> int:
        """The folder to act in; made again when somebody removed it by hand while the index still has it."""
        try:
            return acts.folder(folders)
        except (FileNotFoundError, NotADirectoryError):
            self.ensure(acts, folders)
            return acts.folder(folders)
