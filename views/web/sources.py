"""Sources: list, register, switch on and off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import falcon

from views.sources import Source, SourceType
from views.web import body
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError, shape

TYPES: tuple[SourceType, ...] = ("local", "smb", "nfs")


def told(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "root": str(source.root),
        "type": source.type,
        "enabled": source.enabled,
        "accessible": source.accessible,
        "instructions": "Name it as ?source= with every project and media request.",
    }


class AllSources:
    """Every registered source: where its root lies, whether it is enabled and can be reached."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = [told(source) for source in self._desk.sources.list()]

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Register a folder that exists; a name that is registered gets the new root. Roots lie below the allowed parents."""
        said = body.json_object(req)
        name, root = body.text(said, "name", needed=True) or "", body.text(said, "root", needed=True) or ""
        kind, enabled = said.get("type") or "local", said.get("enabled", True)
        if kind not in TYPES:
            raise shape("body", "type", "one of local, smb, nfs", kind)
        if not isinstance(enabled, bool):
            raise shape("body", "enabled", "true or false", enabled)
        if not root.startswith("/") and not Path(root).is_absolute():
            raise ApiError(400, f"the root of {name!r} must be a whole path")
        if "\0" in root:
            raise ApiError(400, "a path holds no zero byte")
        source = self._desk.sources.add(name, Path(root), type=kind, enabled=enabled, replacing=True)
        resp.status, resp.media = 201, told(source)


class Toggle:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """`?enabled=true|false`; without it the source is switched on, not over."""
        enabled = body.flag(req, "enabled", True)
        sources = self._desk.sources
        resp.media = told(sources.enable(name) if enabled else sources.disable(name))


def routes(desk: Desk) -> Routes:
    return (("/api/sources", AllSources(desk)), ("/api/sources/{name}/toggle", Toggle(desk)))
