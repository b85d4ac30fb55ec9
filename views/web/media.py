"""The media of a project: delete, move, copy, tags, previews. Bytes are served by `davfront/media.py`, beside this API."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import falcon

from views.arrivals import ORIGINALS, Brought
from views.brake import device_of
from views.entry import Entry
from views.errors import NameNotFound
from views.library import Library
from views.previews import Previews
from views.reindex import apply, plan_of
from views.scan import Scanner
from views.sending import Side, send
from views.sources import PRIMARY
from views.tags import Tagged
from views.web import body, urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError
from views.web.works import answer
from views.work import Progress

TAGGED_AT_ONCE = 500
PICTURE_BYTES = 2 << 20
PICTURES = {  # what a picture begins with, and what its file is called
    "image/jpeg": (b"\xff\xd8\xff", ".jpg"),
    "image/jpg": (b"\xff\xd8\xff", ".jpg"),
    "image/png": (b"\x89PNG\r\n\x1a\n", ".png"),
    "image/webp": (b"RIFF", ".webp"),
}


def inner_path(path: str, *, below: str = "ingest") -> str:
    """A path inside a project as clients send it; 400 when it leaves `below`."""
    names = path.split("/")
    if not path or "\\" in path or "\0" in path or any(name in ("", ".", "..") for name in names):
        raise ApiError(400, f"{path!r} is not a path inside a project")
    if not path.startswith(f"{below}/"):
        raise ApiError(400, f"{path!r} is not below {below}/")
    return path


def paths_of(said: dict[str, Any]) -> list[str]:
    paths = body.texts(said, "relative_paths")
    if not paths:
        raise ApiError(400, "relative_paths is empty: name the files")
    return list(dict.fromkeys(inner_path(path) for path in paths))


class Shelf:
    """The files of one project that a request is about."""

    def __init__(self, desk: Desk, library: Library, project: str, source: str = PRIMARY) -> None:
        self._desk, self.library, self.project, self._source = desk, library, project, source

    def _side(self) -> Side:
        return Side(self.library, self._source, self.project)

    def entry(self, path: str) -> Entry | None:
        """A file by its path inside the project; one that was dropped there a moment ago is taken in first."""
        whole = f"{self.project}/{path}"
        found = self.library.find(whole)
        if found is None:
            scanner = Scanner(self.library, self._desk.left_alone)
            apply(self.library, plan_of(self.library, scanner.names({whole}), left_alone=self._desk.left_alone))
            found = self.library.find(whole)
        return found if found is not None and not found.is_folder and not found.hidden else None

    def delete(self, path: str) -> bool:
        """Into the trash; False when there was nothing."""
        entry = self.entry(path)
        if entry is None:
            return False
        try:
            self.library.delete(f"{self.project}/{path}")
        except NameNotFound:
            return False  # another request was quicker
        self.tidy(entry)
        return True

    def tidy(self, entry: Entry) -> None:
        """A preview goes with the last name of its content."""
        if entry.digest is None:
            return
        if not any(path.startswith(f"{self.project}/") for path in self.library.paths_of(entry.digest)):
            Previews(self.library, self.project).drop(self.library.sha256_of(entry))

    def hand_preview(self, entry: Entry, other: Shelf) -> None:
        """A preview goes along with what it shows."""
        sha256 = self.library.sha256_of(entry)
        preview = Previews(self.library, self.project).of(sha256)
        theirs = Previews(other.library, other.project)
        if preview is not None and theirs.of(sha256) is None:
            _, blob = self.library.open(f"{self.project}/{preview}")
            with blob, other.library.store.receive(blob.size_bytes) as picture:
                picture.take_file(blob.fd)
                theirs.place(sha256, "." + preview.rpartition(".")[2], picture)

    def move(self, path: str, other: Shelf) -> tuple[str, bool] | None:
        """Into the originals of another project: its path there, and whether the content was there already. None when there is
        no such file."""
        entry = self.entry(path)
        if entry is None:
            return None
        self.hand_preview(entry, other)
        try:
            if self.library is other.library:
                brought = self.library.bring(f"{self.project}/{path}", other.project)
                result = brought.path, brought.duplicate
            else:
                kept = send(path, entry, self._side(), other._side())
                result = kept.path, kept.duplicate
        except NameNotFound:
            return None  # another request was quicker
        self.tidy(entry)
        return result

    def copy(self, path: str, other: Shelf) -> Brought | None:
        """A second name in another project of this source; None when there is no such file."""
        entry = self.entry(path)
        if entry is None or entry.digest is None:
            return None
        self.hand_preview(entry, other)
        try:
            return self.library.place(entry.digest, entry.name, other.project)
        except NameNotFound:
            return None  # its file is gone, or another request was quicker


class Delete:
    """Files go into the trash; paths that nothing has are told as missing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        library, found = self._desk.project(project, req.get_param("source"))
        shelf = Shelf(self._desk, library, found.name)
        removed, missing, paths = list[str](), list[str](), paths_of(body.json_object(req))
        there = sum(library.find(f"{found.name}/{path}") is not None for path in paths)
        with library.brake.minding():
            library.brake.take(device_of(req.env), f"{found.name}/{paths[0]}", there)
        for path in paths:
            (removed if shelf.delete(path) else missing).append(path)
        resp.media = {
            "status": "ok", "removed": removed, "missing": missing,
            "instructions": "What was removed lies in the trash; POST /api/trash/restore brings it back.",
        }  # fmt: skip


