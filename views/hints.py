"""What the file system says about changes made by hand: names, gathered and handed on. Only this module knows watchfiles, by
its documented low-level interface: its `watch` cannot be told of more folders later.

The top of a root is watched by itself, project folders with all in them. `.filmcan` is never watched: it changes with every
upload, and being told of that cost more than the upload itself. A hint may be late, doubled or missing; it is never the truth.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles._rust_notify import RustNotify

from cas.layout import HOME
from views import naming

log = logging.getLogger("filmcan.watch")
DEBOUNCE_MS, STEP_MS = 200, 50  # changes are gathered this long
TIMEOUT_MS = 1000

Tell = Callable[[set[str], set[str]], None]  # paths that changed; projects that are watched from now on and must be looked at


class _Either:
    """An event that is set when one of several is."""

    def __init__(self, *events: threading.Event) -> None:
        self._events = events

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._events)


class Hints:
    """Two threads that listen, and tell. `fail` is called once, with the reason, when the system cannot watch (any more).

    ready   set when everything there is at the start is watched, or nothing ever will be: the time for a first whole comparison
    """

    def __init__(self, root: Path, tell: Tell, fail: Callable[[str], None]) -> None:
        self._root, self._tell, self._fail = root, tell, fail
        self._cut = len(str(root)) + 1
        self._stop, self._regroup, self.ready = threading.Event(), threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for work in (self._listen_at_top, self._listen_in_projects):
            thread = threading.Thread(target=self._guarded, args=(work,), name="filmcan-hints", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._regroup.set()
        self.ready.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # the limit of watches, a file system without them: whoever listens falls back
            self._stop.set()
            self._regroup.set()
            self._fail(str(error))
            self.ready.set()

    def _listen_at_top(self) -> None:
        """Names at the top: loose files, and project folders that come and go."""
        with RustNotify([str(self._root)], False, False, 0, False, True) as notify:
            while (changes := notify.watch(DEBOUNCE_MS, STEP_MS, TIMEOUT_MS, self._stop)) not in ("stop", "signal"):
                paths = self._inner(changes)
                if any(naming.is_project_name(path) for path in paths):
                    self._regroup.set()
                if paths:
                    self._tell(paths, set())

    def _listen_in_projects(self) -> None:
        """Everything in the project folders there are; begun anew when there are others."""
        known: set[str] | None = None
        while not self._stop.is_set():
            self._regroup.clear()
            projects = {entry.name for entry in self._root.iterdir() if naming.is_project_name(entry.name) and entry.is_dir()}
            if projects:
                self._listen_to(projects, set() if known is None else projects - known)
            else:
                self.ready.set()
                self._regroup.wait()
            known = projects

    def _listen_to(self, projects: set[str], new: set[str]) -> None:
        stop = _Either(self._stop, self._regroup)
        try:
            notify = RustNotify([str(self._root / name) for name in sorted(projects)], False, False, 0, True, True)
        except FileNotFoundError:
            self._regroup.set()  # one went just now
            return
        with notify:
            self.ready.set()
            if new:
                self._tell(set(), new)
            while (changes := notify.watch(DEBOUNCE_MS, STEP_MS, TIMEOUT_MS, stop)) not in ("stop", "signal"):
                if paths := self._inner(changes):
                    self._tell(paths, set())

    def _inner(self, changes: Iterable[tuple[int, str]] | str) -> set[str]:
        """Paths below the root, without what never concerns a view."""
        if isinstance(changes, str):
            return set()
        paths = {path[self._cut :] for _, path in changes}
        return {path for path in paths if path and path != HOME and not path.startswith(f"{HOME}/")}
