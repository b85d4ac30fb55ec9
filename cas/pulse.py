"""What a store does for itself while it is served: look at its index, tell when the disk is full or has room again, keep the
journal short."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cas.errors import CasError
from cas.store import Store

log = logging.getLogger("filmcan.cas")
LOOK_S = 1.0  # how long a harmed index may go unnoticed while nobody writes
READERS_S = 60.0  # durability reference §6
FOLD_S = 3600.0


class Pulse:
    """A thread. `start`, `stop` from the one that owns the store, which outlives it.

    foldable   tells up to which event the journal may be folded (Store.fold)
    """

    def __init__(self, store: Store, foldable: Callable[[], int]) -> None:
        self._store, self._foldable = store, foldable
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._readers_s = self._fold_s = store.system.monotonic_s()

    def start(self) -> Pulse:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self.beat()
            except (CasError, OSError) as error:  # the state tells it by then
                log.debug("the pulse was hindered: %s", error)

    def beat(self) -> None:
        """One round. Degraded, OSError."""
        store, now_s = self._store, self._store.system.monotonic_s()
        store.state.lack()
        store.look_after()
        if now_s - self._readers_s >= READERS_S:
            self._readers_s = now_s
            store.index.forget_dead_readers()
        if now_s - self._fold_s >= FOLD_S:
            self._fold_s = now_s
            folded = store.fold(self._foldable())
            if folded.why:
                log.warning("%s", folded.why)
