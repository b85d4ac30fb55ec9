"""multipart/form-data as it arrives: parts one after the other, their bytes in pieces, nothing kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from views.web.body import Stream, pieces
from views.web.errors import ApiError

HEADER_BYTES, HEADERS, PARTS = 8192, 16, 20_000
KIND = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Part:
    """The head of a part. `filename` is None for what is no file."""

    field: str
    filename: str | None


Event = Part | bytes | None  # a head, a piece of its body, its end


def options(header: str | None) -> dict[str, str]:
    """What stands behind the first word of a header: `attachment; filename="a.mov"`."""
    return dict(parse_options_header(header or "")[1])


def is_form(content_type: str | None) -> bool:
    return str(parse_options_header(content_type or "")[0]) == KIND


def events(stream: Stream, content_type: str) -> Iterator[Event]:
    """What a form holds, in order; ends with its last boundary. 400 for what is no form, or one that is cut."""
    boundary = options(content_type).get("boundary", "")
    if not boundary:
        raise ApiError(400, "the form names no boundary")
    try:
        yield from _parsed(stream, boundary)
    except MultipartError as error:
        raise ApiError(400, f"the form cannot be read: {error}") from None


def _parsed(stream: Stream, boundary: str) -> Iterator[Event]:
    parser = PushMultipartParser(
        boundary, max_header_size=HEADER_BYTES, max_header_count=HEADERS, max_segment_count=PARTS
    )
    for piece in pieces(stream):
        if parser.closed:
            continue  # what stands behind the last boundary means nothing
        for event in parser.parse(piece):
            yield Part(event.name or "", event.filename) if isinstance(event, MultipartSegment) else event
    parser.close()
