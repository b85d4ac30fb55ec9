"""Uploads in several goes, at `/api/uploads`: tus 1.0.0 and the IETF draft are two doors to the same uploads.

A client of the draft that sends a large file to an upload route of a project gets one too (`upload.take_bare`).
The third door needs nothing of this: a PUT that broke off is sent again, whole, to `/dav/…` or to the upload route of a project.
What arrived whole before is known by its content, so a retry never makes a second file.

`POST /api/uploads`         begin: tus says where in Upload-Metadata (`filename`, `project`, `source`, `filetype`), the draft,
                            and a request of neither, in the query: `?project=&filename=&source=`; `PUT` likewise
`HEAD /api/uploads/{id}`    how many bytes are here; ends a request that is still sending
`PATCH /api/uploads/{id}`   more bytes; `DELETE` ends the upload; `GET` tells about it, and at the end what it became

The URL of an upload is known to nobody but who began it, and is all that is needed to go on with it.
"""

from __future__ import annotations

import falcon
from msgspec import structs

from views.audit import timestamp
from views.errors import UploadProblem, UploadUnknown, UploadUnlike, UploadWhole
from views.resumable import Resumable
from views.sources import PRIMARY
from views.upload import Upload
from views.web import draft, tus
from views.web.app import Routes
from views.web.body import stream_of
from views.web.desk import Desk
from views.web.door import PLACE, Door, announced, draft_words, length_of, media_type, needed_offset, problem, say
from views.web.errors import ApiError
from views.web.upload import name_of

METHODS = "OPTIONS, POST, PUT", "OPTIONS, HEAD, GET, PATCH, POST, DELETE"