class Move:
    """Files go to another project, in this source or another; nothing is taken away before it is there."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        source, said = req.get_param("source") or PRIMARY, body.json_object(req)
        library, found = self._desk.project(project, source)
        target, paths = body.text(said, "target_project", needed=True) or "", paths_of(said)
        target_source = body.text(said, "target_source") or source
        there, to = self._desk.project(target, target_source)
        if there is library and to.entry.id == found.entry.id:
            raise ApiError(400, "the target is the project the files are in")
        here, other = Shelf(self._desk, library, found.name, source), Shelf(self._desk, there, to.name, target_source)
        subject = f"{source}/{found.name} to {target_source}/{to.name}"
        answer(self._desk, req, resp, "move", subject, lambda progress: _moved(paths, here, other, progress), repeats=False)


def _moved(paths: list[str], here: Shelf, other: Shelf, progress: Progress) -> dict[str, Any]:
    moved, duplicates, missing = list[dict[str, str]](), list[str](), list[str]()
    for count, path in enumerate(paths, 1):
        result = here.move(path, other)
        if result is None:
            missing.append(path)
        elif result[1]:
            duplicates.append(path)
        else:
            moved.append({"from": path, "to": result[0]})
        progress(count, len(paths), path)
    return {
        "status": "ok", "moved": moved, "duplicates": duplicates, "missing": missing,
        "instructions": "Duplicates were in the target already; their names here are gone all the same.",
    }  # fmt: skip


class Copy:
    """Files get a second name in another project of the same source; no bytes are copied."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        source, said = req.get_param("source") or PRIMARY, body.json_object(req)
        library, found = self._desk.project(project, source)
        target, paths = body.text(said, "target_project", needed=True) or "", paths_of(said)
        _, to = self._desk.project(target, source)
        here, other = Shelf(self._desk, library, found.name), Shelf(self._desk, library, to.name)
        copied, duplicates, missing = list[dict[str, str]](), list[str](), list[str]()
        for path in paths:
            result = here.copy(path, other)
            if result is None:
                missing.append(path)
            elif result.duplicate:
                duplicates.append(path)
            else:
                copied.append({"from": path, "to": result.path})
        resp.media = {
            "status": "ok", "copied": copied, "duplicates": duplicates, "missing": missing,
            "instructions": "Duplicates were in the target already.",
        }  # fmt: skip


