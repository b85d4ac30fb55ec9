"""GET /health, /healthz: is somebody there? One body for the three systems that clients of this one knew (contract §6)."""

from __future__ import annotations

from typing import Any

import falcon

from cas.errors import Degraded
from views.library import Library
from views.sources import PRIMARY
from views.web.app import Routes
from views.web.brake import paused
from views.web.care import briefly
from views.web.desk import Desk


class Health:
    """200 as long as requests are answered. `state` is ok, full or degraded (cas/state.py), that of every open source below
    `sources`; `reason` says why."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        primary, states = self._desk.primary, self._desk.states()
        resp.media = {
            "ok": True,
            "status": "ok",
            "service": "media-sync-api",
            "product": "filmcan",
            "projects_root": str(primary.root),
            "state": states[PRIMARY].name,
            "reason": states[PRIMARY].why or None,
            "degraded": states[PRIMARY].reason or None,
            "paused_devices": [one["device"] for one in paused(self._desk)],
            "sources": {name: {"state": state.name, "reason": state.why or None} for name, state in states.items()},
            "care": _care(primary),
            "instructions": "Create a project with POST /api/projects, then send files to its upload_url.",
        }


def _care(library: Library) -> dict[str, Any] | None:
    """None while the index cannot be read, which `reason` then says."""
    try:
        return briefly(library.care)
    except Degraded:
        return None


class Healthz:
    """The shortest answer there is, for those who only look at the status."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"status": "ok"}


def routes(desk: Desk) -> Routes:
    return (("/health", Health(desk)), ("/healthz", Healthz()))
