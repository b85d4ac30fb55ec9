"""What every name stood for at every number of the journal: a follower that keeps the rows events set, by name and number.

    versions   key in `entries` + newest 8 → VersionRow         a folder as it was is one range scan, newest first
    held       digest 32 + key in `versions` → ()               contents that only an earlier version shows
    stays      folder id 8 + newest 8 → StayRow                 where a folder was: the way from a folder up to its project
    moments    project id 8 + newest time 8 + newest 8 → MomentRow   what happened in a project
    fading     number 8 + kind 1 + key → ()                     what the event with this number made the past
    hours      newest hour 8 → HourRow                          the last number of each hour; hours never go back

*newest* is a number counted down from 2⁶⁴ − 1, so that a scan meets the newest first. The tables are local: lost with the
index, they are made again from the journal. A version is kept as long as it could be seen at a moment that is still kept
(`views/keeper.py`); moments before `since` are forgotten. All order is by number; time is only what moments are called by.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec
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

log = logging.getLogger("filmcan.history")
CHUNK_EVENTS = 100  # in one commit: others wait for it
GATHER_S, MANY_EVENTS = 1.0, 1000  # a follower behind by so much writes
PRUNE_ROWS = 1000
BEHIND_MOST = 20_000  # further behind, everything counts as needed
HOUR_NS = 3600 * 10**9
SINCE, SINCE_NS = b"history since", b"history since ns"  # in `numbers`: moments before this event, this time, are forgotten
EMPTIED = "emptied"  # op of events that take names out of the trash for good
NEWEST_BYTES = 8
VERSION, STAY = b"v", b"s"


class VersionRow(msgspec.Struct, array_like=True, frozen=True):
    """What a name stood for from an event on: the row in `entries`; b"" when it was taken away. `id` of what came or went."""

    at_ns: int
    id: int
    packed: bytes


class StayRow(msgspec.Struct, array_like=True, frozen=True):
    """The key in `entries` under which a folder was from an event on; b"" when it was nowhere."""

    key: bytes


class MomentRow(msgspec.Struct, array_like=True, frozen=True):
    """What happened: op and path of the event."""

    op: str
    path: str


class HourRow(msgspec.Struct, array_like=True, frozen=True):
    seq: int


class Version(NamedTuple):
    """A name from one event until the next; `entry` None when there was none."""

    seq: int
    at_ns: int
    entry: Entry | None


class Moment(NamedTuple):
    at_ns: int
    seq: int
    op: str
    path: str


class History:
    """The past of every name. A follower (views/followers.py); its readers, on any thread, bring it up to date themselves.

    crash   the rows of events and the position behind them are one commit: it goes on where it stood
    """

    name = "history"

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store, self._tree = store, tree
        index = store.index
        self._versions = index.table("versions", VersionRow, journaled=False)
        self._held = index.table("held", UseRow, journaled=False)
        self._stays = index.table("stays", StayRow, journaled=False)
        self._moments = index.table("moments", MomentRow, journaled=False)
        self._fading = index.table("fading", UseRow, journaled=False)
        self._hours = index.table("hours", HourRow, journaled=False)
        self._lock = threading.Lock()
        self._pending: tuple[tuple[int, int], frozenset[bytes]] = ((0, 0), frozenset())
        self._behind_s: float | None = None
        self.problem, self.seq = "", 0

    # following

    def begin(self, position: int) -> None:
        """Its own position counts: it is written with the rows."""
        self.seq, self._behind_s = self._position(), None

    def take(self, events: Sequence[Event]) -> None:
        """Remember that there is something to do: many events cost less in one go."""
        self.seq = max(self.seq, events[-1].seq)

    def tend(self, now_s: float, *, finish: bool) -> float:
        behind = self.seq - self._position()
        if behind <= 0 or self._store.state.reason:
            self._behind_s = None
            return float("inf")
        self._behind_s = now_s if self._behind_s is None else self._behind_s
        if finish or behind >= MANY_EVENTS or now_s - self._behind_s >= GATHER_S:
            self._follow()
            self._behind_s = None
            return float("inf")
        return GATHER_S - (now_s - self._behind_s)

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
        hours = {self._last_hour(txn): 0}
        for event in events:
            self._record(txn, event)
            hours[max(event.at_ns // HOUR_NS, max(hours))] = event.seq
        for hour, seq in hours.items():
            if seq:
                self._hours.put(txn, newest(hour), HourRow(seq))
        self._store.positions.put(txn, self.name.encode(), Position(events[-1].seq))

    def _last_hour(self, txn: ReadTxn) -> int:
        last = next(self._hours.scan(txn), None)
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
                self._moments.put(txn, pack_id(project) + newest(event.at_ns) + newest(event.seq), moment)

    def _set(self, txn: WriteTxn, event: Event, key: bytes, packed: bytes | None) -> Entry | None:
        """A name stands for something else from this event on: what came, else what went. None when that is nothing new."""
        entry = None if packed is None else self._tree.entries.unpack(packed)
        if entry is not None and entry.hidden:
            entry, packed = None, None
        before = self._at(txn, key, event.seq - 1)
        old = self._unpack(before[1]) if before else None
        if _same(old, entry):
            return None
        changed = entry or old
        assert changed is not None
        here = key + newest(event.seq)
        self._versions.put(txn, here, VersionRow(event.at_ns, changed.id, packed or b""))
        if before is not None:
            self._fade(txn, event.seq, VERSION + before[0])
            if old is not None and old.raw_digest:
                self._held.put(txn, old.raw_digest + before[0], UseRow())
        if entry is None:
            self._fade(txn, event.seq, VERSION + here)  # that nothing was there is known without a row
        self._move(txn, event.seq, key, old, entry)
        return changed

    def _move(self, txn: WriteTxn, seq: int, key: bytes, old: Entry | None, entry: Entry | None) -> None:
        """Where folders are from this event on."""
        gone = old is not None and old.is_folder and (entry is None or entry.id != old.id)
        if gone and old is not None and self._stays.get(txn, pack_id(old.id) + newest(seq)) is None:
            self._stay(txn, old.id, seq, b"")
        if entry is not None and entry.is_folder and (old is None or old.id != entry.id):
            self._stay(txn, entry.id, seq, key)

    def _stay(self, txn: WriteTxn, folder: int, seq: int, key: bytes) -> None:
        here, prefix = pack_id(folder) + newest(seq), pack_id(folder)
        before = next(self._stays.scan(txn, prefix, here), None)
        if before is not None:
            self._fade(txn, seq, STAY + before[0])
        self._stays.put(txn, here, StayRow(key))

    def _fade(self, txn: WriteTxn, seq: int, what: bytes) -> None:
        self._fading.put(txn, pack_id(seq) + what, UseRow())

    def _project_of(self, txn: ReadTxn, key: bytes, entry: Entry, seq: int) -> int:
        """The project a name was in; 0 for none."""
        folder = int.from_bytes(key[:8], "big")
        if folder == TOP:
            return entry.id if entry.kind is Kind.PROJECT else 0
        while True:
            where = self.stay(txn, folder, seq)
            if not where:
                return 0
            above = int.from_bytes(where[:8], "big")
            if above == TOP:
                return folder
            folder = above

    def _forget(self, txn: WriteTxn, key: bytes) -> None:
        """A name that left the trash for good: it was in there at every moment that is kept."""
        for here, row in list(self._versions.scan(txn, key)):
            if len(here) == len(key) + NEWEST_BYTES:
                self._drop(txn, here, row)
                if self.stay(txn, row.id, LAST - 1) == key:
                    self._forget_stays(txn, row.id)

    def _forget_stays(self, txn: WriteTxn, folder: int) -> None:
        for here, _ in list(self._stays.scan(txn, pack_id(folder))):
            self._stays.delete(txn, here)

    def _drop(self, txn: WriteTxn, here: bytes, row: VersionRow) -> None:
        self._versions.delete(txn, here)
        entry = self._unpack(row)
        if entry is not None and entry.raw_digest:
            self._held.delete(txn, entry.raw_digest + here)

    def _void(self, txn: WriteTxn, event: Event, rows: dict[bytes, bytes | None]) -> None:
        """The journal begins anew with all rows there are: every other name is gone."""
        after = b""
        while (found := next(self._versions.scan(txn, after=after), None)) is not None:
            key = found[0][:-NEWEST_BYTES]
            if found[1].packed and key not in rows:
                self._set(txn, event, key, None)
            after = key + b"\xff" * NEWEST_BYTES

    # what was

    def _unpack(self, row: VersionRow) -> Entry | None:
        return self._tree.entries.unpack(row.packed) if row.packed else None

    def _at(self, txn: ReadTxn, key: bytes, seq: int) -> tuple[bytes, VersionRow] | None:
        """The version of a name after the event `seq`, with its key."""
        for here, row in self._versions.scan(txn, key, key + newest(seq + 1)):
            if len(here) == len(key) + NEWEST_BYTES:
                return here, row
        return None

    def _live(self, txn: ReadTxn, key: bytes, seq: int) -> Entry | None:
        found = self._at(txn, key, seq)
        return self._unpack(found[1]) if found else None

    def child(self, txn: ReadTxn, parent: int, key: bytes, seq: int) -> Entry | None:
        """What a folder held under the key of a name after the event `seq`."""
        return self._live(txn, pack_id(parent) + key, seq)

    def children(self, txn: ReadTxn, parent: int, seq: int) -> Iterator[Entry]:
        """What a folder held after the event `seq`, without junk, in the order of folded names."""
        after, prefix = b"", pack_id(parent)
        while (found := next(self._versions.scan(txn, prefix, after), None)) is not None:
            key = found[0][:-NEWEST_BYTES]
            entry = self._unpack(found[1]) if number_of(found[0]) <= seq else self._live(txn, key, seq)
            if entry is not None:
                yield entry
            after = key + b"\xff" * NEWEST_BYTES

    def versions(self, txn: ReadTxn, parent: int, key: bytes) -> Iterator[Version]:
        """All that is kept of what a name stood for, newest first."""
        whole = pack_id(parent) + key
        for here, row in self._versions.scan(txn, whole):
            if len(here) == len(whole) + NEWEST_BYTES:
                yield Version(number_of(here), row.at_ns, self._unpack(row))

    def stay(self, txn: ReadTxn, folder: int, seq: int) -> bytes:
        """The key in `entries` that a folder had after the event `seq`; b"" when it was nowhere."""
        prefix = pack_id(folder)
        found = next(self._stays.scan(txn, prefix, prefix + newest(seq + 1)), None)
        return found[1].key if found else b""

    def projects(self, txn: ReadTxn) -> Iterator[tuple[int, Entry]]:
        """Every project that has or had a name at the top, as it was from an event on, with the number of that event."""
        for here, row in self._versions.scan(txn, pack_id(TOP)):
            entry = self._unpack(row)
            if entry is not None and entry.kind is Kind.PROJECT:
                yield number_of(here), entry

    def moments(self, txn: ReadTxn, project: int, until_ns: int = LAST) -> Iterator[Moment]:
        """What happened in a project up to a time, newest first."""
        prefix = pack_id(project)
        after = prefix + newest(until_ns + 1) + b"\xff" * NEWEST_BYTES if until_ns < LAST else b""
        for key, row in self._moments.scan(txn, prefix, after):
            yield Moment(number_of(key[:-NEWEST_BYTES]), number_of(key), row.op, row.path)

    def since(self, txn: ReadTxn) -> tuple[int, int]:
        """Moments before this number are forgotten, and before this time."""
        seq, at_ns = (self._tree.numbers.get(txn, name) for name in (SINCE, SINCE_NS))
        return seq.value if seq else 0, at_ns.value if at_ns else 0

    def known(self, txn: ReadTxn) -> int:
        """The last number that is in here."""
        return self._position_in(txn)

    # what is still needed

    def holds(self, txn: ReadTxn, digest: Digest) -> bool:
        """Does an earlier version that is kept show this content? True in doubt; right however far the follower is behind.

        A content that came and went behind its back is known by the rows of the events in between, and by what those replaced.
        """
        if next(self._held.scan(txn, digest.raw), None) is not None:
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
                    before = self._live(txn, key, event.seq - 1)
                    entry = None if packed is None else self._tree.entries.unpack(packed)
                    pending |= {found.raw_digest for found in (before, entry) if found is not None}
        self._pending = (position, last), frozenset(pending)
        return self._pending[1]

    # what is forgotten

    def seq_before(self, cutoff_ns: int) -> int:
        """The last number whose hour was over at a time; 0 for none. A clock that went back counts as standing still."""
        with self._store.index.read() as txn:
            rows = self._hours.scan(txn, after=newest(cutoff_ns // HOUR_NS))
            return next((row.seq for _, row in rows), 0)

    def hours(self, txn: ReadTxn) -> list[tuple[int, int]]:
        """The last number of each hour, with the hour, oldest first."""
        return [(row.seq, number_of(key)) for key, row in self._hours.scan(txn)][::-1]

    def superseded(self, txn: ReadTxn) -> Iterator[tuple[int, Entry]]:
        """Each version of a file that another followed, with the number of the event that did that."""
        for key, _ in self._fading.scan(txn):
            row = self._versions.get(txn, key[9:]) if key[8:9] == VERSION else None
            entry = self._unpack(row) if row else None
            if entry is not None and entry.size_bytes:
                yield int.from_bytes(key[:8], "big"), entry

    def buried_seq(self, txn: ReadTxn, key: bytes) -> int | None:
        """The number of the event that brought a name where it is; None when it is not known (yet)."""
        found = self._at(txn, key, LAST - 1)
        return number_of(found[0]) if found and found[1].packed else None

    def prune(self) -> int:
        """Drop what no moment from `since` on shows. How many rows went. Never inside a change."""
        self.catch_up()
        with self._store.index.read() as txn:
            since, since_ns = self.since(txn)
        gone = 0
        while count := self._store.note(lambda txn: self._prune_some(txn, since)):
            gone += count
        while count := self._store.note(lambda txn: self._prune_moments(txn, since, since_ns)):
            gone += count
        return gone

    def _prune_some(self, txn: WriteTxn, since: int) -> int:
        faded = list(islice(self._fading.scan(txn), PRUNE_ROWS))
        faded = [(key, row) for key, row in faded if int.from_bytes(key[:8], "big") <= since]
        for key, _ in faded:
            kind, here = key[8:9], key[9:]
            row = self._versions.get(txn, here) if kind == VERSION else None
            if row is not None:
                self._drop(txn, here, row)
            elif kind == STAY:
                self._stays.delete(txn, here)
            self._fading.delete(txn, key)
        return len(faded)

    def _prune_moments(self, txn: WriteTxn, since: int, since_ns: int) -> int:
        """The last moment of each project before `since` stays: it is what the project was then."""
        after, gone = b"", 0
        while gone < PRUNE_ROWS and (found := next(self._moments.scan(txn, after=after), None)) is not None:
            project = found[0][:8]
            before = self._moments.scan(txn, project, project + newest(since_ns) + b"\xff" * NEWEST_BYTES)
            old = [key for key, _ in islice(before, PRUNE_ROWS) if number_of(key) <= since][1:]
            for key in old:
                self._moments.delete(txn, key)
            gone += len(old)
            after = project + b"\xff" * 16
        return gone

    def forget_before(self, txn: WriteTxn, seq: int, at_ns: int) -> None:
        """Inside a change: moments before this number, before this time, are forgotten from now on."""
        self._tree.numbers.put(txn, SINCE, NumberRow(max(seq, self.since(txn)[0])))
        self._tree.numbers.put(txn, SINCE_NS, NumberRow(max(at_ns, self.since(txn)[1])))


def _same(old: Entry | None, entry: Entry | None) -> bool:
    """Is this what it was, for people? Where bytes lie on disk does not count, nor that something in a folder changed."""
    if old is None or entry is None:
        return old is entry
    if old.is_folder and entry.is_folder:
        old = replace(old, modified_ns=entry.modified_ns)
    return replace(old, own=None) == replace(entry, own=None)
