"""Uploads: forms and bare bodies, straight from the wire into the store. Memory does not grow with the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import falcon

from cas.errors import TooLarge
from cas.incoming import Incoming
from views.arrivals import Uploaded
from views.audit import timestamp
from views.errors import NameInvalid, NotMedia
from views.library import Library
from views.sources import PRIMARY
from views.upload import Upload as Resumable
from views.web import batches, door, draft, form, urls
from views.web.app import Routes
from views.web.batches import Batch
from views.web.body import pieces, stream_of
from views.web.desk import Desk
from views.web.door import DUPLICATE, STORED
from views.web.errors import ApiError, shape
from views.web.form import Part

SHA256 = re.compile(r"[0-9a-f]{64}")
FORM_BYTES = 1 << 20  # what a form may add to its file
FIELDS = ("file", "files", "files[]")


@dataclass(frozen=True, slots=True)
class Counter:
    """Where uploads of one request go, and how what became of them is told."""

    library: Library
    project: str
    source: str
    prefix: str  # scheme and host, for absolute URLs
    batch: Batch | None = None  # that the files are noted in

    def keep(self, name: str, body: Incoming) -> dict[str, Any]:
        batch = self.batch.id if self.batch else ""
        return self.told(self.library.upload(self.project, name, body, batch=batch), name)

    def refused(self, name: str, why: str) -> dict[str, Any]:
        """The answer for a file that cannot be kept, among others that can."""
        if self.batch:
            self.batch.note_error(name, why)
        return {"status": "error", "filename": name, "detail": why}

    def told(self, uploaded: Uploaded, name: str) -> dict[str, Any]:
        """The answer for one file (contract §2.6)."""
        place, sums = (self.project, uploaded.path, self.source), uploaded.sums
        answer = {
            "status": "duplicate" if uploaded.duplicate else "stored",
            "project": self.project,
            "source": self.source,
            "path": uploaded.path,
            "relative_path": uploaded.path,
            "filename": name,
            "sha256": sums.sha256.hex(),
            "blake3": sums.digest.hex,
            "size": sums.size_bytes,
            "served": {
                "stream_url": self.prefix + urls.stream(*place),
                "download_url": self.prefix + urls.download(*place),
            },
            "instructions": DUPLICATE if uploaded.duplicate else STORED,
        }
        return answer if uploaded.duplicate else {**answer, "uploaded_at": timestamp(uploaded.entry.arrived_ns)}


class Taking:
    """The files of one form, taken in as they pass. One wrong name among several files does not stop the others."""

    def __init__(self, counter: Counter, sha256: bytes | None = None) -> None:
        """sha256: what each file must hash to, if its sender said so."""
        self._counter, self._sha256 = counter, sha256
        self.items: list[dict[str, Any]] = []
        self.named_otherwise: list[str] = []

    def take(self, events: Iterator[form.Event]) -> None:
        for event in events:
            if isinstance(event, Part):
                self._take_part(event, events)

    def _take_part(self, part: Part, events: Iterator[form.Event]) -> None:
        if part.field not in FIELDS or part.filename is None:
            self.named_otherwise.append(part.field)
            return
        try:
            name = self._counter.library.admit(part.filename)
        except (NameInvalid, NotMedia) as error:
            if part.field == "file" and self._counter.batch is None:
                raise
            self.items.append(self._counter.refused(part.filename, str(error)))
            return
        with self._counter.library.receive() as body:
            for piece in _of_part(events):
                body.write(piece)
            _compare(body, self._sha256)
            self.items.append(self._counter.keep(name, body))


def _of_part(events: Iterator[form.Event]) -> Iterator[bytes]:
    """The bytes up to the end of a part. A form that ends before that raises in `events`, so nothing half is ever kept."""
    for event in events:
        if event is None:
            return
        assert isinstance(event, bytes | bytearray)
        yield event


class Upload:
    """POST: a form, or with `?filename=` the bare bytes, as Shortcuts and curl -T can send them. With `?op=` start, finalize or
    snapshot, a batch of uploads is begun, ended or told."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_options(self, _req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """What may be sent, and how large."""
        door.Door(self._desk).options(resp, "OPTIONS, POST")

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        op = req.get_param("op") or "upload"
        if op in batches.OPERATIONS:
            resp.media = batches.OPERATIONS[op](self._desk, req, project)
            return
        if op != "upload":
            raise shape("query", "op", "start, upload, finalize or snapshot", op)
        counter = counter_of(self._desk, req, project)
        if form.is_form(req.content_type):
            resp.media = self._form(req, counter)
            return
        name = name_of(req)
        if name is None and counter.batch:
            raise ApiError(400, "there is no file in the request")
        if name is None:
            raise shape("body", "file", "send a form with a part named file, or the bare bytes with ?filename=")
        taken = take_bare(self._desk, req, resp, counter, name)
        resp.media = _several(counter, [taken]) if counter.batch else taken

    def _form(self, req: falcon.Request, counter: Counter) -> dict[str, Any]:
        if counter.batch is None:
            refuse_large(self._desk, req, FORM_BYTES)
        counter.library.store.state.admit(max(1, (req.content_length or 0) - FORM_BYTES))
        taking = Taking(counter, promised(req))
        taking.take(form.events(stream_of(req), req.content_type or ""))
        if not taking.items and counter.batch:
            raise ApiError(400, "there is no file in the form")
        if not taking.items:
            raise shape("body", "file", "a part named file with a file name is needed", taking.named_otherwise or None)
        if counter.batch or len(taking.items) > 1:
            return _several(counter, taking.items)
        if "detail" in taking.items[0]:
            raise ApiError(400, taking.items[0]["detail"])
        return taking.items[0]


def _several(counter: Counter, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer for many files at once (contract §2.15)."""
    counts = {word: sum(item["status"] == word for item in items) for word in ("stored", "duplicate", "error")}
    return {
        "status": "ok",
        "project": counter.project,
        "source": counter.source,
        **({"batch_id": counter.batch.id, "batch_snapshot": counter.batch.state()} if counter.batch else {}),
        "counts": {"total": len(items), **counts},
        "items": items,
        "served_urls": [item["served"]["stream_url"] for item in items if "served" in item],
        "instructions": "Look at the status of each item.",
    }


