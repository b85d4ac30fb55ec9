"""tus 1.0.0 (https://tus.io/protocols/resumable-upload): what its header fields say, and what is answered. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from views.upload import CHUNK_SUMS, Upload
from views.web.errors import ApiError

VERSION = "1.0.0"
CHUNK_TYPE = "application/offset+octet-stream"
EXTENSIONS = (
    "creation", "creation-with-upload", "creation-defer-length", "checksum", "expiration", "termination", "concatenation",
)  # fmt: skip
SUM_BYTES = {"sha1": 20, "sha256": 32, "md5": 16}
MOST_DIGITS = 18
Fields = Mapping[str, str | None]


def about(most_bytes: int | None) -> dict[str, str]:
    """The answer to OPTIONS (Core Protocol)."""
    most = {"Tus-Max-Size": str(most_bytes)} if most_bytes else {}
    sums = ",".join(CHUNK_SUMS)
    return {
        "Tus-Resumable": VERSION, "Tus-Version": VERSION, "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Checksum-Algorithm": sums, **most,
    }  # fmt: skip


def check_version(version: str | None) -> None:
    """412 for a client of another version (Core Protocol, Tus-Resumable)."""
    if version != VERSION:
        raise ApiError(412, f"this server speaks tus {VERSION}; say so in Tus-Resumable", Tus_Version=VERSION)


def number(name: str, text: str | None) -> int | None:
    """A count of bytes; None when the field is not there, 400 for anything else."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise ApiError(400, f"{name} must be a number of bytes")
    return int(text)


def length(fields: Fields) -> int | None:
    """Upload-Length, or None with Upload-Defer-Length: 1 (Creation)."""
    told, deferred = number("Upload-Length", fields.get("Upload-Length")), fields.get("Upload-Defer-Length")
    if (deferred is None) == (told is None) or deferred not in (None, "1"):
        raise ApiError(400, "say Upload-Length, or Upload-Defer-Length: 1")
    return told


def metadata(text: str | None) -> dict[str, str]:
    """Upload-Metadata: pairs of a key and a base64 value, joined by commas; a value may be missing (Creation)."""
    found: dict[str, str] = {}
    for pair in (text or "").split(","):
        words = pair.split()
        if not words:
            continue
        if len(words) > 2 or words[0] in found:
            raise ApiError(400, "Upload-Metadata must be unlike keys, each with one base64 value")
        found[words[0]] = _text(words[1]) if len(words) == 2 else ""
    return found


def _text(word: str) -> str:
    try:
        return base64.b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ApiError(400, "a value of Upload-Metadata is not UTF-8 in base64") from None


def metadata_field(said: Mapping[str, str]) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}".rstrip() for key, value in said.items())


def checksum(text: str | None) -> dict[str, bytes]:
    """Upload-Checksum: `sha1 <base64>` (Checksum); empty when there is none, 400 for an algorithm that is not offered."""
    if text is None:
        return {}
    kind, _, value = text.partition(" ")
    try:
        raw = base64.b64decode(value, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != SUM_BYTES.get(kind):
        raise ApiError(400, f"Upload-Checksum must be one of {', '.join(CHUNK_SUMS)} and its value in base64")
    return {kind: raw}


def concat(text: str | None) -> tuple[bool, list[str]]:
    """Upload-Concat: is it a piece, and the ids of the pieces it is made from (Concatenation). URLs may be absolute."""
    if text is None or text == "partial":
        return text == "partial", []
    word, _, urls = text.partition(";")
    ids = [url.rstrip("/").rpartition("/")[2] for url in urls.split()]
    if word.strip() != "final" or not ids:
        raise ApiError(400, "Upload-Concat must be partial, or final; and the URLs of the pieces")
    return False, ids


def state(upload: Upload, url_of_parts: list[str]) -> dict[str, str]:
    """The answer to HEAD."""
    fields = {"Upload-Offset": str(upload.offset), "Cache-Control": "no-store", **expires(upload)}
    if upload.length is None:
        fields["Upload-Defer-Length"] = "1"
    else:
        fields["Upload-Length"] = str(upload.length)
    if upload.metadata:
        fields["Upload-Metadata"] = metadata_field(upload.metadata)
    if upload.partial:
        fields["Upload-Concat"] = "partial"
    elif upload.parts:
        fields["Upload-Concat"] = "final;" + " ".join(url_of_parts)
    return fields


def expires(upload: Upload) -> dict[str, str]:
    """Upload-Expires, in the words of HTTP dates (Expiration)."""
    at = datetime.fromtimestamp(upload.expires_ns // 10**9, UTC)
    return {"Upload-Expires": format_datetime(at, usegmt=True)}
