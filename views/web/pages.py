"""What people see in a browser: projects, one project, the queue for Resolve. Pages are read here and act through the API.

Every page is whole without a script as far as it tells something; what changes over time and what changes things is left to the
scripts in static/, which speak with the API like any other client. Nothing is asked from another host, and no script or style
stands inside a page, so the policy below can forbid both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import falcon

from cas.errors import Degraded
from cas.replay import APPLIED
from views.care import Lost
from views.catalogue import Project
from views.entry import Entry, Kind
from views.library import Library
from views.receipt import Receipts, told
from views.sources import PRIMARY
from views.status import status_of
from views.web import assets, urls
from views.web.app import Routes
from views.web.brake import paused
from views.web.desk import Desk
from views.web.errors import ApiError
from views.web.receipt import copies_of
from views.web.render import render

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
ORIGINALS = ("ingest", "originals")
SHOWN_CHARS = 300  # of the paths of lost clips; GET /api/care has all
ALWAYS = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Reel:
    """A project as the list of projects shows it. `number` is 0 for one without."""

    name: str
    label: str
    number: int
    source: str
    notes: str
    clips: int
    bytes: int

    @property
    def url(self) -> str:
        return page_url(self.name, self.source)


def page_url(name: str, source: str, rest: str = "") -> str:
    """The page of a project; the primary source needs no naming."""
    return f"/projects/{urls.escape(name)}{rest}" + ("" if source == PRIMARY else f"?source={urls.escape(source)}")


class Reels:
    """Projects with what is in them. Counting goes over every row, so it is done once for each state of an index.

    threads   any; two that find an old count count both
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Library, int], list[Reel]]] = {}

    def of(self, source: str, library: Library) -> list[Reel]:
        state = (library, _applied(library))
        known = self._known.get(source)
        if known is None or known[0] != state:
            known = (state, [_reel(library, source, project) for project in library.projects()])
            self._known[source] = known
        return known[1]


def _applied(library: Library) -> int:
    """The number of the last change that the index tells."""
    with library.store.index.read() as txn:
        row = library.store.index.meta.get(txn, APPLIED)
    return row.value if row else 0


def _reel(library: Library, source: str, project: Project) -> Reel:
    sizes = [entry.size_bytes for entry in _clips(library, project.entry)]
    number, dash, label = project.name.partition("-")
    numbered = bool(dash and label) and number[:1] == "P" and number[1:].isascii() and number[1:].isdigit()
    return Reel(
        project.name,
        label if numbered else project.name,
        int(number[1:]) if numbered else 0,
        source,
        project.row.notes,
        len(sizes),
        sum(sizes),
    )


def _clips(library: Library, project: Entry) -> list[Entry]:
    """The visible files below ingest/originals; none where a person took that folder away."""
    tree = library.tree
    with library.store.index.read() as txn:
        place: Entry | None = project
        for name in ORIGINALS:
            place = place and tree.child(txn, place.id, name)
        if place is None or not place.is_folder:
            return []
        return [entry for _, entry in tree.walk(txn, place, "") if entry.kind is Kind.FILE and not entry.hidden]


