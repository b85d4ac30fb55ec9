"""MKCOL, DELETE, COPY and MOVE: changes of names. No content is read or written by any of them."""

from __future__ import annotations

from collections.abc import Sequence

from davfront import multistatus, paths
from davfront.errors import DavError, PreconditionFailed
from davfront.methods import past
from davfront.methods.response import XML, Header, Response, allowed_on
from davfront.methods.share import Find, Request, Share, Touch
from davfront.upload import promised_time
from views.brake import Act
from views.edit import Placed
from views.errors import AlreadyThere

LOST = "500 Internal Server Error"  # as a GET of such a file is answered


def mkcol(share: Share, request: Request) -> Response:
    """A new folder; at the top a new project, which goes on answering to the name it was given here."""
    # KDE sends Content-Type: text/xml without a body: only bytes are refused, not the header.
    if request.environ["wsgi.input"].read(1):
        raise DavError(415, "MKCOL takes no body here.")
    try:
        share.library.make_folder(request.path, guard=share.guard(request, Touch(request.path, membership=True)))
    except AlreadyThere as error:
        raise DavError(405, str(error), headers=[allowed_on(share.library.find(request.path))]) from None
    return Response.empty(201, [("Location", request.href(True))])


def delete(share: Share, request: Request) -> Response:
    """Take a name away, a folder with all in it. The bytes stay in the trash."""
    if not request.path:
        raise DavError(403, "The top folder stays.")
    _refuse_shallow(share, request)
    at = share.canonical(request.path, share.library.find)  # afterwards nobody knows any more whose name this was
    guard = share.guard(request, Touch(request.path, members=True, membership=True))
    counting = share.counting(request, guard, lambda find: Act(request.path, find(request.path)))
    share.library.delete(request.path, guard=counting)
    share.locks.forget(at)
    return Response.empty(204)


def _refuse_shallow(share: Share, request: Request) -> None:
    """DELETE and MOVE of a folder are infinite (RFC 4918 §9.6.1, §9.9.2); whoever asks for less must not lose all."""
    if request.depth("infinity") != "infinity":
        entry = share.library.find(request.path)
        if entry is not None and entry.is_folder:
            raise DavError(400, f"{request.method} of a folder has Depth: infinity.")


def copy(share: Share, request: Request) -> Response:
    """A second name for the same content."""
    depth = request.depth("infinity")
    if depth not in ("0", "infinity"):
        raise DavError(400, "COPY has Depth 0 or infinity.")
    target, touch = _target(share, request)
    guard = share.counting(request, share.guard(request, touch), lambda find: _over(request, target, find))
    try:
        placed = share.library.copy(
            request.path, target, overwrite=request.overwrite(), members=depth != "0", guard=guard
        )
    except AlreadyThere:
        raise PreconditionFailed("Overwrite") from None
    if placed.lost:
        return _without(request, placed.lost)
    return _placed(share, request, target, placed)


def _without(request: Request, lost: Sequence[str]) -> Response:
    """207: a folder was copied, but for files whose content is lost (RFC 4918 §9.8.3 wants each named, and the rest copied)."""
    hrefs = (paths.href(request.script, paths.join(request.asked, path), False) for path in lost)
    told = (multistatus.status_response(href, LOST) for href in hrefs)
    return Response(207, [XML], multistatus.body(told))


def move(share: Share, request: Request) -> Response:
    """Another name for the same content. Locks stay behind (RFC 4918 §7.6)."""
    _refuse_shallow(share, request)
    target, touch = _target(share, request)
    source = share.canonical(request.path, share.library.find)
    guard = share.guard(request, Touch(request.path, members=True, membership=True), touch)
    guard = share.counting(request, guard, lambda find: _over(request, target, find))
    try:
        placed = share.library.move(request.path, target, overwrite=request.overwrite(), guard=guard)
    except AlreadyThere:
        raise PreconditionFailed("Overwrite") from None
    share.locks.forget(source)
    return _placed(share, request, target, placed)


def _over(request: Request, target: str, find: Find) -> Act:
    """What a copy or a move replaces. What takes another name is not taken away."""
    source, there = find(request.path), find(target)
    if source is None or not request.overwrite() or (there is not None and there.id == source.id):
        return Act(target, None)
    return Act(target, there, source.raw_digest)


def _target(share: Share, request: Request) -> tuple[str, Touch]:
    header = request.environ.get("HTTP_DESTINATION")
    if not header:
        raise DavError(400, f"{request.method} needs a Destination.")
    path = share.target(header, request).path
    past.refuse_target(path)
    if path == request.path:
        raise DavError(403, "Source and destination are the same.")
    return path, Touch(path, members=True)


def _placed(share: Share, request: Request, target: str, placed: Placed) -> Response:
    """201 or 204 and nothing else: KDE takes every other success for a failure."""
    headers: list[Header] = []
    modified_ns = promised_time(request.environ)
    if modified_ns is not None:  # rclone's vendor=owncloud sends X-OC-Mtime with COPY and MOVE too
        share.library.amend(placed.path or target, modified_ns=modified_ns)
        headers.append(("X-OC-Mtime", "accepted"))
    if not placed.created:
        return Response.empty(204, headers)
    return Response.empty(201, [*headers, ("Location", paths.href(request.script, target, placed.entry.is_folder))])
