"""Pages of what was: the trash, a project's moments and one of them, the versions of a file. They act through the API."""

from __future__ import annotations

from typing import Any

import falcon

from views.audit import timestamp
from views.entry import Entry
from views.errors import NameNotFound
from views.moments import seq_of, time_of
from views.past import HISTORY_NAME
from views.previews import THUMBNAILS
from views.sources import PRIMARY
from views.web import urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError
from views.web.pages import Page, page_url
from views.web.past import inner_of, moments_of, past_path

TRASH_SHOWN = 200
SHOWN_CHARS = 60
DID = {
    "put": "stored", "adopt": "taken in", "folder": "folder made", "project": "project made", "move": "moved or renamed",
    "copy": "copied", "delete": "deleted", "missing": "gone from the disk", "edited": "edited in place", "amend": "dates or tags",
}  # fmt: skip


class TrashPage(Page):
    """What was deleted, the last first."""

    def show(self, req: falcon.Request, resp: falcon.Response, **_named: str) -> None:
        source = req.get_param("source") or PRIMARY
        library = self._desk.library(source)
        items, after = library.past.newest(req.get_param("after") or "", TRASH_SHOWN)
        self.send(
            resp, "trash.html", here="trash", title="Trash", source=source,
            items=[{"name": one.name, "path": one.path, "at_ns": one.at_ns, "size": one.entry.size_bytes,
                    "what": one.path.rpartition("/")[2], "kind": one.entry.kind.name.lower()}
                   for one in items if f"/{THUMBNAILS}/" not in one.path],  # previews are made again when they are asked for
            more=f"/trash?source={urls.escape(source)}&after={after}" if after else "",
            sources=sorted(self._desk.libraries),
            act=f"/api/trash/restore?source={urls.escape(source)}",
        )  # fmt: skip


class HistoryPage(Page):
    """Moments of a project; with `at` one of them, folder by folder."""

    def show(self, req: falcon.Request, resp: falcon.Response, **named: str) -> None:
        source, name, at = req.get_param("source") or PRIMARY, named["name"], req.get_param("at") or ""
        here = page_url(name, source, "/history")
        common = {"here": "projects", "project": name, "source": source, "back": page_url(name, source), "history": here}
        if at:
            self._one(req, resp, source, name, at, common)
            return
        moments = [
            {"url": with_query(here, at=entry.name), "at": to_the_second(moment.at_ns), "what": DID.get(moment.op, moment.op),
             "path": moment.path.partition("/")[2]}
            for moment, entry in moments_of(self._desk.library(source), name)
        ]  # fmt: skip
        self.send(resp, "history.html", title=f"History of {name}", moments=moments, **common)

    def _one(
        self, req: falcon.Request, resp: falcon.Response, source: str, name: str, at: str, common: dict[str, Any]
    ) -> None:
        inner = (req.get_param("path") or "").strip("/")
        if seq_of(at) is None and time_of(at) is None:
            said = f"{at[:SHOWN_CHARS]} is no time. Write 2026-11-25 18:00, in UTC, or 2026-11-25 for the end of a day."
            raise ApiError(404, said)
        folder, children = self._desk.library(source).listing(f"{past_path(name, at)}/{inner}".rstrip("/"))
        if not folder.is_folder:
            raise NameNotFound(f"{HISTORY_NAME}/{name}/{at}/{inner}")
        steps = inner.split("/") if inner else []
        above = ["/".join(steps[:depth]) for depth in range(1, len(steps) + 1)]
        self.send(
            resp, "moment.html", title=f"{name} at {at}", at=at, inner=inner,
            label=name.partition("-")[2] or name,  # with its number it would become a second project of that number
            trail=[(step, with_query(common["history"], at=at, path=path)) for step, path in zip(steps, above, strict=True)],
            top=with_query(common["history"], at=at),
            entries=[self._shown(child, f"{inner}/{child.name}".lstrip("/"), source, name, at) for child in children],
            act=urls.project(name, source, f"/history/{urls.escape(at)}/fork"), **common,
        )  # fmt: skip

    def _shown(self, child: Entry, path: str, source: str, name: str, at: str) -> dict[str, Any]:
        url = f"{urls.stream(name, path, source)}&at={urls.escape(at)}"
        if child.is_folder:
            url = with_query(page_url(name, source, "/history"), at=at, path=path)
        return {"name": child.name, "url": url, "folder": child.is_folder, "size": child.size_bytes, "at_ns": child.modified_ns}


class VersionsPage(Page):
    """What a path of a project stood for."""

    def show(self, req: falcon.Request, resp: falcon.Response, **named: str) -> None:
        source, inner = req.get_param("source") or PRIMARY, inner_of(req.get_param("path") or "")
        library, project = self._desk.project(named["name"], source)
        versions = library.past.versions(f"{project.name}/{inner}")
        if not versions:
            raise NameNotFound(f"{project.name}/{inner}")
        link = urls.stream(project.name, inner, source)
        sizes = [one.entry.size_bytes if one.entry else None for one in versions]
        self.send(
            resp, "versions.html", here="projects", title=f"Versions of {inner.rpartition('/')[2]}", project=project.name,
            source=source, inner=inner, what=inner.rpartition("/")[2], back=page_url(project.name, source),
            versions=[{"seq": one.seq, "at": to_the_second(one.at_ns), "size": size, "current": one is versions[0],
                       "url": f"{link}&version={one.seq}"} for one, size in zip(versions, sizes, strict=True)],
            act=urls.project(project.name, source, "/versions/restore"),
        )  # fmt: skip


def to_the_second(at_ns: int) -> str:
    """Changes follow each other within minutes: 2026-11-25 18:00:00 UTC."""
    return f"{timestamp(at_ns)[:19].replace('T', ' ')} UTC"


def with_query(url: str, **values: str) -> str:
    """The URL of a page with more to say."""
    query = "&".join(f"{name}={urls.escape(value)}" for name, value in values.items())
    return f"{url}{'&' if '?' in url else '?'}{query}"


def routes(desk: Desk) -> Routes:
    return (
        ("/trash", TrashPage(desk)),
        ("/projects/{name}/history", HistoryPage(desk)),
        ("/projects/{name}/versions", VersionsPage(desk)),
    )