class Page:
    """What all pages have in common: how they are sent, and how a page says that something is not there."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, **named: str) -> None:
        try:
            self.show(req, resp, **named)
        except Exception as error:
            problem = _foreseen(error)
            if problem is None:
                raise
            resp.status, text = problem
            self.send(resp, "problem.html", here="", title="Not found" if resp.status == 404 else "Not available", text=text)

    on_head = on_get

    def show(self, req: falcon.Request, resp: falcon.Response, **named: str) -> None:
        raise NotImplementedError

    def send(self, resp: falcon.Response, template: str, **values: object) -> None:
        resp.text = render(template, asset=assets.load().url, trouble=self._trouble(), **values)
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Cache-Control", "no-cache")
        resp.set_header("Referrer-Policy", "same-origin")
        guard(resp)


    def _trouble(self) -> list[dict[str, str]]:
        """What every page says at its top: which sources are full or only read, and why; which clips are damaged."""
        states = self._desk.states()
        found = [(name, state.name, why) for name, state in states.items() if (why := state.why)]
        for name in states:
            if lost := self._damaged(name):
                shown = ", ".join(path for each in lost for path in each.paths[:2])
                found.append((name, "damaged", shown if len(shown) < SHOWN_CHARS else f"{shown[:SHOWN_CHARS]} …"))
        return [{"source": "" if len(states) == 1 else name, "state": state, "why": why} for name, state, why in found]

    def _damaged(self, name: str) -> list[Lost]:
        """Clips of a source whose bytes are lost; none while its index cannot be read, which its state says."""
        library = self._desk.libraries.get(name)
        try:
            return [lost for lost in library.care.lost() if lost.paths and lost.kind != "edited"] if library else []
        except Degraded:
            return []


def guard(resp: falcon.Response) -> None:
    resp.set_header("Content-Security-Policy", POLICY)
    resp.set_header("X-Content-Type-Options", "nosniff")


def _foreseen(error: Exception) -> tuple[int, str] | None:
    """Status and sentence of an error that a person can be told; None for a fault of ours."""
    if isinstance(error, ApiError):
        return error.status, error.detail if isinstance(error.detail, str) else "The address of this page is not understood."
    found = status_of(error)
    return (found[0], str(error)) if found else None


class Home(Page):
    """Sources and projects; JSON for a program that prefers it, as the manifest server answered here (contract §6)."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._reels = Reels()

    def show(self, req: falcon.Request, resp: falcon.Response, **_named: str) -> None:
        resp.set_header("Vary", "Accept")
        if req.client_prefers((falcon.MEDIA_HTML, falcon.MEDIA_JSON)) == falcon.MEDIA_JSON:
            resp.media = {"status": "ok", "service": "media-sync-api", "product": "filmcan", "projects": "/api/projects"}
            guard(resp)
            return
        libraries = dict(self._desk.libraries)
        reels = [reel for source in sorted(libraries, key=_primary_first) for reel in self._reels.of(source, libraries[source])]
        self.send(
            resp,
            "home.html",
            here="projects",
            title="Projects",
            reels=reels,
            sources=self._sources(libraries),
            clips=sum(reel.clips for reel in reels),
            bytes=sum(reel.bytes for reel in reels),
            dav=f"{req.prefix}/dav/",
            paused=paused(self._desk),
            limit=self._desk.primary.brake.limit,
        )

    def _sources(self, libraries: dict[str, Library]) -> Sequence[dict[str, Any]]:
        return [
            {
                "name": source.name,
                "root": str(source.root),
                "enabled": source.enabled,
                "space": libraries[source.name].space() if source.name in libraries else None,
                "primary": source.name == PRIMARY,
            }
            for source in self._desk.sources.list()
        ]


def _primary_first(source: str) -> tuple[bool, str]:
    return source != PRIMARY, source


class OneProject(Page):
    """The clips of a project. The list itself comes from the API, since it changes while the page is open."""

    def show(self, req: falcon.Request, resp: falcon.Response, **named: str) -> None:
        source = req.get_param("source") or PRIMARY
        _, project = self._desk.project(named["name"], source)
        self.send(
            resp,
            "project.html",
            here="projects",
            title=project.name,
            project=project.name,
            source=source,
            notes=project.row.notes,
            receipt_url=page_url(project.name, source, "/receipt"),
            history_url=page_url(project.name, source, "/history"),
            media_url=urls.project(project.name, source, "/media"),
            upload_url=urls.project(project.name, source, "/upload"),
            most_bytes=self._desk.max_upload_bytes,
        )


class ReceiptPage(Page):
    """May the card be wiped? Whole without a script, and made to be printed."""

    def show(self, req: falcon.Request, resp: falcon.Response, **named: str) -> None:
        source, copies = req.get_param("source") or PRIMARY, copies_of(self._desk, req)
        _, project = self._desk.project(named["name"], source)
        receipt = Receipts(self._desk.libraries, source, copies).of(project.name)
        self.send(
            resp,
            "receipt.html",
            here="projects",
            title=f"Receipt of {project.name}",
            receipt=receipt,
            told=told(receipt),
            back=page_url(project.name, source),
            act=urls.project(project.name, source, "/receipt") + f"&copies={copies}",
            lines=sorted(receipt.lines, key=lambda line: (line.safe, line.path)),
        )


class Resolve(Page):
    """The queue for DaVinci Resolve."""

    def show(self, req: falcon.Request, resp: falcon.Response, **_named: str) -> None:
        self.send(resp, "resolve.html", here="resolve", title="Resolve queue")


class Static:
    """The files of pages. An old version's name gets today's file, which must then not be kept. The icon is asked for by browsers
    without a version, whatever a page says.
    """

    def on_get(self, _req: falcon.Request, resp: falcon.Response, version: str = "", name: str = "icon.svg") -> None:
        found = assets.load()
        asset = found.held.get(name)
        if asset is None:
            raise ApiError(404, f"no page uses a file {name!r}")
        resp.data, resp.content_type = asset.data, asset.media_type
        resp.set_header("Cache-Control", ALWAYS if version == found.version else "no-cache")
        guard(resp)

    on_head = on_get


def routes(desk: Desk) -> Routes:
    home = Home(desk)
    return (
        ("/", home),
        ("/projects", home),
        ("/public", home),
        ("/public/index.html", home),
        ("/public/explorer.html", home),
        ("/projects/{name}", OneProject(desk)),
        ("/projects/{name}/receipt", ReceiptPage(desk)),
        ("/resolve", Resolve(desk)),
        (assets.PLACE + "/{version}/{name}", Static()),
        ("/favicon.ico", Static()),
    )
