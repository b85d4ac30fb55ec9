"""Edits that hide: when each file of ours last changed without anybody having edited it.

An edit whose time is set back afterwards (`touch -r`, `cp -p`, `rsync -t`) leaves inode, size and time as they were, but the
change time of its inode (ctime) moves, and nobody can set that. It moves with every link, rename and unlink too, ours among
them. So the last harmless one is remembered for each inode, with its number of links: before an act of ours it is compared,
after the change it is looked at again. A time that moved although nobody linked anything stays wrong, and is a reason to read
the bytes at the next look. Names that people made or took away by hand leave a file of which nothing is known: it is judged by
its seal, is read before it may stand for an upload, and by the next scrub.

The rows are local: they are lost with the index, and come back as files are read (scrub, verify) or arrive. What this cannot
see: an edit within the tick of the kernel's clock (4 ms, less since Linux 6.13) in which our own act fell.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

import msgspec

from cas.index import Index, ReadTxn, WriteTxn
from cas.link import changed_ns
from cas.system import System

INODE_BYTES = 16  # ReFS numbers files with 128 bits
Place = tuple[int, str]  # folder descriptor and name of a file


class ReadThrough:
    """A file that is read whole: its change time when that began, which acts of ours move on and those of others do not."""

    __slots__ = ("__weakref__", "changed_ns", "inode")

    def __init__(self, stat: os.stat_result) -> None:
        self.inode, self.changed_ns = stat.st_ino, changed_ns(stat)

    def follow(self, before: os.stat_result, after: os.stat_result) -> None:
        if (self.inode, self.changed_ns) == (before.st_ino, changed_ns(before)):
            self.changed_ns = changed_ns(after)


class CalmRow(msgspec.Struct, array_like=True, frozen=True):
    """Change time and number of links of an inode when its bytes were known; key: its number."""

    changed_ns: int
    links: int


def inode_key(inode: int) -> bytes:
    return inode.to_bytes(INODE_BYTES, "big")


class Calm:
    """Asked with any transaction. The rest only inside a change, and changes run one at a time."""

    def __init__(self, system: System, index: Index) -> None:
        self._system = system
        self.table = index.table("calm", CalmRow, journaled=False)
        self._moving: dict[Place, bool] = {}  # files this change acts on; was each calm before?
        self._before: dict[Place, os.stat_result] = {}  # how they looked, when some are being read
        self._readings: WeakSet[ReadThrough] = WeakSet()
        self._lock = threading.Lock()  # over `_readings`

    def is_calm(self, txn: ReadTxn, stat: os.stat_result) -> bool | None:
        """Has nobody touched this file since its bytes were known? None when that is not known."""
        row = self.table.get(txn, inode_key(stat.st_ino))
        if row is None:
            return None
        if row.changed_ns == changed_ns(stat):
            return True
        return False if row.links == stat.st_nlink else None

    def note(self, txn: WriteTxn, stat: os.stat_result) -> None:
        """The bytes of the file that looks like this are known."""
        self.table.put(txn, inode_key(stat.st_ino), CalmRow(changed_ns(stat), stat.st_nlink))

    def reading(self, stat: os.stat_result) -> ReadThrough:
        """The file that looks like this is going to be read whole. Any thread. Keep what this gives as long as it is of use."""
        reading = ReadThrough(stat)
        with self._lock:
            self._readings.add(reading)
        return reading

    def _move_on(self, before: os.stat_result, after: os.stat_result) -> None:
        with self._lock:
            for reading in self._readings:
                reading.follow(before, after)

    def forget(self, txn: WriteTxn, stat: os.stat_result) -> None:
        """Somebody gave this file another name by hand: what moved its time is not known."""
        if not self.is_calm(txn, stat):
            self.table.delete(txn, inode_key(stat.st_ino))

    def follow(self, txn: WriteTxn, before: os.stat_result, after: os.stat_result) -> None:
        """An act of ours moved the time of a file: what was calm still is."""
        if before.st_ino == after.st_ino and self.is_calm(txn, before):
            self.note(txn, after)
        if self._readings:
            self._move_on(before, after)

    def about_to(self, txn: ReadTxn, place: Place, stat: os.stat_result | None = None) -> None:
        """Links or names of the file at `place` are going to change in this change; `place` itself stays.

        stat   of the file now, if it is at hand
        """
        if place in self._moving:
            return
        try:
            stat = stat or self._system.stat(*place)
        except FileNotFoundError:
            return
        self._moving[place] = bool(self.is_calm(txn, stat))
        if self._readings:
            self._before[place] = stat

    def fresh(self, place: Place) -> None:
        """The file at `place` was put there in this change, from bytes we know."""
        self._moving[place] = True

    def settle(self, txn: WriteTxn) -> None:
        """At the end of a change: look again at the files it acted on."""
        for place, calm in self._moving.items():
            if calm:
                try:
                    self.note(txn, self._system.stat(*place))
                except FileNotFoundError:
                    continue  # set aside or collected
        for place, before in self._before.items():
            try:
                self._move_on(before, self._system.stat(*place))
            except FileNotFoundError:
                continue

    def give_up(self) -> None:
        """The change is over. When it failed, what it did to times is not known, and reading the bytes will tell."""
        self._moving.clear()
        self._before.clear()
