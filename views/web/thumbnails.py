"""Pictures of media that the server makes when somebody asks, and what it learns while it looks (contract §2.11, §2.15)."""

from __future__ import annotations

import os
from typing import Any

import falcon

from cas.digest import Digest
from cas.errors import DigestInvalid
from views import media
from views.audit import timestamp
from views.derived.facts import FactsRow
from views.library import Library
from views.previews import PICTURE_KINDS, Previews
from views.sources import PRIMARY
from views.web import urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError, shape
from views.web.media import PICTURE_BYTES, Shelf, inner_path

FOR_EVER = "public, max-age=31536000, immutable"  # a sum in the address: other bytes have another
A_WHILE = "public, max-age=300"
PLACEHOLDER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9" width="640" height="360" role="img" aria-label="No preview">'
    b'<rect width="16" height="9" fill="#23262b"/><path d="M6.6 3v3l2.8-1.5z" fill="#6b7280"/></svg>'
)
FACTS = (
    "duration_seconds", "width", "height", "fps", "video_codec", "audio_codec", "audio_channels", "has_audio", "make", "model",
    "captured_at",
)  # fmt: skip
CONFIDENCE = {"quicktime": "high", "exif": "high", "container": "medium"}


class Thumbnail:
    """The preview of a content: the one that is kept, or one made now; a placeholder when it cannot be had at this moment."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str, name: str) -> None:
        source = req.get_param("source") or PRIMARY
        library, found = self._desk.project(project, source)
        digest, kind = shown(library, found.name, name)
        previews, sha256 = Previews(library, found.name), sha256_of(library, digest)
        kept = previews.of(sha256)
        if kept is not None:
            self._send(resp, library, found.name, kept, source)
            return
        if self._desk.darkroom.lacking:
            placeholder(resp, "ffmpeg_missing")
            return

        def keep(picture: bytes) -> None:
            previews.keep(sha256, ".jpg", picture)

        row, picture = self._desk.darkroom.look(library, digest, kind, keep)
        if picture:
            resp.content_type, resp.data, resp.cache_control = "image/jpeg", picture, [FOR_EVER]
        else:
            placeholder(resp, status_of(row))

    @staticmethod
    def _send(resp: falcon.Response, library: Library, project: str, kept: str, source: str) -> None:
        _, blob = library.open(f"{project}/{kept}")
        with blob:
            if blob.size_bytes > PICTURE_BYTES:  # somebody put it there by hand
                raise falcon.HTTPTemporaryRedirect(urls.stream(project, kept, source))
            resp.data = os.pread(blob.fd, blob.size_bytes, 0)
        resp.content_type, resp.cache_control = PICTURE_KINDS["." + kept.rpartition(".")[2]], [FOR_EVER]


def shown(library: Library, project: str, name: str) -> tuple[Digest, str]:
    """The content behind `<sum>.jpg`, and which kind its names in this project tell of. 404 for one that is not shown there, 400
    for one that has no picture."""
    sum_hex, dot, suffix = name.rpartition(".")
    try:
        known = library.known(sum_hex.lower()) if dot and suffix == "jpg" else None
    except DigestInvalid:
        known = None
    paths = [path for path, _ in library.names_of(known[0]) if path.startswith(f"{project}/")] if known else []
    if known is None or not paths:
        raise ApiError(404, f"no content {name} is shown in {project}")
    kinds = [kind for kind in map(media.kind_of, paths) if kind in ("video", "image")]
    if not kinds:
        raise ApiError(400, f"{paths[0].rpartition('/')[2]} has no picture")
    return known[0], kinds[0]


def sha256_of(library: Library, digest: Digest) -> str:
    row = library.store.blob(digest)
    return row.sha256.hex() if row else ""


def status_of(row: FactsRow | None) -> str:
    """Why there is no picture, in the contract's words."""
    if row is None:
        return "locked"
    return "timeout" if row.status == "timeout" else "failed"


def placeholder(resp: falcon.Response, why: str) -> None:
    resp.content_type, resp.data, resp.cache_control = "image/svg+xml", PLACEHOLDER, [A_WHILE]
    resp.set_header("X-Thumb-Status", why)


class MediaFacts:
    """What a file is: length, size of the picture, codecs, when it was taken. Null is what is not known."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        project, path = (asked(req, name) for name in ("project", "relative_path"))
        library, found = self._desk.project(project, req.get_param("source"))
        entry = Shelf(self._desk, library, found.name).entry(inner_path(path))
        if entry is None or entry.digest is None:
            raise ApiError(404, f"there is no {path} in {found.name}")
        row, kind = None, media.kind_of(path)
        if kind != "other" and not self._desk.darkroom.lacking:
            row, _ = self._desk.darkroom.look(library, entry.digest, kind)
        facts = row.facts if row else {}
        resp.media = {
            "project": found.name, "relative_path": path, "sha256": library.sha256_of(entry), "kind": kind,
            "status": row.status if row else "unknown",
            **{fact: facts.get(fact) for fact in FACTS}, "duration_s": facts.get("duration_seconds"),
            "timeline": timeline(facts, entry.modified_ns),
            "instructions": "null is what is not known. A status other than ok says that the file could not be looked at.",
        }  # fmt: skip


def timeline(facts: dict[str, Any], modified_ns: int) -> dict[str, Any]:
    """When it was taken, as well as it is known, and from what."""
    source = facts.get("captured_from")
    if source is None:
        return {"anchor_time": timestamp(modified_ns), "anchor_source": "file", "confidence": "low"}
    return {"anchor_time": facts["captured_at"], "anchor_source": source, "confidence": CONFIDENCE[source]}


def asked(req: falcon.Request, name: str) -> str:
    value = req.get_param(name)
    if not value:
        raise shape("query", name, "it is needed")
    return value


def routes(desk: Desk) -> Routes:
    return (("/thumbnails/{project}/{name}", Thumbnail(desk)), ("/api/media/facts", MediaFacts(desk)))
