"""Files that only grow: JSON lines, each with the number of its event, each there once whatever happens."""

from __future__ import annotations

import errno
import stat as modes
from collections.abc import Sequence
from typing import Protocol

import msgspec

from cas.home import Home
from cas.system import System

TAIL_BYTES = 1 << 16


class Line(Protocol):
    """A line, with its line end, and the number of its event."""

    @property
    def seq(self) -> int: ...
    @property
    def line(self) -> bytes: ...


class _Stamp(msgspec.Struct):
    seq: int = 0


_stamp = msgspec.json.Decoder(_Stamp).decode


def _seq_of(line: bytes) -> int:
    """The `seq` of a line; 0 for a line somebody wrote by hand."""
    try:
        return _stamp(line).seq
    except msgspec.DecodeError:
        return 0


class Ledger:
    """One jsonl file of one project: lines with rising `seq`, the lines of one event always together.

    seq     the lines of events up to here are in the file, whole
    floor   the bytes up to here were there before: not ours to cut, and numbers in them mean nothing
    crash   may leave part of what was appended last; the next opening cuts it off, and it must be told again
    """

    def __init__(self, name: str, seq: int, floor: int = 0) -> None:
        self.name, self.seq, self._floor = name, seq, floor
        self._size: int | None = None  # as this process left it; None or another size: look at its end first

    def append(self, home: Home, system: System, folder: int, lines: Sequence[Line], last_seq: int) -> None:
        """Add the lines that are not in it. `last_seq` of the journal: a higher one was written for another root."""
        fd = self._open(home, system, folder)
        try:
            size = system.fstat(fd).st_size
            if size != self._size:
                size = self._mend(system, fd, size, last_seq)
            self._size = None
            fresh = [note for note in lines if note.seq > self.seq]
            data = b"".join(note.line for note in fresh)
            if data and 0 < size == self._floor and _read(system, fd, size - 1, size) != b"\n":
                data = b"\n" + data  # what was there before ends in the middle of a line
            system.write_at(fd, data, size)
            self._size = size + len(data)
            self.seq = fresh[-1].seq if fresh else self.seq
        finally:
            system.close(fd)

    def _open(self, home: Home, system: System, folder: int) -> int:
        """The file, made if need be. One that shares its bytes with another name (a backup, a blob) is parted."""
        try:
            stat = system.stat(folder, self.name)
        except FileNotFoundError:
            return system.create(folder, self.name, 0o644)
        if not modes.S_ISREG(stat.st_mode):
            raise OSError(errno.EINVAL, "not a plain file", self.name)
        if stat.st_nlink > 1:
            fd = system.open_read(folder, self.name)
            try:
                home.replace(folder, self.name, _read(system, fd, 0, stat.st_size), 0o644, lasting=False)
            finally:
                system.close(fd)
        return system.open_write(folder, self.name)

    def _mend(self, system: System, fd: int, size: int, last_seq: int) -> int:
        """Cut off a torn line, and the lines of the last event if that is to be told again. The size it has then."""
        window = TAIL_BYTES
        floor = self._floor if self._floor <= size else 0  # somebody made the file shorter
        while True:
            start = max(floor, size - window)
            tail = _read(system, fd, start, size)
            end = start + tail.rfind(b"\n") + 1
            lines = tail[: end - start].splitlines(keepends=True)[1 if start > floor else 0 :]
            seqs = [_seq_of(line) for line in lines]
            if start == floor or len(set(seqs)) > 1:
                break
            window *= 4
        known = [seq for seq in seqs if seq <= last_seq]
        last = max(known, default=0)
        if last > self.seq:
            if seqs[-1] == last:
                end -= sum(len(line) for line, seq in zip(lines, seqs, strict=True) if seq == last)
                known = [seq for seq in known if seq < last]
            self.seq = max([self.seq, *known])
        if end < size:
            system.truncate(fd, end)
        return end


def _read(system: System, fd: int, start: int, end: int) -> bytes:
    data = bytearray(end - start)
    count, view = 0, memoryview(data)
    while count < len(data) and (more := system.readinto(fd, view[count:], start + count)):
        count += more
    return bytes(data[:count])
