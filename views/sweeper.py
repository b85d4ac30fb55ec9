"""Sweeps uploads in several goes at each start, then hourly."""

from __future__ import annotations

import logging
import threading

from cas.errors import CasError
from views.resumable import Resumable

log = logging.getLogger("filmcan.uploads")
SWEEP_S = 3600.0


class Sweeper:
    """A thread that sweeps now and then, from `start` to `stop`."""

    def __init__(self, resumable: Resumable, interval_s: float = SWEEP_S) -> None:
        self._resumable, self._interval_s = resumable, interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="filmcan uploads", daemon=True)

    def start(self) -> Sweeper:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._resumable.sweep()
            except (CasError, OSError) as error:
                log.warning("uploads could not be swept: %s", error)
            if self._stopped.wait(self._interval_s):
                return
