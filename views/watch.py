"""Keeps a running server's index in step with what people do by hand: over SMB, in a shell, on the desktop.

The file system tells which names changed (see `views.hints`); each is compared with its row, so the cost is that of the
changes, not of the library. What the file system says is a hint: a whole comparison runs at the start, when hints were lost, and
on an interval; where watching is impossible the interval is all there is, and `problem` says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from views.difference import Gone
from views.hints import hints
from views.library import Library
from views.reindex import Plan, Report, apply, plan, plan_of
from views.scan import LEFT_ALONE, Scanner

log = logging.getLogger("filmcan.watch")
QUIET_S = 1.0  # a file is adopted when nobody has it open for writing and nothing changed for this long
GONE_S = 0.5  # a name that is gone is forgotten when it did not turn up elsewhere within this time
FORGOTTEN_S = 5.0
WATCHED_INTERVAL_S = 900.0  # a whole comparison all the same: hints can be lost
AGAIN_S = 0.25


class _Stopped(Exception):
    """The server stops; what is not done is found again at the next start."""


class Watcher:
    """The thread that follows the disk. `start` returns at once; the first whole comparison runs behind.

    progress   of a pass: steps done, steps in all (0 while it looks), path
    problem    why it cannot do all of this, for people; "" when it can
    """

    def __init__(
        self,
        library: Library,
        *,
        watching: bool = True,
        interval_s: float = 60.0,
        quiet_s: float = QUIET_S,
        left_alone: Iterable[str] = LEFT_ALONE,
        on_report: Callable[[Report], None] | None = None,
    ) -> None:
        """
        watching     False: compare on the interval only (network mounts, exhausted inotify limits)
        interval_s   seconds between whole comparisons where watching is impossible, and until the next after one that failed
        """
        self._library, self._left_alone = library, tuple(left_alone)
        self._interval_s, self._quiet_s = interval_s, quiet_s
        self._on_report = on_report
        self._stop = threading.Event()
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._paths: set[str] = set()  # to be looked at
        self._whole: set[str] = set()  # folders to be looked through; "" for everything
        self._gone: dict[str, float] = {}  # names that are gone, and since when
        self._looked_s = 0.0
        self._hints = hints(library.root, self._hear, self._deaf) if watching else None
        self._thread = threading.Thread(target=self._work, name="filmcan-watch", daemon=True)
        self._deafness, self._failure = "", ""
        self.progress: tuple[int, int, str] = (0, 0, "")
        self.passes = 0

    @property
    def problem(self) -> str:
        return "; ".join(filter(None, (self._deafness, self._failure)))

    def start(self) -> None:
        if self._hints is not None:
            self._hints.start()
        else:
            self._deafness = f"watching is off; the folders are compared every {self._interval_s:.0f} s"
        self._thread.start()

    def stop(self) -> None:
        """Ends within the step that is running, also while a long file is read."""
        self._stop.set()
        self._changed.set()
        if self._hints is not None:
            self._hints.stop()
        self._thread.join()

    # what changed

    def _hear(self, paths: set[str], whole: set[str]) -> None:
        with self._lock:
            self._paths |= paths
            self._whole |= whole
        self._changed.set()

    def _deaf(self, why: str) -> None:
        """The limit of watches, a file system without them: the interval goes on."""
        self._deafness = f"the folders cannot be watched ({why}); they are compared every {self._interval_s:.0f} s"
        log.warning("%s", self._deafness)

    # what is done about it

    def _work(self) -> None:
        if self._hints is not None:
            self._hints.ready.wait()
        due_s = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= due_s or "" in self._whole:
                self._guarded(self._everything)
                due_s = time.monotonic() + (self._interval_s if self.problem else WATCHED_INTERVAL_S)
            self._changed.wait(AGAIN_S if self._paths else max(0.05, due_s - time.monotonic()))
            self._changed.clear()
            self._guarded(self._look)

    def _guarded(self, act: Callable[[], None]) -> None:
        """The thread lives on whatever one pass runs into; the reason is told, and another whole comparison comes soon."""
        try:
            act()
        except _Stopped:
            return
        except Exception as error:  # a full disk, a store that only reads, a fault of ours: the next pass tries again
            failure = f"the folders could not be compared: {error}"
            if failure != self._failure:
                log.warning("%s", failure, exc_info=error)
            self._failure = failure

    def _everything(self) -> None:
        with self._lock:
            self._paths.clear()
            self._whole.clear()
        self.progress = (0, 0, "")
        self._do(plan(self._library, left_alone=self._left_alone, tick=self._tick), self._tick)
        self._failure = ""
        self.passes += 1

    def _look(self) -> None:
        """At what was heard of since the last time."""
        with self._lock:
            paths, self._paths = self._paths, set()
            whole = self._whole - {""}
            self._whole -= whole
        for found in (("below", whole), ("names", paths)):
            self._look_at(*found)
        self._looked_s = time.monotonic()

    def _look_at(self, way: str, paths: set[str]) -> None:
        if paths and not self._stop.is_set():
            scanner = Scanner(self._library, self._left_alone, self._stop_tick)
            seen = scanner.below(paths) if way == "below" else scanner.names(paths)
            self._do(plan_of(self._library, seen), self._stop_tick)

    def _do(self, found: Plan, tick: Callable[[str], None]) -> None:
        found = self._without_what_just_went(found)
        if not found.steps:
            return
        report = apply(self._library, found, self._note, quiet_s=self._quiet_s, tick=tick)
        with self._lock:
            self._paths.update(report.busy)
        if self._on_report is not None:
            self._on_report(report)

    def _without_what_just_went(self, found: Plan) -> Plan:
        """What is gone may turn up elsewhere: somebody moves it, and the other half is told a moment later."""
        now_s = time.monotonic()
        gone = {step.path for step in found.steps if isinstance(step, Gone) and not step.taken}
        recent = {path: since_s for path, since_s in self._gone.items() if now_s - since_s < FORGOTTEN_S}
        self._gone = recent | {path: recent.get(path, now_s) for path in gone}
        just_now = {path for path in gone if now_s - self._gone[path] < GONE_S}
        with self._lock:
            self._paths |= just_now
        return replace(found, steps=tuple(step for step in found.steps if step.path not in just_now))

    def _note(self, done: int, total: int, path: str) -> None:
        self.progress = (done, total, path)

    def _stop_tick(self, _: str) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _tick(self, path: str) -> None:
        """During a long pass: what changes meanwhile does not wait for its end."""
        self._stop_tick(path)
        if not self.progress[1]:
            self.progress = (0, 0, path)
        if self._changed.is_set() and time.monotonic() - self._looked_s > AGAIN_S:
            self._changed.clear()
            progress = self.progress
            self._look()
            self.progress = progress


def inotify_limit() -> int | None:
    """How many folders one user may watch here; None where there is no such limit to read."""
    try:
        return int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    except (FileNotFoundError, ValueError):
        return None
