"""What the doors of uploads in several goes share: from ids and names to uploads, from header fields to values, from uploads to
answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon
from msgspec import json

from views.audit import timestamp
from views.errors import OffsetWrong, UploadProblem, UploadUnknown, UploadUnlike, UploadWhole
from views.library import Library
from views.resumable import Resumable
from views.upload import Upload
from views.web import draft, tus, urls
from views.web.body import stream_of
from views.web.desk import Desk
from views.web.errors import ApiError

PLACE = "/api/uploads"
STORED = "Kept. The path is the name it has here."
DUPLICATE = "This project has these bytes already, under the path that is told; nothing was stored again."
PROBLEM_TYPE = "application/problem+json"


class Door:
    """The uploads of all sources, and how they are told of."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def find(self, id: str) -> tuple[str, Resumable]:
        """The source that keeps an upload. UploadUnknown."""
        for source, library in self.desk.libraries.items():
            if library.resumable.has(id):
                return source, library.resumable
        raise UploadUnknown(id[:64])

    def goes_to(self, project: str | None, source: str | None) -> tuple[Library, str]:
        """400 without a project: it would be nowhere."""
        if not project:
            raise ApiError(400, "say which project the file is for: project in Upload-Metadata, or ?project=")
        library, found = self.desk.project(project, source)
        return library, found.name

    def most(self) -> int | None:
        return self.desk.max_upload_bytes or None

    def told(self, req: falcon.Request, source: str, upload: Upload) -> dict[str, Any]:
        """What every upload answers at its end (contract §2.6)."""
        assert upload.result is not None
        result = dict(upload.result)
        arrived_ns, place = result.pop("arrived_ns"), (upload.project, result["path"], source)
        served = {
            "stream_url": req.forwarded_prefix + urls.stream(*place),
            "download_url": req.forwarded_prefix + urls.download(*place),
        }
        stored = result["status"] == "stored"
        answer = {**result, "project": upload.project, "source": source, "relative_path": result["path"], "filename": upload.name,
                  "served": served, "instructions": STORED if stored else DUPLICATE}  # fmt: skip
        return answer | ({"uploaded_at": timestamp(arrived_ns)} if stored else {})

    def url(self, req: falcon.Request, id: str) -> str:
        return f"{req.forwarded_prefix}{PLACE}/{id}"

    def options(self, resp: falcon.Response, methods: str) -> None:
        """What is offered: tus Core Protocol, OPTIONS; draft §Limits."""
        resp.status = 204
        both = f"{tus.CHUNK_TYPE}, {draft.CHUNK_TYPE}"
        say(resp, {**tus.about(self.most()), **draft.limit(None, self.most()), "Accept-Patch": both, "Allow": methods})

    # the draft

    def take_first(self, req: falcon.Request, source: str, said: Upload) -> Upload:
        """§Upload Creation: an upload begins with this request, and before its body is read the client hears where to go on with
        it, if it knows what that means."""
        interop, last = draft_words(req)
        uploads = self.desk.library(source).resumable
        upload = uploads.begin(said)
        inform: Callable[..., None] | None = req.env.get("filmcan.inform")
        if interop is not None and last is not None and inform is not None:
            inform(draft.INFORM, [*self.place(req, upload, interop).items(), *draft.echo(interop).items()])
        try:
            return uploads.append(upload.id, 0, stream_of(req), announced=announced(req), last=last is not False)
        except BaseException:
            if last is None:  # nobody knows how to go on with it
                uploads.remove(upload.id)
            raise

    def place(self, req: falcon.Request, upload: Upload, interop: int | None) -> dict[str, str]:
        return {"Location": self.url(req, upload.id), **draft.limit(interop, upload.most)}

    def answer(self, req: falcon.Request, resp: falcon.Response, source: str, upload: Upload, interop: int | None) -> None:
        """To bytes that were kept."""
        say(resp, {"Upload-Offset": str(upload.offset), **draft.told(interop, upload.complete), **draft.echo(interop)})
        if upload.result is not None:
            resp.media = self.told(req, source, upload)
        else:
            resp.status = 201 if (interop or draft.LATEST) < 7 else 204


def draft_words(req: falcon.Request) -> tuple[int | None, bool | None]:
    """Interop version, and whether this body is the last."""
    interop = draft.version(req.get_header("Upload-Draft-Interop-Version"))
    return interop, draft.is_last(req.get_header("Upload-Complete"), req.get_header("Upload-Incomplete"), interop)


def problem(resp: falcon.Response, error: UploadProblem) -> None:
    """§Problem Types, with `detail` as everywhere in the API."""
    said: dict[str, Any] = {"detail": str(error)}
    if isinstance(error, OffsetWrong):
        status, word = 409, "mismatching-upload-offset"
        said |= {"expected-offset": error.expected, "provided-offset": error.provided}
    elif isinstance(error, UploadWhole):
        status, word = 400, "completed-upload"
    elif isinstance(error, UploadUnlike):
        status, word = 400, "inconsistent-upload-length"
    else:
        raise error
    resp.status, resp.content_type = status, PROBLEM_TYPE
    resp.data = json.encode({"type": draft.PROBLEMS + word, "title": word.replace("-", " "), **said})


def media_type(req: falcon.Request) -> str:
    return (req.content_type or "").partition(";")[0].strip().lower()


def announced(req: falcon.Request) -> int | None:
    """Bytes of the body; None when it comes in chunks."""
    if req.get_header("Transfer-Encoding") is not None:
        return None
    return req.content_length or 0


def length_of(req: falcon.Request) -> int | None:
    """Upload-Length of the draft; anything but a number is ignored (§Length)."""
    text = req.get_header("Upload-Length") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= tus.MOST_DIGITS else None


def needed_offset(req: falcon.Request) -> int:
    offset = tus.number("Upload-Offset", req.get_header("Upload-Offset"))
    if offset is None:
        raise ApiError(400, "say where these bytes begin: Upload-Offset")
    return offset


def say(resp: falcon.Response, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        resp.set_header(name, value)
