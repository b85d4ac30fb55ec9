"""Ways to give stored bytes another name: hard link, shared blocks, copy. Tried for real when a root is opened.

Every way answers the same call, so `Store` asks the best one that works and steps down where the file system forbids it. A
hard link shares the inode; the others make a file of its own, whose seal the entry has to remember.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cas.system import FULL, System

COPY_BYTES = 1 << 20
READ_ONLY, WRITABLE = 0o444, 0o644


class Seal(NamedTuple):
    """How a file looked when its bytes were last known: any change of one of these is a reason to look again."""

    inode: int
    size_bytes: int
    modified_ns: int


def seal_from(stat: os.stat_result) -> Seal:
    return Seal(stat.st_ino, stat.st_size, stat.st_mtime_ns)


def seal_of(system: System, fd: int) -> Seal:
    return seal_from(system.fstat(fd))


def changed_ns(stat: os.stat_result) -> int:
    """When a file changed last. Its own time can be set to anything, that of its inode not; but Windows tells its birth there."""
    return stat.st_mtime_ns if os.name == "nt" else stat.st_ctime_ns


class Way(Protocol):
    """Make `name` in the folder `to_folder` show the bytes of the file `source` in `folder`.

    Raises FileExistsError when the name is taken; OSError when this file system cannot; then nothing was made. The folder
    is synced by the caller, the bytes are synced here.
    """

    name: str

    def place(self, system: System, folder: int, source: str, to_folder: int, name: str) -> None: ...


class HardLink:
    """The same inode under another name: no bytes, no time, one link of the 65,000 an ext4 inode has."""

    name = "hard link"

    def place(self, system: System, folder: int, source: str, to_folder: int, name: str) -> None:
        system.link(folder, source, to_folder, name)


class _OwnFile:
    """What reflink and copy share: a new file, filled, with the time of its source, synced. Read-only, unless people shall write
    to it: no other name shares it."""

    def __init__(self, mode: int = READ_ONLY) -> None:
        self._mode = mode

    def place(self, system: System, folder: int, source: str, to_folder: int, name: str) -> None:
        fd = system.open_read(folder, source)
        try:
            to_fd = system.create(to_folder, name)
            try:
                self._fill(system, fd, to_fd)
                system.set_mode(to_fd, self._mode)
                system.set_modified(to_fd, system.fstat(fd).st_mtime_ns)
                system.sync_file(to_fd)
            except BaseException:
                system.unlink(to_folder, name)
                raise
            finally:
                system.close(to_fd)
        finally:
            system.close(fd)

    def _fill(self, system: System, fd: int, to_fd: int) -> None:
        raise NotImplementedError


class Reflink(_OwnFile):
    """A file of its own that shares blocks until one side is written to (btrfs, xfs)."""

    name = "reflink"

    def _fill(self, system: System, fd: int, to_fd: int) -> None:
        system.clone(fd, to_fd)


class Copy(_OwnFile):
    """A second copy of the bytes: works everywhere, costs their size."""

    name = "copy"

    def _fill(self, system: System, fd: int, to_fd: int) -> None:
        offset = 0
        buffer = memoryview(bytearray(COPY_BYTES))
        while count := system.readinto(fd, buffer, offset):
            system.write(to_fd, buffer[:count])
            offset += count


WAYS: tuple[Way, ...] = (HardLink(), Reflink(), Copy())
EDITABLE_WAYS: tuple[Way, ...] = (Reflink(WRITABLE), Copy(WRITABLE))


def probe(system: System, folder: int) -> dict[str, str]:
    """Try every way in `folder`: name of the way → "" when it works, else why not. Leaves nothing behind.

    On a full disk nothing can be tried, and reading must go on: then all but sharing blocks is taken to work.
    """
    try:
        return _probe(system, folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        return {way.name: "the disk is full, it was not tried" if way.name == Reflink.name else "" for way in WAYS}


def _probe(system: System, folder: int) -> dict[str, str]:
    source, target = f"probe-{system.token()}", f"probe-{system.token()}"
    fd = system.create(folder, source)
    try:
        system.write(fd, b"filmcan")
        return {way.name: _try(lambda way=way: way.place(system, folder, source, folder, target),  # type: ignore[misc]
                               lambda: system.unlink(folder, target)) for way in WAYS}  # fmt: skip
    finally:
        system.close(fd)
        system.unlink(folder, source)


def _try(act: Callable[[], None], undo: Callable[[], None]) -> str:
    try:
        act()
    except OSError as error:
        return error.strerror or str(error)
    undo()
    return ""
