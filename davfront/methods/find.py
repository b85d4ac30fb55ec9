"""OPTIONS and PROPFIND: what can be done here, and what is here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from davfront import multistatus, paths, props, quirks
from davfront.errors import DavError
from davfront.methods import past
from davfront.methods.response import XML, Header, Response, allow
from davfront.methods.share import Request, Share
from davfront.multistatus import Asked
from davfront.props import Sheet
from views.entry import Entry, Kind
from views.errors import NameNotFound
from views.past import is_past

CAPABILITIES: tuple[Header, ...] = (
    ("DAV", "1, 2"),  # level 1 alone makes Finder mount read-only
    ("MS-Author-Via", "DAV"),  # without it Office opens read-only
    allow(),
    ("Accept-Ranges", "bytes"),
)
_AT_ONCE = 512  # children answered in one piece with a Content-Length; more are sent while they are written


def options(_share: Share, request: Request) -> Response:
    """The same everywhere, mapped or not, since clients ask before they make; but nothing is made in the past."""
    if not is_past(request.path):
        return Response.empty(200, CAPABILITIES)
    return Response.empty(200, [past.allowed(request.path) if field[0] == "Allow" else field for field in CAPABILITIES])


def propfind(share: Share, request: Request) -> Response:
    """Properties of one resource, or of a folder and its members."""
    depth = request.depth("infinity")
    if depth not in ("0", "1", "1,noroot", "infinity"):
        raise DavError(400, "PROPFIND has Depth 0 or 1.")
    if request.lists:
        share.permit(request, share.library.find)
    asked = Asked.from_body(multistatus.read_body(request.environ["wsgi.input"]))
    entry, children = _found(share, request, depth)
    if depth == "infinity" and entry.is_folder:
        raise _too_deep()
    responses = _responses(share, request, asked, entry, children)
    if depth == "1,noroot" and entry.is_folder:
        next(responses)
    body = multistatus.body(responses)
    if len(children) > _AT_ONCE:
        return Response(207, [XML], body)
    return Response.whole(207, [XML], b"".join(body))


def _too_deep() -> DavError:
    """Never answered as depth 1: a client would believe that it has seen everything."""
    return DavError(403, "Ask for one level at a time.", condition="propfind-finite-depth")


def _found(share: Share, request: Request, depth: str) -> tuple[Entry, list[Entry]]:
    try:
        if depth in ("0", "infinity"):  # infinity on a file is the file; webdav4 sends no Depth there
            return share.library.entry(request.path), []
        folder, children = share.library.listing(request.path, request.writer)
        beside = past.at_top(folder) if not request.path and quirks.is_browsing(request.writer) else []
        return folder, children + beside
    except NameNotFound:
        entry = _beside_the_tree(share, request)
        if entry is None:
            raise
        return entry, []


def _beside_the_tree(share: Share, request: Request) -> Entry | None:
    """Files that stand in no listing, see `read._beside_the_tree`."""
    name = request.path.rpartition("/")[2]
    if quirks.is_pretended(request.path, request.writer):
        return Entry(0, Kind.FILE, name, 0, 0)
    generated = share.library.generated(request.path)
    if generated is None:
        return None
    share.library.store.system.close(generated.fd)
    return Entry(0, Kind.FILE, name, generated.modified_ns, generated.modified_ns, generated.size_bytes)


def _responses(share: Share, request: Request, asked: Asked, entry: Entry, children: list[Entry]) -> Iterator[str]:
    """The folder as it was asked for, then its members below that same path: clients match hrefs by their beginning."""
    sheet, base = Sheet(asked, _Around(share, request)), request.href(entry.is_folder)
    yield sheet.response(entry, request.asked.rpartition("/")[2] or share.label, request.path, base)
    for child in children:
        name = quirks.name_for(child.name, request.writer)
        href = base + paths.escape_name(name)
        yield sheet.response(child, name, paths.join(request.path, child.name), href + "/" if child.is_folder else href)


class _Around:
    """What properties need beyond the entry (`props.Around`)."""

    def __init__(self, share: Share, request: Request) -> None:
        self._share, self._request = share, request

    def quota(self) -> tuple[int, int]:
        space = self._share.library.space()
        return 0 if is_past(self._request.path) else space.available_bytes, space.used_bytes

    def sums(self, entry: Entry) -> Mapping[str, bytes]:
        return self._share.library.sums(entry)

    def locks(self, path: str) -> str:
        share = self._share
        if share.locks.is_empty:
            return "<D:lockdiscovery/>"
        rows = share.locks.covering(share.canonical(path, share.library.find))
        return props.lockdiscovery(rows, share.now_ns())


# ── the parent of the share ─────────────────────────────────────────────────────────────────────────────────────────


def root_propfind(request: Request, share_name: str) -> Response:
    """`/` as a folder that holds the share: Windows and gvfs look at every parent before they mount."""
    depth = request.depth("infinity")
    if depth == "infinity":
        raise _too_deep()
    asked = Asked.from_body(multistatus.read_body(request.environ["wsgi.input"]))
    sheet = Sheet(asked, _Nothing())
    folder = Entry(0, Kind.FOLDER, "/", 0, 0)
    texts = [] if depth == "1,noroot" else [sheet.response(folder, "/", "", "/")]
    if depth != "0":
        texts.append(sheet.response(folder, share_name, share_name, f"/{share_name}/"))
    return Response.whole(207, [XML], b"".join(multistatus.body(texts)))


class _Nothing:
    """Above the share there is no quota, no content and no lock."""

    def quota(self) -> tuple[int, int]:
        return 0, 0

    def sums(self, _entry: Entry) -> Mapping[str, bytes]:
        return {}

    def locks(self, _path: str) -> str:
        return "<D:lockdiscovery/>"
