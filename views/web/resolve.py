"""The queue for DaVinci Resolve: pages ask for clips to be opened, an agent on a workstation does it. Contract §2.14."""

from __future__ import annotations

from typing import Any, get_args

import falcon
import msgspec

from views import resolve
from views.jobs import LEASE_S, Job, Status
from views.sources import PRIMARY
from views.web import body, urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError, shape

AGENT = "resolve-agent"
MOST_CLAIMED = 100
MOST_NAME, MOST_ERROR = 200, 4000
NO_REASON = "the agent gave no reason"
LEASE = "resolve_lease_s"  # in the extras of the desk
QUEUED = "The agent on the workstation takes it from here; GET /api/resolve/jobs/{id} tells how it goes."
AGENTS = "Run `filmcan agent resolve` on the workstation; POST /api/resolve/jobs/{id}/cancel takes a job back."


class Open:
    """A page asks for clips to be opened in Resolve."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        said = body.json_object(req)
        source = req.get_param("source") or PRIMARY
        project = body.text(said, "project", needed=True) or ""
        paths = [] if said.get("media_rel_paths") is None else body.texts(said, "media_rel_paths")
        mode = body.text(said, "mode") or resolve.IMPORT
        new_name = body.text(said, "new_project_name")
        library = self._desk.library(source, unknown=400)
        wanted = resolve.request(library, source, project=project, paths=paths, mode=mode, new_name=new_name)
        job = self._desk.primary.jobs.submit(resolve.KIND, wanted)
        resp.media = {"ok": True, "job_id": job.id, "instructions": QUEUED.replace("{id}", job.id)}


class Next:
    """An agent asks for work. A body is not needed and not read."""

    def __init__(self, desk: Desk) -> None:
        self._queue = desk.primary.jobs
        self._lease_s = float(str(desk.extras.get(LEASE, LEASE_S)))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        limit = min(max(1, _number(req, "limit", 1)), MOST_CLAIMED)
        by = _short(req.get_param("claimed_by") or AGENT, MOST_NAME)
        claimed = self._queue.claim(resolve.KIND, limit, by, self._lease_s)
        resp.media = {"jobs": [_told(job) for job in claimed]}


class All:
    """Every job that is still known, the newest first."""

    def __init__(self, desk: Desk) -> None:
        self._queue = desk.primary.jobs

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        status: Any = req.get_param("status") or None
        if status not in (None, *get_args(Status)):
            raise shape("query", "status", f"it is one of {', '.join(get_args(Status))}", status)
        jobs = self._queue.list(resolve.KIND, status)
        shown = jobs[: max(1, _number(req, "limit", len(jobs)))]
        resp.media = {"jobs": [_told(job) for job in shown], "total": len(jobs), "instructions": AGENTS}


class One:
    """One job, and what became of each clip."""

    def __init__(self, desk: Desk) -> None:
        self._queue = desk.primary.jobs

    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        resp.media = _told(self._queue.get(job_id))


class Say:
    """What an agent or a page says about one job; the answer is `ok`, and the job as it is now."""

    def __init__(self, desk: Desk) -> None:
        self._queue = desk.primary.jobs

    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        resp.media = {"ok": True, "job": _told(self._act(job_id, req))}

    def _act(self, job_id: str, req: falcon.Request) -> Job:
        raise NotImplementedError


class Complete(Say):
    """The job is done. A body may tell of each clip: {"clips": [{"relative_path", "outcome", "detail"}]}."""

    def _act(self, job_id: str, req: falcon.Request) -> Job:
        return self._queue.complete(job_id, resolve.clips(_said(req)))


class Fail(Say):
    """The job cannot be done. The reason comes in the query, in the body, or not at all: agents differ."""

    def _act(self, job_id: str, req: falcon.Request) -> Job:
        said = _said(req)
        error = req.get_param("error") or _reason(said) or NO_REASON
        return self._queue.fail(job_id, _short(error, MOST_ERROR), resolve.clips(said), _holder(req))


class Heartbeat(Say):
    """The job is being done still: its lease begins again. 409 when it is another agent's now, or was cancelled."""

    def _act(self, job_id: str, req: falcon.Request) -> Job:
        return self._queue.heartbeat(job_id, _holder(req))


class Cancel(Say):
    """Nobody shall do the job any more."""

    def _act(self, job_id: str, req: falcon.Request) -> Job:
        return self._queue.cancel(job_id)


def _holder(req: falcon.Request) -> str | None:
    """The agent that says so, as it was called when it claimed; None for agents that do not tell."""
    name = req.get_param("claimed_by")
    return _short(name, MOST_NAME) if name else None


def _told(job: Job) -> dict[str, Any]:
    said = resolve.told(job)
    for medium in said["media"]:
        medium["stream_url"] = urls.stream(said["media_project"], medium["relative_path"], said["source"])
    return said


def _said(req: falcon.Request) -> Any:
    """The body as JSON; None for none, and for anything else: an outcome must not be lost over its wrapping."""
    held = bytearray()
    for piece in body.pieces(body.stream_of(req), 1 << 16):
        held += piece
        if len(held) > body.JSON_BYTES:
            raise ApiError(413, f"the body is larger than {body.JSON_BYTES} bytes")
    try:
        return msgspec.json.decode(held)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _reason(said: Any) -> str:
    found = said.get("error") if isinstance(said, dict) else said
    return found if isinstance(found, str) else ""


def _short(text: str, most: int) -> str:
    """As much as is worth keeping, and always text that can be stored (a query may hold half a letter)."""
    return text[:most].encode(errors="replace").decode()


def _number(req: falcon.Request, name: str, default: int) -> int:
    given = req.get_param(name)
    try:
        return default if given is None else int(given)
    except ValueError:
        raise shape("query", name, "it must be a whole number", given) from None


def routes(desk: Desk) -> Routes:
    one = "/api/resolve/jobs/{job_id}"
    return (
        ("/api/resolve/open", Open(desk)),
        ("/api/resolve/jobs", All(desk)),
        ("/api/resolve/jobs/next", Next(desk)),
        (one, One(desk)),
        (f"{one}/complete", Complete(desk)),
        (f"{one}/fail", Fail(desk)),
        (f"{one}/heartbeat", Heartbeat(desk)),
        (f"{one}/cancel", Cancel(desk)),
    )
