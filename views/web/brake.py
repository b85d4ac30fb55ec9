"""Devices that the brake holds: who they are, and letting them go on."""

from __future__ import annotations

from typing import Any

import falcon

from views.audit import timestamp
from views.web import body
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError


def paused(desk: Desk) -> list[dict[str, Any]]:
    """Every device that is paused, in any source."""
    return [
        {"device": row.device, "source": source, "since": timestamp(row.since_ns), "path": row.path}
        for source, library in desk.libraries.items()
        for row in library.brake.paused()
    ]


class Brake:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Devices that deleted or replaced too much within a minute, and are paused."""
        resp.media = {
            "limit": self._desk.primary.brake.limit,
            "paused": paused(self._desk),
            "instructions": "POST device to /api/brake/release to let it go on.",
        }


class Release:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Let a device go on, for an hour without being counted."""
        device = body.text(body.json_object(req), "device", needed=True) or ""
        released = [library.brake.release(device) for library in list(self._desk.libraries.values())]
        if not any(released):
            raise ApiError(404, f"{device!r} is not paused")
        resp.media = {"status": "ok", "device": device, "instructions": "It may delete and replace again."}


def routes(desk: Desk) -> Routes:
    return (("/api/brake", Brake(desk)), ("/api/brake/release", Release(desk)))
