"""Reindex one project or all, and sweep loose files: what people did by hand is taken in at once, and told."""

from __future__ import annotations

import logging
from typing import Any

import falcon

from cas.found import FileBusy
from views import media, naming
from views.arrivals import ORIGINALS
from views.audit import index_entry
from views.errors import NameProblem, SourceProblem
from views.library import Library
from views.organize import organize
from views.reindex import Report, apply, plan
from views.sources import PRIMARY, Source
from views.web.app import Routes
from views.web.desk import Desk
from views.web.works import answer
from views.work import Progress, nowhere

log = logging.getLogger("filmcan.web")
SETTLED = "Files found were taken in, names that are gone were dropped, stray media went to ingest/originals."


def reindexed(library: Library, project: str, left_alone: tuple[str, ...], progress: Progress = nowhere) -> dict[str, Any]:
    """Reconcile one project with its folder; what came of it, as contract §2.7 tells it."""
    found = plan(library, project, relocate=True, left_alone=left_alone, tick=lambda path: progress(0, 0, path))
    report = apply(library, found, progress)
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
    """Bring the index of a project and its folder together; hashes only what is new or changed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        library, found = self._desk.project(project, req.get_param("source"))

        def run(progress: Progress) -> dict[str, Any]:
            return {**reindexed(library, found.name, self._desk.left_alone, progress), "instructions": SETTLED}

        answer(self._desk, req, resp, "reindex", f"{req.get_param('source') or PRIMARY}/{found.name}", run)

    on_post = on_get


class ReindexAll:
    """Every project of one source, or of all that are enabled; a source that is away is told, and stops nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        sources = asked_for(self._desk, req)

        def run(progress: Progress) -> dict[str, Any]:
            return self._all([self._of(source, progress) for source in sources])

        answer(self._desk, req, resp, "reindex", req.get_param("source") or "everything", run)

    on_post = on_get

    @staticmethod
    def _all(told: list[dict[str, Any]]) -> dict[str, Any]:
        projects = [item for source in told for item in source["projects"]]
        return {
            "sources": told,
            "indexed_projects": len(projects),
            "indexed_files": sum(item["indexed"] for item in projects),
            "removed_missing": sum(item["removed"] for item in projects),
            "instructions": SETTLED,
        }

    def _of(self, source: Source, progress: Progress) -> dict[str, Any]:
        told: dict[str, Any] = {"source": source.name, "root": str(source.root), "accessible": True, "projects": []}
        try:
            library = self._desk.library(source.name)
            self._find_projects(library)
        except SourceProblem as error:
            return {**told, "accessible": False, "error": str(error)}
        for project in library.projects():
            try:
                report = reindexed(library, project.name, self._desk.left_alone, progress)
                told["projects"].append({"name": project.name, **report})
            except NameProblem:
                continue  # it got another name or went away meanwhile
        return told

    def _find_projects(self, library: Library) -> None:
        """Folders called as projects are become projects before they are gone through."""
        system, known = library.store.system, {project.name for project in library.projects()}
        for entry in system.scan(library.store.home.root):
            if entry.name not in known and naming.is_project_name(entry.name) and entry.is_dir(follow_symlinks=False):
                self._adopt(library, entry.name)

    @staticmethod
    def _adopt(library: Library, name: str) -> None:
        try:
            library.store.commit(lambda acts: library.by_hand.adopt_folder(acts, name))
        except (FileBusy, NameProblem) as error:
            log.info("the folder %s does not become a project: %s", name, error)


class AutoOrganize:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Loose files at the top of the root go into the catch-all project."""
        sources = asked_for(self._desk, req, unknown=400)

        def run(progress: Progress) -> dict[str, Any]:
            told = [self._of(source, progress) for source in sources]
            return {
                "status": "ok",
                "moved": sum(item["moved"] for item in told),
                "sources": told,
                "instructions": f"Loose files go to {naming.CATCH_ALL}; those still being written come next time.",
            }

        answer(self._desk, req, resp, "auto-organize", req.get_param("source") or "everything", run)

    def _of(self, source: Source, progress: Progress) -> dict[str, Any]:
        try:
            library = self._desk.library(source.name)
        except SourceProblem as error:
            return {"source": source.name, "moved": 0, "destination_project": None, "files": [], "detail": str(error)}
        files = organize(library, quiet_s=self._desk.quiet_s, left_alone=self._desk.left_alone, progress=progress)
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
