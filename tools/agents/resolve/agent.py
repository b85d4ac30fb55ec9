"""The agent: claims a job, does it, tells how it went; again and again, whatever the server and Resolve do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.agents.resolve.clips import LEFT, REVEALED, Clip, Finder, Outcome
from tools.agents.resolve.server import Refused, Server, ServerAway
from tools.agents.resolve.studio import Bin, Studio, Unwilling

if TYPE_CHECKING:
    from fusionscript import Project

SELECT, NEW, REVEAL = "__select__", "__new__", "reveal_in_explorer"
IDLE_S = 2.0  # between two questions for work
PAUSE_S, PAUSE_MAX_S = 1.0, 30.0  # while the server or Resolve is away
LEASE_S = 900.0  # of servers that do not tell
BEATS = 3  # in one lease: two may be lost
TELLS = 60  # tries to tell an outcome: half an hour; then the lease is over, and the job is done again, without harm
BIN = "filmcan"
NO_ANSWER = "Resolve does not run, or lets no scripts in (Preferences, System, General, External scripting using: Local)"

Choose = Callable[[Sequence[str], str], str | None]  # projects, the open one; the one a person wants
Connect = Callable[[], Studio | None]
Show = Callable[[Sequence[Path]], bool]


class JobFailed(Exception):
    """A job cannot be done, and why."""


@dataclass(frozen=True)
class Hands:
    """What the agent works with.

    connect   the running Resolve, or None
    choose    asks a person for a project; None when nobody answers
    show      shows files in the file manager
    say       tells whoever watches
    """

    connect: Connect
    choose: Choose
    show: Show
    say: Callable[[str], None]


class Agent:
    """One agent of one workstation. One thread works; another says meanwhile that it lives.

    trouble   what it waits for; "" when all is well
    crash     a job that was begun is offered again when its lease is over; clips that are in the bin already stay
    """

    def __init__(self, server: Server, finder: Finder, hands: Hands, stopping: threading.Event | None = None) -> None:
        self._server, self._finder, self._hands = server, finder, hands
        self._stopping = stopping or threading.Event()
        self.trouble = ""
        self.done = self.failed = 0

    def run(self) -> None:
        """Until `stopping` is set."""
        pause_s = PAUSE_S
        while not self._stopping.is_set():
            if self.step():
                pause_s = PAUSE_S
            elif self.trouble:
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
            else:
                self._stopping.wait(IDLE_S)
                pause_s = PAUSE_S

    def step(self) -> bool:
        """Do one job, if there is one and Resolve is there to do it."""
        studio = self._hands.connect()
        if studio is None:
            return self._wait(NO_ANSWER)
        try:
            job = self._server.next()
        except (ServerAway, Refused) as error:
            return self._wait(str(error))
        self.trouble = ""
        if job is not None:
            self._do(studio, job)
        return job is not None

    def _wait(self, why: str) -> bool:
        """Say once why nothing happens."""
        if why != self.trouble:
            self._hands.say(f"Waiting: {why}")
        self.trouble = why
        return False

    def _do(self, studio: Studio, job: Mapping[str, Any]) -> None:
        outcomes: list[Outcome] = []
        self._hands.say(f"Job {job['id']}: {len(job.get('media_rel_paths') or ())} files for {job.get('project')}")
        with Pulse(self._server, job) as pulse:
            try:
                self._work(studio, job, pulse, outcomes)
                error = _summary(outcomes)
            except (JobFailed, Unwilling) as failure:
                error = str(failure)
            except Exception as failure:  # one job must not end the agent; what it met is told where somebody reads it
                error = f"a fault in the agent ({type(failure).__name__}: {failure})"
            self._report(str(job["id"]), error, outcomes)

    def _report(self, id: str, error: str, outcomes: Sequence[Outcome]) -> None:
        """Tell the outcome until the server has heard it; it may be starting again just now."""
        self.done, self.failed = self.done + (not error), self.failed + bool(error)
        self._hands.say(f"  failed: {error}" if error else f"  done: {_count(outcomes)}")
        pause_s = PAUSE_S
        for _ in range(TELLS):
            try:
                if error:
                    self._server.fail(id, error, outcomes)
                else:
                    self._server.complete(id, outcomes)
                return
            except Refused as refused:
                self._hands.say(f"  the server will not hear it: {refused}")
                return
            except ServerAway as away:
                self._wait(str(away))
            if self._stopping.wait(pause_s):
                return
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    # one job

    def _work(self, studio: Studio, job: Mapping[str, Any], pulse: Pulse, outcomes: list[Outcome]) -> None:
        clips = _clips(job)
        if job.get("mode") == REVEAL:
            self._reveal(clips, outcomes)
            return
        name = self._project(studio, job)
        found = list(self._found(clips, outcomes))
        if not found:
            return
        project = studio.open(name)
        with _bin(project, str(job.get("media_project") or BIN)) as target:
            for clip, path in found:
                if pulse.lost:
                    outcomes.append(Outcome(clip.relative_path, LEFT, "the job was cancelled, or another agent has it"))
                else:
                    outcomes.append(target.bring(clip, path))
        studio.save()

    def _found(self, clips: Sequence[Clip], outcomes: list[Outcome]) -> Iterator[tuple[Clip, Path]]:
        """The clips that are here and whole; what is wrong with the others becomes their outcome."""
        for clip, path in self._finder.find(clips):
            if isinstance(path, Outcome):
                outcomes.append(path)
            else:
                yield clip, path

    def _project(self, studio: Studio, job: Mapping[str, Any]) -> str:
        wanted = str(job.get("project") or "")
        if wanted == SELECT:
            chosen = self._hands.choose(studio.names(), studio.current())
            if not chosen:
                raise JobFailed("nobody chose a project for it")
            return chosen
        name = str(job.get("new_project_name") or "") if wanted == NEW else wanted
        if not name:
            raise JobFailed("the job names no project")
        return name

    def _reveal(self, clips: Sequence[Clip], outcomes: list[Outcome]) -> None:
        found = list(self._found(clips, outcomes))
        if found and not self._hands.show([path for _, path in found]):
            raise JobFailed("the file manager could not be opened")
        outcomes += [Outcome(clip.relative_path, REVEALED) for clip, _ in found]


@contextmanager
def _bin(project: Project, name: str) -> Iterator[Bin]:
    target = Bin(project, name)
    try:
        yield target
    finally:
        target.leave()


def _clips(job: Mapping[str, Any]) -> list[Clip]:
    """The clips of a job, each once. JobFailed when the server does not tell where they are."""
    if not job.get("media"):
        raise JobFailed("it cannot be told in which project these files are: none has all of them, or several have")
    try:
        clips = [Clip.read(told) for told in job["media"]]
    except (KeyError, TypeError, ValueError) as error:
        raise JobFailed(f"the job is told in a way this agent does not know ({error!r}); is it older than the server?") from None
    return list({clip.relative_path: clip for clip in clips}.values())


def _summary(outcomes: Sequence[Outcome]) -> str:
    """Why the job as a whole failed; "" when all went well."""
    bad = [outcome for outcome in outcomes if not outcome.good]
    if not bad:
        return ""
    return f"{len(bad)} of {len(outcomes)} files: {bad[0].relative_path}: {bad[0].detail}" + (" …" if len(bad) > 1 else "")


def _count(outcomes: Sequence[Outcome]) -> str:
    kinds = dict.fromkeys(outcome.outcome for outcome in outcomes)
    return ", ".join(f"{sum(outcome.outcome == kind for outcome in outcomes)} {kind}" for kind in kinds)


class Pulse:
    """Tells the server, beside the work, that the job is being done.

    lost   the server says that it is not ours any more
    """

    def __init__(self, server: Server, job: Mapping[str, Any]) -> None:
        self._server, self._id = server, str(job["id"])
        self._every_s = float(job.get("lease_s") or LEASE_S) / BEATS
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self.lost = False

    def _beat(self) -> None:
        while not self.lost and not self._over.wait(self._every_s):
            try:
                self.lost = not self._server.heartbeat(self._id)
            except ServerAway:
                continue  # it may come back before the lease is over

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
