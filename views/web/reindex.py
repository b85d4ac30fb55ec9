"""Reindex one project or all, and sweep loose files: what people did by hand is taken in at once, and told."""

from __future__ import annotations

from typing import Any

import falcon

from views import media, naming
from views.arrivals import ORIGINALS
from views.audit import index_entry
from views.errors import NameProblem, SourceProblem
from views.library import Library
from views.organize import organize
from views.reindex import Report, apply, plan
from views.sources import Source
from views.web.app import Routes
from views.web.desk import Desk

SETTLED = "Files found were taken in, names that are gone were dropped, stray media went to ingest/originals."


def reindexed(library: Library, project: str, left_alone: tuple[str, ...]) -> dict[str, Any]:
    """Reconcile one project with its folder; what came of it, as contract §2.7 tells it."""
    report = apply(library, plan(library, project, relocate=True, left_alone=left_alone))
    files = _entries(library, report)
    below = f"{project}/{ORIGINALS}"
    originals = library.walk(below) if library.find(below) is not None else ()
    unsupported = sum(not entry.is_folder and not media.is_media(path) for path, entry in originals)
    return {
        "indexed": len(files), "files": files, "removed": len(report.removed), "relocated": len(report.relocated),
        "skipped_unsupported": unsupported, "edited": len(report.edited), "renamed": len(report.renamed),
        "busy": report.busy, "failed": report.failed,
    }  # fmt: skip


def _entries(library: Library, report: Report) -> list[dict[str, Any]]:
    """The new media, under the paths they have in the end."""
    moved = {step.path: step.to for step in report.relocated}
    found = []
    for placed in report.indexed:
        path = moved.get(placed.path, placed.path).partition("/")[2]
        if path.startswith(f"{ORIGINALS}/") and media.is_media(path):
            sha256 = library.sha256_of(placed.entry)
            found.append(index_entry(path, sha256, placed.entry.size_bytes, placed.entry.arrived_ns, "reindex"))
    return sorted(found, key=lambda item: item["relative_path"])


class ReindexOne:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        library, found = self._desk.project(project, req.get_param("source"))
        resp.media = {**reindexed(library, found.name, self._desk.left_alone), "instructions": SETTLED}

    on_post = on_get


class ReindexAll:
    """Every project of one source, or of all that are enabled; a source that is away is told, and stops nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        told = [self._of(source) for source in asked_for(self._desk, req)]
        projects = [item for source in told for item in source["projects"]]
        resp.media = {
            "sources": told,
            "indexed_projects": len(projects),
            "indexed_files": sum(item["indexed"] for item in projects),
            "removed_missing": sum(item["removed"] for item in projects),
            "instructions": SETTLED,
        }

    on_post = on_get

    def _of(self, source: Source) -> dict[str, Any]:
        told: dict[str, Any] = {"source": source.name, "root": str(source.root), "accessible": True, "projects": []}
        try:
            library = self._desk.library(source.name)
            self._find_projects(library)
        except SourceProblem as error:
            return {**told, "accessible": False, "error": str(error)}
        for project in library.projects():
            try:
                told["projects"].append({"name": project.name, **reindexed(library, project.name, self._desk.left_alone)})
            except NameProblem:
                continue  # it got another name or went away meanwhile
        return told

    def _find_projects(self, library: Library) -> None:
        """Folders called as projects are become projects before they are gone through."""
        system, known = library.store.system, {project.name for project in library.projects()}
        for entry in system.scan(library.store.home.root):
            if entry.name not in known and naming.is_project_name(entry.name) and entry.is_dir(follow_symlinks=False):
                library.store.commit(lambda acts, name=entry.name: library.by_hand.adopt_folder(acts, name))  # type: ignore[misc]


class AutoOrganize:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Loose files at the top of the root go into the catch-all project."""
        told = [self._of(source) for source in asked_for(self._desk, req, unknown=400)]
        resp.media = {
            "status": "ok",
            "moved": sum(item["moved"] for item in told),
            "sources": told,
            "instructions": f"Loose files go to {naming.CATCH_ALL}; those still being written come next time.",
        }

    def _of(self, source: Source) -> dict[str, Any]:
        try:
            library = self._desk.library(source.name)
        except SourceProblem as error:
            return {"source": source.name, "moved": 0, "destination_project": None, "files": [], "detail": str(error)}
        files = organize(library, quiet_s=self._desk.quiet_s, left_alone=self._desk.left_alone)
        destination = naming.CATCH_ALL if files else None
        return {"source": source.name, "moved": len(files), "destination_project": destination, "files": files}


def asked_for(desk: Desk, req: falcon.Request, *, unknown: int = 404) -> list[Source]:
    """The source of the query, or all that are enabled, reachable or not."""
    name = req.get_param("source")
    if name:
        desk.library(name, unknown=unknown)
    return [source for source in desk.sources.list() if source.enabled and name in (None, "", source.name)]


def routes(desk: Desk) -> Routes:
    return (
        ("/api/projects/{project}/reindex", ReindexOne(desk)),
        ("/reindex", ReindexAll(desk)),
        ("/api/projects/auto-organize", AutoOrganize(desk)),
    )
