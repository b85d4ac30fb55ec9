"""All sources that are in use, each an open Library with what follows its journal and what watches its disk.

The primary one is there from the start to the end. The others are opened when the registry names them, and again looked for
when somebody asks for one: a disk may come back, a source may be registered by another program. A source that is switched off
is hidden, and stays open until the end: requests may be reading from it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from cas.errors import CasError
from views.derived.darkroom import Darkroom
from views.errors import SourceAway, SourceProblem
from views.followers import FollowerThread
from views.library import Library
from views.sources import PRIMARY, Source, Sources
from views.work import Works

log = logging.getLogger("filmcan.sources")


@dataclass(frozen=True, slots=True)
class Opened:
    """A library and the thread of its followers."""

    library: Library
    followers: FollowerThread


Opener = Callable[[Path, str], AbstractContextManager[Opened]]  # root, name of the source


class Libraries(Mapping[str, Library]):
    """Open sources by name: those that are enabled and reachable at this moment. Any thread; `close` at the end."""

    def __init__(self, sources: Sources, opener: Opener, darkroom: Darkroom | None = None) -> None:
        """Open the primary source, and every other that can be. LockHeld, RootUnfit for the primary one."""
        self.sources, self._opener = sources, opener
        self._stack, self._lock = ExitStack(), threading.Lock()
        self._open: dict[Path, Opened] = {}
        self.works, self.darkroom = Works(), darkroom or Darkroom()
        primary = next(source for source in sources.list() if source.name == PRIMARY)
        self._primary = self._opened(primary)
        sources.state = self._primary.library.store.state
        self._warm()

    def _warm(self) -> None:
        try:
            for source in self._others():
                self._try(source)
        except SourceProblem as error:
            log.warning("only the primary source is served: %s", error)

    def close(self) -> None:
        """Everything is stopped, last opened first."""
        self.works.stop()
        self.darkroom.stop()
        self._stack.close()

    # the mapping

    @property
    def primary(self) -> Library:
        return self._primary.library

    def __getitem__(self, name: str) -> Library:
        if name == PRIMARY:
            return self._primary.library
        try:
            return self.get_open(name)
        except SourceProblem:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        """Names of the sources that can be used now; the primary one alone when the registry cannot be read."""
        yield PRIMARY
        try:
            others = self._others()
        except SourceProblem as error:
            log.warning("only the primary source is listed: %s", error)
            return
        for source in others:
            if self._try(source) is not None:
                yield source.name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def get_open(self, name: str) -> Library:
        """The library of a source. SourceUnknown (also when it is disabled), SourceAway, SourcesUnreadable."""
        if name == PRIMARY:
            return self._primary.library
        source = self.sources.get(name)
        found = self._try(source)
        if found is None:
            raise SourceAway(name, source.root)
        return found.library

    def away(self) -> list[str]:
        """Sources that are enabled and cannot be used at this moment; none when the registry cannot be read."""
        try:
            return [source.name for source in self._others() if self._try(source) is None]
        except SourceProblem:
            return []

    def flush(self) -> bool:
        """Everything that happened up to now is in the manifests; False when something hinders it."""
        with self._lock:
            threads = [opened.followers for opened in self._open.values()]
        done = [followers.flush() for followers in threads]
        return all(done)

    # opening

    def _others(self) -> list[Source]:
        return [source for source in self.sources.list() if source.name != PRIMARY and source.enabled]

    def _try(self, source: Source) -> Opened | None:
        """The open library of a source; None while it cannot be opened, which is told in the log."""
        if not source.accessible:
            return None
        try:
            return self._opened(source)
        except (CasError, OSError) as error:
            log.warning("the source %s cannot be opened: %s", source.name, error)
            return None

    def _opened(self, source: Source) -> Opened:
        with self._lock:
            found = self._open.get(source.root)
            if found is None:
                found = self._stack.enter_context(self._opener(source.root, source.name))
                self._open[source.root] = found
            return found
