"""Long work that somebody asked for and does not wait for, with progress, in this process; in each lane one after the other.

What is noted here is lost at a restart, and nothing else is: each step of such work is a change that is whole by itself, and
asking again goes on where it ended.
"""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("filmcan.work")
KEPT = 200  # finished works that are still told about
STOP_S = 30.0

Progress = Callable[[int, int, str], None]  # steps done, steps in all, path; raises InterruptedError to end the work


def nowhere(_done: int, _total: int, _path: str) -> None:
    """Progress that nobody follows."""


@dataclass
class Work:
    """One piece of work. `version` grows with every change; wait for the next with `Works.changed`.

    status   waiting, running, done, failed, stopped
    result   what it came to, once done; `error` the reason, once failed
    """

    kind: str
    subject: str
    run: Callable[[Progress], Any] = field(repr=False)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "waiting"
    done: int = 0
    total: int = 0
    path: str = ""
    result: Any = None
    error: str | None = None
    version: int = 0

    @property
    def is_over(self) -> bool:
        return self.status not in ("waiting", "running")


class _Lane:
    """Works that wait for each other, and the thread that does them."""

    def __init__(self, loop: Callable[[queue.Queue[Work | None]], None]) -> None:
        self.waiting: queue.Queue[Work | None] = queue.Queue()
        self.thread = threading.Thread(target=loop, args=(self.waiting,), name="filmcan-work", daemon=True)
        self.thread.start()


class Works:
    """The works of one server. Any thread; `stop` before the libraries are closed."""

    def __init__(self) -> None:
        self._works: dict[str, Work] = {}
        self._lanes: dict[str, _Lane] = {}
        self._news = threading.Condition()
        self._stopping = False

    def begin(
        self, kind: str, subject: str, run: Callable[[Progress], Any], *, repeats: bool = True, lane: str = ""
    ) -> Work:
        """Queue a work; one of the same kind about the same subject that still waits is given instead, if it `repeats`: if what
        waits would do all that this one does.

        lane   works of one lane are done one after the other, beside those of other lanes: what reads for hours shall not keep
               what somebody waits for
        """
        with self._news:
            for work in self._works.values() if repeats else ():
                if (work.kind, work.subject, work.status) == (kind, subject, "waiting"):
                    return work
            work = Work(kind, subject, run)
            self._works[work.id] = work
            self._forget_old()
            if lane not in self._lanes:
                self._lanes[lane] = _Lane(self._loop)
        self._lanes[lane].waiting.put(work)
        return work

    def _forget_old(self) -> None:
        over = [work.id for work in self._works.values() if work.is_over]
        for old in over[: max(0, len(over) - KEPT)]:
            del self._works[old]

    def find(self, id: str) -> Work | None:
        return self._works.get(id)

    def list(self) -> list[Work]:
        """Every work that is known, the newest first."""
        with self._news:
            return [*self._works.values()][::-1]

    def changed(self, work: Work, version: int, within_s: float) -> bool:
        """Wait until a work is further than `version`, or over."""
        with self._news:
            return self._news.wait_for(lambda: work.version > version or work.is_over, within_s)

    def stop(self) -> None:
        """End the works that are running after their step, and begin no other."""
        self._stopping = True
        with self._news:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.waiting.put(None)
        for lane in lanes:
            lane.thread.join(STOP_S)

    # the threads

    def _loop(self, waiting: queue.Queue[Work | None]) -> None:
        while (work := waiting.get()) is not None and not self._stopping:
            self._do(work)

    def _do(self, work: Work) -> None:
        def progress(done: int, total: int, path: str) -> None:
            if self._stopping:
                raise InterruptedError("the server is stopping")
            self._set(work, done=done, total=total, path=path)

        self._set(work, status="running")
        try:
            result = work.run(progress)
        except InterruptedError as error:
            self._set(work, status="stopped", error=str(error))
        except Exception as error:
            log.warning("%s of %s failed", work.kind, work.subject, exc_info=error)
            self._set(work, status="failed", error=str(error) or type(error).__name__)
        else:
            self._set(work, status="done", result=result, path="")

    def _set(self, work: Work, **values: Any) -> None:
        with self._news:
            for name, value in values.items():
                setattr(work, name, value)
            work.version += 1
            self._news.notify_all()
