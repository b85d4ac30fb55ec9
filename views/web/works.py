"""Long work behind: `GET /api/jobs/{id}` tells how far it is, once or as server-sent events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import falcon
import msgspec

from views.web import urls
from views.web.app import Routes
from views.web.body import flag
from views.web.desk import Desk
from views.web.errors import ApiError
from views.work import Progress, Work, Works, nowhere

EVENTS = "text/event-stream"
ALIVE_S = 10.0  # a comment so often, or proxies close the connection
EVENTS_MOST = 300  # in one answer; then the browser connects again, and a thread is free meanwhile
PAUSE_S = 0.2  # steps may follow each other in no time


def told(work: Work) -> dict[str, Any]:
    return {
        "id": work.id,
        "kind": work.kind,
        "subject": work.subject,
        "status": work.status,
        "progress": {"done": work.done, "total": work.total, "path": work.path},
        "result": work.result,
        "error": work.error,
        "instructions": "status goes from waiting to running to done, failed or stopped.",
    }


def wants_behind(req: falcon.Request) -> bool:
    """Did the client say that it does not wait: `?background=true`, or `Prefer: respond-async` (RFC 7240)?"""
    return flag(req, "background", False) or "respond-async" in (req.get_header("Prefer") or "")


def url_of(work: Work) -> str:
    return f"/api/jobs/{urls.escape(work.id)}"


def begun(resp: falcon.Response, work: Work) -> None:
    """202, and where it can be followed."""
    url = url_of(work)
    resp.status, resp.media = 202, {"job_id": work.id, "job_url": url, "instructions": "GET job_url tells how far it is."}
    resp.set_header("Location", url)


def answer(
    desk: Desk, req: falcon.Request, resp: falcon.Response, kind: str, subject: str, run: Callable[[Progress], dict[str, Any]],
    *, repeats: bool = True,
) -> None:  # fmt: skip
    """Do it now and tell what came of it; or behind, when the client does not want to wait. `repeats`: see `Works.begin`."""
    if wants_behind(req):
        begun(resp, desk.works.begin(kind, subject, run, repeats=repeats))
    else:
        resp.media = run(nowhere)


class All:
    def __init__(self, works: Works) -> None:
        self._works = works

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Every work since the start, the newest first."""
        resp.media = {"jobs": [told(work) for work in self._works.list()]}


class One:
    def __init__(self, works: Works) -> None:
        self._works = works

    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """How far a work is; with `Accept: text/event-stream` each step as it happens."""
        work = self._works.find(job_id)
        if work is None:
            raise ApiError(404, "job not found")
        if EVENTS not in (req.get_header("Accept") or ""):
            resp.media = told(work)
            return
        resp.content_type = EVENTS
        resp.set_header("Cache-Control", "no-cache")
        resp.stream = self._events(work)

    def _events(self, work: Work) -> Iterator[bytes]:
        for _ in range(EVENTS_MOST):
            version = work.version
            yield b"data: " + msgspec.json.encode(told(work)) + b"\n\n"
            if work.is_over:
                return
            time.sleep(PAUSE_S)
            while not self._works.changed(work, version, ALIVE_S):
                yield b": still here\n\n"


def routes(desk: Desk) -> Routes:
    return (("/api/jobs", All(desk.works)), ("/api/jobs/{job_id}", One(desk.works)))
