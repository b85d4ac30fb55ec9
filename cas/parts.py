"""Bytes that arrive in several goes and outlive the process: one file for the bytes of each, one for what was said about them.

    uploads/<id>.part     the bytes, in order; read-only once they are whole
    uploads/<id>.notes    lines of "<crc32> <JSON>", appended and synced: the last whole line is the truth

A note that tells an offset is written after the bytes up to it were synced. So what a note says survives a kill and a power
cut, whatever the file system does with a file that grows; bytes beyond the last note are cut off when the part is opened again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from cas.digest import Buffer, Hasher, Sums
from cas.errors import PartLost
from cas.home import replace_file
from cas.incoming import READ_BYTES, WRITEBACK_BYTES, Incoming
from cas.state import State
from cas.system import System

PART, NOTES, FRESH = ".part", ".notes", ".fresh"
PRIVATE, READ_ONLY = 0o600, 0o444
NOTES_BYTES = 64 << 10  # beyond, the notes of a part are written anew as two lines

Note = dict[str, Any]


class Part(Incoming):
    """An Incoming whose bytes lie under a name of their own, so that a later process can go on where this one stopped.

    Leaving it (`abandon`, the end of a `with`) closes the file and keeps the bytes; `wake` opens it again, `Parts.remove` takes
    all away. The hash goes along with the bytes while they come; after a restart the hasher starts again, and `finish` reads
    what it has not seen.
    """

    def __init__(self, parts: Parts, name: str, size_bytes: int, *, sealed: bool, most_bytes: int | None = None) -> None:
        """size_bytes   what the notes promise
        sealed       nothing is added any more: the file may be a link of a blob already, and is opened for reading only
        """
        self._system, self._folder, self._mark, self._state = parts.system, parts.folder, parts.mark, parts.state
        self.expected_bytes, self._most_bytes = None, most_bytes
        self.name: str | None = name + PART
        self.fd: int | None = None
        self.sums: Sums | None = None
        self.told = set()
        self.shares_blocks, self._sealed = False, sealed
        self.size_bytes = self.synced_bytes = self._flushed_bytes = size_bytes
        self._hasher, self._hashed_bytes = Hasher(), 0
        self.wake()

    def wake(self) -> Part:
        """Open the file, if it is not open. PartLost."""
        if self.fd is not None:
            return self
        assert self.name is not None
        try:
            open_file = self._system.open_read if self._sealed else self._system.open_write
            with self._state.told():
                self.fd = open_file(self._folder, self.name)
        except FileNotFoundError:
            raise PartLost(self.name) from None
        stat = self._system.fstat(self.fd)
        if stat.st_size < self.size_bytes or (stat.st_nlink > 1 and not self._sealed):
            self.abandon()
            raise PartLost(self.name or "")
        if stat.st_size > self.size_bytes and not self._sealed:
            self._system.truncate(self.fd, self.size_bytes)  # never promised to anybody
        return self

    def write(self, data: Buffer) -> None:
        """Take the next bytes. They count once `sync` was called."""
        assert self.fd is not None and not self._sealed and self.sums is None, "a sealed part takes no more bytes"
        self._check_size(self.size_bytes + len(data))
        with self._state.told():
            self._system.write_at(self.fd, data, self.size_bytes)
        if self._hashed_bytes == self.size_bytes:
            self._hasher.update(data)
            self._hashed_bytes += len(data)
        self.size_bytes += len(data)
        if self.size_bytes - self._flushed_bytes >= WRITEBACK_BYTES:
            self._system.start_writeback(self.fd, self._flushed_bytes, self.size_bytes - self._flushed_bytes)
            self._flushed_bytes = self.size_bytes

    def cut(self, size_bytes: int) -> None:
        """Forget the bytes from `size_bytes` on: they are not what their sender meant."""
        assert self.fd is not None and not self._sealed and size_bytes >= self.synced_bytes
        if self._hashed_bytes > size_bytes:
            self._hasher, self._hashed_bytes = Hasher(), 0
        with self._state.told():
            self._system.truncate(self.fd, size_bytes)
        self.size_bytes = self._flushed_bytes = size_bytes

    def sync(self) -> int:
        """All bytes taken so far survive a power cut, size included; how many they are."""
        if self.size_bytes > self.synced_bytes:
            assert self.fd is not None
            with self._state.told():
                _lasting(self._system, self._state, self.fd)
            self.synced_bytes = self.size_bytes
        return self.synced_bytes

    def seal(self) -> None:
        """From now on nothing is added. Said in the notes first, as the file may become a blob."""
        self._sealed = True

    def finish(self, *, modified_ns: int | None = None) -> Sums:
        """As Incoming.finish, for a sealed part; bytes that were written before a restart are read and hashed now."""
        assert self.fd is not None and self._sealed
        if self.sums is None:
            self._hash_rest(self.fd)
            with self._state.told():
                self._system.set_mode(self.fd, READ_ONLY)
        return super().finish(modified_ns=modified_ns)

    def _hash_rest(self, fd: int) -> None:
        buffer = memoryview(bytearray(READ_BYTES))
        while (left := self.size_bytes - self._hashed_bytes) > 0:
            count = self._system.readinto(fd, buffer[: min(left, READ_BYTES)], self._hashed_bytes)
            if not count:
                raise PartLost(self.name or "")
            self._hasher.update(buffer[:count])
            self._hashed_bytes += count

    def blocks(self) -> Iterator[memoryview]:
        """Its bytes, in one buffer that is filled again and again."""
        assert self.fd is not None
        buffer, offset = memoryview(bytearray(READ_BYTES)), 0
        while count := self._system.readinto(self.fd, buffer[: min(READ_BYTES, self.size_bytes - offset)], offset):
            yield buffer[:count]
            offset += count

    def _unstage(self) -> None:
        """The name stays until it was noted what became of the bytes."""

    def abandon(self) -> None:
        """Close the file; its bytes stay."""
        if self.fd is not None:
            fd, self.fd = self.fd, None
            self._system.close(fd)


class Parts:
    """The folder `uploads/` of one store.

    threads   any; those of one part one at a time
    """

    def __init__(self, system: System, folder: int, mark: int, state: State) -> None:
        self.system, self.folder, self.mark, self.state = system, folder, mark, state

    def begin(self, name: str, note: Note, most_bytes: int | None = None) -> Part:
        """A new part with its first note. Both are there after a power cut."""
        self.state.admit()
        try:
            with self.state.told(len(note)):
                self.system.close(self.system.create(self.folder, name + PART, PRIVATE))
                fd = self.system.create(self.folder, name + NOTES, PRIVATE)
                try:
                    self.system.write(fd, _line(note))
                    _lasting(self.system, self.state, fd)
                finally:
                    self.system.close(fd)
                self.system.sync_folder(self.folder)
            return Part(self, name, 0, sealed=False, most_bytes=most_bytes)
        except BaseException:
            self.remove(name)
            raise

    def note(self, name: str, note: Note) -> None:
        """Say something more about a part; it lasts when this returns. What is half written is no note."""
        self.state.check()
        with self.state.told(len(note)):
            self._append(name, note)

    def _append(self, name: str, note: Note) -> None:
        fd = self.system.open_write(self.folder, name + NOTES)
        try:
            good = list(_lines(_read_all(self.system, fd)))
            size = sum(len(line) for line, _ in good)
            if size < NOTES_BYTES:
                self.system.truncate(fd, size)
                self.system.write_at(fd, _line(note), size)
                _lasting(self.system, self.state, fd)
                return
        finally:
            self.system.close(fd)
        self._note_anew(name, [*(said for _, said in good), note])

    def _note_anew(self, name: str, notes: list[Note]) -> None:
        """The first note and the sum of the others, where many small goes made many."""
        last: Note = {}
        for note in notes[1:]:
            last |= note
        staged = self.folder, name + FRESH
        self.system.unlink(*staged)
        data = _line(notes[0]) + _line(last)
        replace_file(self.system, staged, self.folder, name + NOTES, data, PRIVATE, lasting=True)

    def notes(self, name: str) -> list[Note]:
        """What was said about a part, in order; empty when there is no such part."""
        try:
            fd = self.system.open_read(self.folder, name + NOTES)
        except FileNotFoundError:
            return []
        try:
            return [note for _, note in _lines(_read_all(self.system, fd))]
        finally:
            self.system.close(fd)

    def names(self) -> list[str]:
        """Every part of which anything is on disk, also half a one."""
        return sorted({entry.name.rpartition(".")[0] or entry.name for entry in self.system.scan(self.folder)})

    def has_bytes(self, name: str) -> bool:
        try:
            self.system.stat(self.folder, name + PART)
        except FileNotFoundError:
            return False
        return True

    def drop_bytes(self, name: str) -> None:
        """The bytes are in the store, or nobody wants them; what was said about them stays."""
        with self.state.told():
            self.system.unlink(self.folder, name + PART)

    def remove(self, name: str) -> None:
        """Take all of a part away; what is already gone is success."""
        with self.state.told():
            for kind in (NOTES, PART, FRESH, ""):  # without notes the bytes are nobody's, and the next sweep takes them
                self.system.unlink(self.folder, name + kind)
            self.system.sync_folder(self.folder)  # whoever was told that it is gone does not find it again


def _lasting(system: System, state: State, fd: int) -> None:
    """A failed sync is final, for the whole store: a second one would lie (fsync(2))."""
    try:
        system.sync_file(fd)
    except OSError as error:
        state.lost_sync("received bytes", error)
        raise


def _line(note: Note) -> bytes:
    said = msgspec.json.encode(note)
    return b"%08x %b\n" % (zlib.crc32(said), said)


def _lines(data: bytes) -> Iterator[tuple[bytes, Note]]:
    """The whole lines up to the first that is not one: a crash leaves half of the last."""
    for line in data.splitlines(keepends=True):
        said = line[9:-1]
        if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(said):
            return
        yield line, msgspec.json.decode(said, type=dict[str, Any])


def _read_all(system: System, fd: int) -> bytes:
    data = bytearray()
    while piece := system.read(fd, READ_BYTES):
        data += piece
    return bytes(data)
