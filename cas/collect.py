"""What no name needs any more. Nothing goes at once, nothing goes unasked: the two-scan rule of the durability reference §4.

A blob goes only when no row shows it, its file has no other link, two scans at least a day apart found it so, and it has been
so for the grace time. It is moved to `trash/blobs-<day>/` first, its links are counted once more, and it is deleted a day later.
An upload of the same bytes in between finds the blob missing and stores it again. A clock that was set makes nothing older: the
cycle is skipped, and what was written down moves along.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cas.blobs import BlobRow
from cas.calm import Place
from cas.committer import Acts
from cas.contents import OrphanRow
from cas.digest import EMPTY, Digest
from cas.index import ReadTxn, WriteTxn
from cas.layout import HOME
from cas.store import Store

log = logging.getLogger("filmcan.cas")
DAY_NS = 86_400 * 10**9
GRACE_NS = 30 * DAY_NS
HOLDING = "blobs-"
BLOB_NAME_CHARS = 62  # what follows is the number of a spare

Needed = Callable[[ReadTxn, Digest], bool]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A blob no name needs; `ripe` when it may go now, else `why` it waits."""

    digest: Digest
    size_bytes: int
    ripe: bool
    why: str


class Collector:
    """Finds and removes. `needed` tells whether any name, the trash included, still shows a content."""

    def __init__(self, store: Store, needed: Needed, *, grace_ns: int = GRACE_NS) -> None:
        self._store, self._needed, self._grace_ns = store, needed, grace_ns
        self._orphans = store.orphans
        self.skipped = ""

    def plan(self) -> list[Candidate]:
        """What could go, and when. Changes nothing."""
        now_ns, found = self._store.system.now_ns(), []
        for page in self._store.pages():
            with self._store.index.read() as txn:
                for digest, row in page:
                    if digest != EMPTY.digest and not self._needed(txn, digest):
                        why = self._why_not(digest, row, self._orphans.get(txn, digest.raw), now_ns)
                        found.append(Candidate(digest, row.size_bytes, not why, why))
        return found

    def _why_not(self, digest: Digest, row: BlobRow, seen: OrphanRow | None, now_ns: int) -> str:
        if any(stat.st_nlink > 1 for stat in self._files(digest, row).values()):
            return "a file outside the index still shows it"
        if seen is None or seen.scans < 2:
            return "it must be found without a name twice, a day apart"
        if now_ns - seen.since_ns < self._grace_ns:
            return f"it has been without a name for {(now_ns - seen.since_ns) // DAY_NS} of {self._grace_ns // DAY_NS} days"
        return ""

    def _files(self, digest: Digest, row: BlobRow) -> dict[int, os.stat_result]:
        """The physical copies that are there: 0 for the blob itself, then its spares. None of a content that was lost."""
        found = {}
        for number in range(row.spares + 1):
            try:
                found[number] = self._store.system.stat(*self._store.blobs_on_disk.place(digest, number))
            except FileNotFoundError:
                continue
        return found

    def run(self) -> list[Candidate]:
        """Note what has no name now, move away what is ripe, delete what was moved away a day ago. The candidates that went.

        None go when the clock was set since the last run; `skipped` says so then.
        """
        jump_ns = self._store.note(self._clock_jump)
        self.skipped = f"the clock was set by {jump_ns // 10**9} s since the last run" if jump_ns else ""
        if jump_ns:
            log.warning("nothing is collected: %s", self.skipped)
            return []
        candidates = self.plan()
        self._store.note(lambda txn: self._mark(txn, candidates))
        ripe = [candidate for candidate in candidates if candidate.ripe]
        gone = [candidate for candidate in ripe if self._store.commit(partial(self._take, candidate=candidate))]
        self._empty_holding()
        return gone

    def _clock_jump(self, txn: WriteTxn) -> int:
        """By how much the clock was set. What is written down of orphans is set by as much: they are no older than they were."""
        jump_ns = self._store.clock.jump_ns(txn, b"collect")
        for key, seen in list(self._orphans.scan(txn)) if jump_ns else ():
            self._orphans.put(txn, key, OrphanRow(seen.since_ns + jump_ns, seen.scans, seen.last_ns + jump_ns))
        return jump_ns

    def _mark(self, txn: WriteTxn, candidates: list[Candidate]) -> None:
        """Count this scan for each candidate; a blob that has a name again is forgotten."""
        now_ns, wanted = self._store.system.now_ns(), {c.digest.raw for c in candidates}
        for key, _ in list(self._orphans.scan(txn)):
            if key not in wanted:
                self._orphans.delete(txn, key)
        for raw in wanted:
            seen = self._orphans.get(txn, raw) or OrphanRow(now_ns, 0, now_ns - DAY_NS)
            if now_ns - seen.last_ns >= DAY_NS:
                self._orphans.put(txn, raw, OrphanRow(seen.since_ns, seen.scans + 1, now_ns))

    def _take(self, acts: Acts, candidate: Candidate) -> bool:
        """Move one blob away, if nobody wants it at this very moment."""
        store, digest = self._store, candidate.digest
        row = store.blobs.get(acts.txn, digest.raw)
        if row is None or self._needed(acts.txn, digest):
            return False
        if self._why_not(digest, row, self._orphans.get(acts.txn, digest.raw), acts.at_ns):
            return False
        held = [self._hold(acts, digest, number) for number in self._files(digest, row)]
        if any(store.system.stat(*aside).st_nlink > 1 for _, aside in held):  # somebody made a link to it in this very moment
            for place, aside in held:
                store.system.rename(*aside, *place)
            return False
        store.contents.forget(acts, digest)
        acts.tell("collected", {"digest": digest.hex, "size": candidate.size_bytes})
        return True

    def _hold(self, acts: Acts, digest: Digest, number: int) -> tuple[Place, Place]:
        """Move a physical copy into the holding folder of today; from where, and where to."""
        store = self._store
        holding = HOLDING + time.strftime("%Y-%m-%d", time.gmtime(acts.at_ns // 10**9))
        try:
            store.system.make_folder(store.home.trash, holding)
        except FileExistsError:
            pass  # another blob went today
        place = store.blobs_on_disk.place(digest, number)
        aside = acts.folder((HOME, "trash", holding)), digest.hex + place[1][BLOB_NAME_CHARS:]
        store.system.rename(*place, *aside)
        acts.touch(place[0])
        acts.touch(store.home.trash)
        return place, aside

    def _empty_holding(self) -> None:
        """Delete what was moved away more than a day ago."""
        store = self._store
        today = time.strftime("%Y-%m-%d", time.gmtime((store.system.now_ns() - DAY_NS) // 10**9))
        for entry in store.system.scan(store.home.trash):
            if entry.name.startswith(HOLDING) and entry.name.removeprefix(HOLDING) < today:
                with store.system.folder(store.home.trash, (entry.name,)) as fd:
                    for held in store.system.scan(fd):
                        store.system.unlink(fd, held.name)
                store.system.remove_folder(store.home.trash, entry.name)
