"""GET /health, /healthz: is somebody there? One body for the three systems that clients of this one knew (contract §6)."""

from __future__ import annotations

import falcon

from views.web.app import Routes
from views.web.desk import Desk


class Health:
    """Liveness only: 200 as long as requests are answered. `degraded` tells when the disk failed and the store only reads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        primary = self._desk.primary
        resp.media = {
            "ok": True,
            "status": "ok",
            "service": "media-sync-api",
            "product": "filmcan",
            "projects_root": str(primary.root),
            "degraded": primary.store.state.reason or None,
            "instructions": "Create a project with POST /api/projects, then send files to its upload_url.",
        }


class Healthz:
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"status": "ok"}


def routes(desk: Desk) -> Routes:
    return (("/health", Health(desk)), ("/healthz", Healthz()))
