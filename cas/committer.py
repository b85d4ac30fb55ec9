"""Makes changes last, in groups: names linked → journal written → index → folders synced → journal synced → callers answered.

Whoever wants to commit puts a ticket in the queue. The first leads: it does the work of all that wait, makes it last, answers,
and calls the first of those that came meanwhile to lead the next group. One group at a time: what comes while the disk works
shares the next flush (with eight writers a fifth less work for each than when every one began a group of its own). What was built
on a change is never answered before it. There is no thread to hand over to: alone, a change costs its own syncs and nothing
else (a handover cost 60 µs). File data is synced before, by each caller in its own thread (`Incoming.finish`), where the file
system merges them.

The index is not synced here. It is a fold of the journal, which is: after a kill it has what was written, and after the power
was cut it is made again from the journal (`Store`). Syncing it for each group cost as much as all other syncs together (0.26 of
0.80 ms for a small file).

A change is a function of `Acts`. Its order of work is fixed: look (and refuse by raising), act on the disk, then set rows and
tell the event. So an error before the first act leaves nothing, and one later leaves at worst a name without a row.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec

from cas.errors import Degraded
from cas.home import Home
from cas.index import Index, IndexFull, WriteTxn
from cas.journal import Event, Journal
from cas.replay import note_applied
from cas.state import State
from cas.system import System

T = TypeVar("T")
OPEN_FOLDERS = 64  # descriptors one group keeps; a folder of 10,000 folders can be copied all the same
GROUP_CHANGES = 256  # durability reference §3: enough to share the syncs, small enough to answer soon


class SyncFailed(Exception):
    """A folder could not be synced while changes were still being decided: nobody in the group may be answered."""


class Acts:
    """What a change may do while it runs, alone. `txn` sees everything committed before it, also in its own group."""

    def __init__(self, txn: WriteTxn, system: System, root: int, at_ns: int) -> None:
        self.txn, self.system, self.at_ns = txn, system, at_ns
        self._root = root
        self._folders: dict[tuple[str, ...], int] = {}
        self._stale: list[int] = []
        self.touched: dict[int, None] = {}
        self.op, self.facts = "", dict[str, Any]()

    def folder(self, names: tuple[str, ...], *, touch: bool = True) -> int:
        """A descriptor of the folder `names` below the root, to act in; with `touch` it is synced at the end of the group.

        Use it at once: after a few dozen other folders it is closed.
        """
        fd = self._folders.pop(names, None)
        if fd is None:
            self._make_room()
            fd = self.system.open_path(self._root, names)
        self._folders[names] = fd  # the one used last stands last
        if touch:
            self.touch(fd)
        return fd

    def touch(self, fd: int) -> None:
        """Sync the folder behind `fd` at the end of the group; `fd` stays open until then."""
        self.touched[fd] = None

    def forget_folders(self) -> None:
        """After a folder got another name: what was opened by path may now lie elsewhere."""
        self._stale.extend(self._folders.values())
        self._folders.clear()

    def _make_room(self) -> None:
        """Sync and close, early, what was used longest ago."""
        while len(self._folders) + len(self._stale) >= OPEN_FOLDERS:
            fd = self._stale.pop(0) if self._stale else self._folders.pop(next(iter(self._folders)))
            try:
                if fd in self.touched:
                    del self.touched[fd]
                    self.system.sync_folder(fd)
            except OSError as error:
                raise SyncFailed(str(error)) from error
            finally:
                self.system.close(fd)

    def tell(self, op: str, facts: dict[str, Any]) -> None:
        """Name the event of this change. Without a call, and without journaled rows, there is none."""
        self.op, self.facts = op, facts

    def take_event(self, seq: int) -> Event | None:
        rows, op, facts = self.txn.take_notes(), self.op, self.facts
        self.op, self.facts = "", {}
        return Event(seq, self.at_ns, op, facts, rows) if op or rows else None

    def close(self) -> None:
        for fd in (*self._folders.values(), *self._stale):
            self.system.close(fd)


Change = Callable[[Acts], T]


class _Ticket(Generic[T]):
    """One change on its way. Its thread waits for the lock `called`, until the change was answered or is to lead."""

    __slots__ = ("answered", "called", "change", "error", "leads", "result")

    def __init__(self, change: Change[T]) -> None:
        self.change = change
        self.called = threading.Lock()
        self.called.acquire()
        self.answered = self.leads = False
        self.error: BaseException | None = None
        self.result: T | None = None


class Committer:
    """One at a time, for many. Any thread may call `commit`; never from inside a change or an open read transaction."""

    def __init__(self, system: System, home: Home, index: Index, journal: Journal, state: State) -> None:
        self._system, self._index, self._journal = system, index, journal
        self._root, self._mark = home.root, home.mark
        self.state = state
        self._queue: deque[_Ticket[Any]] = deque()
        self._gate = threading.Lock()  # over `_queue` and `_led`, for moments only
        self._led = False  # is somebody leading a group?
        self.commits = 0  # beginnings and ends of commits of the index: odd while one is under way

    def commit(self, change: Change[T]) -> T:
        """Run `change` and make what it did last; its result, or what it raised. Degraded and NoSpace come from the disk.

        Others may see what it did a moment before this returns; nobody is answered before it would survive a power cut.
        """
        ticket = _Ticket(change)
        try:
            self._take_turn(ticket)
        except BaseException:
            self._withdraw(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]

    def _take_turn(self, ticket: _Ticket[Any]) -> None:
        with self._gate:
            self._queue.append(ticket)
            ticket.leads, self._led = not self._led, True
        if not ticket.leads:
            ticket.called.acquire()
        if not ticket.answered:
            self._lead()

    def _withdraw(self, ticket: _Ticket[Any]) -> None:
        """Its thread was interrupted. If it waited it waits no more, and if it was called to lead another does."""
        with self._gate:
            if ticket in self._queue:
                self._queue.remove(ticket)
                if ticket.leads:
                    self._call_next()

    def _lead(self) -> None:
        """Do all that waits as one group, answer it, and call the next to lead."""
        with self._gate:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_CHANGES))]
        try:
            self.state.check()
            self._make_last(*self._do(group))
        except BaseException as error:
            failure = self._explain(error) if isinstance(error, Exception) else Degraded("it was interrupted")
            for ticket in group:
                ticket.error = ticket.error or failure
            if not isinstance(error, Exception):
                raise
        finally:
            for ticket in group:
                ticket.answered = True
                ticket.called.release()
            with self._gate:
                self._call_next()

    def _call_next(self) -> None:
        """Holding `_gate`: the first that waits leads now, or nobody."""
        self._led = bool(self._queue)
        if self._led:
            self._queue[0].leads = True
            self._queue[0].called.release()

    def _do(self, group: list[_Ticket[Any]]) -> tuple[Acts, list[Event], int]:
        """Decide and do: names, journal and index, in memory of the system. What was done, its events, where the journal ends."""
        txn = self._index.write()
        acts = Acts(txn, self._system, self._root, self._system.now_ns())
        try:
            events = self._run(group, acts)
            self.state.check()  # damage that was met while deciding
            end = self._journal.write(events) if events else 0
            self._commit_index(txn, events)
        except BaseException:
            txn.abort()
            acts.close()
            raise
        return acts, events, end

    def _commit_index(self, txn: WriteTxn, events: list[Event]) -> None:
        """A disk that is full now has taken nothing: then the journal forgets the group too, and the next may do."""
        full: IndexFull | None = None
        with self._no_second_try("the index could not be committed"):
            try:
                if events:
                    note_applied(self._index, txn, events[-1])
                self.commits += 1
                try:
                    txn.commit()
                finally:
                    self.commits += 1
            except IndexFull as error:
                full = error
                if events:
                    self._journal.take_back()
        if full is not None:
            raise self.state.explain(OSError(errno.ENOSPC, str(full))) from full

    def _run(self, group: list[_Ticket[Any]], acts: Acts) -> list[Event]:
        """The changes one after the other; what one raises is its own affair and the group goes on without it."""
        events: list[Event] = []
        for ticket in group:
            mark = acts.txn.mark()
            try:
                ticket.result = ticket.change(acts)
            except SyncFailed as error:
                self.state.degrade(f"a change could not be made to last: {error}")
                raise Degraded(self.state.reason) from error
            except Exception as error:
                acts.txn.rollback(mark)
                acts.forget_folders()
                acts.tell("", {})
                ticket.error = self._explain(error)
                continue
            event = acts.take_event(self._journal.written_seq + len(events) + 1)
            if event is not None:
                events.append(event)
        return events

    def _make_last(self, acts: Acts, events: list[Event], end: int) -> None:
        """Sync what a group did, then show its events. Journal to the disk, then names: where one log holds all names, the flush
        behind it covers both."""
        try:
            with self._no_second_try("a change could not be made to last"):
                if acts.touched:
                    self._journal.write_out(end, self._mark)
                    self._system.sync_names(acts.touched, self._mark)
                else:
                    self._journal.sync(end)
        finally:
            acts.close()
        if events:
            self._journal.publish(events)

    @contextmanager
    def _no_second_try(self, what: str) -> Iterator[None]:
        """A failed sync is final, a full disk too by then: the next would report success although data is lost (fsync(2))."""
        try:
            yield
        except BaseException as error:  # an interrupt too: the journal has events now that the index may lack
            self.state.degrade(f"{what}: {error!r}")
            raise

    def _explain(self, error: BaseException) -> BaseException:
        """A full disk is NoSpace; a failing disk degrades the store for good; the rest is what it is."""
        return self.state.explain(error) if isinstance(error, OSError) else error


class Position(msgspec.Struct, array_like=True, frozen=True):
    """How far a follower has read."""

    seq: int
