"""PUT: the walk of a file from the wire into the store.

allowed? ─► received and hashed ─► as promised? ─► under the name, if still allowed ─► answered when it is lasting
"""

from __future__ import annotations

from cas.incoming import Incoming
from davfront import upload
from davfront.errors import DavError
from davfront.methods.response import ON_FOLDER, Header, Response, allow
from davfront.methods.share import Find, Request, Share, Touch
from davfront.props import SECOND_NS, http_date
from davfront.upload import Promise
from views.brake import Act
from views.edit import Placed

ON_ITS_WAY_BYTES = 1 << 20  # as much as the server drops after an early answer without closing the connection


def put(share: Share, request: Request) -> Response:
    """Store the body under the path. Until the answer is 201 or 204, what was there before is still there."""
    promise = Promise.from_environ(request.environ)
    _check_early(share, request, promise)
    with share.library.receive(promise.expected_bytes, promise.extra) as body:
        upload.pour(request.environ["wsgi.input"], body, share.buffers)
        body.finish(modified_ns=promise.modified_ns)
        for kind, value in promise.sums.items():
            body.require(kind, value)
        placed = share.library.put(
            request.path,
            body,
            modified_ns=promise.modified_ns,
            writer=request.writer,
            guard=share.counting(request, share.guard(request, Touch(request.path)), lambda find: _act(request, body, find)),
        )
    return _answer(request, promise, placed)


def _act(request: Request, body: Incoming, find: Find) -> Act:
    """What is written over."""
    assert body.sums is not None
    return Act(request.path, find(request.path), body.sums.digest.raw)


def _check_early(share: Share, request: Request, promise: Promise) -> None:
    """Refuse before the first byte is read: until then no `100 Continue` has been sent, and nothing needs to be.

    A small body that nobody waits with is on its way already: the decision inside the commit, which counts, is enough for it.
    """
    if request.slash:
        entry = share.library.find(request.path)
        if entry is not None and entry.is_folder:
            raise DavError(405, "A folder cannot be written to.", headers=[allow(ON_FOLDER)])
        raise DavError(409, "A URL that ends with a slash names a folder; use MKCOL for that.")
    if promise.expected_bytes is None or promise.expected_bytes > ON_ITS_WAY_BYTES or "HTTP_EXPECT" in request.environ:
        share.permit(request, share.library.find, Touch(request.path))
        share.admit_file(request.path)


def _answer(request: Request, promise: Promise, placed: Placed) -> Response:
    """What saves Finder and davfs2 a round trip (ETag, Last-Modified), and what tells scripts that bytes are safe."""
    entry = placed.entry
    headers: list[Header] = [
        ("ETag", entry.etag or ""),
        ("Last-Modified", http_date(entry.modified_ns // SECOND_NS)),
        ("X-Filmcan-Digest", f"blake3:{entry.digest}"),
        ("X-Filmcan-Known", "true" if placed.known else "false"),
    ]
    if promise.modified_ns is not None:
        headers.append(("X-OC-Mtime", "accepted"))  # rclone and the ownCloud clients look for it
    if not placed.created:
        return Response.empty(204, headers)
    return Response.empty(201, [*headers, ("Location", request.href(False))])