class NamedUpload:
    """PUT and POST of bare bytes under the name in the URL."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_options(self, _req: falcon.Request, resp: falcon.Response, project: str, name: str) -> None:
        """What may be sent, and how large."""
        door.Door(self._desk).options(resp, "OPTIONS, PUT, POST")

    def on_put(self, req: falcon.Request, resp: falcon.Response, project: str, name: str) -> None:
        counter = counter_of(self._desk, req, project)
        resp.media = take_bare(self._desk, req, resp, counter, name)

    on_post = on_put


def counter_of(desk: Desk, req: falcon.Request, project: str) -> Counter:
    source = req.get_param("source") or PRIMARY
    library, found = desk.project(project, source)
    id = req.get_param("batch_id")
    batch = batches.named(desk, req, project, id) if id else None
    if batch:
        batch.check_open()
    return Counter(library, found.name, source, req.prefix, batch)


def name_of(req: falcon.Request) -> str | None:
    """The file name of a bare body: `?filename=`, `X-Filename` (percent-encoded), or that of Content-Disposition."""
    asked = req.get_param("filename") or unquote(req.get_header("X-Filename") or "")
    if asked:
        return asked
    return form.options(req.get_header("Content-Disposition")).get("filename") or None


def take_bare(desk: Desk, req: falcon.Request, resp: falcon.Response, counter: Counter, name: str) -> dict[str, Any]:
    """The whole body is the file. 400 for a part of one: curl -C would keep the tail under the name of the whole."""
    if req.get_header("Content-Range"):
        raise ApiError(400, "parts of a file cannot be stored here; send the whole file")
    name, sha256 = counter.library.admit(name), promised(req)
    refuse_large(desk, req, 0)
    if counter.batch is None and draft.invites(*door.draft_words(req), door.announced(req)):
        return _take_resumable(desk, req, resp, counter, name, sha256)
    with counter.library.receive(req.content_length) as body:
        for piece in pieces(stream_of(req)):
            body.write(piece)
        _compare(body, sha256)
        return counter.keep(name, body)


def _take_resumable(
    desk: Desk, req: falcon.Request, resp: falcon.Response, counter: Counter, name: str, sha256: bytes | None
) -> dict[str, Any]:
    """The client can go on with this after a cut, and says so (§Upgrading To Resumable Uploads): iPhones do with every file."""
    way, (interop, _) = door.Door(desk), door.draft_words(req)
    said = Resumable("", counter.project, name, door.media_type(req), most=way.most(), length=door.announced(req),
                     sha256=sha256.hex() if sha256 else "")  # fmt: skip
    upload = way.take_first(req, counter.source, said)
    door.say(resp, way.place(req, upload, interop))
    way.answer(req, resp, counter.source, upload, interop)
    answered: dict[str, Any] = resp.media
    return answered


def promised(req: falcon.Request) -> bytes | None:
    """The SHA-256 that the sender told: `?sha256=` in hex, or of a bare body Repr-Digest or Content-Digest (RFC 9530)."""
    text = (req.get_param("sha256") or "").removeprefix("sha256:").lower()
    if not text and not form.is_form(req.content_type):
        fields = (req.get_header("Repr-Digest"), req.get_header("Content-Digest"))
        text = next((told for field in fields if (told := draft.sha256(field))), "")
    if text and not SHA256.fullmatch(text):
        raise shape("query", "sha256", "a SHA-256 has 64 hexadecimal digits", text)
    return bytes.fromhex(text) if text else None


def _compare(body: Incoming, sha256: bytes | None) -> None:
    """ChecksumWrong when the bytes are not those their sender meant; nothing is kept then."""
    if sha256 is not None:
        body.finish()
        body.require("sha256", sha256)


def refuse_large(desk: Desk, req: falcon.Request, allowance_bytes: int) -> None:
    """413 by what is announced, before a byte of it is asked for."""
    announced, most = req.content_length or 0, desk.max_upload_bytes
    if most and announced > most + allowance_bytes:
        raise TooLarge(announced, most)


def routes(desk: Desk) -> Routes:
    return (
        ("/api/projects/{project}/upload", Upload(desk)),
        ("/api/projects/{project}/upload/{name}", NamedUpload(desk)),
    )
