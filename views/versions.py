"""What every name stood for at every number of the journal: the tables, and reading them. `views/history.py` fills them.

    versions   key in `entries` + newest 8 → VersionRow         a folder as it was is one range scan, newest first
    held       digest 32 + key in `versions` → ()               contents that only an earlier version shows
    stays      folder id 8 + newest 8 → StayRow                 where a folder was: the way from a folder up to its project
    moments    project id 8 + newest time 8 + newest 8 → MomentRow   what happened in a project
    fading     number 8 + kind 1 + key → ()                     what the event with this number made the past
    hours      newest hour 8 → HourRow                          the last number of each hour; hours never go back

*newest* is a number counted down from 2⁶⁴ − 1, so that a scan meets the newest first. The tables are local: lost with the
index, they are made again from the journal. All order is by number; time is only what moments are called by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from cas.index import Index, ReadTxn
from views.entry import Entry, Kind
from views.tree import LAST, TOP, Tree, UseRow, newest, number_of, pack_id

HOUR_NS = 3600 * 10**9
SINCE, SINCE_NS = b"history since", b"history since ns"  # in `numbers`: moments before this event, this time, are forgotten
NEWEST_BYTES = 8
VERSION, STAY = b"v", b"s"  # kinds of what fades


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


class Versions:
    """The past of every name, as far as the follower came. Any thread; each reading is of one transaction."""

    def __init__(self, index: Index, tree: Tree) -> None:
        self._tree = tree
        self.rows = index.table("versions", VersionRow, journaled=False)
        self.held = index.table("held", UseRow, journaled=False)
        self.stays = index.table("stays", StayRow, journaled=False)
        self.moments = index.table("moments", MomentRow, journaled=False)
        self.fading = index.table("fading", UseRow, journaled=False)
        self.hours = index.table("hours", HourRow, journaled=False)

    # names

    def unpack(self, row: VersionRow) -> Entry | None:
        return self._tree.entries.unpack(row.packed) if row.packed else None

    def at(self, txn: ReadTxn, key: bytes, seq: int) -> tuple[bytes, VersionRow] | None:
        """The version of a name after the event `seq`, with its key."""
        size, after = len(key) + NEWEST_BYTES, key + newest(seq + 1)
        while (found := self.rows.first(txn, key, after)) is not None and len(found[0]) != size:
            after = found[0]  # of a longer name
        return found

    def live(self, txn: ReadTxn, key: bytes, seq: int) -> Entry | None:
        found = self.at(txn, key, seq)
        return self.unpack(found[1]) if found else None

    def child(self, txn: ReadTxn, parent: int, key: bytes, seq: int) -> Entry | None:
        """What a folder held under the key of a name after the event `seq`."""
        return self.live(txn, pack_id(parent) + key, seq)

    def children(self, txn: ReadTxn, parent: int, seq: int) -> Iterator[Entry]:
        """What a folder held after the event `seq`, without junk, in the order of folded names."""
        after, prefix = b"", pack_id(parent)
        while (found := next(self.rows.scan(txn, prefix, after), None)) is not None:
            key = found[0][:-NEWEST_BYTES]
            entry = self.unpack(found[1]) if number_of(found[0]) <= seq else self.live(txn, key, seq)
            if entry is not None:
                yield entry
            after = key + b"\xff" * NEWEST_BYTES

    def of(self, txn: ReadTxn, parent: int, key: bytes) -> Iterator[Version]:
        """All that is kept of what a name stood for, newest first."""
        whole = pack_id(parent) + key
        for here, row in self.rows.scan(txn, whole):
            if len(here) == len(whole) + NEWEST_BYTES:
                yield Version(number_of(here), row.at_ns, self.unpack(row))

    def stay(self, txn: ReadTxn, folder: int, seq: int) -> bytes:
        """The key in `entries` that a folder had after the event `seq`; b"" when it was nowhere."""
        prefix = pack_id(folder)
        found = self.stays.first(txn, prefix, prefix + newest(seq + 1))
        return found[1].key if found else b""

    def projects(self, txn: ReadTxn) -> Iterator[tuple[int, Entry]]:
        """Every project that has or had a name at the top, as it was from an event on, with the number of that event."""
        for here, row in self.rows.scan(txn, pack_id(TOP)):
            entry = self.unpack(row)
            if entry is not None and entry.kind is Kind.PROJECT:
                yield number_of(here), entry

    def happened(self, txn: ReadTxn, project: int, until_ns: int = LAST) -> Iterator[Moment]:
        """What happened in a project up to a time, newest first."""
        prefix = pack_id(project)
        after = prefix + newest(until_ns + 1) + b"\xff" * NEWEST_BYTES if until_ns < LAST else b""
        for key, row in self.moments.scan(txn, prefix, after):
            yield Moment(number_of(key[:-NEWEST_BYTES]), number_of(key), row.op, row.path)

    def since(self, txn: ReadTxn) -> tuple[int, int]:
        """Moments before this number are forgotten, and before this time."""
        seq, at_ns = (self._tree.numbers.get(txn, name) for name in (SINCE, SINCE_NS))
        return seq.value if seq else 0, at_ns.value if at_ns else 0

    # numbers and times

    def seq_before(self, txn: ReadTxn, cutoff_ns: int) -> int:
        """The last number whose hour was over at a time; 0 for none. A clock that went back counts as standing still."""
        rows = self.hours.scan(txn, after=newest(cutoff_ns // HOUR_NS))
        return next((row.seq for _, row in rows), 0)

    def last_numbers(self, txn: ReadTxn) -> list[tuple[int, int]]:
        """The last number of each hour, with the hour, oldest first."""
        return [(row.seq, number_of(key)) for key, row in self.hours.scan(txn)][::-1]

    def superseded(self, txn: ReadTxn) -> Iterator[tuple[int, Entry]]:
        """Each version of a file that another followed, with the number of the event that did that."""
        for key, _ in self.fading.scan(txn):
            row = self.rows.get(txn, key[9:]) if key[8:9] == VERSION else None
            entry = self.unpack(row) if row else None
            if entry is not None and entry.size_bytes:
                yield int.from_bytes(key[:8], "big"), entry

    def buried_seq(self, txn: ReadTxn, key: bytes) -> int | None:
        """The number of the event that brought a name where it is; None when it is not known (yet)."""
        found = self.at(txn, key, LAST - 1)
        return number_of(found[0]) if found and found[1].packed else None
