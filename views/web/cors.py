"""Cross-origin access for the origins of the settings only, `*` for any (contract §1.2): wrapped around API and media alike.

Pages of other sites may send simple requests without asking; those that could change something are refused
(durability reference §8).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

EXPOSED = ", ".join((
    "Content-Disposition", "Content-Range", "Accept-Ranges", "ETag",
    "Location", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm", "Upload-Offset",
    "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Upload-Expires", "Upload-Complete",
    "Upload-Incomplete", "Upload-Limit", "Upload-Draft-Interop-Version",
))  # fmt: skip
HARMLESS = ("GET", "HEAD", "OPTIONS")
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


class Cors:
    """A WSGI application that lets pages of other origins read what `inner` answers."""

    def __init__(self, inner: WSGIApplication, origins: Sequence[str]) -> None:
        self._inner, self._origins = inner, frozenset(origins)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN", "")
        if not origin or not self._origins & {"*", origin}:
            if environ["REQUEST_METHOD"] not in HARMLESS and _is_foreign(origin, environ):
                return _refused(start_response)
            return self._inner(environ, start_response)
        mine = [
            ("Access-Control-Allow-Origin", "*" if "*" in self._origins else origin),
            ("Access-Control-Expose-Headers", EXPOSED),
            ("Vary", "Origin"),
        ]
        if environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            start_response("204 No Content", [*mine, *_preflight(environ)])
            return []

        def started(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *mine], exc_info)

        return self._inner(environ, started)


def _is_foreign(origin: str, environ: WSGIEnvironment) -> bool:
    """Did a page of another site send this? Browsers say so; programs send no Origin at all."""
    if not origin:
        return bool(environ.get("HTTP_SEC_FETCH_SITE") == "cross-site")
    return bool(origin.partition("://")[2].lower() != environ.get("HTTP_HOST", "").lower())


def _refused(start_response: StartResponse) -> Iterable[bytes]:
    sentence = "pages of other sites may change nothing here, unless cors_origins names them"
    body = msgspec.json.encode({"detail": sentence, "message": sentence})
    start_response("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _preflight(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """A preflight is answered here: the routes need not know it."""
    return [
        ("Access-Control-Allow-Methods", METHODS),
        ("Access-Control-Allow-Headers", environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "*")),
        ("Access-Control-Max-Age", "600"),
    ]
