"""The journal: every change as one numbered event, appended to segments on disk, synced before anybody is answered.

    segment    journal/<number of its first event, 12 digits>.log
    header     "FILMCANJ" | format u32 | zero u32                                    16 bytes
    record     length u32 | crc32 of the payload u32 | payload (msgpack) | zeros to a multiple of 8
    the rest   zeros: a segment is filled with zeros ahead, so that an append changes no file size and its sync is one
               write (measured here: 0.10 ms against 0.15 ms for a growing file)

Reading stops at a length of zero. A record that does not verify and has no good record behind it is the torn tail of an
append nobody was answered for: it is cleared at the next opening. Good records behind a bad one mean that the disk lost
something: the bad stretch is stepped over and told, and comparing index and folders finds what it said.
"""

from __future__ import annotations

import re
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cas.errors import FormatUnknown
from cas.index import RawRow
from cas.system import System

MAGIC, FORMAT = b"FILMCANJ", 1
HEADER = struct.Struct("<8sII")
RECORD = struct.Struct("<II")
ALIGN = 8
SEGMENT_NAME = re.compile(r"\d{12}\.log")
SEGMENT_BYTES = 16 << 20
AHEAD_BYTES = 1 << 20
RECENT_EVENTS = 4096  # kept in memory, so that followers that keep up never read the disk


class Event(msgspec.Struct, array_like=True, frozen=True):
    """One change.

    seq     1, 2, 3 … without gaps, but for what a "snapshot" steps over
    at_ns   when, by the clock passed in; order is told by seq only
    op      what it was: "put", "move", … (cas/FORMAT.md lists them)
    facts   the change in words, for followers and for history
    rows    the index rows it set or removed: replaying them in order gives the index
    """

    seq: int
    at_ns: int
    op: str
    facts: dict[str, Any]
    rows: list[RawRow]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


