"""What is known of an upload in several goes, and how its bytes come: out of a body, out of a part, with a sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec

from cas.digest import Hasher
from cas.parts import Part
from views.errors import ChunkWrong

EXPIRY_S = 7 * 24 * 3600.0  # after the last byte, or after it was placed
PIECE_BYTES = 1 << 20
CHUNK_SUMS = ("sha1", "sha256", "md5")


class Stream(Protocol):
    """A body: `readinto` gives 0 at its end, and raises when it breaks off."""

    def readinto(self, buffer: memoryview, /) -> int: ...


@runtime_checkable
class Stoppable(Protocol):
    """What some bodies can: a read that waits in another thread, and every later one, ends or raises."""

    def stop(self) -> None: ...


class Upload(msgspec.Struct, frozen=True):
    """What is known of an upload, at one moment. The first fields were said at its beginning.

    project    name of the project it goes to; "" for a piece of a larger upload
    name       what the file will be called
    kind       media type as the client says, or ""
    metadata   the words of the client, to be given back
    most       the size it may grow to, None for any; stays as it was at the beginning
    partial    a piece, to be put together with others
    parts      ids of the pieces it was made from
    sha256     what all of it must hash to, hex, or ""
    ends       it is complete when its length is reached (tus); else somebody has to say so (IETF draft)
    length     bytes of all of it, None while nobody knows
    offset     bytes that are here, safely
    summed     bytes from the beginning that came with sums of their own, all right
    whole      complete: takes no more bytes
    result     what became of it, once it was placed
    """

    id: str
    project: str = ""
    name: str = ""
    kind: str = ""
    metadata: dict[str, str] = {}
    most: int | None = None
    partial: bool = False
    parts: list[str] = []
    sha256: str = ""
    ends: bool = False
    born_ns: int = 0
    length: int | None = None
    offset: int = 0
    summed: int = 0
    whole: bool = False
    result: dict[str, Any] | None = None
    at_ns: int = 0

    @property
    def complete(self) -> bool:
        return self.whole or (self.ends and self.offset == self.length)

    @property
    def told(self) -> set[str]:
        """What becomes `BlobRow.told`, once the bytes were found to be as the client said."""
        parts = {"parts"} if 0 < self.summed == self.length else set()
        return parts | ({"sha256"} if self.sha256 else set())

    @property
    def expires_ns(self) -> int:
        return (self.at_ns or self.born_ns) + int(EXPIRY_S * 10**9)


class Blocks:
    """The bytes of a part as a stream."""

    def __init__(self, part: Part) -> None:
        self._blocks, self._rest = part.blocks(), memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        if not self._rest:
            self._rest = next(self._blocks, memoryview(b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def pieces(stream: Stream) -> Iterator[memoryview]:
    """A body in large pieces, in one buffer that is filled again and again. When it breaks off, what came before is given first:
    a client that was cut off shall send as little as possible twice."""
    buffer, filled = memoryview(bytearray(PIECE_BYTES)), 0
    while True:
        try:
            count = stream.readinto(buffer[filled:])
        except Exception:
            if filled:
                yield buffer[:filled]
            raise
        filled += count
        if filled and (not count or filled == len(buffer)):
            yield buffer[:filled]
            filled = 0
        if not count:
            return


def check_sum(id: str, hasher: Hasher, sums: Mapping[str, bytes]) -> None:
    """ChunkWrong, unless the bytes hash to all of these, each one of CHUNK_SUMS."""
    found = hasher.finish()
    for kind, expected in sums.items():
        if {"sha256": found.sha256, **found.extra}[kind] != expected:
            raise ChunkWrong(id, kind=kind)
