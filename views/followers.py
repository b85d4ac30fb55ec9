"""Followers: what reads the journal behind everybody's back and acts on it, and the thread that drives them.

    journal ──► FollowerThread ──► Follower.take      every event, in order, at least once
                               ──► Follower.tend      what waits: quiet moments, second tries
                               ──► Follower.settle    what may be forgotten: saved in the table `positions`

Uploads never learn about followers and never wait for one. A follower that fails is asked again later, from its saved
position; it is never the end of the thread. Followers that take long for one event (renditions, replicas) get a thread
of their own: several `FollowerThread`s may read one journal.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from cas.committer import Position
from cas.index import WriteTxn
from cas.journal import Event
from cas.store import Store

log = logging.getLogger("filmcan.followers")
BATCH_EVENTS = 1000  # then what waits is tended, and a stop is heard
GATHER_S = 0.1  # for each event alone, waking up cost 90 µs of the time that uploads need
IDLE_S = 0.25  # how late a stop may be heard
SAVE_EVERY_S = 5.0  # a saved position is a commit; what happened since is read again after a crash
RETRY_S = 5.0


class Follower(Protocol):
    """Something that follows the journal. Its methods are called by one thread at a time, never inside a change.

    name      key of its position; never changes
    problem   what hinders it, for people; "" when nothing does
    seq       events up to here were taken; the next to come is the one above. It may lower it to be told again
    crash     what was taken after the last saved position comes again: outputs carry their own `seq`, or are made twice
    raises    anything; it then begins again at its saved position, a while later
    """

    name: str
    problem: str
    seq: int

    def begin(self, position: int) -> None:
        """Forget all, make ready, set `seq`: to `position`, the last one saved (0 at first), or lower."""

    def take(self, events: Sequence[Event]) -> None:
        """Act on some events, or remember to; `seq` is the last one's afterwards."""

    def tend(self, now_s: float, *, finish: bool) -> float:
        """Do what waits and is due by the clock, with `finish` all of it. Seconds until something is due again."""

    def settle(self) -> int:
        """Make lasting what was done. The position from which everything not done yet would be told again."""


class _Reader:
    """A follower and how far its thread is with it."""

    def __init__(self, store: Store, follower: Follower) -> None:
        self.follower = follower
        self._store, self._key = store, follower.name.encode()
        self._saved, self._saved_s = 0, store.system.monotonic_s()
        self._trouble = ""
        self._again_s: float | None = None  # after a failure: when it is asked again
        self.begun = False

    def step(self) -> float:
        """One round: news, what waits, now and then the position. Seconds it may rest; 0 when there is more to read."""
        now_s = self._store.system.monotonic_s()
        if self._again_s is not None and now_s < self._again_s:
            return self._again_s - now_s
        try:
            self._begin()
            more = self._hand_over() == BATCH_EVENTS
            rest_s = self.follower.tend(now_s, finish=False)
            if now_s - self._saved_s >= SAVE_EVERY_S:
                self._save(now_s)
            self._recover()
            return 0.0 if more else rest_s
        except Exception as error:  # whatever it was: the others go on, and it is asked again
            return self._fail(error, now_s)

    def finish(self, *, save: bool) -> bool:
        """Take everything up to now and do all that waits. False when something hinders it."""
        last, now_s = self._store.journal.last_seq, self._store.system.monotonic_s()
        try:
            self._begin()
            self._finish(last, now_s)
            if save:
                self._save(now_s)
            self._recover()
        except Exception as error:
            self._fail(error, now_s)
        return not self.follower.problem

    def _finish(self, last: int, now_s: float) -> None:
        """Until a follower does not ask any more to be told something again."""
        while True:
            while self.follower.seq < last and self._hand_over():
                pass  # the next batch
            read = self.follower.seq
            self.follower.tend(now_s, finish=True)
            if self.follower.seq >= read:
                return

    def _begin(self) -> None:
        if self.begun:
            return
        with self._store.index.read() as txn:
            row = self._store.positions.get(txn, self._key)
        self._saved = row.seq if row else 0
        self.follower.begin(self._saved)
        self.begun = True

    def _hand_over(self) -> int:
        """The next batch; how many events it held."""
        events = list(islice(self._store.journal.after(self.follower.seq), BATCH_EVENTS))
        if events:
            self.follower.take(events)
        return len(events)

    def _save(self, now_s: float) -> None:
        """Settle, and note the position if it moved; not while the store only reads: it comes again then."""
        self._saved_s = now_s
        if not self.begun or self._store.state.reason:
            return
        seq = self.follower.settle()
        if seq != self._saved:
            self._store.note(lambda txn: self._note(txn, seq))
            self._saved = seq

    def _note(self, txn: WriteTxn, seq: int) -> None:
        self._store.positions.put(txn, self._key, Position(seq))

    def _fail(self, error: Exception, now_s: float) -> float:
        """Told once for each kind of trouble; it begins again at its saved position."""
        if isinstance(error, OSError):
            self._store.state.explain(error)  # a failing disk is that for everybody
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self._trouble:
            log.error("follower %s failed and is asked again every %d s", self.follower.name, RETRY_S, exc_info=error)
        self.follower.problem = self._trouble = trouble
        self.begun, self._again_s = False, now_s + RETRY_S
        return RETRY_S

    def _recover(self) -> None:
        if self._trouble and self.follower.problem == self._trouble:
            self.follower.problem = ""
        self._trouble, self._again_s = "", None


class FollowerThread:
    """Drives followers of one journal, one after the other.

    threads   `start`, `stop` and `flush` from any; `flush` does in the caller's thread what is left to do
    stop      before the store is closed
    """

    def __init__(self, store: Store, followers: Sequence[Follower]) -> None:
        self._journal = store.journal
        self._readers = [_Reader(store, follower) for follower in followers]
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> FollowerThread:
        """Begin to follow; nothing is read before this returns."""
        self._thread = threading.Thread(target=self._run, name="followers", daemon=True)
        self._thread.start()
        return self

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Everything that happened up to now is seen in what the followers make. False: too late, or one has a problem.

        timeout_s   to wait for what the thread is doing at the moment; what is left then takes as long as it takes
        """
        return self._finish(timeout_s, save=False)

    def stop(self, timeout_s: float = 30.0) -> bool:
        """Finish, save positions, end the thread. As flush."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._finish(timeout_s, save=True)

    def _finish(self, timeout_s: float, *, save: bool) -> bool:
        if not self._turn.acquire(timeout=timeout_s):
            return False
        try:
            done = [reader.finish(save=save) for reader in self._readers]
            return all(done)
        finally:
            self._turn.release()

    def step(self) -> float:
        """One round of what the thread does all the time; seconds until the next is needed."""
        with self._turn:
            return min([IDLE_S, *(reader.step() for reader in self._readers)])

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wait(self.step())

    def _wait(self, rest_s: float) -> None:
        """Until there is news, or something is due; a moment always, so that `flush` has its turn and events gather."""
        well = [reader.follower.seq for reader in self._readers if reader.begun]
        if not well:
            self._stopping.wait(rest_s)
        elif self._journal.wait(min(well), rest_s):
            self._stopping.wait(GATHER_S)
