"""GET and HEAD. `serve` answers for any open content and knows nothing of WebDAV: `/media/…` uses it as well."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

from cas.blobs import OpenBlob
from davfront import conditions, media_types, paths, quirks, ranges
from davfront.body import FileBody
from davfront.conditions import Present
from davfront.errors import NotModified
from davfront.methods import past
from davfront.methods.response import Header, Response
from davfront.methods.share import Request, Share
from davfront.props import SECOND_NS, http_date
from davfront.ranges import Span, Unsatisfiable
from views.entry import Entry
from views.errors import IsAFolder, NameNotFound

# Whatever the content is, a browser runs nothing of it with the rights of this site (durability reference §8).
NO_SCRIPT = "sandbox; default-src 'none'"
_SHIELD = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", NO_SCRIPT),
)
_CACHE = ("Cache-Control", "private, no-cache")  # keep it, but ask each time: a 304 is cheap


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to serve, and what is told about them.

    name   what the file is called: decides its type and what a browser saves it as
    etag   strong, with quotes
    fd     open until `close` is called; -1 where only the head is wanted
    """

    name: str
    size_bytes: int
    etag: str
    modified_ns: int
    fd: int = -1
    close: Callable[[], None] | None = None

    @classmethod
    def of(cls, entry: Entry, blob: OpenBlob) -> Content:
        """What `Library.open` gave; the blob is closed when the answer was sent."""
        return cls(entry.name, blob.size_bytes, entry.etag or "", entry.modified_ns, blob.fd, blob.close)

    @property
    def media_type(self) -> str:
        return media_types.of(self.name)

    @property
    def present(self) -> Present:
        return Present(True, self.etag, self.modified_ns // SECOND_NS)


def serve(content: Content, environ: Mapping[str, Any]) -> Response:
    """Answer a GET or HEAD for `content` (RFC 9110 §13, §14). `content.close` is called once, here or by the body.

    raises  PreconditionFailed
    """
    try:
        conditions.check(environ, content.present)
        return _answer(content, environ)
    except NotModified:
        _close(content)
        return Response.empty(304, _validators(content))
    except BaseException:
        _close(content)
        raise


def _close(content: Content) -> None:
    if content.close is not None:
        content.close()


def _validators(content: Content) -> tuple[Header, ...]:
    return _of_state(content.etag, content.modified_ns // SECOND_NS)


@lru_cache(maxsize=256)  # a player asks for one file hundreds of times
def _of_state(etag: str, modified_s: int) -> tuple[Header, ...]:
    return ("ETag", etag), ("Last-Modified", http_date(modified_s)), _CACHE


@lru_cache(maxsize=256)
def _of_name(name: str) -> tuple[Header, ...]:
    disposition = media_types.disposition(name, media_types.of(name))
    return ("Accept-Ranges", "bytes"), *_SHIELD, ("Content-Disposition", disposition)


def _answer(content: Content, environ: Mapping[str, Any]) -> Response:
    headers = [*_validators(content), *_of_name(content.name)]
    if environ["REQUEST_METHOD"] == "HEAD":
        _close(content)
        return Response(200, [*headers, *_length(content.media_type, content.size_bytes)], [])
    try:
        spans = _spans(content, environ)
    except Unsatisfiable:
        _close(content)
        return _unsatisfiable(content)
    if len(spans) > 1:
        return _several(content, headers, spans)
    return _one(content, headers, spans)


def _spans(content: Content, environ: Mapping[str, Any]) -> tuple[Span, ...]:
    header = environ.get("HTTP_RANGE")
    if not header or not conditions.range_holds(environ.get("HTTP_IF_RANGE"), content.present):
        return ()
    return ranges.parse(header, content.size_bytes)


def _length(media_type: str, size_bytes: int) -> list[Header]:
    return [("Content-Type", media_type), ("Content-Length", str(size_bytes))]


def _one(content: Content, headers: list[Header], spans: Sequence[Span]) -> Response:
    span = spans[0] if spans else Span(0, content.size_bytes)
    headers = headers + _length(content.media_type, span.size_bytes)
    if spans:
        headers.append(("Content-Range", span.content_range(content.size_bytes)))
    body = FileBody(content.fd, span.start, span.size_bytes, content.close)
    return Response(206 if spans else 200, headers, body)


def _several(content: Content, headers: list[Header], spans: Sequence[Span]) -> Response:
    boundary = secrets.token_hex(16)
    heads = ranges.part_headers(spans, content.size_bytes, content.media_type, boundary)
    size_bytes = ranges.multipart_bytes(spans, heads, boundary)
    headers = headers + _length(f"multipart/byteranges; boundary={boundary}", size_bytes)
    return Response(206, headers, _Parts(content, spans, heads, ranges.closing(boundary)))


class _Parts:
    """The body of several ranges; closes the content when the server closes it (PEP 3333)."""

    def __init__(self, content: Content, spans: Sequence[Span], heads: Sequence[bytes], closing: bytes) -> None:
        self._content, self._spans, self._heads, self._closing = content, spans, heads, closing

    def __iter__(self) -> Iterator[bytes]:
        for span, head in zip(self._spans, self._heads, strict=True):
            yield head
            yield from FileBody(self._content.fd, span.start, span.size_bytes)
        yield self._closing

    def close(self) -> None:
        _close(self._content)


def _unsatisfiable(content: Content) -> Response:
    text = f"{content.name} has {content.size_bytes} bytes."
    return Response.sentence(416, text, [("Content-Range", f"bytes */{content.size_bytes}")])


# ── over a share ────────────────────────────────────────────────────────────────────────────────────────────────────


def get(share: Share, request: Request) -> Response:
    """GET and HEAD of whatever the path names."""
    if request.lists:
        share.permit(request, share.library.find)
    try:
        content = _content(share, request)
    except IsAFolder:
        return _folder(share, request)
    except NameNotFound:
        content = _beside_the_tree(share, request)
    return serve(content, request.environ)


def _content(share: Share, request: Request) -> Content:
    if request.method != "HEAD":
        return Content.of(*share.library.open(request.path))
    entry = share.library.entry(request.path)
    if entry.is_folder:
        raise IsAFolder(request.path)
    return Content(entry.name, entry.size_bytes, entry.etag or "", entry.modified_ns)


def _beside_the_tree(share: Share, request: Request) -> Content:
    """Files that stand in no listing: generated ones, and those that Finder is to believe in."""
    generated = share.library.generated(request.path)
    if generated is not None:
        name = request.path.rpartition("/")[2]
        close = Closer(generated.fd)
        return Content(name, generated.size_bytes, generated.etag, generated.modified_ns, generated.fd, close)
    if quirks.is_pretended(request.path, request.writer):
        return Content(request.path.rpartition("/")[2], 0, '"pretended"', 0)
    raise NameNotFound(request.path)


class Closer:
    """Closes a descriptor once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _folder(share: Share, request: Request) -> Response:
    """A plain page of names for browsers and curl. Without a slash too: writing clients follow no redirect."""
    folder, children = share.library.listing(request.path, request.writer)
    if not request.path:
        children = children + past.at_top(folder)
    base = request.href(True)
    lines = "".join(
        f'<li><a href="{base}{paths.escape_name(child.name)}{"/" if child.is_folder else ""}">'
        f"{escape(child.name)}{'/' if child.is_folder else ''}</a></li>\n"
        for child in children
    )
    title = escape(folder.name if request.path else share.label)
    page = f'<!doctype html>\n<meta charset="utf-8"><title>{title}</title>\n<h1>{title}</h1>\n<ul>\n{lines}</ul>\n'
    modified = ("Last-Modified", http_date(folder.modified_ns // SECOND_NS))
    headers = [("Content-Type", "text/html; charset=utf-8"), modified, _CACHE, *_SHIELD]
    return Response.whole(200, headers, page.encode())
