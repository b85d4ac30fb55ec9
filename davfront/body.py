"""Bodies of answers that stand in a file, and the error of a request body that did not arrive whole."""

import os
from collections.abc import Callable, Iterator

BLOCK_BYTES = 1 << 18  # reading 256 KiB at a time costs about as little CPU as the kernel's own copy


class BodyBroken(Exception):
    """The body of this request will never be complete: the peer left, stalled, or broke the framing.

    reason   one sentence without anything the client sent
    stalled  the client was too slow, rather than gone or wrong

    The server closes the connection after it and sends no 2xx for the request, whatever the application answers.
    """

    def __init__(self, reason: str, stalled: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stalled = stalled


class FileCut(Exception):
    """The file ended before the bytes that were promised from it."""

    def __init__(self, missing_bytes: int) -> None:
        super().__init__(f"the file ended {missing_bytes} bytes early")
        self.missing_bytes = missing_bytes


class FileBody:
    """A part of an open file as the body of an answer.

    Any WSGI server can iterate over it; filmcan's own lets the kernel copy from the file to the socket instead. Where
    the platform has `pread`, the position of the descriptor is neither used nor moved: several bodies may share one.

    fd        open for reading until `close`
    offset    first byte, length: number of bytes; the caller has cut them to the size of the file
    on_close  called exactly once, also when the client went away or the body was never sent
    """

    def __init__(self, fd: int, offset: int, length: int, on_close: Callable[[], None] | None = None) -> None:
        self.fd = fd
        self.offset = offset
        self.length = length
        self._on_close = on_close

    def __iter__(self) -> Iterator[bytes]:
        offset, left = self.offset, self.length
        while left:
            block = _read_at(self.fd, min(left, BLOCK_BYTES), offset)
            if not block:
                raise FileCut(left)
            offset += len(block)
            left -= len(block)
            yield block

    def close(self) -> None:
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()


if hasattr(os, "pread"):
    _read_at = os.pread
else:

    def _read_at(fd: int, size: int, offset: int, /) -> bytes:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)
