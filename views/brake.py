"""The brake: a device that takes away or writes over very many names within a minute is stopped until the owner lets it go on.

Nothing is lost when it does (the trash and the past have everything), but a sync that went wrong, or a program that encrypts,
should not go on for hours. Counted is what one act takes away, as one act brings it back: a folder deleted is one name. Bytes
written over by the same bytes, empty files, client junk do not count. A device is an address, until there are accounts.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from cas.committer import Acts
from cas.store import Store
from views.entry import Entry
from views.errors import Paused

log = logging.getLogger("filmcan.brake")
MINUTE_S = 60.0
FREE_S = 3600.0  # so long a device that was let go on is not counted
DEVICES_MOST = 1000  # that are counted at the same time
KEY_BYTES = 200


class PausedRow(msgspec.Struct, array_like=True, frozen=True):
    """Since when a device is paused, and the path it was refused last."""

    device: str
    since_ns: int
    path: str


class Act(NamedTuple):
    """What a request is about to do to a name: `old` is what has the name, `digest` what it gets, b"" for nothing."""

    path: str
    old: Entry | None
    digest: bytes = b""

    @property
    def counts(self) -> bool:
        """Is something taken away that people see?"""
        old = self.old
        if old is None or old.hidden:
            return False
        return old.is_folder or not self.digest or (old.size_bytes > 0 and old.raw_digest != self.digest)


def device_of(environ: dict[str, Any]) -> str:
    """Who sends a request: the address of the client."""
    return str(environ.get("REMOTE_ADDR") or "unknown")[:KEY_BYTES]


class Minding:
    """See `Brake.minding`. No generator: every request passes here."""

    __slots__ = ("_brake",)

    def __init__(self, brake: Brake) -> None:
        self._brake = brake

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Paused) and error.path is not None:
            self._brake.note(error.device)


class Brake:
    """Counts for each device, pauses, lets go on. Any thread.

    limit   names a minute; 0 switches it off
    crash   who is paused is noted before the refusal is answered; what was counted is forgotten
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._store, self.limit = store, limit
        self._table = store.index.table("paused", PausedRow)
        self._recent: dict[str, deque[float]] = {}
        self._free_until_s: dict[str, float] = {}
        self._paused: dict[str, PausedRow] = {}
        self._lock = threading.Lock()

    def paused(self) -> list[PausedRow]:
        """Devices that are paused, the first one first."""
        with self._lock:
            return sorted(self._paused.values(), key=lambda row: row.since_ns)

    def load(self) -> None:
        """Who was paused before, once the index is up to date."""
        with self._store.index.read() as txn:
            self._paused = {row.device: row for _, row in self._table.scan(txn)}

    def take(self, device: str, path: str, count: int = 1) -> None:
        """A device is about to take away or write over some names; Paused when it may not. Inside `minding`."""
        if not self.limit:
            return
        now_s = self._store.system.monotonic_s()
        with self._lock:
            if device in self._paused:
                raise Paused(device, self.limit)
            if now_s < self._free_until_s.get(device, 0.0):
                return
            recent = self._recent_of(device, now_s)
            if len(recent) + count > self.limit:
                self._paused[device] = PausedRow(device, self._store.system.now_ns(), path)
                raise Paused(device, self.limit, path)
            recent.extend([now_s] * count)

    def _recent_of(self, device: str, now_s: float) -> deque[float]:
        """When a device took names away within this minute."""
        if len(self._recent) >= DEVICES_MOST:
            self._recent = {name: times for name, times in self._recent.items() if times and times[-1] > now_s - MINUTE_S}
        recent = self._recent.setdefault(device, deque())
        while recent and recent[0] <= now_s - MINUTE_S:
            recent.popleft()
        return recent

    def minding(self) -> Minding:
        """Around whatever calls `take`, outside of changes: who is paused in here is noted for good before it is told."""
        return Minding(self)

    def note(self, device: str) -> None:
        """Keep for good that a device is paused; once."""
        with self._lock:
            row = self._paused.get(device)
        if row is None:
            return  # somebody let it go on already
        log.warning("%s deleted or replaced more than %d names in a minute and is paused, at %s", device, self.limit, row.path)

        def change(acts: Acts) -> None:
            self._table.put(acts.txn, device.encode(), row)
            acts.tell("paused", {"device": device, "path_refused": row.path, "limit": self.limit})

        self._store.commit(change)

    def release(self, device: str) -> bool:
        """Let a device go on, uncounted for an hour: what it was about to do may be many names. False when it is not paused."""
        with self._lock:
            if device not in self._paused:
                return False

        def change(acts: Acts) -> None:
            self._table.delete(acts.txn, device.encode())
            acts.tell("released", {"device": device})

        self._store.commit(change)
        with self._lock:
            self._paused.pop(device, None)
            self._recent.pop(device, None)
            self._free_until_s[device] = self._store.system.monotonic_s() + FREE_S
        log.warning("%s may go on deleting and replacing", device)
        return True

    def guarded(
        self, device: str, guard: Callable[[Any], None], act: Callable[[Callable[[str], Entry | None]], Act]
    ) -> Callable[[Callable[[str], Entry | None]], None]:
        """A guard of a change that counts what it is about to do, once the other guard has let it."""

        def guarding(find: Callable[[str], Entry | None]) -> None:
            guard(find)
            doing = act(find)
            if doing.counts:
                self.take(device, doing.path)

        return guarding
