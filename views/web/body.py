"""Request bodies: JSON objects read within a limit, and files read in large pieces. Nothing is spooled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import falcon
import msgspec

from views.web.errors import ApiError, shape

JSON_BYTES = 4 << 20  # a list of 20,000 paths
PIECE_BYTES = 1 << 20  # one write, one round of hashing


class Stream(Protocol):
    """`wsgi.input` as the server gives it; raises when the body ends early or is framed wrongly."""

    def readinto(self, buffer: memoryview, /) -> int: ...


def stream_of(req: falcon.Request) -> Stream:
    found: Stream = req.env["wsgi.input"]
    return found


def pieces(stream: Stream, size_bytes: int = PIECE_BYTES) -> Iterator[bytearray]:
    """The whole body, in one buffer that is filled again and again: done with a piece before the next is asked for."""
    buffer = bytearray(size_bytes)
    while filled := _fill(stream, memoryview(buffer)):
        if filled < size_bytes:
            yield buffer[:filled]
            return
        yield buffer


def _fill(stream: Stream, view: memoryview) -> int:
    filled = 0
    while filled < len(view) and (count := stream.readinto(view[filled:])):
        filled += count
    return filled


def json_value(req: falcon.Request, most_bytes: int = JSON_BYTES) -> Any:
    """The body as JSON; None when there is none. 413 past `most_bytes`, 422 for what is no JSON."""
    held = bytearray()
    if (req.content_length or 0) > most_bytes:
        raise ApiError(413, f"the body is larger than {most_bytes} bytes")
    for piece in pieces(stream_of(req), 1 << 16):
        held += piece
        if len(held) > most_bytes:
            raise ApiError(413, f"the body is larger than {most_bytes} bytes")
    if not held:
        return None
    try:
        return msgspec.json.decode(held)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise shape("body", "", f"the body is no JSON: {error}") from None


def json_object(req: falcon.Request, most_bytes: int = JSON_BYTES) -> dict[str, Any]:
    """The body as a JSON object, else 422."""
    value = json_value(req, most_bytes)
    if not isinstance(value, dict):
        raise shape("body", "", "the body must be a JSON object", value)
    return value


def text(body: dict[str, Any], field: str, *, needed: bool = False) -> str | None:
    """A text of a body, None where it is absent or null; 422 for anything else, and where it is `needed`."""
    value = body.get(field)
    if isinstance(value, str) or (value is None and not needed):
        return value
    raise shape("body", field, "a text is needed" if value is None else "it must be a text", value)


def texts(body: dict[str, Any], field: str) -> list[str]:
    """A list of texts, which may be empty; 422 for anything else."""
    value = body.get(field)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise shape("body", field, "it must be a list of texts", value)


def flag(req: falcon.Request, name: str, default: bool) -> bool:
    """A yes or no of the query; 422 for anything else."""
    value = req.get_param(name)
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if value is None:
        return default
    if value.lower() not in words:
        raise shape("query", name, "say true or false", value)
    return words[value.lower()]


def count(req: falcon.Request, name: str, default: int) -> int:
    """A number of the query, not below 0; 422 for anything else."""
    value = req.get_param(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise shape("query", name, "a whole number is needed", value)
    return int(value)


def moment(req: falcon.Request, name: str) -> datetime:
    """A moment of the query (ISO 8601; without a zone it is UTC). The end of an open interval where none is named."""
    value = req.get_param(name)
    if value is None:
        return (datetime.min if name.endswith("after") else datetime.max).replace(tzinfo=UTC)
    try:
        found = datetime.fromisoformat(value.replace(" ", "+"))  # a plus that was not escaped
    except ValueError:
        raise shape("query", name, "a time such as 2026-01-31T12:00:00+00:00 is needed", value) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
