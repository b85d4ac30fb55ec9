"""Keeping the past: a follower that turns the rows which events set into versions of names (`views/versions.py`).

A version is kept as long as it could be seen at a moment that is still kept (`views/keeper.py`); moments before `since` are
forgotten. The upload path learns nothing of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from itertools import islice

from msgspec.structs import replace

from cas.committer import Position
from cas.digest import Digest
from cas.errors import Degraded, NoSpace
from cas.index import ReadTxn, WriteTxn
from cas.journal import Event
from cas.replay import APPLIED, batches
from cas.segment import SNAPSHOT
from cas.store import Store
from views.entry import Entry, Kind
from views.tree import LAST, NOWHERE, TOP, NumberRow, Tree, UseRow, newest, number_of, pack_id
from views.versions import (
    HOUR_NS,
    NEWEST_BYTES,
    SINCE,
    SINCE_NS,
    STAY,
    VERSION,
    HourRow,
    MomentRow,
    StayRow,
    VersionRow,
    Versions,
)

log = logging.getLogger("filmcan.history")
CHUNK_EVENTS = 100  # in one commit: others wait for it
QUIET_S, MANY_EVENTS, LATE_S = 1.0, 5000, 30.0  # it writes when nothing happens, or when it is behind by so much or so long
PRUNE_ROWS = 1000
BEHIND_MOST = 20_000  # further behind, everything counts as needed
EMPTIED = "emptied"  # op of events that take names out of the trash for good


class History:
    """The past of every name. A follower (views/followers.py); its readers, on any thread, bring it up to date themselves.

    crash   the rows of events and the position behind them are one commit: it goes on where it stood
    """

    name = "history"

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store, self._tree = store, tree
        self.was = Versions(store.index, tree)
        self._lock = threading.Lock()
        self._pending: tuple[tuple[int, int], frozenset[bytes]] = ((0, 0), frozenset())
        self._behind_s, self._news_s, self._told = 0.0, 0.0, 0  # since when it is behind, when it was told what last
        self._projects: dict[int, int] = {}  # of folders, as of now; while some events are recorded
        self._folders: dict[bytes, Entry] = {}  # what names of folders stand for now; likewise
        self.problem, self.seq = "", 0

    def known(self, txn: ReadTxn) -> int:
        """The last number that is in here."""
        return self._position_in(txn)

    # following

    def begin(self, position: int) -> None:
        """Its own position counts: it is written with the rows."""
        self.seq = self._told = self._position()

    def take(self, events: Sequence[Event]) -> None:
        """Remember that there is something to do. Whoever wants to read the past does not wait for it (`catch_up`), and uploads
        would: it is done when they are done."""
        self.seq = max(self.seq, events[-1].seq)

    def tend(self, now_s: float, *, finish: bool) -> float:
        behind = self.seq - self._position()
        if behind <= 0 or self._store.state.reason:
            self._behind_s, self._told = now_s, self.seq
            return float("inf")
        if self._told != self.seq:
            self._behind_s = now_s if self._told <= self.seq - behind else self._behind_s
            self._told, self._news_s = self.seq, now_s
        rest_s = min(self._news_s + QUIET_S, self._behind_s + LATE_S) - now_s
        if not finish and behind < MANY_EVENTS and rest_s > 0:
            return rest_s
        self._follow()
        self._behind_s = now_s
        return float("inf")

    def settle(self) -> int:
        return self._position()

    def _position(self) -> int:
        with self._store.index.read() as txn:
            return self._position_in(txn)

    def _position_in(self, txn: ReadTxn) -> int:
        row = self._store.positions.get(txn, self.name.encode())
        return row.seq if row else 0

    def catch_up(self) -> None:
        """Everything answered up to now is in here afterwards, unless the store only reads. Never inside a change."""
        if self._store.journal.last_seq > self._position():
            try:
                self._follow()
            except (Degraded, NoSpace) as error:
                log.warning("the past is told as far as it is known: %s", error)

    def _follow(self) -> None:
        with self._lock:
            for events in batches(self._store.journal.after(self._position()), CHUNK_EVENTS):
                self._store.note(lambda txn, events=events: self._take(txn, events))  # type: ignore[misc]

    def _take(self, txn: WriteTxn, events: Sequence[Event]) -> None:
        self._projects.clear()
        self._folders.clear()
        hours = {self._last_hour(txn): 0}
        for event in events:
            self._record(txn, event)
            hours[max(event.at_ns // HOUR_NS, max(hours))] = event.seq
        for hour, seq in hours.items():
            if seq:
                self.was.hours.put(txn, newest(hour), HourRow(seq))
        self._store.positions.put(txn, self.name.encode(), Position(events[-1].seq))

    def _last_hour(self, txn: ReadTxn) -> int:
        last = self.was.hours.first(txn)
        return number_of(last[0]) if last else 0

    def _record(self, txn: WriteTxn, event: Event) -> None:
        """The rows of one event. What goes is recorded before what comes: a folder that moved does both."""
        entries, nowhere = self._tree.entries.name, pack_id(NOWHERE)
        rows = {key: packed for table, key, packed in event.rows if table == entries and key[:8] != nowhere}
        if event.op == EMPTIED:
            for key, packed in rows.items():
                if packed is None:
                    self._forget(txn, key)
            return
        if event.op == SNAPSHOT and event.facts["begins"]:
            self._void(txn, event, rows)
        projects = set()
        for key, packed in sorted(rows.items(), key=lambda row: row[1] is not None):
            changed = self._set(txn, event, key, packed)
            if changed is not None:
                projects.add(self._project_of(txn, key, changed, event.seq))
        if event.op != SNAPSHOT:
            for project in projects - {0}:
                moment = MomentRow(event.op, event.facts.get("path", ""))
                self.was.moments.put(txn, pack_id(project) + newest(event.at_ns) + newest(event.seq), moment)

    def _set(self, txn: WriteTxn, event: Event, key: bytes, packed: bytes | None) -> Entry | None:
        """A name stands for something else from this event on: what came, else what went. None when that is nothing new."""
        entry = None if packed is None else self._tree.entries.unpack(packed)
        if entry is not None and entry.hidden:
            entry, packed = None, None
        if entry is not None and key in self._folders and _same(self._folders[key], entry):
            return None  # something in it changed; nearly every event says so
        before = self.was.at(txn, key, event.seq - 1)
        old = self.was.unpack(before[1]) if before else None
        if entry is not None and entry.is_folder:
            self._folders[key] = entry
        else:
            self._folders.pop(key, None)
        if _same(old, entry):
            return None
        changed = entry or old
        assert changed is not None
        here = key + newest(event.seq)
        self.was.rows.put(txn, here, VersionRow(event.at_ns, changed.id, packed or b""))
        if before is not None:
            self._fade(txn, event.seq, VERSION + before[0])
            if old is not None and old.raw_digest:
                self.was.held.put(txn, old.raw_digest + before[0], UseRow())
        if entry is None:
            self._fade(txn, event.seq, VERSION + here)  # that nothing was there is known without a row
        self._move(txn, event.seq, key, old, entry)
        return changed

    def _move(self, txn: WriteTxn, seq: int, key: bytes, old: Entry | None, entry: Entry | None) -> None:
        """Where folders are from this event on."""
        gone = old is not None and old.is_folder and (entry is None or entry.id != old.id)
        if gone and old is not None and self.was.stays.get(txn, pack_id(old.id) + newest(seq)) is None:
            self._stay(txn, old.id, seq, b"")
        if entry is not None and entry.is_folder and (old is None or old.id != entry.id):
            self._stay(txn, entry.id, seq, key)

    def _stay(self, txn: WriteTxn, folder: int, seq: int, key: bytes) -> None:
        here, prefix = pack_id(folder) + newest(seq), pack_id(folder)
        self._projects.clear()
        before = self.was.stays.first(txn, prefix, here)
        if before is not None:
            self._fade(txn, seq, STAY + before[0])
        self.was.stays.put(txn, here, StayRow(key))

    def _fade(self, txn: WriteTxn, seq: int, what: bytes) -> None:
        self.was.fading.put(txn, pack_id(seq) + what, UseRow())

    def _project_of(self, txn: ReadTxn, key: bytes, entry: Entry, seq: int) -> int:
        """The project a name was in; 0 for none."""
        folder = int.from_bytes(key[:8], "big")
        if folder == TOP:
            return entry.id if entry.kind is Kind.PROJECT else 0
        if folder not in self._projects:
            self._projects[folder] = self._project_above(txn, folder, seq)
        return self._projects[folder]

    def _project_above(self, txn: ReadTxn, folder: int, seq: int) -> int:
        while True:
            where = self.was.stay(txn, folder, seq)
            if not where:
                return 0
            above = int.from_bytes(where[:8], "big")
            if above == TOP:
                return folder
            folder = above

    def _forget(self, txn: WriteTxn, key: bytes) -> None:
        """A name that left the trash for good: it was in there at every moment that is kept."""
        for here, row in list(self.was.rows.scan(txn, key)):
            if len(here) == len(key) + NEWEST_BYTES:
                self._drop(txn, here, row)
                if self.was.stay(txn, row.id, LAST - 1) == key:
                    self._forget_stays(txn, row.id)

    def _forget_stays(self, txn: WriteTxn, folder: int) -> None:
        self._projects.clear()
        for here, _ in list(self.was.stays.scan(txn, pack_id(folder))):
            self.was.stays.delete(txn, here)

    def _drop(self, txn: WriteTxn, here: bytes, row: VersionRow) -> None:
        self.was.rows.delete(txn, here)
        entry = self.was.unpack(row)
        if entry is not None and entry.raw_digest:
            self.was.held.delete(txn, entry.raw_digest + here)

    def _void(self, txn: WriteTxn, event: Event, rows: dict[bytes, bytes | None]) -> None:
        """The journal begins anew with all rows there are: every other name is gone."""
        after = b""
        while (found := next(self.was.rows.scan(txn, after=after), None)) is not None:
            key = found[0][:-NEWEST_BYTES]
            if found[1].packed and key not in rows:
                self._set(txn, event, key, None)
            after = key + b"\xff" * NEWEST_BYTES

    # what is still needed

    def holds(self, txn: ReadTxn, digest: Digest) -> bool:
        """Does an earlier version that is kept show this content? True in doubt; right however far the follower is behind.

        A content that came and went behind its back is known by the rows of the events in between, and by what those replaced.
        """
        if next(self.was.held.scan(txn, digest.raw), None) is not None:
            return True
        position, applied = self._position_in(txn), self._store.index.meta.get(txn, APPLIED)
        last = min(applied.value if applied else 0, self._store.journal.last_seq)
        if last - position > BEHIND_MOST:
            return True
        return last > position and digest.raw in self._shown_since(txn, position, last)

    def _shown_since(self, txn: ReadTxn, position: int, last: int) -> frozenset[bytes]:
        known, pending = self._pending, set[bytes]()
        if known[0] == (position, last):
            return known[1]
        for event in islice(self._store.journal.after(position), last - position):
            for table, key, packed in event.rows:
                if table == self._tree.entries.name:
                    before = self.was.live(txn, key, event.seq - 1)
                    entry = None if packed is None else self._tree.entries.unpack(packed)
                    pending |= {found.raw_digest for found in (before, entry) if found is not None}
        self._pending = (position, last), frozenset(pending)
        return self._pending[1]

    # what is forgotten

    def prune(self) -> int:
        """Drop what no moment from `since` on shows. How many rows went. Never inside a change."""
        self.catch_up()
        with self._store.index.read() as txn:
            since, since_ns = self.was.since(txn)
        gone = 0
        while count := self._store.note(lambda txn: self._prune_some(txn, since)):
            gone += count
        while count := self._store.note(lambda txn: self._prune_moments(txn, since, since_ns)):
            gone += count
        return gone

    def _prune_some(self, txn: WriteTxn, since: int) -> int:
        faded = list(islice(self.was.fading.scan(txn), PRUNE_ROWS))
        faded = [(key, row) for key, row in faded if int.from_bytes(key[:8], "big") <= since]
        for key, _ in faded:
            kind, here = key[8:9], key[9:]
            row = self.was.rows.get(txn, here) if kind == VERSION else None
            if row is not None:
                self._drop(txn, here, row)
            elif kind == STAY:
                self.was.stays.delete(txn, here)
            self.was.fading.delete(txn, key)
        return len(faded)

    def _prune_moments(self, txn: WriteTxn, since: int, since_ns: int) -> int:
        """The last moment of each project before `since` stays: it is what the project was then."""
        after, gone = b"", 0
        while gone < PRUNE_ROWS and (found := next(self.was.moments.scan(txn, after=after), None)) is not None:
            project = found[0][:8]
            before = self.was.moments.scan(txn, project, project + newest(since_ns) + b"\xff" * NEWEST_BYTES)
            old = [key for key, _ in islice(before, PRUNE_ROWS) if number_of(key) <= since][1:]
            for key in old:
                self.was.moments.delete(txn, key)
            gone += len(old)
            after = project + b"\xff" * 16
        return gone

    def forget_before(self, txn: WriteTxn, seq: int, at_ns: int) -> None:
        """Inside a change: moments before this number, before this time, are forgotten from now on."""
        self._tree.numbers.put(txn, SINCE, NumberRow(max(seq, self.was.since(txn)[0])))
        self._tree.numbers.put(txn, SINCE_NS, NumberRow(max(at_ns, self.was.since(txn)[1])))


def _same(old: Entry | None, entry: Entry | None) -> bool:
    """Is this what it was, for people? Where bytes lie on disk does not count, nor that something in a folder changed."""
    if old is None or entry is None:
        return old is entry
    if old.is_folder and entry.is_folder:
        old = replace(old, modified_ns=entry.modified_ns)
    return replace(old, own=None) == replace(entry, own=None)
