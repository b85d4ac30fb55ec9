"""The trash, earlier versions of a file, a project at a moment: listed, opened, brought back. No bytes are written."""

from __future__ import annotations

from typing import Any

import falcon

from views.audit import timestamp
from views.brake import device_of
from views.entry import Entry
from views.errors import NameNotFound, NameProblem
from views.library import Library
from views.past import HISTORY_NAME, TRASH_NAME, Trashed
from views.sources import PRIMARY
from views.versions import Moment
from views.web import body, urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError
from views.web.projects import summary

PAGE_MOST = 1000


def trashed(item: Trashed) -> dict[str, Any]:
    """Something in the trash as JSON tells it."""
    kind = ("file", "folder", "project")[item.entry.kind]
    return {
        "name": item.name, "path": item.path, "kind": kind, "size": item.entry.size_bytes,
        "deleted_at": timestamp(item.at_ns),
    }  # fmt: skip


class Trash:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """What was deleted, the last first; `next` is the `after` of the next page, null on the last."""
        library, limit = self._desk.library(req.get_param("source")), min(body.count(req, "limit", 100) or 1, PAGE_MOST)
        items, after = library.past.newest(req.get_param("after") or "", limit)
        resp.media = {
            "items": [trashed(item) for item in items],
            "next": after or None,
            "instructions": "POST names to /api/trash/restore to bring them back.",
        }


