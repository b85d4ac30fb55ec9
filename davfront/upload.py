"""A body on its way into the store: what its sender promised about it, and the loop that takes it in."""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from davfront.errors import DavError

BUFFER_BYTES = 1 << 20  # one system call and one round of hashing each; smaller ones cost CPU, larger ones only memory
SMALL_BYTES = 64 << 10
BUFFERS_KEPT = 24  # 24 MiB of the process's 150: the uploads of six Macs and a few scripts at once
SECOND_NS = 1_000_000_000
_OC_KINDS = {"SHA1": "sha1", "MD5": "md5", "ADLER32": "adler32", "SHA256": "sha256"}
_SUM_BYTES = {"sha1": 20, "md5": 16, "adler32": 4, "sha256": 32}
_DIGEST_FIELD = re.compile(r"\s*sha-256\s*=\s*(:?)([A-Za-z0-9+/=]+)\1\s*(?:;.*)?\Z", re.IGNORECASE)


class Stream(Protocol):
    """`wsgi.input` as the server gives it: raises when the body ends early or is framed wrongly."""

    def readinto(self, buffer: memoryview, /) -> int: ...


class Sink(Protocol):
    """`cas.incoming.Incoming`, as far as it is used here."""

    def write(self, data: memoryview, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Promise:
    """What the sender says about a body, before it is sent.

    expected_bytes  None when nobody said (chunked)
    sums            kind ("sha1", "md5", "adler32", "sha256") to raw bytes
    modified_ns     the file's own time, None when none was sent
    """

    expected_bytes: int | None = None
    sums: Mapping[str, bytes] = field(default_factory=dict)
    modified_ns: int | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Promise:
        """raises  DavError 400 for a part of a file, and for numbers that are none or contradict each other"""
        if "HTTP_CONTENT_RANGE" in environ:
            # RFC 9110 §14.5: a server that cannot store parts must refuse them, or `curl -C` replaces a file by its
            # tail.
            raise DavError(400, "Parts of a file cannot be stored; send the whole file.")
        return cls(_expected_bytes(environ), _sums(environ), promised_time(environ))

    @property
    def extra(self) -> tuple[str, ...]:
        """The sums that have to be computed beside those that always are."""
        return tuple(kind for kind in self.sums if kind != "sha256")


def _expected_bytes(environ: Mapping[str, Any]) -> int | None:
    length = _number(environ, "CONTENT_LENGTH", "Content-Length")
    # Finder streams chunked and tells the size here; a body cut short by a proxy is still found out.
    expected = _number(environ, "HTTP_X_EXPECTED_ENTITY_LENGTH", "X-Expected-Entity-Length")
    if length is not None and expected is not None and length != expected:
        raise DavError(400, "Content-Length and X-Expected-Entity-Length contradict each other.")
    return length if length is not None else expected


def _number(environ: Mapping[str, Any], name: str, header: str) -> int | None:
    text = str(environ.get(name) or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise DavError(400, f"{header} must be a number of bytes.")
    return int(text)


def promised_time(environ: Mapping[str, Any]) -> int | None:
    """`X-OC-Mtime` in nanoseconds: seconds since 1970, with a fraction from some clients. Nonsense is ignored."""
    text = str(environ.get("HTTP_X_OC_MTIME") or "").strip()
    match = re.fullmatch(r"(\d{1,10})(?:\.(\d{1,9})\d*)?", text, re.ASCII)
    if match is None:
        return None
    return int(match[1]) * SECOND_NS + int((match[2] or "0").ljust(9, "0"))


def _sums(environ: Mapping[str, Any]) -> dict[str, bytes]:
    sums = {}
    for part in str(environ.get("HTTP_OC_CHECKSUM") or "").split():
        kind, _, value = part.partition(":")
        known = _OC_KINDS.get(kind.upper())
        if known:
            sums[known] = _hex(value, known)
    for name in ("HTTP_REPR_DIGEST", "HTTP_CONTENT_DIGEST", "HTTP_DIGEST"):  # RFC 9530 twice, RFC 3230
        for part in str(environ.get(name) or "").split(","):
            match = _DIGEST_FIELD.match(part)
            if match:
                sums["sha256"] = _base64(match[2])
    return sums


def _hex(text: str, kind: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != _SUM_BYTES[kind]:
        raise DavError(400, f"OC-Checksum has no {kind} of {_SUM_BYTES[kind]} bytes.")
    return value


def _base64(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        value = b""
    if len(value) != _SUM_BYTES["sha256"]:
        raise DavError(400, "The digest field has no sha-256 of 32 bytes.")
    return value


class Buffers:
    """Large buffers used again and again. Safe from any thread: a deque's ends are atomic.

    When all are out, more uploads get small ones: slower, but memory stays bounded by the number of connections.
    """

    def __init__(self, kept: int = BUFFERS_KEPT) -> None:
        self._free: deque[bytearray] = deque()
        self._unmade = deque([None] * kept)

    def take(self) -> bytearray:
        try:
            return self._free.pop()
        except IndexError:
            return self._make()

    def _make(self) -> bytearray:
        try:
            self._unmade.pop()
        except IndexError:
            return bytearray(SMALL_BYTES)
        return bytearray(BUFFER_BYTES)

    def give_back(self, buffer: bytearray) -> None:
        if len(buffer) == BUFFER_BYTES:
            self._free.append(buffer)


def pour(stream: Stream, sink: Sink, buffers: Buffers) -> int:
    """Take the whole body in, in full buffers; returns its size. Whatever `stream` raises goes through."""
    buffer = buffers.take()
    total = 0
    try:
        view = memoryview(buffer)
        while filled := fill(stream, view):
            sink.write(view[:filled])
            total += filled
            if filled < len(view):
                break
    finally:
        buffers.give_back(buffer)
    return total


def fill(stream: Stream, view: memoryview) -> int:
    """Read until `view` is full or the body ends: many small segments become one write."""
    filled = 0
    while filled < len(view):
        count = stream.readinto(view[filled:])
        if not count:
            break
        filled += count
    return filled
