"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload), as URLSession speaks it: header fields in and out. Pure.

interop  draft       differs in
3        01          Upload-Incomplete, the contrary of Upload-Complete; iOS 17
4        02          Upload-Complete from here on
5        03
6        04, 05      PATCH must say application/partial-upload; iOS 18 and 26
7, 8     06 to 11    expiry is called max-age; a part is acknowledged with 204

A client that says no version gets the rules of the last one, but no 104 (§Draft Version Identification).
"""

from __future__ import annotations

import base64
import binascii
import re

from views.resumable import NOTE_BYTES
from views.upload import Upload
from views.web.errors import ApiError

SUPPORTED = ("3", "4", "5", "6", "7", "8")
LATEST = 8
CHUNK_TYPE = "application/partial-upload"
INFORM = "104 Upload Resumption Supported"
PROBLEMS = "https://iana.org/assignments/http-problem-types#"
_DIGEST = re.compile(r"(?:.*,)?\s*sha-256\s*=\s*:([A-Za-z0-9+/=]+):\s*(?:[;,].*)?\Z", re.IGNORECASE)


def version(text: str | None) -> int | None:
    """The interop version of a client; None for one this server does not know, or for none."""
    return int(text) if text is not None and text in SUPPORTED else None


def is_last(complete: str | None, incomplete: str | None, interop: int | None) -> bool | None:
    """Is the end of this body the end of the upload? None when nobody said: a Boolean of RFC 9651, or else ignored."""
    if interop == 3:
        return {"?0": True, "?1": False}.get(incomplete or "")
    return {"?0": False, "?1": True}.get(complete or "")


def is_end(last: bool | None, interop: int | None) -> bool:
    """What an append means that may not say it: the end in version 3, as Apple's own server has it; later versions must say it.
    A guess would be told as "kept" to a client that takes that for the whole, or show half a file as a whole one."""
    if last is None and interop != 3:
        raise ApiError(400, "say whether the upload ends with these bytes: Upload-Complete: ?1, or ?0 when more will come")
    return last is not False


def invites(interop: int | None, last: bool | None, coming_bytes: int | None) -> bool:
    """Shall an ordinary upload become one that can be gone on with? Small ones are sent again as quickly, and cost less so."""
    return interop is not None and last is True and (coming_bytes is None or coming_bytes >= NOTE_BYTES)


def told(interop: int | None, complete: bool) -> dict[str, str]:
    """Whether the upload is complete, in the words of the client's version."""
    if interop == 3:
        return {"Upload-Incomplete": "?0" if complete else "?1"}
    return {"Upload-Complete": "?1" if complete else "?0"}


def echo(interop: int | None) -> dict[str, str]:
    return {} if interop is None else {"Upload-Draft-Interop-Version": str(interop)}


def limit(interop: int | None, most_bytes: int | None, seconds: int | None = None) -> dict[str, str]:
    """Upload-Limit (§Limits); a server without limits says min-size=0 (-05 §Upload-Limit)."""
    words = [f"max-size={most_bytes}"] if most_bytes else ["min-size=0"]
    if seconds is not None:
        words.append(f"{'max-age' if (interop or LATEST) >= 7 else 'expires'}={max(0, seconds)}")
    return {"Upload-Limit": ", ".join(words)}


def state(upload: Upload, interop: int | None, now_ns: int) -> dict[str, str]:
    """The answer to HEAD (§Offset Retrieval)."""
    length = {} if upload.length is None else {"Upload-Length": str(upload.length)}
    return {
        "Upload-Offset": str(upload.offset), "Cache-Control": "no-store", **length, **told(interop, upload.complete),
        **limit(interop, upload.most, (upload.expires_ns - now_ns) // 10**9), **echo(interop),
    }  # fmt: skip


def check_type(interop: int | None, kind: str | None) -> None:
    """415 for an append of another media type, since version 6 (-04 §Upload Append)."""
    if (interop or LATEST) >= 6 and (kind or "").partition(";")[0].strip().lower() != CHUNK_TYPE:
        raise ApiError(415, f"bytes are appended as {CHUNK_TYPE}", Accept_Patch=CHUNK_TYPE)


def sha256(text: str | None) -> str:
    """What all bytes must hash to: Repr-Digest (RFC 9530 §3); "" where it names no sha-256."""
    match = _DIGEST.match(text or "")
    if match is None:
        return ""
    try:
        raw = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        raise ApiError(400, "Repr-Digest has no sha-256 of 32 bytes")
    return raw.hex()
