"""May the store write? One small object that every writer asks and every surface shows."""

from __future__ import annotations

import logging

from cas.errors import Degraded

log = logging.getLogger("filmcan.cas")


class State:
    """ok, or degraded with a reason; it leaves `degraded` only by a restart that finds the disk well. Any thread."""

    def __init__(self) -> None:
        self.reason = ""

    @property
    def name(self) -> str:
        return "degraded" if self.reason else "ok"

    def degrade(self, reason: str) -> None:
        """The first reason stays: it explains the others."""
        if not self.reason:
            self.reason = reason
            log.error("the store only reads from now on: %s", reason)

    def check(self) -> None:
        if self.reason:
            raise Degraded(self.reason)
