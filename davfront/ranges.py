"""The `Range` header of RFC 9110 §14, as spans of bytes, and the body that several of them make."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SPANS_MOST = 8  # more than a player asks for, and few enough that nobody can multiply a file by its own size
_SPEC = re.compile(r"(\d{0,18})-(\d{0,18})\Z", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Bytes `start` up to, not with, `stop`."""

    start: int
    stop: int

    @property
    def size_bytes(self) -> int:
        return self.stop - self.start

    def content_range(self, whole_bytes: int) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{whole_bytes}"


class Unsatisfiable(Exception):
    """No byte that was asked for exists: 416 with `Content-Range: bytes */size`."""


def parse(header: str, whole_bytes: int) -> tuple[Span, ...]:
    """The spans asked for, in the order asked; none at all when the header is to be ignored and the whole is sent.

    Ignored are other units, wrong syntax, more than eight spans and spans that overlap (RFC 9110 §14.2 allows each,
    §17.15 advises the last two).

    raises  Unsatisfiable
    """
    unit, _, text = header.partition("=")
    specs = text.split(",", SPANS_MOST)
    if unit.strip().lower() != "bytes" or len(specs) > SPANS_MOST:
        return ()
    spans = []
    for spec in specs:
        match = _SPEC.match(spec.strip())
        if match is None or match[0] == "-" or _backwards(match[1], match[2]):
            return ()
        spans.append(_span(match[1], match[2], whole_bytes))
    wanted = tuple(span for span in spans if span is not None)
    if not wanted:
        raise Unsatisfiable
    if _overlap(wanted) or not all(span.size_bytes for span in wanted):
        return ()
    return wanted


def _backwards(first: str, last: str) -> bool:
    return bool(first and last) and int(last) < int(first)


def _span(first: str, last: str, whole_bytes: int) -> Span | None:
    """One spec against the size; None when nothing of it exists. A suffix of an empty file is an empty span."""
    if not first:
        return Span(max(0, whole_bytes - int(last)), whole_bytes) if int(last) else None
    start = int(first)
    if start >= whole_bytes:
        return None
    return Span(start, min(int(last) + 1, whole_bytes) if last else whole_bytes)


def _overlap(spans: Sequence[Span]) -> bool:
    ordered = sorted(spans)
    return any(after.start < before.stop for before, after in itertools.pairwise(ordered))


# ── several spans in one body (RFC 9110 §14.6) ──────────────────────────────────────────────────────────────────────


def part_headers(spans: Iterable[Span], whole_bytes: int, media_type: str, boundary: str) -> list[bytes]:
    """What stands before the bytes of each span."""
    return [
        (
            f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: {span.content_range(whole_bytes)}\r\n\r\n"
        ).encode()
        for span in spans
    ]


def closing(boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode()


def multipart_bytes(spans: Sequence[Span], headers: Sequence[bytes], boundary: str) -> int:
    """Length of the whole multipart body, told before any of it is read."""
    return sum(map(len, headers)) + sum(span.size_bytes for span in spans) + len(closing(boundary))