class TagMedia:
    """Words people give a content: every name of it has them, in all projects of the source."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        source, said = req.get_param("source") or PRIMARY, body.json_object(req)
        library, found = self._desk.project(project, source)
        add, remove = (body.texts({field: said.get(field) or []}, field) for field in ("add_tags", "remove_tags"))
        paths, shelf = paths_of(said), Shelf(self._desk, library, found.name)
        there = [path for path in paths if shelf.entry(path) is not None]
        tagged = [self._told(library, done) for done in _tagged(library, found.name, there, add, remove)]
        updated = [item for item in tagged if item is not None]
        shown = {item["relative_path"] for item in updated}
        resp.media = {
            "status": "ok", "updated": updated, "missing": [path for path in paths if path not in shown],
            "instructions": "Tags belong to the bytes: other names of the same clip have them too.",
        }  # fmt: skip

    @staticmethod
    def _told(library: Library, tagged: Tagged) -> dict[str, Any] | None:
        if tagged.entry is None:
            return None  # it went away between two looks
        path = tagged.path.partition("/")[2]
        return {
            "relative_path": path, "sha256": library.sha256_of(tagged.entry), "tags": {"manual": tagged.tags, "derived": []},
        }  # fmt: skip


def _tagged(library: Library, project: str, paths: list[str], add: list[str], remove: list[str]) -> Iterator[Tagged]:
    """Some hundred files a change: an event of the journal stays small."""
    for start in range(0, len(paths), TAGGED_AT_ONCE):
        yield from library.tag([f"{project}/{path}" for path in paths[start : start + TAGGED_AT_ONCE]], add, remove)


class Thumbnail:
    """A browser drew a frame; it is kept for that content. The first one wins."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        source = req.get_param("source") or PRIMARY
        library, found = self._desk.project(project, source)
        said = body.json_object(req, 2 * PICTURE_BYTES)
        path = inner_path(body.text(said, "relative_path", needed=True) or "", below=ORIGINALS)
        picture, suffix = picture_of(body.text(said, "data_url", needed=True) or "")
        entry = Shelf(self._desk, library, found.name).entry(path)
        if entry is None:
            raise ApiError(404, f"there is no {path} in {found.name}")
        previews, sha256 = Previews(library, found.name), library.sha256_of(entry)
        known = previews.of(sha256)
        kept = known or previews.keep(sha256, suffix, picture)
        resp.media = {
            "status": "ok", "stored": known is None, "thumbnail_path": kept,
            "thumbnail_url": urls.stream(found.name, kept, source),
            "instructions": "The preview is listed as thumb_url of the file.",
        }  # fmt: skip


def picture_of(data_url: str) -> tuple[bytes, str]:
    """The bytes of a data URL, and the suffix of their kind; 400 for anything but a small JPEG, PNG or WebP in base64."""
    head, comma, data = data_url.partition(",")
    kind, base64_word = head.removeprefix("data:").lower().partition(";")[::2]
    if not comma or not head.startswith("data:") or base64_word != "base64" or kind not in PICTURES:
        raise ApiError(400, "data_url must be a JPEG, PNG or WebP picture: data:image/jpeg;base64,…")
    try:
        picture = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(400, "the base64 of data_url cannot be read") from None
    begins, suffix = PICTURES[kind]
    if not picture.startswith(begins) or (suffix == ".webp" and picture[8:12] != b"WEBP"):
        raise ApiError(400, f"data_url holds no picture of the kind {kind}")
    if len(picture) > PICTURE_BYTES:
        raise ApiError(413, f"a preview has at most {PICTURE_BYTES >> 20} MiB")
    return picture, suffix


def routes(desk: Desk) -> Routes:
    return (
        ("/api/projects/{project}/media/delete", Delete(desk)),
        ("/api/projects/{project}/media/move", Move(desk)),
        ("/api/projects/{project}/media/copy", Copy(desk)),
        ("/api/projects/{project}/media/tags", TagMedia(desk)),
        ("/api/projects/{project}/media/thumbnail", Thumbnail(desk)),
    )
