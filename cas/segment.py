"""A segment of the journal: groups of events as records in a file, and what can be read of a file that was harmed.

    header     "FILMCANJ" | format u32 | zero u32                                    16 bytes
    record     length u32 | crc32 of the payload u32 | payload (msgpack) | zeros to a multiple of 8
    payload    [event, …]: the changes that were made to last together; in format 1 one event, without the outer array
    the rest   zeros, or nothing

One record for a group, so that after a power cut all of a group is there or nothing: with a record for each event a later one
could survive without an earlier one of the same group, on which it may be built. What a record is tells its payload; a segment
begun by format 1 goes on with groups.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cas.errors import FormatUnknown
from cas.index import RawRow
from cas.system import System

MAGIC, FORMAT, KNOWN = b"FILMCANJ", 2, (1, 2)
HEADER = struct.Struct("<8sII")
RECORD = struct.Struct("<II")
ALIGN = 8
WINDOW_BYTES = 1 << 20
SNAPSHOT = "snapshot"  # op of events that hold all rows there are; the first of them takes all others away


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


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a segment that cannot be read."""

    segment: str
    offset: int
    size_bytes: int


_encode = msgspec.msgpack.Encoder().encode
_decode_group = msgspec.msgpack.Decoder(list[Event]).decode
_decode_event = msgspec.msgpack.Decoder(Event).decode


def header() -> bytes:
    return HEADER.pack(MAGIC, FORMAT, 0)


def pack(group: Sequence[Event]) -> bytes:
    """The record of a group."""
    payload = _encode(group)
    record = RECORD.pack(len(payload), zlib.crc32(payload)) + payload
    return record + bytes(-len(record) % ALIGN)


def unpack(payload: bytes) -> list[Event]:
    """The events of a payload, of either format."""
    try:
        return _decode_group(payload)
    except msgspec.ValidationError:
        return [_decode_event(payload)]


class Window:
    """A file read forward, a piece at a time: a segment may hold more than memory should."""

    def __init__(self, system: System, fd: int) -> None:
        self._system, self._fd = system, fd
        self._start, self._held = 0, b""

    def at(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; fewer at the end of the file."""
        if not self._start <= offset <= offset + count <= self._start + len(self._held):
            self._start, self._held = offset, self._read(offset, max(count, WINDOW_BYTES))
        place = offset - self._start
        return self._held[place : place + count]

    def _read(self, offset: int, count: int) -> bytes:
        size = self._system.fstat(self._fd).st_size
        buffer = memoryview(bytearray(max(0, min(count, size - offset))))
        filled = 0
        while filled < len(buffer) and (got := self._system.readinto(self._fd, buffer[filled:], offset + filled)):
            filled += got
        return bytes(buffer[:filled])

    def rest(self, offset: int) -> bytes:
        return self._read(offset, self._system.fstat(self._fd).st_size)


def walk(system: System, fd: int, name: str) -> Iterator[tuple[list[Event] | Damage, int]]:
    """Groups and damage in order, each with the offset behind it. A rotten header costs no event, but another format is
    refused: FormatUnknown."""
    window = Window(system, fd)
    head = window.at(0, HEADER.size)
    magic, version, _ = HEADER.unpack(head) if len(head) == HEADER.size else (b"", 0, 0)
    if magic == MAGIC and version not in KNOWN:
        raise FormatUnknown(f"journal segment {name}", version, FORMAT)
    offset = HEADER.size
    while True:
        found = _record(window, offset)
        if found is not None:
            offset = found[1]
            yield found
            continue
        further = _next_record(window.rest(offset))
        if further < 0:
            return
        yield Damage(name, offset, further), offset + further
        offset += further


def _record(window: Window, offset: int) -> tuple[list[Event], int] | None:
    """The group whose record starts at `offset`, and where the next starts; None when there is no whole record."""
    head = window.at(offset, RECORD.size)
    if len(head) < RECORD.size:
        return None
    length, crc = RECORD.unpack(head)
    payload = window.at(offset + RECORD.size, length) if length else b""
    if not length or len(payload) < length or zlib.crc32(payload) != crc:
        return None
    end = offset + RECORD.size + length
    return unpack(payload), end + (-end % ALIGN)


def _next_record(data: bytes) -> int:
    """Where the next good record starts behind a bad one, or -1. Zeros to the end are the common, quick answer."""
    end = len(data.rstrip(b"\0"))
    return next((start for start in range(ALIGN, end, ALIGN) if _is_record(data, start)), -1)


def _is_record(data: bytes, start: int) -> bool:
    if start + RECORD.size > len(data):
        return False
    length, crc = RECORD.unpack_from(data, start)
    end = start + RECORD.size + length
    return bool(0 < length and end <= len(data) and zlib.crc32(data[start + RECORD.size : end]) == crc)