def pack(event: Event) -> bytes:
    payload = _encode(event)
    record = RECORD.pack(len(payload), zlib.crc32(payload)) + payload
    return record + bytes(-len(record) % ALIGN)


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a segment that cannot be read."""

    segment: str
    offset: int
    size_bytes: int


def _first_seq(name: str) -> int:
    return int(name.split(".")[0])


def _read(data: bytes, offset: int) -> tuple[Event, int] | None:
    """The event whose record starts at `offset`, and where the next starts; None when there is no whole record."""
    if offset + RECORD.size > len(data):
        return None
    length, crc = RECORD.unpack_from(data, offset)
    end = offset + RECORD.size + length
    if not length or end > len(data):
        return None
    payload = data[offset + RECORD.size : end]
    if zlib.crc32(payload) != crc:
        return None
    return _decode(payload), end + (-end % ALIGN)


def read_segment(name: str, data: bytes, after: int = 0) -> Iterator[Event | Damage]:
    """Every readable event with a number above `after`, and the damage between them."""
    return (item for item, _ in _walk(name, data) if isinstance(item, Damage) or item.seq > after)


def _walk(name: str, data: bytes) -> Iterator[tuple[Event | Damage, int]]:
    """Events and damage in order, each with the offset behind it. A rotten header costs no event, but another format is
    refused."""
    magic, version, _ = HEADER.unpack_from(data) if len(data) >= HEADER.size else (b"", 0, 0)
    if magic == MAGIC and version != FORMAT:
        raise FormatUnknown(f"journal segment {name}", version, FORMAT)
    offset = HEADER.size
    while True:
        found = _read(data, offset)
        if found is not None:
            offset = found[1]
            yield found
            continue
        start, offset = offset, _next_record(data, offset)
        if offset < 0:
            return
        yield Damage(name, start, offset - start), offset


def _next_record(data: bytes, offset: int) -> int:
    """Where the next good record starts behind a bad one, or -1. Zeros to the end are the common, quick answer."""
    end = len(data.rstrip(b"\0"))
    return next((start for start in range(offset + ALIGN, end, ALIGN) if _read(data, start) is not None), -1)


class Journal:
    """The journal of one store. `write` is called by the committer alone, in its turn; the rest from any thread."""

    def __init__(self, system: System, folder: int) -> None:
        """`folder` is an open descriptor of `.filmcan/journal`, owned by the store."""
        self._system, self._folder = system, folder
        self.damage: list[Damage] = []
        self._recent: deque[Event] = deque(maxlen=RECENT_EVENTS)
        self._news = threading.Condition()
        self._fd: int | None = None
        self._syncing = threading.Lock()
        self._failure: OSError | None = None
        self._end = self._spoilt = self._size = 0  # of the last segment: of good records, of anything, of the file
        self._written = self._out = self._synced = 0  # bytes since opening, over all segments
        self.last_seq = 0  # of the last event that is durable
        self._open_last()
        self.written_seq = self.last_seq  # of the last event that is written

    def segments(self) -> list[str]:
        return sorted(entry.name for entry in self._system.scan(self._folder) if SEGMENT_NAME.fullmatch(entry.name))

    def _open_last(self) -> None:
        """Find the end of the last segment that holds events, and clear what a crash left behind it."""
        names = self.segments()
        while names:
            name, end, found = names.pop(), HEADER.size, False
            data = self._load(name)
            for item, reached in _walk(name, data):
                end = reached
                if isinstance(item, Damage):
                    self.damage.append(item)
                else:
                    self.last_seq, found = item.seq, True
            if found or not names:
                self.last_seq = self.last_seq if found else _first_seq(name) - 1
                self._take_up(name, data, end)
                return
            self._system.unlink(self._folder, name)  # stopped while it was begun: nothing is in it

    def _take_up(self, name: str, data: bytes, end: int) -> None:
        """Go on writing behind `end`; what is there belongs to nobody who was answered."""
        self._fd = self._system.open_write(self._folder, name)
        header = HEADER.pack(MAGIC, FORMAT, 0)
        rest = data[end:].strip(b"\0")
        if data[: HEADER.size] != header:
            self._system.write_at(self._fd, header, 0)
        if rest:
            self._system.write_at(self._fd, bytes(len(data) - end), end)
        if rest or data[: HEADER.size] != header:
            self._system.sync_file(self._fd)
        self._end = self._spoilt = end
        self._size = max(len(data), HEADER.size)

    def _load(self, name: str) -> bytes:
        fd = self._system.open_read(self._folder, name)
        try:
            pieces = []
            while piece := self._system.read(fd, 1 << 24):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            self._system.close(fd)

    def write(self, events: Sequence[Event]) -> int:
        """Write events behind the last ones; the position to `sync` up to. After an OSError none of them is in the journal."""
        if self._failure is not None:
            raise self._failure
        data = b"".join(map(pack, events))
        self._wipe()
        fd = self._room_for(len(data), events[0].seq)
        self._spoilt = self._end + len(data)
        self._system.write_at(fd, data, self._end)
        self._system.start_writeback(fd, self._end, len(data))  # the disk works while the index is written
        self._end = self._spoilt
        self._written += len(data)
        self.written_seq = events[-1].seq
        return self._written

    def _wipe(self) -> None:
        """What a full disk let through of a refused write must not be found behind shorter events."""
        if self._fd is not None and self._spoilt > self._end:
            self._system.write_at(self._fd, bytes(self._spoilt - self._end), self._end)
            self._spoilt = self._end

    def write_out(self, position: int, mark: int) -> None:
        """What was written up to `position` is durable once `System.sync_names` has returned. Any thread."""
        with self._syncing:
            if self._out < position:
                reached = self._written
                self._once(lambda fd: self._system.write_out(fd, mark))
                self._out = reached

    def sync(self, position: int) -> None:
        """What was written up to `position` survives a power cut afterwards. Any thread; one sync serves all that wait for it."""
        with self._syncing:
            if self._synced < position:
                self._sync_all()

    def _sync_all(self) -> None:
        reached = self._written
        self._once(self._system.sync_data)
        self._synced = self._out = reached

    def _once(self, act: Callable[[int], None]) -> None:
        """Holding `_syncing`. A failure is final for everybody: the next sync would report success although data is lost."""
        if self._failure is not None:
            raise self._failure
        try:
            if self._fd is not None:
                act(self._fd)
        except OSError as error:
            self._failure = error
            raise

    def begin_anew(self, events: Iterable[Event], staging: int) -> None:
        """Events whose numbers do not follow: a whole segment of their own, built in the folder `staging`, then put in place
        in one step.

        Called before anybody writes, when the index knows more than the journal (Store.catch_up).
        """
        name = self._system.token()
        fd, end, first = self._system.create(staging, name), HEADER.size, 0
        try:
            self._system.write_at(fd, HEADER.pack(MAGIC, FORMAT, 0), 0)
            for event in events:
                data = pack(event)
                self._system.write_at(fd, data, end)
                first, last, end = first or event.seq, event.seq, end + len(data)
            self._system.sync_file(fd)
            self._system.rename(staging, name, self._folder, f"{first:012d}.log")
        except BaseException:
            self._system.close(fd)
            raise
        self._system.sync_folder(self._folder)
        self.close()
        self._fd, self._end, self._spoilt, self._size = fd, end, end, end
        self.last_seq = self.written_seq = last

    def publish(self, events: Sequence[Event]) -> None:
        """After they were synced: show the events to followers."""
        with self._news:
            self._recent.extend(events)
            self.last_seq = events[-1].seq
            self._news.notify_all()

    def _room_for(self, count: int, first_seq: int) -> int:
        if self._fd is None or (self._end > HEADER.size and self._end + count + RECORD.size > SEGMENT_BYTES):
            self._begin_segment(first_seq)
        assert self._fd is not None
        if self._end + count + RECORD.size > self._size:
            grown = self._end + count + AHEAD_BYTES
            self._system.write_at(self._fd, bytes(grown - self._size), self._size)
            self._system.sync_file(self._fd)
            self._size = grown
        return self._fd

    def _begin_segment(self, first_seq: int) -> None:
        """A new segment, once all of the old one is synced."""
        with self._syncing:
            self._sync_all()
            fd = self._new_segment(f"{first_seq:012d}.log")
            if self._fd is not None:
                self._system.close(self._fd)
            self._fd, self._end, self._spoilt, self._size = fd, HEADER.size, HEADER.size, HEADER.size

    def _new_segment(self, name: str) -> int:
        """An open segment without events. When that fails there is none."""
        fd = -1
        try:
            fd = self._system.create(self._folder, name, 0o600)
            self._system.write_at(fd, HEADER.pack(MAGIC, FORMAT, 0), 0)
            self._system.sync_folder(self._folder)
        except BaseException:
            self._system.unlink(self._folder, name)
            if fd >= 0:
                self._system.close(fd)
            raise
        return fd

    def after(self, seq: int) -> Iterator[Event]:
        """Every published event with a number above `seq`, in order. Damage met on the way is noted and stepped over."""
        with self._news:
            last, count = self.last_seq, self.last_seq - seq
            at_hand = 0 < count <= len(self._recent) and self._recent[-count].seq == seq + 1
            recent = [self._recent[-place] for place in range(count, 0, -1)] if at_hand else []
        if at_hand or count <= 0:
            yield from recent
        else:
            yield from self._from_disk(seq, last)

    def _from_disk(self, seq: int, last: int) -> Iterator[Event]:
        names = self.segments()
        firsts = [_first_seq(name) for name in names]
        for place, name in enumerate(names):
            if place + 1 < len(names) and firsts[place + 1] <= seq + 1:
                continue
            for item in read_segment(name, self._load(name), seq):
                if isinstance(item, Damage):
                    if item not in self.damage:
                        self.damage.append(item)
                    continue
                if item.seq <= last:
                    yield item
                if item.seq >= last:
                    return  # what follows may be half written

    def wait(self, seq: int, timeout_s: float) -> bool:
        """Wait until there is an event above `seq`; False after the time-out."""
        with self._news:
            return self._news.wait_for(lambda: self.last_seq > seq, timeout_s)

    def close(self) -> None:
        if self._fd is not None:
            self._system.close(self._fd)
            self._fd = None
