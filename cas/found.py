"""Files that lie on disk already: hashed where they lie, to be linked from. Nobody may be writing to them."""

from __future__ import annotations

import os
import stat as stat_modes
from collections.abc import Iterable

from cas.digest import Hasher, Sums
from cas.incoming import Took
from cas.link import changed_ns, seal_from
from cas.system import System

READ_BYTES = 1 << 20


class Found:
    """A file that lies on disk already, hashed where it lies and held open; end it with `close` or `with`.

    seal, changed_ns   how it looked when it was hashed
    told               as Incoming.told
    """

    def __init__(self, system: System, fd: int, sums: Sums, stat: os.stat_result) -> None:
        self._system = system
        self.fd, self.sums = fd, sums
        self.seal, self.changed_ns = seal_from(stat), changed_ns(stat)
        self.told: set[str] = set()

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            self._system.close(fd)

    def __enter__(self) -> Found:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileBusy(Exception):
    """The file is being written, or changed while it was read. Look again later."""


def find_on_disk(
    system: System, folder: int, name: str, extra: Iterable[str] = (), took: Took | None = None, *, unknown_quiet_s: float = 0.0
) -> Found:
    """Hash a file where it lies, for adoption. FileBusy when somebody writes to it; close what is returned.

    took              hears of every block that is read; what it raises ends the reading
    unknown_quiet_s   where the system cannot tell who writes: FileBusy when it changed within this time
    """
    fd = system.open_read(folder, name)
    try:
        before = system.fstat(fd)
        if not stat_modes.S_ISREG(before.st_mode) or _is_being_written(system, fd, before, unknown_quiet_s):
            raise FileBusy(name)
        sums = hash_open(system, fd, extra, took)
        after = system.fstat(fd)
        if seal_from(before) != seal_from(after) or changed_ns(before) != changed_ns(after) or sums.size_bytes != after.st_size:
            raise FileBusy(name)
        if system.being_written(fd):
            raise FileBusy(name)
        system.sync_file(fd)
        return Found(system, fd, sums, after)
    except BaseException:
        system.close(fd)
        raise


def _is_being_written(system: System, fd: int, stat: os.stat_result, unknown_quiet_s: float) -> bool:
    written = system.being_written(fd)
    if written is None:
        return 0 <= system.now_ns() - changed_ns(stat) < unknown_quiet_s * 1e9
    return written


def hash_open(system: System, fd: int, extra: Iterable[str] = (), took: Took | None = None) -> Sums:
    """The sums of an open file, read from its beginning. `took` hears of every block; what it raises ends the reading."""
    hasher, buffer, offset = Hasher(extra), memoryview(bytearray(READ_BYTES)), 0
    while count := system.readinto(fd, buffer, offset):
        hasher.update(buffer[:count])
        offset += count
        if took is not None:
            took(count)
    return hasher.finish()