class RestoreTrash:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Bring things back where they were, or beside what has their name by now; a single one under `to`, if that is given."""
        library, said = self._desk.library(req.get_param("source")), body.json_object(req)
        names, to = body.texts(said, "names"), body.text(said, "to")
        if not names or (to and len(names) > 1) or any(not name or "/" in name for name in names):
            raise ApiError(400, "names is a list of names in the trash; with to it holds one")
        restored, failed = list[dict[str, str]](), list[dict[str, str]]()
        for name in dict.fromkeys(names):
            path = f"{TRASH_NAME}/{name}"
            try:
                placed = library.move(path, to, overwrite=False) if to else library.put_back(path)
                restored.append({"name": name, "path": placed.path})
            except NameProblem as error:
                failed.append({"name": name, "error": str(error)})
        resp.media = {"status": "ok", "restored": restored, "failed": failed,
                      "instructions": "path is where it is now, from the project on."}  # fmt: skip


def moments_of(library: Library, project: str) -> list[tuple[Moment, Entry]]:
    """Moments of a project, also of one that was deleted; NameNotFound."""
    library.history.catch_up()
    with library.store.index.read() as txn:
        found = library.past.project_id(txn, project)
        if found is None:
            raise NameNotFound(project)
        return library.past.moments(txn, found)


def moment_of(project: str, moment: Moment, name: str, source: str) -> dict[str, Any]:
    return {
        "moment": name, "at": timestamp(moment.at_ns), "seq": moment.seq, "op": moment.op,
        "path": moment.path.partition("/")[2] or moment.path,
        "url": urls.project(project, source, f"/history/{name}"),
    }  # fmt: skip


class History:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """Moments worth looking at, newest first: the last changes, the ends of sittings and days; any time can be asked for."""
        source = req.get_param("source") or PRIMARY
        library = self._desk.library(source)
        moments = [moment_of(project, moment, entry.name, source) for moment, entry in moments_of(library, project)]
        resp.media = {
            "project": project,
            "moments": moments,
            "instructions": "GET …/history/2026-11-25T18-00-00Z, or seq-1234, lists what was there; POST …/fork makes a project.",
        }


def child_of(entry: Entry, path: str) -> dict[str, Any]:
    told: dict[str, Any] = {"name": entry.name, "path": path, "kind": "folder" if entry.is_folder else "file"}
    if not entry.is_folder:
        told |= {"size": entry.size_bytes, "modified_at": timestamp(entry.modified_ns), "blake3": entry.raw_digest.hex()}
    return told


class Then:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str, moment: str) -> None:
        """A folder of a project as it was at a moment; the project itself without `path`."""
        source, inner = req.get_param("source") or PRIMARY, (req.get_param("path") or "").strip("/")
        library, base = self._desk.library(source), past_path(project, moment)
        folder, children = library.listing(f"{base}/{inner}".rstrip("/"))
        if not folder.is_folder:
            raise ApiError(400, f"{inner} was a file then, not a folder")
        told = [child_of(child, f"{inner}/{child.name}".lstrip("/")) for child in children]
        for item in told:
            if item["kind"] == "file":
                item["stream_url"] = f"{urls.stream(project, item['path'], source)}&at={urls.escape(moment)}"
        resp.media = {
            "project": project, "moment": moment, "path": inner, "entries": told,
            "instructions": "POST …/fork makes a project of this moment.",
        }  # fmt: skip


def past_path(project: str, moment: str) -> str:
    """The path of a project at a moment; 400 for what cannot be one."""
    if not project or not moment or any(sign in project + moment for sign in "/\\\0"):
        raise ApiError(400, "name a project and a moment, such as 2026-11-25T18-00-00Z or seq-1234")
    return f"{HISTORY_NAME}/{project}/{moment}"


class Fork:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str, moment: str) -> None:
        """A new project as a project was at a moment, made of links. 201; `lost` names the files whose content is lost."""
        source, said = req.get_param("source") or PRIMARY, body.json_object(req)
        library = self._desk.library(source)
        name = (body.text(said, "name") or f"{project.partition('-')[2] or project} {moment}").strip()
        placed = library.copy(past_path(project, moment), name, overwrite=False)
        resp.status, resp.media = 201, {**summary(placed.entry.name, source), "lost": list(placed.lost)}


class Versions:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """What a path of a project stood for, newest first; null sizes where it was deleted."""
        source = req.get_param("source") or PRIMARY
        library, found = self._desk.project(project, source)
        inner = inner_of(req.get_param("relative_path") or "")
        path = f"{found.name}/{inner}"
        versions = library.past.versions(path)
        if not versions:
            raise NameNotFound(path)
        link = urls.stream(found.name, inner, source)
        resp.media = {
            "project": found.name, "relative_path": inner,
            "versions": [
                {"seq": one.seq, "at": timestamp(one.at_ns), "deleted": one.entry is None, "current": place == 0,
                 "size": one.entry.size_bytes if one.entry else None, "blake3": one.entry.raw_digest.hex() if one.entry else None,
                 "stream_url": f"{link}&version={one.seq}" if one.entry else None}
                for place, one in enumerate(versions)
            ],
            "instructions": "POST relative_path and seq to …/versions/restore to bring one back.",
        }  # fmt: skip


def inner_of(path: str) -> str:
    """A path inside a project; 400 for what cannot be one."""
    if not path or any(name in ("", ".", "..") for name in path.split("/")) or "\\" in path or "\0" in path:
        raise ApiError(400, f"{path!r} is not a path inside a project")
    return path


class RestoreVersion:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """A version goes over what the path is now, or to the path `to`. What it replaces is a version itself by then."""
        library, found = self._desk.project(project, req.get_param("source"))
        said = body.json_object(req)
        inner, to, seq = inner_of(body.text(said, "relative_path", needed=True) or ""), body.text(said, "to"), said.get("seq")
        if not isinstance(seq, int) or isinstance(seq, bool) or not 0 < seq < 2**63:
            raise ApiError(400, "seq is the number of a version, as …/versions tells it")
        target = f"{found.name}/{inner_of(to)}" if to else f"{found.name}/{inner}"
        with library.brake.minding():
            if library.find(target) is not None:
                library.brake.take(device_of(req.env), target)
            placed = library.restore_version(f"{found.name}/{inner}", seq, target)
        resp.media = {"status": "ok", "relative_path": placed.path.partition("/")[2],
                      "instructions": "What was there before is the next older version."}  # fmt: skip


def routes(desk: Desk) -> Routes:
    return (
        ("/api/trash", Trash(desk)),
        ("/api/trash/restore", RestoreTrash(desk)),
        ("/api/projects/{project}/history", History(desk)),
        ("/api/projects/{project}/history/{moment}", Then(desk)),
        ("/api/projects/{project}/history/{moment}/fork", Fork(desk)),
        ("/api/projects/{project}/versions", Versions(desk)),
        ("/api/projects/{project}/versions/restore", RestoreVersion(desk)),
    )
