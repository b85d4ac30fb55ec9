"""How well the clips are: how far they were read again, and which are lost, with every project and path that shows them."""

from __future__ import annotations

from typing import Any

import falcon

from views.audit import timestamp
from views.care import Care, Lost
from views.web.app import Routes
from views.web.desk import Desk


def scrub_of(care: Care) -> dict[str, Any]:
    """`state`: off, waiting for the first pass or the next one, or reading."""
    state, (blobs, size_bytes), period_ns = care.scrub.state(), care.scrub.totals(), care.scrub.period_ns
    reading = bool(state.began_ns) and not state.ended_ns
    return {
        "state": "off" if not period_ns else "reading" if reading else "waiting",
        "period_days": period_ns / (86_400 * 10**9),
        "read": state.blobs if reading else 0,
        "of": blobs,
        "read_bytes": state.size_bytes if reading else 0,
        "of_bytes": size_bytes,
        "found": state.found,
        "began_at": timestamp(state.began_ns) if state.began_ns else None,
        "last_whole_at": timestamp(state.whole_ns) if state.whole_ns else None,
    }


def briefly(care: Care) -> dict[str, Any]:
    """As /health tells it."""
    return {"scrub": scrub_of(care), "lost": care.lost_count()}


def told(lost: Lost) -> dict[str, Any]:
    return {
        "blake3": lost.digest.hex,
        "kind": lost.kind,
        "since": timestamp(lost.at_ns),
        "size": lost.size_bytes,
        "projects": lost.projects,
        "paths": lost.paths,
    }


class CareOf:
    """How far all clips of a source were read again (`scrub`), and which contents are lost until the same bytes are sent again,
    with every project and path that shows them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        care = self._desk.library(req.get_param("source")).care
        resp.media = {
            "scrub": scrub_of(care),
            "lost": [told(lost) for lost in care.lost()],
            "instructions": "A lost content is whole again, under all its names, when the same bytes are uploaded anywhere.",
        }


def routes(desk: Desk) -> Routes:
    return (("/api/care", CareOf(desk)),)
