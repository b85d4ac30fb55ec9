"""A file system that forgets what nobody synced: the real one in memory of the system, and beside it what would be on the disk.

`LosingSystem` does every act for real below `root`, and notes what of it a disk would have by now. `cut` then makes the folder
what a disk could hold after a power cut: what was synced, and by chance any of the rest. Inode numbers stay, as they
do on a real disk: every file has a second link in a folder `vault` beside.

    names      a change of names is one thing (a rename is never half). FOLDERS: any of those not synced may be missing, as long
               as the changes of one name stay in order. LOG, TREES: those from some moment on are missing
    data       each write since the last sync of the file may be missing, or torn between two sectors
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from cas.digest import Buffer
from cas.file_system import Names
from cas.system import System
from tests.faulty import Death

SECTOR_BYTES = 512


@dataclass(eq=False)
class File:
    """On the disk: `data`, `mode` and time. Not certain: `pending`, writes (offset, bytes) and truncations (size, None)."""

    vault: Path
    data: bytearray = field(default_factory=bytearray)
    mode: int = 0o600
    modified_ns: int = 0
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def persist(self, stat: os.stat_result) -> None:
        """All that was written is on the disk now, as the file looks now."""
        for write in self.pending:
            self._apply(*write)
        self.pending.clear()
        self.mode, self.modified_ns = stat.st_mode, stat.st_mtime_ns

    def _apply(self, at: int, data: bytes | None) -> None:
        size = at if data is None else at + len(data)
        if data is None:
            del self.data[at:]
        self.data.extend(bytes(max(0, size - len(self.data))))
        if data is not None:
            self.data[at:size] = data

    def cut(self, chance: random.Random) -> None:
        """The power goes: this is what stays of it, also in the real file."""
        share = chance.choice((0.0, 0.5, 1.0))
        for at, data in self.pending:
            if chance.random() < share:
                kept = data if data is None or chance.random() < 0.7 else data[: chance.randrange(len(data) + 1) & -SECTOR_BYTES]
                self._apply(at, kept)
        self.pending.clear()
        os.chmod(self.vault, 0o600)
        self.vault.write_bytes(self.data)
        os.chmod(self.vault, self.mode & 0o777)
        os.utime(self.vault, ns=(self.modified_ns, self.modified_ns))


@dataclass(eq=False)
class Folder:
    """Names as they are on the disk."""

    members: dict[str, File | Folder] = field(default_factory=dict)


Edit = tuple[Folder, str, "File | Folder | None"]  # folder, name, what it stands for from now on
Change = list[Edit]  # edits that happen together


class LosingSystem(System):
    """See above. One thread. `die_in` ends the process before one of the next acts: from there on all raise Death."""

    def __init__(self, base: Path, names: Names, chance: random.Random) -> None:
        """`base`: an empty folder for `root` and the vault."""
        self.root, self._vault, self._way, self._chance = base / "root", base / "vault", names, chance
        self.root.mkdir()
        self._vault.mkdir()
        self._boot = self._count = 0
        self._files: dict[int, File] = {}
        self._pending: list[Change] = []
        self._top = Folder()
        self._folders = {self.root.stat().st_ino: self._top}
        self._left: int | None = None

    # dying

    def die_in(self, acts: int | None) -> None:
        self._left = acts

    def _act(self) -> None:
        if self._left is None:
            return
        if self._left <= 0:
            raise Death
        self._left -= 1

    def boot_id(self) -> str:
        return f"boot {self._boot}"

    def cut(self) -> None:
        """The power goes, and comes again. Nothing of the old process may be used afterwards."""
        self._boot, self._left = self._boot + 1, None
        for change in self._surviving():
            self._apply(change)
        self._pending.clear()
        shutil.rmtree(self.root)
        self.root.mkdir()
        self._folders.clear()
        cut = set[File]()
        self._build(self._top, str(self.root), cut)
        self._files = {ino: file for ino, file in self._files.items() if file in cut}

    def _surviving(self) -> list[Change]:
        if self._way is not Names.FOLDERS:
            return self._pending[: self._chance.randint(0, len(self._pending))]
        lost = {place for place in range(len(self._pending)) if self._chance.random() < self._chance.choice((0.0, 0.5, 1.0))}
        gone = set[tuple[int, str]]()
        kept = []
        for place, change in enumerate(self._pending):
            keys = _keys(change)
            if place in lost or keys & gone:  # what happened to a name later did not happen either
                gone |= keys
            else:
                kept.append(change)
        return kept

    def _build(self, folder: Folder, path: str, cut: set[File]) -> None:
        """Make what is on the disk real."""
        self._folders[os.stat(path).st_ino] = folder
        for name, member in folder.members.items():
            if isinstance(member, Folder):
                os.mkdir(f"{path}/{name}")
                self._build(member, f"{path}/{name}", cut)
            else:
                if member not in cut:
                    cut.add(member)
                    member.cut(self._chance)
                os.link(member.vault, f"{path}/{name}")

    def _apply(self, change: Change) -> None:
        for folder, name, member in change:
            if member is None:
                folder.members.pop(name, None)
            else:
                folder.members[name] = member

    # names

    def _folder(self, fd: int) -> Folder:
        return self._folders[os.fstat(fd).st_ino]

    def _member(self, folder: int, name: str) -> File | Folder:
        ino = os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
        return self._folders[ino] if ino in self._folders else self._files[ino]

    def make_folder(self, folder: int, name: str, mode: int = 0o755) -> None:
        self._act()
        super().make_folder(folder, name, mode)
        made = self._folders[os.stat(name, dir_fd=folder).st_ino] = Folder()
        self._pending.append([(self._folder(folder), name, made)])

    def remove_folder(self, folder: int, name: str) -> None:
        self._act()
        ino = os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
        super().remove_folder(folder, name)
        del self._folders[ino]
        self._pending.append([(self._folder(folder), name, None)])

    def create(self, folder: int, name: str, mode: int = 0o600) -> int:
        self._act()
        fd = super().create(folder, name, mode)
        file = self._known(fd, mode)
        os.link(name, file.vault, src_dir_fd=folder)
        self._pending.append([(self._folder(folder), name, file)])
        return fd

    def create_unnamed(self, folder: int, mode: int = 0o600) -> int | None:
        self._act()
        path = self._vault / str(self._count)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._known(fd, mode)
        return fd

    def _known(self, fd: int, mode: int) -> File:
        """A new file; its inode goes to the disk together with its name, whatever happens to its bytes."""
        stat = os.fstat(fd)
        file = self._files[stat.st_ino] = File(self._vault / str(self._count), mode=mode, modified_ns=stat.st_mtime_ns)
        self._count += 1
        return file

    def link(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        self._act()
        super().link(folder, name, to_folder, to_name)
        self._pending.append([(self._folder(to_folder), to_name, self._member(to_folder, to_name))])

    def link_open(self, fd: int, to_folder: int, to_name: str) -> None:
        self._act()
        file = self._files[os.fstat(fd).st_ino]
        os.link(file.vault, to_name, dst_dir_fd=to_folder)
        self._pending.append([(self._folder(to_folder), to_name, file)])

    def rename(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        self._act()
        member = self._member(folder, name)
        same = self._is(member, to_folder, to_name)
        super().rename(folder, name, to_folder, to_name)
        if not same:
            self._pending.append([(self._folder(folder), name, None), (self._folder(to_folder), to_name, member)])

    def _is(self, member: File | Folder, folder: int, name: str) -> bool:
        try:
            return self._member(folder, name) is member
        except FileNotFoundError:
            return False

    def unlink(self, folder: int, name: str) -> None:
        self._act()
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        self._pending.append([(self._folder(folder), name, None)])

    def stat(self, folder: int, name: str) -> os.stat_result:
        return _without_vault(super().stat(folder, name))

    def fstat(self, fd: int) -> os.stat_result:
        return _without_vault(super().fstat(fd))

    # data

    def write(self, fd: int, data: Buffer) -> None:
        self._act()
        at = os.lseek(fd, 0, os.SEEK_CUR)
        super().write(fd, data)
        self._files[os.fstat(fd).st_ino].pending.append((at, bytes(data)))

    def write_at(self, fd: int, data: Buffer, offset: int) -> None:
        self._act()
        super().write_at(fd, data, offset)
        self._files[os.fstat(fd).st_ino].pending.append((offset, bytes(data)))

    def truncate(self, fd: int, size_bytes: int) -> None:
        self._act()
        super().truncate(fd, size_bytes)
        self._files[os.fstat(fd).st_ino].pending.append((size_bytes, None))

    def set_mode(self, fd: int, mode: int) -> None:
        self._act()
        super().set_mode(fd, mode)

    def set_modified(self, fd: int, modified_ns: int) -> None:
        self._act()
        super().set_modified(fd, modified_ns)

    def clone(self, fd: int, to_fd: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "no shared blocks here")

    def start_writeback(self, fd: int, offset: int, count: int) -> None:
        return

    # lasting

    def _way_of_names(self, fd: int) -> Names:
        return self._way

    def sync_file(self, fd: int) -> None:
        self._act()
        stat = os.fstat(fd)
        self._files[stat.st_ino].persist(stat)

    def sync_data(self, fd: int) -> None:
        self.sync_file(fd)

    def write_out(self, fd: int, mark: int) -> None:
        self.sync_file(fd)

    def sync_folder(self, fd: int) -> None:
        self._act()
        if self._way is Names.FOLDERS:
            self._sync_one(self._folder(fd))
            return
        for change in self._pending:
            self._apply(change)
        self._pending.clear()

    def _sync_one(self, folder: Folder) -> None:
        """The changes of this folder, and those before them on which they stand: of the same names, in other folders."""
        needed, wanted = list[Change](), set[tuple[int, str]]()
        for change in reversed(self._pending):
            keys = _keys(change)
            if keys & wanted or any(where is folder for where, _, _ in change):
                wanted |= keys
                needed.append(change)
        for change in reversed(needed):
            self._apply(change)
        self._pending = [change for change in self._pending if not any(change is done for done in needed)]


def _without_vault(stat: os.stat_result) -> os.stat_result:
    """A plain file has a link in the vault, which is none of the disk's."""
    if not S_ISREG(stat.st_mode):
        return stat
    more = {name: getattr(stat, name) for name in dir(stat) if name.startswith("st_")}
    return os.stat_result((*stat[:3], stat.st_nlink - 1, *stat[4:]), more)


def _keys(change: Change) -> set[tuple[int, str]]:
    return {(id(folder), name) for folder, name, _ in change}


class ForgetfulSystem(LosingSystem):
    """Folders are never synced: what a model must notice."""

    def sync_folder(self, fd: int) -> None:
        self._act()

    def sync_names(self, folders: Iterable[int], mark: int) -> None:
        self._act()
