"""Preconditions: the conditional headers of RFC 9110 §13 and the `If` header of RFC 4918 §10.4.

Everything here is a pure function of header text and of what a URL stands for at that moment, so a method can ask
twice: early, before it takes a body, and again inside the commit, where nothing can change any more.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from functools import cache, lru_cache
from typing import Any

from davfront.errors import DavError, NotModified, PreconditionFailed

Environ = Mapping[str, Any]

CONDITIONAL_HEADERS = (
    "HTTP_IF_MATCH",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE",
)
NO_LOCK = "DAV:no-lock"
_ETAG = re.compile(r'\s*((?:W/)?"[^"]*")\s*(?:,|$)')
_CODED, _TAGGED = r"<([^<>\s]*)>", r"\[\s*((?:W/)?\"[^\"]*\")\s*\]"
_IF_CONDITION = re.compile(rf"(Not\s*)?(?:{_CODED}|{_TAGGED})", re.IGNORECASE)
_IF_PART = re.compile(
    rf"\s*(?:{_CODED}|\(((?:\s*(?:Not\s*)?(?:<[^<>\s]*>|\[\s*(?:W/)?\"[^\"]*\"\s*\]))+)\s*\))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Present:
    """What a URL stands for now.

    etag        with its quotes; None for a folder
    modified_s  whole seconds since 1970, as `Last-Modified` shows them
    """

    exists: bool
    etag: str | None = None
    modified_s: int | None = None


ABSENT = Present(False)


# ── dates and tags ──────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=256)
def parse_date(text: str) -> int | None:
    """Seconds since 1970 of an HTTP date in any of the three forms of RFC 9110 §5.6.7; None when it is none of them."""
    fields = parsedate_tz(text)
    if fields is None:
        return None
    try:
        return mktime_tz(fields) if fields[9] else calendar.timegm(fields[:9])
    except (ValueError, OverflowError):
        return None


def etags(header: str) -> list[str]:
    """The entity tags of a list, quotes and `W/` kept. Text that is not a list of tags gives none."""
    tags, at = [], 0
    header = header.strip()
    while at < len(header):
        match = _ETAG.match(header, at)
        if match is None:
            return []
        tags.append(match[1])
        at = match.end()
    return tags


def same_strong(one: str, other: str) -> bool:
    """Strong comparison (RFC 9110 §8.8.3.2): weak tags never match, not even themselves."""
    return one == other and not one.startswith("W/")


def same_weak(one: str, other: str) -> bool:
    return one.removeprefix("W/") == other.removeprefix("W/")


# ── RFC 9110 §13.2.2 ────────────────────────────────────────────────────────────────────────────────────────────────


def are_asked(environ: Environ) -> bool:
    """Is there any of the four headers at all? Most writes have none, and what the URL stands for need not be looked up."""
    return any(header in environ for header in CONDITIONAL_HEADERS)


def check(environ: Environ, present: Present) -> None:
    """Decide the four conditional headers, in the order of RFC 9110 §13.2.2.

    raises  PreconditionFailed; NotModified for GET and HEAD only
    """
    reading = environ.get("REQUEST_METHOD") in ("GET", "HEAD")
    _check_unchanged(environ, present)
    none_match = environ.get("HTTP_IF_NONE_MATCH")
    if none_match is not None:
        if _matches(none_match, present, same_weak):
            raise NotModified if reading else PreconditionFailed("If-None-Match")
    elif reading and _not_modified_since(environ.get("HTTP_IF_MODIFIED_SINCE"), present):
        raise NotModified


def _check_unchanged(environ: Environ, present: Present) -> None:
    match = environ.get("HTTP_IF_MATCH")
    if match is not None:
        if not _matches(match, present, same_strong):
            raise PreconditionFailed("If-Match")
        return
    since = parse_date(environ.get("HTTP_IF_UNMODIFIED_SINCE", ""))
    if since is None:
        return
    if not present.exists or present.modified_s is None or present.modified_s > since:
        raise PreconditionFailed("If-Unmodified-Since")


def _matches(header: str, present: Present, same: Callable[[str, str], bool]) -> bool:
    if header.strip() == "*":
        return present.exists
    return present.etag is not None and any(same(tag, present.etag) for tag in etags(header))


def _not_modified_since(header: str | None, present: Present) -> bool:
    # Only the very same date counts. Times may be set into the past here (X-OC-Mtime, Win32LastModifiedTime, restore),
    # so "not later than" would tell a client that its stale copy is good.
    return bool(header) and present.exists and parse_date(header or "") == present.modified_s


def range_holds(if_range: str | None, present: Present) -> bool:
    """Whether `Range` may be honoured: no `If-Range`, the same strong tag, or the very same date (RFC 9110 §13.1.5)."""
    if not if_range:
        return True
    text = if_range.strip()
    if text.startswith(('"', "W/")):
        return present.etag is not None and same_strong(text, present.etag)
    date = parse_date(text)
    return date is not None and date == present.modified_s


# ── the If header of WebDAV ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Condition:
    """One test in a list: a state token or an entity tag, never both."""

    token: str = ""
    etag: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IfList:
    """Conditions that must all hold on one resource. `tag` is its URL as sent; "" means the request's own."""

    tag: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the `If` header can ask of one resource: its tag, and the tokens of the locks that it lies under."""

    etag: str | None
    tokens: frozenset[str]


def parse_if(header: str) -> tuple[IfList, ...]:
    """The lists of an `If` header.

    raises  DavError 400 when it follows no grammar of RFC 4918 §10.4.2; a header half understood protects nothing
    """
    lists: list[IfList] = []
    tag, at, text = "", 0, header.strip()
    while at < len(text):
        part = _IF_PART.match(text, at)
        if part is None:
            raise _malformed(header)
        if part[2] is None:
            tag = part[1]
        else:
            lists.append(IfList(tag, _conditions(part[2])))
        at = part.end()
    if not lists or not text.endswith(")"):
        raise _malformed(header)
    return tuple(lists)


def _conditions(text: str) -> tuple[Condition, ...]:
    return tuple(Condition(one[2] or "", one[3] or "", bool(one[1])) for one in _IF_CONDITION.finditer(text))


def _malformed(header: str) -> DavError:
    return DavError(400, f"The If header cannot be understood: {header[:200]!r}")


def submitted(lists: Iterable[IfList]) -> frozenset[str]:
    """Every state token that the header mentions, wherever it stands: each counts as submitted (RFC 4918 §10.4.1)."""
    return frozenset(condition.token for one in lists for condition in one.conditions if condition.token)


def holds(lists: Iterable[IfList], look: Callable[[str], Standing]) -> bool:
    """Whether any list holds.

    look  the standing of a resource by its tag, "" for the request's own; each is asked on its own resource only, once
    """
    standing = cache(look)
    return any(all(_holds(condition, standing(one.tag)) for condition in one.conditions) for one in lists)


def _holds(condition: Condition, standing: Standing) -> bool:
    if condition.token:
        true = condition.token in standing.tokens
    else:
        true = standing.etag is not None and same_strong(condition.etag, standing.etag)
    return true is not condition.negated
