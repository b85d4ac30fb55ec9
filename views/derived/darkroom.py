"""Looking at footage when somebody asks: one file after the other, by a thread that holds a `Lab`, with a queue that ends.

What was found is noted by digest, pictures become previews in the project that asked. A file that cannot be read is remembered,
and not looked at again; one that took too long, or ended the worker, has a few more tries, each with more time.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from cas.digest import Digest
from cas.errors import CasError
from views.derived.facts import MAKER, FactsRow
from views.derived.lab import Lab, Seen, lacking
from views.library import Library

log = logging.getLogger("filmcan.derived")
WAITING = 500  # files in the queue; what comes beyond is asked for again
WAITERS = 8  # requests that wait for one, or a page full of clips would hold every thread of the server
PATIENCE = (1.0, 2.4, 3.6)  # times the time-out, by tries: the 25, 60 and 90 s of contract §2.1
IDLE_S = 60.0  # then the worker ends; it holds some 60 MB

Keep = Callable[[bytes], object]  # what is done with a picture


@dataclass(eq=False)
class _Ask:
    library: Library
    digest: Digest
    kind: str
    keep: Keep | None
    done: threading.Event = field(default_factory=threading.Event)
    row: FactsRow | None = None
    picture: bytes = b""


class Darkroom:
    """Asked by any thread; `stop` before the libraries are closed. The thread begins with the first question."""

    def __init__(self, *, width: int = 640, at_s: float = 1.0, timeout_s: float = 25.0) -> None:
        self._lab, self._timeout_s = Lab(width=width, at_s=at_s), timeout_s
        self._asks: OrderedDict[tuple[int, bytes], _Ask] = OrderedDict()
        self._news = threading.Condition()
        self._waiters = threading.Semaphore(WAITERS)
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def lacking(self) -> str:
        """Why nothing can be looked at, for people; "" when all is there."""
        return lacking()

    def look(self, library: Library, digest: Digest, kind: str, keep: Keep | None = None) -> tuple[FactsRow | None, bytes]:
        """What is known of a content, after looking at it if need be; a picture only if one was made just now.

        kind      "video", "audio" or "image", as its name tells
        keep      stores the picture, in the thread that looks; what it raises is told in the log
        returns   no row: nobody may wait for it at this moment, and it is looked at behind if the queue has room
        """
        row = library.facts.of(digest)
        if row is not None and row.is_final(library.store.system.now_ns()) and not (keep and row.pictured):
            return row, b""
        ask = self._queue(_Ask(library, digest, kind, keep))
        if ask is None or not self._waiters.acquire(blocking=False):
            return None, b""
        try:
            ask.done.wait(PATIENCE[-1] * self._timeout_s)
        finally:
            self._waiters.release()
        return ask.row, ask.picture

    def _queue(self, ask: _Ask) -> _Ask | None:
        """The same question of somebody else, or this one; None when too many wait, or all is being stopped."""
        key = id(ask.library), ask.digest.raw
        with self._news:
            if key in self._asks:
                return self._asks[key]
            if len(self._asks) >= WAITING or self._stopping:
                return None
            self._asks[key] = ask
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="filmcan-darkroom", daemon=True)
                self._thread.start()
            self._news.notify_all()
        return ask

    def stop(self) -> None:
        """End now: what waits is answered with nothing."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self._lab.kill()
        if self._thread is not None:
            self._thread.join()
        for ask in self._asks.values():
            ask.done.set()

    # the thread

    def _loop(self) -> None:
        while (found := self._next()) is not None:
            key, ask = found
            try:
                self._do(ask)
            except CasError as error:  # the picture is shown all the same
                log.warning("what was learned of %s is not kept: %s", ask.digest, error)
            except Exception as error:  # whatever it was: the next file is looked at
                log.warning("%s could not be looked at, or its picture not be kept", ask.digest, exc_info=error)
            finally:
                with self._news:
                    del self._asks[key]
                ask.done.set()
        self._lab.close()

    def _next(self) -> tuple[tuple[int, bytes], _Ask] | None:
        with self._news:
            while not self._asks and not self._stopping:
                if not self._news.wait(IDLE_S):
                    self._lab.close()
            return None if self._stopping else next(iter(self._asks.items()))

    def _do(self, ask: _Ask) -> None:
        before = ask.library.facts.of(ask.digest)
        tries = before.tries if before is not None and before.status in ("timeout", "died") else 0
        with ask.library.store.open(ask.digest) as blob:
            seen = self._lab.look(blob.fd, ask.kind, self._timeout_s * PATIENCE[min(tries, len(PATIENCE) - 1)])
        if self._stopping:
            return  # the worker was ended by us
        ask.row, ask.picture = self._row(ask, seen, tries + 1), seen.picture
        ask.library.facts.note(ask.digest, ask.row)
        if seen.status != "ok":
            log.info("%s cannot be looked at: %s %s", ask.digest, seen.status, seen.facts.get("error", ""))
        if ask.keep is not None and seen.picture:
            ask.keep(seen.picture)

    @staticmethod
    def _row(ask: _Ask, seen: Seen, tries: int) -> FactsRow:
        facts = {key: value for key, value in seen.facts.items() if value is not None}
        return FactsRow(MAKER, seen.status, tries, ask.library.store.system.now_ns(), facts, bool(seen.picture))
