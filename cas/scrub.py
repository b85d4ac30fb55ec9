"""Reading all blobs again, over and over, so slowly that nobody notices: rot is found while another copy still exists.

A pass reads every blob and its spares from the disk, in the order of digests, within three quarters of the period, so that even
the blob that waits longest was read within it. How far it is, is written down with each checkpoint and goes on after a restart.
The row is local: lost with the index, a pass begins anew.

How slow: the bytes that are left over the time that is left, but never below FLOOR, so that a small store is done in one go and
its disk may rest. On time, it also sleeps three times as long as a block took to read: a disk that is busy with requests reads
slowly, and so gets more peace. The thread's I/O has the idle class besides. Its processor time is not made nice: a thread that is
put off while it holds the interpreter would put off all others.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cas.index import ReadTxn
from cas.store import Store
from cas.verify import Finding, Good, look, note_good

KEY = b"scrub"
PERIOD_NS = 30 * 86_400 * 10**9  # durability reference §4
CHECKPOINT_FILES, CHECKPOINT_S = 1000, 300.0  # and so often
SHARE = 0.75  # of the period, for one pass
FLOOR = 8 << 20  # bytes per second: a tenth of what one spinning disk gives
POLITE = 3.0
LONGEST_NAP_S = 5.0

Nap = Callable[[float], bool]  # sleep so many seconds; True when the work shall stop


class ScrubRow(msgspec.Struct, array_like=True, frozen=True):
    """How far a pass is.

    began_ns, ended_ns   of this pass; ended_ns is 0 while it runs
    after                digest of the last blob that was read, b"" at the beginning
    blobs, size_bytes    read in this pass
    found                blobs that were not whole
    whole_ns             when a whole pass ended last, 0 for never
    """

    began_ns: int
    ended_ns: int = 0
    after: bytes = b""
    blobs: int = 0
    size_bytes: int = 0
    found: int = 0
    whole_ns: int = 0


class Stopped(Exception):
    """The server ends; the pass goes on from its last checkpoint."""


class Scrub:
    """One pass after the other. `work` is called by one thread; asking from any.

    period_ns   every blob is read within this time; 0 for never
    on_finding  hears of each blob that is not whole, right after it was found and set aside
    """

    def __init__(self, store: Store, period_ns: int = PERIOD_NS) -> None:
        self._store, self.period_ns = store, period_ns
        self.on_finding: Callable[[Finding], None] = lambda finding: None
        self._table = store.index.table("scrub", ScrubRow, journaled=False)
        self._live: ScrubRow | None = None

    def state(self) -> ScrubRow:
        """Of the pass that runs, or of the one that ran last; began_ns 0 when there was none."""
        if self._live is not None:
            return self._live
        with self._store.index.read() as txn:
            return self._row(txn)

    def _row(self, txn: ReadTxn) -> ScrubRow:
        return self._table.get(txn, KEY) or ScrubRow(0)

    def totals(self) -> tuple[int, int]:
        """Blobs and bytes there are to read."""
        with self._store.index.read() as txn:
            return self._store.blobs.count(txn), self._store.used_bytes()

    def due_s(self) -> float:
        """Seconds until there is something to read; 0 for now, a day at most."""
        state, now_ns = self.state(), self._store.system.now_ns()
        if not self.period_ns or self._store.state.reason:
            return 86_400.0
        if not state.began_ns or not state.ended_ns or now_ns < state.began_ns:
            return 0.0
        return min(86_400.0, max(0.0, (state.began_ns + SHARE * self.period_ns - now_ns) / 1e9))

    def work(self, nap: Nap) -> bool:
        """Read on, up to the next checkpoint. True when the pass is at its end. Stopped, when `nap` says so."""
        state = self.state()
        now_ns = self._store.system.now_ns()
        if not state.began_ns or state.ended_ns:
            state = ScrubRow(now_ns, whole_ns=state.whole_ns)
        try:
            state = self._read_on(state, _Pace(self._store, state, self.totals()[1], self.period_ns, nap))
        finally:
            self._live = None
        return state.ended_ns != 0

    def _read_on(self, state: ScrubRow, pace: _Pace) -> ScrubRow:
        good: Good = {}
        until_s, system = self._store.system.monotonic_s() + CHECKPOINT_S, self._store.system
        page = self._store.page(state.after, CHECKPOINT_FILES)
        for digest, row in page:
            finding = look(self._store, digest, row, good, took=pace.took)
            if finding is not None:
                self._tell(finding)
            state = ScrubRow(
                state.began_ns, 0, digest.raw, state.blobs + 1, state.size_bytes + row.size_bytes,
                state.found + (finding is not None), state.whole_ns,
            )  # fmt: skip
            self._live = state
            if system.monotonic_s() > until_s:
                break
        else:
            if len(page) < CHECKPOINT_FILES:
                now_ns = system.now_ns()
                state = msgspec.structs.replace(state, ended_ns=now_ns, whole_ns=now_ns)
        self._checkpoint(state, good)
        return state

    def _tell(self, finding: Finding) -> None:
        """Somebody edited it: nobody may be told the old digest until a scan comes by."""
        if finding.kind == "edited":
            self._store.doubt.settle(finding.digest)
        self.on_finding(finding)

    def _checkpoint(self, state: ScrubRow, good: Good) -> None:
        note_good(self._store, good)
        self._store.note(lambda txn: self._table.put(txn, KEY, state))


class _Pace:
    """Sleeps between blocks, as much as the period allows."""

    def __init__(self, store: Store, state: ScrubRow, all_bytes: int, period_ns: int, nap: Nap) -> None:
        self._system, self._nap = store.system, nap
        now_ns, span_ns = store.system.now_ns(), SHARE * period_ns
        left_bytes, left_s = max(0, all_bytes - state.size_bytes), (state.began_ns + span_ns - now_ns) / 1e9
        self._rate = max(FLOOR, left_bytes / left_s) if left_s > 0 else float("inf")
        self._late = left_bytes > all_bytes * max(0.0, left_s * 1e9 / span_ns) + FLOOR
        self._since_s = self._system.monotonic_s()

    def took(self, size_bytes: int) -> None:
        """A block was read."""
        spent_s = self._system.monotonic_s() - self._since_s
        rest_s = size_bytes / self._rate - spent_s
        if not self._late:
            rest_s = max(rest_s, POLITE * spent_s)
        if self._nap(min(LONGEST_NAP_S, max(0.0, rest_s))):
            raise Stopped
        self._since_s = self._system.monotonic_s()

