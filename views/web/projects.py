"""Projects: list, create, one as its index.json tells it, and what a phone says about the album it sends."""

from __future__ import annotations

import re
from typing import Any

import falcon

from cas.committer import Acts
from views.audit import timestamp
from views.index_json import index_of
from views.library import Library
from views.sources import PRIMARY
from views.web import body, urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import shape

LISTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # folders that could be addressed, though they are no projects
HOW_TO_SEND = "POST multipart/form-data with a part named file to upload_url; repeats are recognised by content."


def summary(name: str, source: str, *, accessible: bool = True, indexed: bool = True) -> dict[str, Any]:
    """A project as lists show it."""
    return {
        "name": name,
        "source": source,
        "source_accessible": accessible,
        "index_exists": indexed,
        "upload_url": urls.project(name, source, "/upload"),
        "instructions": HOW_TO_SEND if indexed else "This folder is no project; POST /api/projects creates one.",
    }


def index(library: Library, name: str) -> dict[str, Any]:
    """A project as index.json tells it, at this moment."""
    found = library.project(name)
    with library.store.index.read() as txn:
        return index_of(txn, library.tree, library.store.blobs, found.entry, found.row)


class Projects:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Every project of one source, or of all that can be reached, by source and name."""
        source = req.get_param("source")
        if source:
            shown = {source: self._desk.library(source, unknown=400)}
        else:
            shown = dict(self._desk.libraries)
        resp.media = [item for name in sorted(shown) for item in self._of(name, shown[name])]

    def _of(self, source: str, library: Library) -> list[dict[str, Any]]:
        projects = {project.name for project in library.projects()}
        others = {name for name in _folders(library) if LISTED.fullmatch(name) and ".." not in name} - projects
        return [summary(name, source, indexed=name in projects) for name in sorted(projects | others)]

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """A new project under a label, or the one there is when the label is its whole name. 201 for both. `editable`: its files
        are for programs that write in place; 409 where the disk cannot share blocks between files."""
        wanted = body.json_object(req)
        source = req.get_param("source") or PRIMARY
        library = self._desk.library(source, unknown=400)
        editable = wanted.get("editable", False)
        if not isinstance(editable, bool):
            raise shape("body", "editable", "true or false", editable)
        placed = library.make_project(body.text(wanted, "name"), body.text(wanted, "notes") or "", editable=editable)
        name = placed.entry.name
        resp.status, resp.media = 201, {**summary(name, source), "editable": library.is_editable(name)}


def _folders(library: Library) -> list[str]:
    system, root = library.store.system, library.store.home.root
    return [entry.name for entry in system.scan(root) if entry.is_dir(follow_symlinks=False)]


class OneProject:
    """A project as its index.json tells it: notes, files, counts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        library, found = self._desk.project(project, req.get_param("source"))
        resp.media = {**index(library, found.name), "editable": found.row.editable, "instructions": HOW_TO_SEND}


class SyncAlbum:
    """A phone tells which album it sends: kept as one event of the project."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        library, found = self._desk.project(project, req.get_param("source"))
        said = body.json_object(req)

        def change(acts: Acts) -> int:
            acts.tell("sync-album", {"path": found.name, "body": said})
            return acts.at_ns

        at_ns = library.store.commit(change)
        event = {"timestamp": timestamp(at_ns), "event": "sync-album", "payload": said}
        resp.media = {"status": "recorded", "event": event, "instructions": "Now send the files of the album to upload."}


def routes(desk: Desk) -> Routes:
    return (
        ("/api/projects", Projects(desk)),
        ("/api/projects/{project}", OneProject(desk)),
        ("/api/projects/{project}/sync-album", SyncAlbum(desk)),
    )


