"""Makes changes last, in groups: names linked → folders synced → journal synced → index committed → callers answered.

Whoever wants to commit puts a ticket in the queue and takes the lock; the one who gets it does the work for all that wait, the
others find their ticket done. There is no thread to hand over to: alone, a change costs its own syncs and nothing else (a
handover cost 60 µs); under load a group shares its folder, journal and index syncs. File data is synced before, by
each caller in its own thread (`Incoming.finish`), where the file system merges them.

A change is a function of `Acts`. Its order of work is fixed: look (and refuse by raising), act on the disk, then set rows and tell
the event. So an error before the first act leaves nothing, and one later leaves at worst a name without a row.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec

from cas.errors import Degraded, NoSpace
from cas.index import Index, Meta, WriteTxn
from cas.journal import Event, Journal
from cas.state import State
from cas.system import FAILING, FULL, System

T = TypeVar("T")
APPLIED = b"applied"  # meta: number of the last event whose rows are in the index
GROUP_CHANGES = 256  # durability reference §3: enough to share the syncs, small enough to answer soon


class Acts:
    """What a change may do while it runs, alone. `txn` sees everything committed before it, also in its own group."""

    def __init__(self, txn: WriteTxn, system: System, root: int, at_ns: int) -> None:
        self.txn, self.system, self.at_ns = txn, system, at_ns
        self._root = root
        self._folders: dict[tuple[str, ...], int] = {}
        self._stale: list[int] = []
        self._touched: dict[int, None] = {}
        self.op, self.facts = "", dict[str, Any]()

    def folder(self, names: tuple[str, ...], *, touch: bool = True) -> int:
        """A descriptor of the folder `names` below the root, to act in; with `touch` it is synced at the end of the group."""
        fd = self._folders.get(names)
        if fd is None:
            fd = self._folders[names] = self.system.open_path(self._root, names)
        if touch:
            self.touch(fd)
        return fd

    def touch(self, fd: int) -> None:
        """Sync the folder behind `fd` at the end of the group; `fd` stays open until then."""
        self._touched[fd] = None

    def forget_folders(self) -> None:
        """After a folder got another name: what was opened by path may now lie elsewhere."""
        self._stale.extend(self._folders.values())
        self._folders.clear()

    def tell(self, op: str, facts: dict[str, Any]) -> None:
        """Name the event of this change. Without a call, and without journaled rows, there is none."""
        self.op, self.facts = op, facts

    def take_event(self, seq: int) -> Event | None:
        rows, op, facts = self.txn.take_notes(), self.op, self.facts
        self.op, self.facts = "", {}
        return Event(seq, self.at_ns, op, facts, rows) if op or rows else None

    def sync_folders(self) -> None:
        for fd in self._touched:
            self.system.sync_folder(fd)

    def close(self) -> None:
        for fd in (*self._folders.values(), *self._stale):
            self.system.close(fd)


Change = Callable[[Acts], T]


class _Ticket(Generic[T]):
    __slots__ = ("change", "done", "error", "result")

    def __init__(self, change: Change[T]) -> None:
        self.change = change
        self.done = False
        self.error: BaseException | None = None
        self.result: T | None = None


class Committer:
    """One at a time, for many. Any thread may call `commit`; never from inside a change or an open read transaction."""

    def __init__(self, system: System, root: int, index: Index, journal: Journal, state: State) -> None:
        self._system, self._root, self._index, self._journal = system, root, index, journal
        self.state = state
        self._queue: deque[_Ticket[Any]] = deque()
        self._turn = threading.Lock()

    def commit(self, change: Change[T]) -> T:
        """Run `change` and make what it did last; its result, or what it raised. Degraded and NoSpace come from the disk."""
        ticket = _Ticket(change)
        self._queue.append(ticket)
        with self._turn:
            while not ticket.done:
                self._run([self._queue.popleft() for _ in range(min(len(self._queue), GROUP_CHANGES))])
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]

    def _run(self, group: list[_Ticket[Any]]) -> None:
        """Decide, act, sync, answer. An error of the shared part fails everybody in the group."""
        try:
            self.state.check()
            self._make_last(group)
        except BaseException as error:
            failure = self._explain(error)
            for ticket in group:
                ticket.error = ticket.error or failure
            if not isinstance(error, Exception):
                raise
        finally:
            for ticket in group:
                ticket.done = True

    def _make_last(self, group: list[_Ticket[Any]]) -> None:
        txn = self._index.write()
        acts = Acts(txn, self._system, self._root, self._system.now_ns())
        try:
            events = self._decide(group, acts)
            with self._no_second_try():
                acts.sync_folders()
                if events:
                    self._journal.append(events)
                    self._index.meta.put(txn, APPLIED, Meta(events[-1].seq))
                txn.commit()
        except BaseException:
            txn.abort()
            raise
        finally:
            acts.close()
        if events:
            self._journal.publish(events)

    def _decide(self, group: list[_Ticket[Any]], acts: Acts) -> list[Event]:
        """Run the changes one after the other; what one raises is its own affair and the group goes on without it."""
        events: list[Event] = []
        for ticket in group:
            mark = acts.txn.mark()
            try:
                ticket.result = ticket.change(acts)
            except Exception as error:
                acts.txn.rollback(mark)
                acts.forget_folders()
                acts.tell("", {})
                ticket.error = self._explain(error)
                continue
            event = acts.take_event(self._journal.last_seq + len(events) + 1)
            if event is not None:
                events.append(event)
        return events

    @contextmanager
    def _no_second_try(self) -> Iterator[None]:
        """A failed sync is final: the next would report success although data is lost (fsync(2)). A full disk is only full."""
        try:
            yield
        except OSError as error:
            if error.errno not in FULL:
                self.state.degrade(f"a change could not be made to last: {error}")
            raise
        except Exception as error:
            self.state.degrade(f"the index could not be committed: {error}")
            raise

    def _explain(self, error: BaseException) -> BaseException:
        """A full disk is NoSpace; a failing disk degrades the store for good; the rest is what it is."""
        if not isinstance(error, OSError):
            return error
        if error.errno in FULL:
            return NoSpace(0, self._system.available_bytes(self._root))
        if error.errno in FAILING:
            self.state.degrade(f"the disk fails: {error}")
        return Degraded(self.state.reason) if self.state.reason else error


class Position(msgspec.Struct, array_like=True, frozen=True):
    """How far a follower has read."""

    seq: int
