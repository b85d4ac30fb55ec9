"""What the file system says about changes made by hand: names, gathered and handed on.

Project folders are watched with all in them, and the names at the top. `.filmcan` is never watched: it changes with every
upload, and being told of that cost more than the upload itself. A hint may be late, doubled or missing; it is never the truth.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from watchfiles._rust_notify import RustNotify

from views import naming
from views.inotify import Inotify, Tell, concerns_us

log = logging.getLogger("filmcan.watch")
DEBOUNCE_MS, STEP_MS = 200, 50  # changes are gathered this long
TIMEOUT_MS = 1000
AGAIN_S = 5.0


class Hints(Protocol):
    """Listens in threads of its own, and tells.

    tell    paths that changed, and folders that must be looked through because nobody listened for a while: they came just now,
            or hints were lost ("" for everything)
    fail    called once, with the reason, when the system cannot watch (any more)
    ready   set when everything there is at the start is watched, or nothing ever will be: the time for a first whole comparison
    """

    ready: threading.Event

    def start(self) -> None: ...
    def stop(self) -> None: ...


def hints(root: Path, tell: Tell, fail: Callable[[str], None]) -> Hints:
    """The best way to listen on this system."""
    return Inotify(root, tell, fail) if sys.platform == "linux" else WatchedTrees(root, tell, fail)


class _Either:
    """An event that is set when one of several is."""

    def __init__(self, *events: threading.Event) -> None:
        self._events = events

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._events)


class WatchedTrees:
    """The ways of other systems, through watchfiles: by its documented low-level interface, since its `watch` cannot be told of
    more folders later. Two threads."""

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
        while not self._stop.is_set():
            with RustNotify([str(self._root)], False, False, 0, False, True) as notify:
                while (paths := self._next(notify, self._stop)) is not None:
                    if any(naming.is_project_name(path) for path in paths):
                        self._regroup.set()
                    if paths:
                        self._tell(paths, set())

    def _listen_in_projects(self) -> None:
        """Everything in the project folders there are; begun anew, before the old watch ends, when there are others."""
        known: set[str] | None = None
        old: RustNotify | None = None
        while not self._stop.is_set():
            self._regroup.clear()
            projects = {entry.name for entry in self._root.iterdir() if naming.is_project_name(entry.name) and entry.is_dir()}
            try:
                new = RustNotify([str(self._root / name) for name in sorted(projects)], False, False, 0, True, True)
            except FileNotFoundError:
                self._regroup.set()  # one went just now
                continue
            if old is not None:
                self._tell(self._left_in(old), projects - (known or set()))
                old.close()
            known, old = projects, new
            self.ready.set()
            self._listen_to(new)
        if old is not None:
            old.close()

    def _listen_to(self, notify: RustNotify) -> None:
        stop = _Either(self._stop, self._regroup)
        while (paths := self._next(notify, stop)) is not None:
            if paths:
                self._tell(paths, set())

    def _next(self, notify: RustNotify, stop: _Either | threading.Event) -> set[str] | None:
        """What changed; None when it is time to begin anew: a name that is no UTF-8 makes it forget all the others, for ever."""
        try:
            changes = notify.watch(DEBOUNCE_MS, STEP_MS, TIMEOUT_MS, stop)
        except RuntimeError as error:
            log.warning("changes were not told (%s); all folders are compared", error)
            self._stop.wait(AGAIN_S)
            self._tell(set(), {""})
            self._regroup.set()
            return None
        return None if changes in ("stop", "signal") else self._inner(changes)

    def _left_in(self, notify: RustNotify) -> set[str]:
        """What an old watch heard last; nothing from one that has failed."""
        try:
            return self._inner(notify.watch(1, 1, 1, None))
        except RuntimeError:
            return set()

    def _inner(self, changes: Iterable[tuple[int, str]] | str) -> set[str]:
        """Paths below the root, without what never concerns a view."""
        if isinstance(changes, str):
            return set()
        return {path for _, full in changes if (path := full[self._cut :]) and concerns_us(path)}
