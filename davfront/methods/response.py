"""What a method answers, and how an error becomes an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from davfront import multistatus
from davfront.errors import DavError
from views.entry import Entry
from views.status import status_of

Header = tuple[str, str]
StartResponse = Callable[..., Any]

XML = ("Content-Type", multistatus.CONTENT_TYPE)
TEXT = ("Content-Type", "text/plain; charset=utf-8")
NOT_MAPPED = ("OPTIONS", "GET", "HEAD", "PUT", "MKCOL", "PROPFIND", "LOCK")
ON_FOLDER = ("OPTIONS", "GET", "HEAD", "DELETE", "PROPFIND", "PROPPATCH", "COPY", "MOVE", "LOCK", "UNLOCK")
ON_FILE = (*ON_FOLDER, "PUT")
ALL = (*ON_FILE, "MKCOL")


def allow(methods: Sequence[str] = ALL) -> Header:
    return ("Allow", ", ".join(methods))


def allowed_on(entry: Entry | None) -> Header:
    """`Allow` for what a URL stands for; RFC 9110 §15.5.6 wants it with every 405."""
    if entry is None:
        return allow(NOT_MAPPED)
    return allow(ON_FOLDER if entry.is_folder else ON_FILE)


@lru_cache(maxsize=64)
def _line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


class Response:
    """Status, header fields and body; `body` may be a `FileBody`, a list or a generator."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Iterable[Header] = (), body: Iterable[bytes] = ()) -> None:
        self.status = status
        self.headers = list(headers)
        self.body = body

    @classmethod
    def whole(cls, status: int, headers: Iterable[Header], body: bytes) -> Response:
        return cls(status, (*headers, ("Content-Length", str(len(body)))), [body])

    @classmethod
    def sentence(cls, status: int, text: str, headers: Iterable[Header] = ()) -> Response:
        """A plain line: what Shortcuts shows as the result, and what a person reads in a terminal."""
        line = " ".join(text.split())  # it may speak of a path, and a path may hold anything
        return cls.whole(status, (TEXT, *headers), f"{line}\n".encode())

    @classmethod
    def empty(cls, status: int, headers: Iterable[Header] = ()) -> Response:
        length = () if status in (204, 304) else (("Content-Length", "0"),)
        return cls(status, (*headers, *length), [])

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        start_response(_line(self.status), self.headers)
        return self.body


def of_error(error: Exception) -> Response | None:
    """The answer to an error that somebody foresaw; None for any other, which is the server's to log."""
    if isinstance(error, DavError):
        return _of_dav_error(error)
    found = status_of(error, webdav=True)
    if found is None:
        return None
    status = found[0]
    return Response.sentence(status, str(error), [allow(ON_FOLDER)] if status == 405 else [])


def _of_dav_error(error: DavError) -> Response:
    if error.status == 304:
        return Response.empty(304, error.headers)
    if error.condition:
        body = multistatus.error_body(error.condition, error.hrefs)
        return Response.whole(error.status, (XML, *error.headers), body)
    return Response.sentence(error.status, error.sentence, error.headers)
