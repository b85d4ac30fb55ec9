"""The limit on the size of one upload (`max_upload_mb`), kept while the body arrives."""

from __future__ import annotations

from typing import Protocol
from wsgiref.types import WSGIEnvironment

from davfront.errors import DavError

MIB = 1 << 20


class Body(Protocol):
    """`wsgi.input`, as far as uploads read it."""

    def read(self, size: int = -1, /) -> bytes: ...
    def readinto(self, buffer: memoryview, /) -> int: ...


class Bounded:
    """A body of at most `most_bytes`.

    promised_bytes  what its sender said; too much is refused before the first byte is asked for (no 100 Continue)
    raises          DavError 413; the upload then leaves nothing behind
    """

    def __init__(self, body: Body, most_bytes: int, promised_bytes: int = 0) -> None:
        self._body, self._most, self._taken, self._promised = body, most_bytes, 0, promised_bytes

    def read(self, size: int = -1, /) -> bytes:
        self._check(self._promised)
        data = self._body.read(size)
        self._take(len(data))
        return data

    def readinto(self, buffer: memoryview, /) -> int:
        self._check(self._promised)
        count = self._body.readinto(buffer)
        self._take(count)
        return count

    def _take(self, count: int) -> None:
        self._taken += count
        self._check(self._taken)

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._most:
            raise DavError(413, f"The file is larger than {self._most // MIB} MiB, the most this server takes.")


def bound_upload(environ: WSGIEnvironment, most_bytes: int | None) -> None:
    """Keep the limit for this request if it is an upload."""
    if most_bytes is None or environ["REQUEST_METHOD"] != "PUT":
        return
    said = environ.get("CONTENT_LENGTH") or environ.get("HTTP_X_EXPECTED_ENTITY_LENGTH") or ""
    promised = int(said) if said.isascii() and said.isdigit() else 0
    environ["wsgi.input"] = Bounded(environ["wsgi.input"], most_bytes, promised)
