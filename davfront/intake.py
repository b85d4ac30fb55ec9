"""`wsgi.input`: the body of a request, read from the wire and from nowhere else.

A body is `KnownBody` (Content-Length, which may be 0) or `ChunkedBody`. Each ends exactly where its framing says, never
reads more than it is asked for, and never takes the end of the connection for the end of the body: that is
`BodyBroken`. Memory therefore depends on the reader, not on the sizes a client announces.
"""

import re
import time
from collections.abc import Iterator

from davfront.body import BodyBroken
from davfront.head import BadRequest
from davfront.wire import PeerGone, Wire

_PIECE_BYTES = 1 << 18  # read(n) grows by this much, whatever n is
_SCRATCH_BYTES = 1 << 16
_LINE_BYTES = 4096  # one chunk-size line with its extensions, or one trailer line
_TRAILER_LINES = 100
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")  # RFC 9112 §7.1


class Intake:
    """What both kinds of body share: the file methods of PEP 3333 over `readinto`.

    remaining  bytes still to come, None when only the client knows
    broken     the error every further read raises, None while all is well
    finished   the whole body was read, so the next byte on the wire begins another request
    awaited    the client waits for "100 Continue", which goes out with the first read
    threads    one at a time; `stop` from any
    """

    remaining: int | None

    def __init__(self, wire: Wire, expects_100: bool) -> None:
        self._wire = wire
        self.awaited = expects_100
        self.broken: BodyBroken | None = None
        self.finished = False

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Put into `buffer` what one receive brings; 0 only at the end of the body.

        raises  BodyBroken
        """
        view = memoryview(buffer)
        if self.broken is not None:
            raise self.broken
        if self.finished or not view:
            return 0
        if self.awaited:
            self._send_100()
        try:
            return self._receive(view)
        except TimeoutError:
            raise self._broke("the body stopped arriving", stalled=True) from None
        except BadRequest as error:
            raise self._broke(error.reason) from None
        except (OSError, PeerGone):
            raise self._broke("the connection was lost inside the body") from None

    def fill(self, buffer: bytearray | memoryview) -> int:
        """Fill the whole of `buffer`, or what is left of the body; returns the bytes put there.

        The cheap way through a large upload: one buffer used again and again, received into without a copy.
        """
        view = memoryview(buffer)
        size = 0
        while size < len(view) and (got := self.readinto(view[size:])):
            size += got
        return size

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes or all that is left, held in memory; less only at the end of the body."""
        left = float("inf") if size is None or size < 0 else size
        pieces: list[bytes] = []
        while left > 0 and not self.finished:
            piece = bytearray(int(min(left, _PIECE_BYTES, _PIECE_BYTES if self.remaining is None else self.remaining)))
            got = self.fill(piece)
            pieces.append(bytes(memoryview(piece)[:got]))
            left -= got
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readline(self, size: int | None = -1) -> bytes:
        """One line, byte by byte from what is held: for small forms only."""
        left = float("inf") if size is None or size < 0 else size
        line = bytearray()
        byte = bytearray(1)
        while left > len(line) and not line.endswith(b"\n") and self.readinto(byte):
            line += byte
        return bytes(line)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """All lines; `hint` is ignored, as PEP 3333 allows."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def drain(self, most_bytes: int, seconds: float) -> bool:
        """Read and drop the rest if it is small and comes soon; True when the body is then finished.

        Never asks a client for a body it has not begun to send.
        """
        if self.finished:
            return True
        if self.broken is not None or self.awaited or (self.remaining or 0) > most_bytes:
            return False
        self._wire.deadline = time.monotonic() + seconds
        try:
            return self._drop(most_bytes)
        except BodyBroken:
            return False
        finally:
            self._wire.deadline = None

    def stop(self) -> None:
        """From another thread: nobody wants the rest. A read that waits for it raises BodyBroken, as if the client had gone."""
        self._wire.end_input()

    def _drop(self, most_bytes: int) -> bool:
        scratch = memoryview(bytearray(min(_SCRATCH_BYTES, most_bytes)))
        while most_bytes > 0 and (got := self.readinto(scratch[:most_bytes])):
            most_bytes -= got
        return self.finished

    def _receive(self, view: memoryview) -> int:
        raise NotImplementedError

    def _send_100(self) -> None:
        """RFC 9110 §10.1.1: not needed when the body is already arriving."""
        self.awaited = False
        if self._wire.has_data():
            return
        try:
            self._wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        except PeerGone:
            raise self._broke("the connection was lost before the body") from None

    def _broke(self, reason: str, stalled: bool = False) -> BodyBroken:
        self.broken = BodyBroken(reason, stalled)
        return self.broken


class KnownBody(Intake):
    """A body whose length stood in the head."""

    remaining: int

    def __init__(self, wire: Wire, length: int, expects_100: bool = False) -> None:
        super().__init__(wire, expects_100 and length > 0)
        self.remaining = length
        self.finished = length == 0

    def _receive(self, view: memoryview) -> int:
        got = self._wire.receive_into(view[: self.remaining])
        if not got:
            raise BadRequest("the body ended before its Content-Length")
        self.remaining -= got
        self.finished = self.remaining == 0
        return got


class ChunkedBody(Intake):
    """A body in chunks (RFC 9112 §7.1); extensions and trailers are read and dropped.

    It is `finished` once the last chunk was read, the empty one: a reader goes on until it gets nothing.
    """

    remaining: None = None

    def __init__(self, wire: Wire, expects_100: bool = False) -> None:
        super().__init__(wire, expects_100)
        self._left = 0
        self._first = True

    def _receive(self, view: memoryview) -> int:
        if self._left == 0 and not self._next_chunk():
            return 0
        got = self._wire.receive_into(view[: self._left])
        if not got:
            raise BadRequest("the body ended inside a chunk")
        self._left -= got
        return got

    def _next_chunk(self) -> bool:
        if not self._first and self._wire.line(0):
            raise BadRequest("a chunk is longer than its size")
        self._first = False
        match = _CHUNK_SIZE.fullmatch(self._wire.line(_LINE_BYTES))
        if not match:
            raise BadRequest("a chunk size is not hexadecimal")
        self._left = int(match[1], 16)
        if self._left == 0:
            self._drop_trailers()
        return self._left > 0

    def _drop_trailers(self) -> None:
        for _ in range(_TRAILER_LINES + 1):
            if not self._wire.line(_LINE_BYTES):
                self.finished = True
                return
        raise BadRequest("too many trailer fields")
