"""Properties: which are live, and the text of each for one entry. What PROPPATCH may set: `davfront/proppatch.py`.

A live property is a function from an entry to its element as text, or None where it has no meaning (the answer is then
404 for that one property). Dead properties lie in `Entry.props` as serialised elements and are copied out unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from davfront import media_types, multistatus
from views.past import is_past

if TYPE_CHECKING:
    from davfront.locks import LockRow
    from views.entry import Entry

SECOND_NS = 1_000_000_000
_D = "{DAV:}"
_OC = "{http://owncloud.org/ns}"
_MS = "{urn:schemas-microsoft-com:}"
Render = Callable[["Entry", str, str], "str | None"]  # entry, its name as shown, its path

SUPPORTED_LOCK = (
    "<D:supportedlock>"
    "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
    "<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
    "</D:supportedlock>"
)


_DAY_S = 86_400


def http_date(seconds: int) -> str:
    """As `Last-Modified` and `getlastmodified` have it (RFC 9110 §5.6.7). Only the day is looked up in a calendar."""
    day, rest = divmod(seconds, _DAY_S)
    return f"{_http_day(day)} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02} GMT"


@lru_cache(maxsize=1024)
def _http_day(day: int) -> str:
    return formatdate(day * _DAY_S, usegmt=True)[:-13]


def _iso_date(seconds: int) -> str:
    """As `creationdate` has it (RFC 3339, UTC)."""
    day, rest = divmod(seconds, _DAY_S)
    return f"{_iso_day(day)}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


@lru_cache(maxsize=1024)
def _iso_day(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * _DAY_S))


# ── live properties that an entry tells by itself ───────────────────────────────────────────────────────────────────


def _resourcetype(entry: Entry, _name: str, _path: str) -> str:
    return "<D:resourcetype><D:collection/></D:resourcetype>" if entry.is_folder else "<D:resourcetype/>"


def _getcontentlength(entry: Entry, _name: str, _path: str) -> str:
    # 0 on folders too: Infuse takes what lacks it for a broken file, old Kodi dereferences an empty one.
    return f"<D:getcontentlength>{entry.size_bytes}</D:getcontentlength>"


def _getlastmodified(entry: Entry, _name: str, _path: str) -> str:
    return f"<D:getlastmodified>{http_date(entry.modified_ns // SECOND_NS)}</D:getlastmodified>"


def _creationdate(entry: Entry, _name: str, _path: str) -> str:
    return f"<D:creationdate>{_iso_date(entry.created_ns // SECOND_NS)}</D:creationdate>"


def _getcontenttype(entry: Entry, _name: str, _path: str) -> str:
    kind = media_types.FOLDER if entry.is_folder else media_types.of(entry.name)
    return f"<D:getcontenttype>{kind}</D:getcontenttype>"


def _getetag(entry: Entry, _name: str, _path: str) -> str | None:
    # Byte for byte as in the header, quotes included: gvfs copies it into If-Match (RFC 4918 §15.6).
    return f"<D:getetag>{entry.etag}</D:getetag>" if entry.etag else None


def _displayname(_entry: Entry, name: str, _path: str) -> str:
    # gvfs and Kodi show this as the name, so it is the name and nothing else.
    return f"<D:displayname>{multistatus.escape(name)}</D:displayname>"


def _iscollection(entry: Entry, _name: str, _path: str) -> str:
    return f"<D:iscollection>{int(entry.is_folder)}</D:iscollection>"


def _supportedlock(_entry: Entry, _name: str, path: str) -> str:
    return "<D:supportedlock/>" if is_past(path) else SUPPORTED_LOCK


def _lastmodified(entry: Entry, _name: str, _path: str) -> str:
    return f"<D:lastmodified>{entry.modified_ns // SECOND_NS}</D:lastmodified>"  # rclone, Cyberduck: whole seconds


def _oc_size(entry: Entry, _name: str, _path: str) -> str:
    return f'<size xmlns="http://owncloud.org/ns">{entry.size_bytes}</size>'


def _win32(local: str, seconds: Callable[[Entry], int]) -> Render:
    def render(entry: Entry, _name: str, _path: str) -> str:
        return f'<{local} xmlns="urn:schemas-microsoft-com:">{http_date(seconds(entry))}</{local}>'

    return render


_OWN: dict[str, Render] = {
    _D + "resourcetype": _resourcetype,
    _D + "getcontentlength": _getcontentlength,
    _D + "getlastmodified": _getlastmodified,
    _D + "creationdate": _creationdate,
    _D + "getcontenttype": _getcontenttype,
    _D + "getetag": _getetag,
    _D + "displayname": _displayname,
    _D + "iscollection": _iscollection,
    _D + "supportedlock": _supportedlock,
    _D + "lastmodified": _lastmodified,
    _OC + "size": _oc_size,
    _MS + "Win32LastModifiedTime": _win32("Win32LastModifiedTime", lambda entry: entry.modified_ns // SECOND_NS),
    _MS + "Win32CreationTime": _win32("Win32CreationTime", lambda entry: entry.created_ns // SECOND_NS),
}

# Without supportedlock and lockdiscovery (RFC 4918 would have them), so that an entry stays below 700 bytes: Windows
# refuses an answer above 1,000,000 bytes (FileAttributesLimitInBytes) and asks for allprop only.
ALLPROP = tuple(
    _D + local
    for local in (
        "resourcetype", "creationdate", "getlastmodified", "getcontentlength", "getcontenttype", "getetag",
        "displayname",
        "iscollection",
    )
)  # fmt: skip


def allprop(entry: Entry, name: str) -> str:
    """The properties of `ALLPROP` in one go: what makes a listing of 10,000 names twice as fast."""
    if entry.is_folder:
        return "".join(_OWN[one](entry, name, "") or "" for one in ALLPROP)
    modified_s = entry.modified_ns // SECOND_NS
    return (
        f"<D:resourcetype/><D:creationdate>{_iso_date(entry.created_ns // SECOND_NS)}</D:creationdate>"
        f"<D:getlastmodified>{http_date(modified_s)}</D:getlastmodified>"
        f"<D:getcontentlength>{entry.size_bytes}</D:getcontentlength>"
        f"<D:getcontenttype>{media_types.of(entry.name)}</D:getcontenttype><D:getetag>{entry.etag}</D:getetag>"
        f"<D:displayname>{multistatus.escape(name)}</D:displayname><D:iscollection>0</D:iscollection>"
    )


_QUOTA = (_D + "quota-available-bytes", _D + "quota-used-bytes")
_LOCKDISCOVERY = _D + "lockdiscovery"
_CHECKSUMS = _OC + "checksums"
LIVE = frozenset((*_OWN, *_QUOTA, _LOCKDISCOVERY, _CHECKSUMS))
_ALLPROP_WITHOUT = frozenset((_MS + "Win32LastAccessTime",))  # 120 bytes that nobody reads back


# ── locks as XML ────────────────────────────────────────────────────────────────────────────────────────────────────


def lockdiscovery(rows: Iterable[LockRow], now_ns: int, *, last: str = "") -> str:
    """The element with every lock in `rows`. `last` is the token to come last: Finder keeps the last one it reads."""
    ordered = sorted(rows, key=lambda row: (row.token == last, row.token))
    return f"<D:lockdiscovery>{''.join(_activelock(row, now_ns) for row in ordered)}</D:lockdiscovery>"


def _activelock(row: LockRow, now_ns: int) -> str:
    scope, depth = "exclusive" if row.exclusive else "shared", "infinity" if row.deep else "0"
    left_s = max(0, -(-(row.expires_ns - now_ns) // SECOND_NS))
    return (
        f"<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:{scope}/></D:lockscope>"
        f"<D:depth>{depth}</D:depth>{row.owner}<D:timeout>Second-{left_s}</D:timeout>"
        f"<D:locktoken><D:href>{row.token}</D:href></D:locktoken>"
        f"<D:lockroot><D:href>{row.href}</D:href></D:lockroot></D:activelock>"
    )


# ── the sheet of one request ────────────────────────────────────────────────────────────────────────────────────────


class Around(Protocol):
    """What some properties need beyond the entry; asked for only when such a property was."""

    def quota(self) -> tuple[int, int]: ...  # available, used bytes
    def sums(self, entry: Entry) -> Mapping[str, bytes]: ...
    def locks(self, path: str) -> str: ...  # the lockdiscovery element


class Sheet:
    """One PROPFIND's question, prepared once and then put to each entry of a listing."""

    def __init__(self, asked: multistatus.Asked, around: Around) -> None:
        self._around = around
        self._names_only = asked.kind == "propname"
        self._all = asked.kind == "allprop"
        names = (*ALLPROP, *asked.names) if self._all else asked.names
        if self._names_only:
            names = tuple(sorted(LIVE))
        self._asked = frozenset(names)
        self._plain = self._all and not asked.names
        self._plan = [(self._renderer(name), multistatus.empty_element(name)) for name in dict.fromkeys(names)]

    def response(self, entry: Entry, name: str, path: str, href: str) -> str:
        """The answer about one entry, see `multistatus.response`."""
        if self._plain and not entry.props and entry.raw_digest:
            return multistatus.response(href, allprop(entry, name), "")
        found, missing = [], []
        for render, empty in self._plan:
            text = render(entry, name, path)
            if text is None:
                missing.append(empty)
            else:
                found.append(empty if self._names_only else text)
        if entry.props and (self._all or self._names_only):
            found.extend(self._dead(entry.props))
        return multistatus.response(href, "".join(found), "" if self._names_only else "".join(missing))

    def _dead(self, props: Mapping[str, str]) -> Iterable[str]:
        for name, element in props.items():
            if self._names_only:
                yield multistatus.empty_element(name)
            elif name not in self._asked and name not in _ALLPROP_WITHOUT:
                yield element

    def _renderer(self, name: str) -> Render:
        if name in _QUOTA:
            return self._quota(name)
        if name == _LOCKDISCOVERY:
            return lambda _entry, _name, path: self._around.locks(path)
        if name == _CHECKSUMS:
            return self._checksums
        return _OWN.get(name) or (lambda entry, _name, _path: entry.props.get(name))

    def _quota(self, name: str) -> Render:
        """RFC 4331, on folders only; asked once for the whole listing."""
        available_bytes, used_bytes = self._around.quota()
        number = available_bytes if name == _QUOTA[0] else used_bytes
        local = name.removeprefix(_D)
        # Never negative: ownCloud's -3 is read as a huge unsigned number by Finder.
        text = f"<D:{local}>{max(0, number)}</D:{local}>"
        return lambda entry, _name, _path: text if entry.is_folder else None

    def _checksums(self, entry: Entry, _name: str, _path: str) -> str | None:
        sums = {} if entry.is_folder else self._around.sums(entry)
        text = " ".join(f"{kind.upper()}:{value.hex()}" for kind, value in sorted(sums.items()))
        if not text:
            return None
        return f'<checksums xmlns="http://owncloud.org/ns"><checksum>{text}</checksum></checksums>'
