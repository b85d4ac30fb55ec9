"""Sums that somebody asked for and that take a while: computed behind, one blob after the other, by a thread made when needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

from cas.digest import Digest
from cas.errors import CasError
from cas.index import IndexDamaged
from cas.store import Store

log = logging.getLogger("filmcan.sums")


class _Stopped(Exception):
    """Nobody waits for the sums any more."""


class LazySums:
    """A queue of blobs that lack sums. `want` never waits; what is not done at `stop` is asked for again some day."""

    def __init__(self, store: Store, kinds: Collection[str]) -> None:
        self._store, self._kinds = store, kinds
        self._wanted: dict[Digest, None] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def want(self, digest: Digest) -> None:
        """Compute the sums of this blob soon. Any thread, any number of times."""
        with self._lock:
            if self._stopped or digest in self._wanted:
                return
            self._wanted[digest] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="filmcan-sums", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (digest := self._next()) is not None:
            try:
                self._store.add_sums(digest, self._kinds, self._took)
            except _Stopped:
                return
            except (CasError, IndexDamaged, OSError) as error:
                log.warning("the sums of %s could not be computed: %s", digest, error)
            with self._lock:
                self._wanted.pop(digest, None)

    def _took(self, _: int) -> None:
        if self._stopped:
            raise _Stopped

    def _next(self) -> Digest | None:
        with self._lock:
            digest = None if self._stopped else next(iter(self._wanted), None)
            if digest is None:
                self._thread = None
            return digest

    def stop(self) -> None:
        """Ends at once; a blob that is half read is asked for again some day."""
        with self._lock:
            self._stopped, thread = True, self._thread
        if thread is not None:
            thread.join()
