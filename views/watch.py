"""Keeps a running server's index in step with what people do by hand: over SMB, in a shell, on the desktop.

The file system tells which names changed (inotify and its kin, see `views.hints`); each is compared with its row, so the cost
is that of the changes, not of the library. What the file system says is a hint: a whole comparison runs at the start, after an
overflow, and on an interval; where watching is impossible the interval is all there is, and `problem` says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cas.errors import CasError
from cas.index import IndexDamaged
from views.hints import Hints
from views.library import Library
from views.reindex import Plan, Report, apply, plan, plan_of
from views.scan import LEFT_ALONE, Scanner

log = logging.getLogger("filmcan.watch")
QUIET_S = 1.0  # a file is adopted when nobody has it open for writing and nothing changed for this long
WATCHED_INTERVAL_S = 900.0  # a whole comparison all the same: hints can be lost
AGAIN_S = 0.5


class Watcher:
    """The thread that follows the disk. `start` returns at once; the first whole comparison runs behind."""

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
        interval_s   seconds between whole comparisons where watching is impossible
        """
        self._library, self._left_alone = library, tuple(left_alone)
        self._watching, self._interval_s, self._quiet_s = watching, interval_s, quiet_s
        self._on_report = on_report
        self._stop = threading.Event()
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._paths: set[str] = set()
        self._projects: set[str] = set()  # to be looked at whole
        self._hints = Hints(library.root, self._hear, self._deaf)
        self._thread = threading.Thread(target=self._work, name="filmcan-watch", daemon=True)
        self.problem = ""
        self.progress: tuple[int, int, str] = (0, 0, "")
        self.passes = 0

    def start(self) -> None:
        if self._watching:
            self._hints.start()
        else:
            self.problem = f"watching is off; the folders are compared every {self._interval_s:.0f} s"
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step that is running."""
        self._stop.set()
        self._changed.set()
        self._hints.stop()
        self._thread.join()

    # what changed

    def _hear(self, paths: set[str], projects: set[str]) -> None:
        with self._lock:
            self._paths |= paths
            self._projects |= projects
        self._changed.set()

    def _deaf(self, why: str) -> None:
        """The limit of watches, a file system without them: the interval goes on."""
        self._watching = False
        self.problem = f"the folders cannot be watched ({why}); they are compared every {self._interval_s:.0f} s"
        log.warning("%s", self.problem)

    # what is done about it

    def _work(self) -> None:
        if self._watching:
            self._hints.ready.wait()
        due = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= due:
                self._guarded(self._everything)
                due = time.monotonic() + (WATCHED_INTERVAL_S if self._watching else self._interval_s)
            self._changed.wait(min(AGAIN_S if self._paths else 5.0, max(0.05, due - time.monotonic())))
            self._changed.clear()
            with self._lock:
                paths, self._paths = self._paths, set()
                projects, self._projects = self._projects, set()
            if (paths or projects) and not self._stop.is_set():
                self._guarded(lambda paths=paths, projects=projects: self._some(paths, projects))  # type: ignore[misc]

    def _guarded(self, act: Callable[[], None]) -> None:
        """The thread lives on whatever one pass runs into; the reason is told, and the next pass tries again."""
        try:
            act()
        except (CasError, OSError, IndexDamaged) as error:
            self.problem = f"the folders could not be compared: {error}"
            log.warning("%s", self.problem)

    def _everything(self) -> None:
        self._do(plan(self._library, left_alone=self._left_alone))
        self.passes += 1

    def _some(self, paths: set[str], projects: set[str]) -> None:
        """New projects whole, since nobody listened while they were filled; then single names."""
        for name in sorted(projects):
            if self._library.find(name) is not None:
                self._do(plan(self._library, name, left_alone=self._left_alone))
        seen = Scanner(self._library, self._left_alone).names(paths)
        self._do(plan_of(self._library, seen))

    def _do(self, found: Plan) -> None:
        if not found.steps:
            return
        report = apply(self._library, found, self._note, quiet_s=self._quiet_s)
        with self._lock:
            self._paths.update(report.busy)
        if self._on_report is not None:
            self._on_report(report)

    def _note(self, done: int, total: int, path: str) -> None:
        self.progress = (done, total, path)
        if self._stop.is_set() and done < total:
            raise InterruptedError("stopping")


def inotify_limit() -> int | None:
    """How many folders one user may watch here; None where there is no such limit to read."""
    try:
        return int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    except (FileNotFoundError, ValueError):
        return None
