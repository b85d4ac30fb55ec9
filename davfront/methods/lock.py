"""LOCK and UNLOCK (RFC 4918 §9.10, §9.11). What a lock forbids is decided in `Share.permit` and `locks.LockBook`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from xml.etree import ElementTree

from davfront import multistatus, paths, props
from davfront.errors import DavError
from davfront.locks import OWNER_BYTES, LockRow, NoConflictingLock, granted_seconds
from davfront.methods.response import XML, Header, Response
from davfront.methods.share import Find, Request, Share, Touch
from views.entry import Entry
from views.errors import NameNotFound

# A URI of our own (RFC 4918 §6.5 leaves the scheme free), and short: litmus cuts an If header with two tags of 66
# characters and a UUID off at 200. Nobody minds the scheme; the servers built on x/net/webdav send bare numbers.
TOKEN_BYTES = 14


@dataclass(frozen=True, slots=True)
class Wish:
    """What a <lockinfo> asks for."""

    exclusive: bool
    owner: str

    @classmethod
    def from_body(cls, body: bytes) -> Wish:
        """raises  DavError 400, 413 for an owner of more than 1 KiB, 422 for a lock that is not a write lock"""
        root = multistatus.parse(body)
        if root.tag != "{DAV:}lockinfo":
            raise DavError(400, "LOCK needs a <lockinfo> element.")
        scopes = {node.tag for node in root.iterfind("{DAV:}lockscope/*")}
        if scopes not in ({"{DAV:}exclusive"}, {"{DAV:}shared"}):
            raise DavError(400, "A lock is either exclusive or shared.")
        if root.find("{DAV:}locktype/{DAV:}write") is None:
            raise DavError(422, "Only write locks are known here.")
        return cls(scopes == {"{DAV:}exclusive"}, _owner(root.find("{DAV:}owner")))


def _owner(element: ElementTree.Element | None) -> str:
    if element is None:
        return ""
    element.tail = None
    text = ElementTree.tostring(element, encoding="unicode")
    if len(text.encode()) > OWNER_BYTES:
        raise DavError(413, f"The owner of a lock may have {OWNER_BYTES} bytes.")
    return text


def lock(share: Share, request: Request) -> Response:
    """Take a lock, or with an empty body make one last longer."""
    _sweep(share)
    depth = request.depth("infinity")
    if depth not in ("0", "infinity"):
        raise DavError(400, "LOCK has Depth 0 or infinity.")
    body = multistatus.read_body(request.environ["wsgi.input"])
    if not body.strip():
        return _refresh(share, request)
    wish = Wish.from_body(body)
    entry, made = _what_is_locked(share, request)
    row = _row(share, request, wish, depth == "infinity", entry, made)
    try:
        row = share.locks.grant(row)
    except BaseException:
        _clear_placeholder(share, row)
        raise
    return _answer(share, row, 201 if made else 200, [("Lock-Token", f"<{row.token}>")])


def _row(share: Share, request: Request, wish: Wish, deep: bool, entry: Entry, made: bool) -> LockRow:
    return LockRow(
        token=f"filmcan:{secrets.token_hex(TOKEN_BYTES)}",
        path=share.canonical(request.path, share.library.find),
        href=request.href(entry.is_folder),
        exclusive=wish.exclusive,
        deep=deep,
        owner=wish.owner,
        user=request.user,
        seconds=granted_seconds(request.environ.get("HTTP_TIMEOUT", "")),
        expires_ns=0,
        placeholder_id=entry.id if made else 0,
        placeholder_ns=entry.modified_ns if made else 0,
    )


def _what_is_locked(share: Share, request: Request) -> tuple[Entry, bool]:
    """The entry at the path, made when nothing is there (RFC 4918 §7.3), and whether it was."""
    entry = share.library.find(request.path)
    if entry is not None:
        share.permit(request, share.library.find)
        return entry, False
    if request.slash:
        raise DavError(409, "A URL that ends with a slash names a folder; make it with MKCOL first.")
    return _placeholder(share, request), True


def _placeholder(share: Share, request: Request) -> Entry:
    """An empty file that keeps the place. It goes with its lock, if nothing was written by then."""

    def guard(find: Find) -> None:
        share.permit(request, find, Touch(request.path, membership=True))
        if find(request.path) is not None:
            raise DavError(409, "Somebody else made this a moment ago; ask again.")
        covering = share.locks.covering(share.canonical(request.path, find))
        if covering:
            raise NoConflictingLock(covering)

    share.admit_file(request.path)
    with share.library.receive(0) as body:
        return share.library.put(request.path, body, writer=request.writer, guard=guard).entry


def _refresh(share: Share, request: Request) -> Response:
    """An empty body and the token in `If`: the lock's time begins anew (RFC 4918 §9.10.2)."""
    if not request.tokens:
        raise DavError(400, "A LOCK without body needs the token of a lock in the If header.")
    at = share.canonical(request.path, share.library.find)
    held = [row for row in share.locks.covering(at) if row.token in request.tokens and row.user == request.user]
    seconds = granted_seconds(request.environ.get("HTTP_TIMEOUT", ""))
    row = share.locks.refresh(held[0].token, seconds) if held else None
    if row is None:
        raise DavError(412, "There is no such lock here.", condition="lock-token-matches-request-uri")
    return _answer(share, row, 200, [])


def _answer(share: Share, row: LockRow, status: int, headers: list[Header]) -> Response:
    rows = share.locks.covering(row.path)
    discovery = props.lockdiscovery(rows, share.now_ns(), last=row.token)
    body = f'{multistatus.DECLARATION}<D:prop xmlns:D="DAV:">{discovery}</D:prop>'
    return Response.whole(status, [XML, *headers], body.encode())


def unlock(share: Share, request: Request) -> Response:
    """Give a lock back."""
    token = request.environ.get("HTTP_LOCK_TOKEN", "").strip().removeprefix("<").removesuffix(">")
    if not token:
        raise DavError(400, "UNLOCK needs a Lock-Token.")
    row = share.locks.get(token)
    at = share.canonical(request.path, share.library.find)
    if row is None or not (row.path == at or (row.deep and paths.is_below(at, row.path))):
        raise DavError(409, "This is not locked with that token.", condition="lock-token-matches-request-uri")
    if row.user != request.user:
        raise DavError(403, "Somebody else holds this lock.")
    share.locks.release([token])
    _clear_placeholder(share, row)
    _sweep(share)
    return Response.empty(204)


def _sweep(share: Share) -> None:
    """Locks whose time is over go, with the placeholders they leave behind."""
    for row in share.locks.take_expired():
        _clear_placeholder(share, row)


class _Written(Exception):
    """Something was done with a placeholder: it is a file like any other now."""


def _is_untouched(entry: Entry, row: LockRow) -> bool:
    same = (entry.id, entry.modified_ns) == (row.placeholder_id, row.placeholder_ns)
    return same and not entry.size_bytes and not entry.props


def _clear_placeholder(share: Share, row: LockRow) -> None:
    if not row.placeholder_id:
        return

    def guard(find: Find) -> None:
        entry = find(row.path)
        if entry is None or not _is_untouched(entry, row) or share.locks.covering(row.path):
            raise _Written

    try:
        share.library.delete(row.path, guard=guard)
    except (_Written, NameNotFound):
        return