class Beginning:
    """`/api/uploads`"""

    def __init__(self, door: Door) -> None:
        self._door = door

    def on_options(self, _req: falcon.Request, resp: falcon.Response) -> None:
        self._door.options(resp, METHODS[0])

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        if speaks_tus(req, resp):
            self._begin_tus(req, resp)
        else:
            self._begin_draft(req, resp)

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._begin_draft(req, resp)

    # tus

    def _begin_tus(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Creation, with or without bytes, of a whole, a piece, or out of pieces."""
        said = tus.metadata(req.get_header("Upload-Metadata"))
        partial, parts = tus.concat(req.get_header("Upload-Concat"))
        source = said.get("source") or req.get_param("source") or PRIMARY
        project = said.get("project") or req.get_param("project")
        name = said.get("filename") or said.get("name") or req.get_param("filename") or ""
        if partial:
            library, project = self._door.desk.library(source), ""
        else:
            library, project = self._door.goes_to(project, source)
        kind = said.get("filetype") or said.get("type", "")
        upload = Upload("", project, name, kind, said, most=self._door.most(), partial=partial, ends=True)
        if parts:
            upload = library.resumable.join(upload, [(self._door.find(id)[1], id) for id in parts])
        else:
            upload = self._with_bytes(req, library.resumable, upload)
        say(resp, {"Location": self._door.url(req, upload.id), "Upload-Offset": str(upload.offset), **tus.expires(upload)})
        resp.status = 201
        if upload.result is not None:
            resp.media = self._door.told(req, source, upload)

    def _with_bytes(self, req: falcon.Request, uploads: Resumable, said: Upload) -> Upload:
        """Creation With Upload: a body of the right type is the first piece of it. An empty file is complete at once."""
        sums = tus.checksum(req.get_header("Upload-Checksum"))
        upload = uploads.begin(_with_length(said, tus.length({name: req.get_header(name) for name in LENGTHS})))
        if media_type(req) == tus.CHUNK_TYPE:
            return uploads.append(upload.id, 0, stream_of(req), announced=announced(req), sums=sums)
        return uploads.complete(upload.id) if upload.length == 0 else upload

    # the draft

    def _begin_draft(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Upload Creation. A client that says nothing of resuming gets the same, without a way to go on."""
        interop, last = draft_words(req)
        if req.get_header("Content-Encoding") not in (None, "identity"):
            raise ApiError(415, "files are kept as they are: send them without a content coding")
        if req.get_header("Upload-Offset") is not None:
            raise ApiError(400, "a new upload has no offset yet")
        source = req.get_param("source") or PRIMARY
        _, project = self._door.goes_to(req.get_param("project"), source)
        length, coming = length_of(req), announced(req)
        if last is not False and None not in (length, coming) and length != coming:
            raise UploadUnlike("", why="Content-Length and Upload-Length contradict each other")
        sha256, length = draft.sha256(req.get_header("Repr-Digest")), coming if last is not False and length is None else length
        said = Upload("", project, name_of(req) or "", media_type(req), most=self._door.most(), sha256=sha256, length=length)
        upload = self._door.take_first(req, source, said)
        say(resp, self._door.place(req, upload, interop))
        self._door.answer(req, resp, source, upload, interop)
        if not upload.complete:
            resp.status = 201  # §Upload Creation


class Going:
    """`/api/uploads/{id}`"""

    def __init__(self, door: Door) -> None:
        self._door = door

    def on_options(self, _req: falcon.Request, resp: falcon.Response, id: str) -> None:
        self._door.options(resp, METHODS[1])

    def on_post(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """tus Core Protocol, X-HTTP-Method-Override: for clients that cannot PATCH or DELETE."""
        method = (req.get_header("X-HTTP-Method-Override") or "").upper()
        known = {"PATCH": self.on_patch, "DELETE": self.on_delete, "HEAD": self.on_head}
        if method not in known:
            raise ApiError(405, "bytes are appended with PATCH", Allow=METHODS[1])
        known[method](req, resp, id)

    def on_head(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        if speaks_tus(req, resp):
            upload = self._door.find(id)[1].look(id)
            say(resp, tus.state(upload, [self._door.url(req, part) for part in upload.parts]))
            return
        self._no_fields(req, "Upload-Offset", "Upload-Complete", "Upload-Incomplete", "Upload-Length")
        library = self._door.find(id)[1]
        say(resp, draft.state(library.look(id), draft_words(req)[0], library.now_ns()))
        resp.status = 204

    def on_get(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Where an upload stands, disturbing nobody."""
        source, uploads = self._door.find(id)
        upload = uploads.peek(id)
        told = {"id": id, "status": "receiving", "offset": upload.offset, "length": upload.length, "project": upload.project,
                "filename": upload.name, "expires_at": timestamp(upload.expires_ns)}  # fmt: skip
        resp.media = told if upload.result is None else {**told, **self._door.told(req, source, upload)}
        resp.set_header("Cache-Control", "no-store")

    def on_delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """tus Termination; draft §Upload Cancellation. A file that was placed stays."""
        if not speaks_tus(req, resp):
            self._no_fields(req, "Upload-Offset", "Upload-Complete", "Upload-Incomplete")
        self._door.find(id)[1].remove(id)
        resp.status = 204

    def on_patch(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        if speaks_tus(req, resp):
            self._append_tus(req, resp, id)
            return
        try:
            self._append_draft(req, resp, id)
        except UploadProblem as error:
            problem(resp, error)
            say(resp, draft.told(draft_words(req)[0], isinstance(error, UploadWhole)))
        finally:
            self._say_state(req, resp, id)

    def _append_tus(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Core Protocol, PATCH: 204; who asks for JSON gets 200 and what became of the file when it is complete."""
        if media_type(req) != tus.CHUNK_TYPE:
            raise ApiError(415, f"bytes are appended as {tus.CHUNK_TYPE}", Accept_Patch=tus.CHUNK_TYPE)
        source, uploads = self._door.find(id)
        sums = tus.checksum(req.get_header("Upload-Checksum"))
        length = tus.number("Upload-Length", req.get_header("Upload-Length"))
        offset, coming = needed_offset(req), announced(req)
        upload = uploads.append(id, offset, stream_of(req), announced=coming, length=length, sums=sums)
        say(resp, {"Upload-Offset": str(upload.offset), **tus.expires(upload)})
        resp.status = 204
        if upload.result is not None and "application/json" in (req.get_header("Accept") or ""):
            resp.status, resp.media = 200, self._door.told(req, source, upload)

    def _append_draft(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """§Upload Append; of two requests the later one counts (§Concurrency)."""
        interop, said = draft_words(req)
        draft.check_type(interop, req.content_type)
        last, offset, coming = draft.is_end(said, interop), needed_offset(req), announced(req)
        source, uploads = self._door.find(id)
        length, body = length_of(req), stream_of(req)
        upload = uploads.append(id, offset, body, announced=coming, length=length, last=last, takes_over=True)
        self._door.answer(req, resp, source, upload, interop)

    def _say_state(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """Answers to an append tell the offset, also when they refuse it, and the limit (§Upload Append, §Limits)."""
        try:
            upload = self._door.find(id)[1].peek(id)
        except UploadUnknown:
            return
        say(resp, {"Upload-Offset": str(upload.offset), **draft.limit(draft_words(req)[0], upload.most)})

    @staticmethod
    def _no_fields(req: falcon.Request, *names: str) -> None:
        for name in names:
            if req.get_header(name) is not None:
                raise ApiError(400, f"{name} has no meaning in this request")


LENGTHS = ("Upload-Length", "Upload-Defer-Length")


def speaks_tus(req: falcon.Request, resp: falcon.Response) -> bool:
    """Is this tus? Then every answer says so, and 412 is the answer to another version (Core Protocol, Tus-Resumable)."""
    version = req.get_header("Tus-Resumable")
    if version is None and media_type(req) != tus.CHUNK_TYPE:
        return False
    resp.set_header("Tus-Resumable", tus.VERSION)
    tus.check_version(version)
    return True


def _with_length(said: Upload, length: int | None) -> Upload:
    return structs.replace(said, length=length)


def routes(desk: Desk) -> Routes:
    door = Door(desk)
    return ((PLACE, Beginning(door)), (PLACE + "/{id}", Going(door)))
