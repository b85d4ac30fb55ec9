"""May the store write? One small object that every writer asks and every surface shows.

    ok         everything works
    full       free space or inodes are below the reserve, or the disk refuses more: nothing that takes room is begun, reading and
               taking names away go on; ends by itself when there is room again
    degraded   the disk lied or failed, or the index is not what filmcan wrote: only reading goes on, until a restart that looks
               at everything anew
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from cas.errors import Degraded, NoSpace
from cas.system import FAILING, FULL, System

log = logging.getLogger("filmcan.cas")
RESERVE_BYTES = 2 << 30  # durability reference §5: the smaller of 2 GiB and 1 % stays free
RESERVE_INODES = 10_000  # the smaller of this and 1 %; each upload takes one
PROBE_BYTES = 64 << 10


class Told:
    """See `State.told`. No generator: every read and write of a body passes here, and it takes a fifth of the time."""

    __slots__ = ("_needed_bytes", "_state")

    def __init__(self, state: State, needed_bytes: int) -> None:
        self._state, self._needed_bytes = state, needed_bytes

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            told = self._state.explain(error, self._needed_bytes)
            if told is not error:
                raise told from error


class State:
    """The state of one store. Any thread.

    reason   why it is degraded; "" while it is not
    """

    def __init__(self, system: System, folder: int, reserve_bytes: int | None = None) -> None:
        """`folder`: a descriptor of `.filmcan/incoming`. reserve_bytes: None for the smaller of 2 GiB and 1 %."""
        self._system, self._folder = system, folder
        space = system.space(folder)
        share = space.f_blocks * space.f_frsize // 100
        self._reserve_bytes = min(RESERVE_BYTES, share) if reserve_bytes is None else reserve_bytes
        self._reserve_inodes = min(RESERVE_INODES, space.f_files // 100)
        self._gate, self._promised_bytes = threading.Lock(), 0
        self._refused = False  # by the disk, and nobody saw it take anything since
        self._told_full = False
        self.reason = ""
        self.listener: Callable[[str], None] | None = None  # hears the reason, once

    @property
    def name(self) -> str:
        return "degraded" if self.reason else "full" if self.lack() else "ok"

    @property
    def why(self) -> str:
        """What a person should know: why it is degraded, else what it lacks; "" when all is well."""
        return self.reason or self.lack()

    # degraded

    def degrade(self, reason: str) -> None:
        """The first reason stays: it explains the others."""
        if not self.reason:
            self.reason = reason
            log.error("the store only reads from now on: %s", reason)
            if self.listener is not None:
                self.listener(reason)

    def check(self) -> None:
        """Degraded, unless writing may go on."""
        if self.reason:
            raise Degraded(self.reason)

    # full

    def available_bytes(self) -> int:
        """What may still be promised: the free space of the disk without the reserve, and without what was promised to uploads
        that run; never below 0."""
        return self._available(self._system.space(self._folder))

    def _available(self, space: os.statvfs_result) -> int:
        return max(0, space.f_bavail * space.f_frsize - self._reserve_bytes - self._promised_bytes)

    def promise(self, size_bytes: int) -> None:
        """So many bytes more are on their way, or less when it is negative: they arrived, or will not."""
        with self._gate:
            self._promised_bytes += size_bytes

    def lack(self) -> str:
        """What keeps new bytes out, for people; "" while there is room. Asked of the disk each time (2 µs)."""
        return self._lack(self._system.space(self._folder))

    def _lack(self, space: os.statvfs_result) -> str:
        text = self._too_little(space)
        if not text and self._refused:
            self._refused = not self._takes_some()
            text = "it refuses to take more; perhaps a quota is used up" if self._refused else ""
        self._tell_full(text)
        return text

    def _too_little(self, space: os.statvfs_result) -> str:
        if (free_bytes := space.f_bavail * space.f_frsize) <= self._reserve_bytes:
            return f"{free_bytes >> 20} MiB are free, and {self._reserve_bytes >> 20} MiB are kept in reserve"
        if space.f_files and space.f_favail <= self._reserve_inodes:
            return f"it can hold {space.f_favail} more files, and {self._reserve_inodes} are kept in reserve"
        return ""

    def _takes_some(self) -> bool:
        """Try it: free space does not tell of quotas."""
        name = self._system.token()
        try:
            fd = self._system.create(self._folder, name)
            try:
                self._system.write(fd, bytes(PROBE_BYTES))
            finally:
                self._system.close(fd)
                self._system.unlink(self._folder, name)
        except OSError as error:
            return error.errno not in FULL
        return True

    def _tell_full(self, text: str) -> None:
        if bool(text) != self._told_full:
            self._told_full = bool(text)
            log.warning(*("the disk is full: %s; nothing new is taken", text) if text else ("the disk has room again",))

    def admit(self, size_bytes: int = 1) -> None:
        """Before anything that takes room is begun: Degraded, or NoSpace when it is full or this does not fit."""
        self.check()
        space = self._system.space(self._folder)
        text, available = self._lack(space), self._available(space)
        if text or available < size_bytes:
            raise NoSpace(size_bytes, available, text)

    # errors of the disk

    def explain(self, error: OSError, needed_bytes: int = 0) -> Exception:
        """What to raise for an error of the disk: NoSpace when it is full, Degraded (and so from now on) when it fails, else the
        error itself; once degraded, Degraded for everything."""
        if error.errno in FAILING:
            self.degrade(f"the disk fails: {error}")
        if self.reason:
            return Degraded(self.reason)
        if error.errno in FULL:
            self._refused = True
            why = self._too_little(self._system.space(self._folder)) or f"it refuses to take more ({error.strerror})"
            return NoSpace(needed_bytes, self.available_bytes(), why)
        return error

    def told(self, needed_bytes: int = 0) -> Told:
        """`with state.told():` errors of the disk inside come out as `explain` has them."""
        return Told(self, needed_bytes)

    def lost_sync(self, what: str, error: OSError) -> None:
        """A sync failed. It is final for the whole store, as a second one would report success although data is lost (fsync(2));
        only a full disk may be asked again, with the same bytes under another name."""
        if error.errno not in FULL:
            self.degrade(f"{what} could not be synced: {error}")
