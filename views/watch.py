"""Keeps a running server's index in step with what people do by hand: over SMB, in a shell, on the desktop.

The file system tells which names changed (inotify and its kin, through watchfiles); each is compared with its row, so the cost is that
of the changes, not of the library. What the file system says is a hint: a whole comparison runs at the start, after an
overflow, and on an interval; where watching is impossible the interval is all there is, and `problem` says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import watch

from cas.errors import CasError
from cas.index import IndexDamaged
from cas.layout import HOME
from views.library import Library
from views.reindex import Plan, Report, apply, plan, plan_of
from views.scan import LEFT_ALONE, Scanner

log = logging.getLogger("filmcan.watch")
DEBOUNCE_MS, STEP_MS = 200, 50  # changes are gathered this long; 70 ms latency of watchfiles itself on top
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
        self._threads: list[threading.Thread] = []
        self.problem = ""
        self.progress: tuple[int, int, str] = (0, 0, "")
        self.passes = 0

    def start(self) -> None:
        targets = [self._work, self._listen] if self._watching else [self._work]
        if not self._watching:
            self.problem = f"watching is off; the folders are compared every {self._interval_s:.0f} s"
        self._threads = [threading.Thread(target=target, name="filmcan-watch", daemon=True) for target in targets]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends after the step that is running."""
        self._stop.set()
        self._changed.set()
        for thread in self._threads:
            thread.join()

    # what changed

    def _listen(self) -> None:
        root = self._library.root
        try:
            for changes in watch(root, watch_filter=self._concerns_us, debounce=DEBOUNCE_MS, step=STEP_MS, rust_timeout=1000,
                                 yield_on_timeout=False, stop_event=self._stop, recursive=True):  # fmt: skip
                with self._lock:
                    self._paths.update(self._inner(path) for _, path in changes)
                self._changed.set()
        except Exception as error:  # the limit of watches, a file system without them: the interval goes on
            self._watching = False
            self.problem = f"the folders cannot be watched ({error}); they are compared every {self._interval_s:.0f} s"
            log.warning("%s", self.problem)

    def _concerns_us(self, _: object, path: str) -> bool:
        inner = self._inner(path)
        return bool(inner) and inner != HOME and not inner.startswith(f"{HOME}/")

    def _inner(self, path: str) -> str:
        return path[len(str(self._library.root)) :].strip("/")

    # what is done about it

    def _work(self) -> None:
        due = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= due:
                self._guarded(self._everything)
                due = time.monotonic() + (WATCHED_INTERVAL_S if self._watching else self._interval_s)
            self._changed.wait(min(AGAIN_S if self._paths else 5.0, max(0.05, due - time.monotonic())))
            self._changed.clear()
            with self._lock:
                paths, self._paths = self._paths, set()
            if paths and not self._stop.is_set():
                self._guarded(lambda paths=paths: self._some(paths))  # type: ignore[misc]

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

    def _some(self, paths: set[str]) -> None:
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
