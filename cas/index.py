"""The index: an LMDB environment of typed tables. Only this module knows lmdb.

A value is `crc32 (4) | version (1) | msgpack record`; the checksum covers table name, key and the rest, so a row that
wandered or rotted is found when it is read. One writer at a time (the committer holds the only write transaction); readers
never wait for it. The map grows by itself. Rows of a *journaled* table are noted while they are written, and become part of
the event in the journal; replaying those notes gives the same table again. A table may *derive* others from its rows.
"""

from __future__ import annotations

import logging
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import lmdb
import msgspec

from cas.errors import Degraded, FormatUnknown

log = logging.getLogger("filmcan.cas")
Row = TypeVar("Row", bound=msgspec.Struct)
RawRow = tuple[str, bytes, bytes | None]  # table, key, version + record; None takes the row away
MAP_BYTES = 1 << 30  # address space, not memory or disk; doubles when half full
LOOK_EVERY_WRITES = 32  # asking LMDB for its size takes 4 % of a small upload
MAX_TABLES = 64
MAX_READERS = 512  # threads of one server, each with one read at a time
ENGINE = 0  # LMDB 0.9's file format, whatever engines later bindings bring
CRC_BYTES = 4
META_PAGES = 2
FULL_BYTES = 1 << 20


class IndexDamaged(Degraded):
    """A row fails its checksum, LMDB refuses its own file, or the file is not what was written. Nothing is lost: the index is
    disposable, and the next start makes it again."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the index is damaged: {why}; a restart makes it again")


class IndexFull(Exception):
    """The disk has no room for what was to be committed; nothing of it was."""


class Table(Generic[Row]):
    """A typed table: `bytes` keys, `Row` records. Made by its one owner module through `Index.table`."""

    def __init__(
        self, name: str, record: type[Row], version: int, journaled: bool, derived: bool, derive: Derive | None,
        damaged: Callable[[str], IndexDamaged] = IndexDamaged,
    ) -> None:  # fmt: skip
        """damaged   makes the error to raise"""
        self.name, self.version, self.journaled, self.derived, self.derive = name, version, journaled, derived, derive
        self._seed = zlib.crc32(name.encode())
        self._version_byte = bytes([version])
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(record).decode
        self._damaged = damaged
        self.handle: Any = None

    def pack(self, row: Row) -> bytes:
        """Version and record, as they stand in events and, behind a checksum, in LMDB."""
        return self._version_byte + self._encode(row)

    def seal(self, key: bytes, packed: bytes) -> bytes:
        crc = zlib.crc32(packed, zlib.crc32(key, self._seed))
        return crc.to_bytes(CRC_BYTES, "big") + packed

    def open(self, key: Any, value: Any) -> Row:
        """The record in a value, or IndexDamaged; FormatUnknown when a newer filmcan wrote it."""
        packed = value[CRC_BYTES:]
        if zlib.crc32(packed, zlib.crc32(key, self._seed)) != int.from_bytes(value[:CRC_BYTES], "big"):
            raise self.damaged("a row fails its checksum")
        return self.unpack(packed)

    def damaged(self, why: object) -> IndexDamaged:
        return self._damaged(f"{self.name}: {why}")

    def unpack(self, packed: Any) -> Row:
        if packed[0] != self.version:
            raise FormatUnknown(f"table {self.name}", packed[0], self.version)
        return self._decode(packed[1:])

    def get(self, txn: ReadTxn, key: bytes) -> Row | None:
        try:
            value = txn.raw.get(key, db=self.handle)
        except lmdb.Error as error:
            raise self.damaged(error) from error
        return None if value is None else self.open(key, value)

    def scan(self, txn: ReadTxn, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, Row]]:
        """Rows whose key begins with `prefix`, in key order, from the first key greater than `after`."""
        try:
            cursor = txn.raw.cursor(db=self.handle)
            found = cursor.set_range(after + b"\0" if after else prefix)
            size = len(prefix)
            while found:
                key = bytes(cursor.key())
                if key[:size] != prefix:
                    return
                yield key, self.open(key, cursor.value())
                found = cursor.next()
        except lmdb.Error as error:
            raise self.damaged(error) from error

    def first(self, txn: ReadTxn, prefix: bytes = b"", after: bytes = b"") -> tuple[bytes, Row] | None:
        """The first of `scan`, in half the time."""
        try:
            cursor = txn.raw.cursor(db=self.handle)
            if not cursor.set_range(after + b"\0" if after else prefix):
                return None
            key = bytes(cursor.key())
            return (key, self.open(key, cursor.value())) if key.startswith(prefix) else None
        except lmdb.Error as error:
            raise self.damaged(error) from error

    def count(self, txn: ReadTxn) -> int:
        return int(txn.raw.stat(self.handle)["entries"])

    def put(self, txn: WriteTxn, key: bytes, row: Row) -> None:
        txn.apply(self, key, self.pack(row), row)

    def delete(self, txn: WriteTxn, key: bytes) -> None:
        txn.apply(self, key, None)


Derive = Callable[["WriteTxn", bytes, Any, Any], None]  # txn, key, row before, row after; None for no row


class ReadTxn:
    """One moment of the index. Keep it short: pages it sees cannot be used again meanwhile.

    memo   what owners of tables found out and may need again; empty again whenever something was written
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.memo: dict[str, Any] = {}


class Reading:
    """`with index.read() as txn`. A class, not a generator: every request does this, and it takes half the time."""

    __slots__ = ("_index", "_raw")

    def __init__(self, index: Index) -> None:
        self._index = index

    def __enter__(self) -> ReadTxn:
        self._raw = self._index.begin_read()
        return ReadTxn(self._raw)

    def __exit__(self, *_: object) -> None:
        try:
            self._raw.abort()
        finally:
            self._index.ended_read()


class WriteTxn(ReadTxn):
    """The one open write transaction. It remembers what it did, to take back one change of a group, and to do
    everything again in a larger map."""

    def __init__(self, index: Index) -> None:
        self._index = index
        super().__init__(index.begin_write())
        self._done: list[tuple[Table[Any], bytes, bytes | None, bytes | None]] = []  # table, key, before, after (sealed)
        self._noted: list[RawRow] = []
        self._ended = False

    def apply(self, table: Table[Any], key: bytes, packed: bytes | None, row: Any = None) -> None:
        """Set (or with None remove) a row, note it if its table is journaled, derive what follows from it.

        row   the record in `packed`, if it is at hand
        """
        before = self.raw.get(key, db=table.handle)
        before = None if before is None else bytes(before)
        after = None if packed is None else table.seal(key, packed)
        if before == after:
            return
        self.memo.clear()
        self._write(table, key, after)
        self._done.append((table, key, before, after))
        if table.journaled:
            self._noted.append((table.name, key, packed))
        if table.derive is not None:
            old = None if before is None else table.open(key, before)
            table.derive(self, key, old, row if row is not None or packed is None else table.unpack(packed))

    def _write(self, table: Table[Any], key: bytes, value: bytes | None) -> None:
        try:
            if value is None:
                self.raw.delete(key, db=table.handle)
            else:
                self.raw.put(key, value, db=table.handle)
        except lmdb.MapFullError:
            self._grow()
            self._write(table, key, value)
        except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError) as error:
            raise table.damaged(error) from error

    def clear(self) -> None:
        """Take every row of every journaled table away, and with them all that is derived."""
        for table in self._index.tables.values():
            if table.journaled:
                for key in [bytes(key) for key in self.raw.cursor(db=table.handle).iternext(values=False)]:
                    self.apply(table, key, None)

    def _grow(self) -> None:
        """Begin again in a map of twice the size, or of four times, and do all that was done once more."""
        while True:
            with self._index.alone():  # see `abort`
                self.raw.abort()
                self._index.double()
            self.raw = self._index.begin_write()
            try:
                for table, key, _, after in self._done:
                    if after is None:
                        self.raw.delete(key, db=table.handle)
                    else:
                        self.raw.put(key, after, db=table.handle)
                return
            except lmdb.MapFullError:
                continue

    def take_notes(self) -> list[RawRow]:
        """The journaled rows since the last call: the substance of one event."""
        notes, self._noted = self._noted, []
        return notes

    def mark(self) -> int:
        return len(self._done)

    def rollback(self, mark: int) -> None:
        """Take back everything since `mark`."""
        self.memo.clear()
        while len(self._done) > mark:
            table, key, before, _ = self._done.pop()
            self._write(table, key, before)
        self._noted = []

    def commit(self) -> None:
        while True:
            try:
                self.raw.commit()
                self._index.wrote()
                self._end()
                return
            except lmdb.MapFullError:
                self._grow()
            except lmdb.Error as error:
                if isinstance(error, lmdb.DiskError) or self._index.is_disk_full():
                    raise IndexFull(str(error)) from error
                raise self._index.damaged(str(error)) from error

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._index.writing.release()

    def abort(self) -> None:
        """py-lmdb 3 waits in there for a moment without readers, which never comes while threads read without a pause."""
        with self._index.alone():
            self.raw.abort()
        if not self._ended:
            self._index.wrote()  # pages of a large one, or of a commit that a full disk ended
        self._end()


Look = tuple[int, int, int, int]


def look(path: str) -> Look:
    """How a file looks from outside: which it is, how long, when it was written."""
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


class Meta(msgspec.Struct, array_like=True, frozen=True):
    """A single number of the index itself."""

    value: int


@dataclass(frozen=True, slots=True)
class IndexSize:
    used_bytes: int
    map_bytes: int


class Index:
    """The LMDB environment. Reading from any thread; writing only by the committer.

    crash   a kill leaves the last committed state. Nothing is synced before `sync`: after a power cut the files may be torn, and
            the store makes the index again from the journal instead of believing them
    """

    def __init__(self, path: Path, *, map_bytes: int = MAP_BYTES) -> None:
        """Open or make the index in the folder `path`. IndexDamaged."""
        self.path, self._data = path, path / "data.mdb"
        self._file = str(self._data)  # looked at before and after each write; a Path costs twice the time
        self.listener: Callable[[IndexDamaged], None] | None = None  # hears of damage before it is raised; any thread
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            self._env = lmdb.open(
                str(path), map_size=map_bytes, max_dbs=MAX_TABLES, max_readers=MAX_READERS, subdir=True,
                metasync=False, sync=False, readahead=False, meminit=False, max_spare_txns=64, lib_version=ENGINE,
            )  # fmt: skip
        except (FileExistsError, lmdb.Error) as error:
            raise IndexDamaged(str(error)) from error
        self._env.reader_check()
        self._fill_up()
        self.tables: dict[str, Table[Any]] = {}
        self._gate = threading.Condition()
        self._readers = 0
        self._growing = False
        self._writes = 0
        self.writing = threading.Lock()  # held from `write` to the end of that transaction
        self._left = look(self._file)
        self._spoilt = ""
        try:
            self.meta = self.table("meta", Meta, derived=True)
        except IndexDamaged:
            self._env.close()
            raise

    def table(
        self, name: str, record: type[Row], *, version: int = 1, journaled: bool = True, derived: bool = False,
        derive: Derive | None = None,
    ) -> Table[Row]:  # fmt: skip
        """The table `name`, made when it is missing. Called once by its owner, before any transaction of another table.

        journaled   its rows become part of events, and replaying them gives it again
        derived     its rows are set by the `derive` of others; a table neither journaled nor derived is lost with the index
        """
        table = Table(name, record, version, journaled and not derived, derived, derive, self.damaged)
        try:
            with self.writing:  # it writes too: beside a write of another thread py-lmdb waits for ever
                table.handle = self._env.open_db(name.encode())
                self.wrote()
        except lmdb.Error as error:
            raise IndexDamaged(str(error)) from error
        self.tables[name] = table
        return table

    def reserve(self, name: str) -> None:
        """Make a table whose owner comes only when other threads write already."""
        with self.writing:
            self._env.open_db(name.encode())
            self.wrote()

    # is it still ours?

    def check_file(self) -> None:
        """IndexDamaged when somebody took the file away, put another in its place, or wrote to it. Called between two
        transactions by who holds `writing`; costs 3 µs.

        What was mapped stays right when only the name is gone; a file that was written to by others is not read any more.
        """
        if self._spoilt:
            return
        try:
            now = look(self._file)
        except FileNotFoundError:
            raise self.damaged("its file is gone") from None
        if now == self._left:
            return
        if now[:2] != self._left[:2]:
            raise self.damaged("another file is in its place")
        self._spoilt = "somebody else wrote to its file"
        self._fill_up()
        raise self.damaged(self._spoilt)

    def wrote(self) -> None:
        """Remember how the file looks after it was written here; while `writing` is held, or the next would not know it."""
        try:
            self._left = (*self._left[:2], *look(self._file)[2:])
        except FileNotFoundError:
            return  # the next look tells that; and that it is another

    def is_disk_full(self) -> bool:
        """LMDB says "input/output error" when a write ended early because the disk was full (mdb_page_flush)."""
        space = os.statvfs(self.path)
        return space.f_bavail * space.f_frsize < FULL_BYTES

    def damaged(self, why: str) -> IndexDamaged:
        damage = IndexDamaged(why)
        if self.listener is not None:
            self.listener(damage)
        return damage

    def forget_dead_readers(self) -> None:
        """Readers that died in the middle keep pages from being used again. Now and then."""
        self._env.reader_check()

    def read(self) -> Reading:
        """One consistent moment; ended by leaving the block. Never wait for anything slow inside."""
        return Reading(self)

    def begin_read(self) -> Any:
        with self._gate:
            if self._spoilt:
                raise IndexDamaged(self._spoilt)
            while self._growing:
                self._gate.wait()
            self._readers += 1
        try:
            return self._env.begin(buffers=True)
        except BaseException:
            self.ended_read()
            raise

    def ended_read(self) -> None:
        with self._gate:
            self._readers -= 1
            if self._growing:
                self._gate.notify_all()

    def write(self) -> WriteTxn:
        """The write transaction; now and then a half-full map is doubled first, so that running out inside is rare."""
        self._writes += 1
        if self._writes % LOOK_EVERY_WRITES == 1:
            size = self.size()
            if size.used_bytes * 2 > size.map_bytes:
                self.grow()
        self.writing.acquire()
        try:
            self.check_file()
            return WriteTxn(self)
        except BaseException:
            self.writing.release()
            raise

    def begin_write(self) -> Any:
        try:
            return self._env.begin(write=True, buffers=True)
        except lmdb.Error as error:
            raise self.damaged(str(error)) from error

    def grow(self) -> None:
        """Double the map, once no transaction is open here."""
        with self.alone():
            self.double()

    def double(self) -> None:
        """Inside `alone`: a map of twice the size."""
        self._env.set_mapsize(self._env.info()["map_size"] * 2)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody reads inside: readers there are waited for (they are short), new ones wait."""
        with self._gate:
            self._growing = True
            try:
                while self._readers:
                    self._gate.wait()
                yield
            finally:
                self._growing = False
                self._gate.notify_all()

    def free_share(self) -> float:
        """How much of the file is pages that nobody needs: 0 to 1."""
        stats = [self._env.stat()]
        with self._env.begin() as raw:
            names = [bytes(name) for name in raw.cursor().iternext(values=False)]
        for name in names:
            handle = self._env.open_db(name)
            with self._env.begin() as raw:
                stats.append(raw.stat(handle))
        used = sum(stat[kind] for stat in stats for kind in ("branch_pages", "leaf_pages", "overflow_pages"))
        return 1 - (used + META_PAGES) / (self._env.info()["last_pgno"] + 1)

    def copy_to(self, folder: Path) -> None:
        """A copy of what is committed, without its free pages, as data.mdb in an empty folder. IndexDamaged when LMDB finds
        pages missing."""
        try:
            self._env.copy(str(folder), compact=True)
        except (lmdb.IncompatibleError, lmdb.CorruptedError, lmdb.PageNotFoundError) as error:
            raise IndexDamaged(str(error)) from error

    def size(self) -> IndexSize:
        info = self._env.info()
        return IndexSize((info["last_pgno"] + 1) * self._env.stat()["psize"], info["map_size"])

    def dump(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Every row of every journaled or derived table, for comparing two indexes: table, key, version + record."""
        tables = [table for _, table in sorted(self.tables.items()) if table.journaled or table.derived]
        with self.read() as txn:
            for table in tables:
                for key, value in txn.raw.cursor(db=table.handle):
                    yield table.name, bytes(key), bytes(value[CRC_BYTES:])

    def journaled_rows(self) -> Iterator[RawRow]:
        """What an event would have to hold to say all of the index again. A damaged row is left out and told."""
        with self.read() as txn:
            for table in self.tables.values():
                for key, value in txn.raw.cursor(db=table.handle) if table.journaled else ():
                    try:
                        table.open(key, value)
                    except IndexDamaged as error:
                        log.error("a row is left out: %s", error)
                        continue
                    yield table.name, bytes(key), bytes(value[CRC_BYTES:])

    def _fill_up(self) -> None:
        """Make the file as long as it says it is.

        LMDB leaves free pages at its end unwritten. But if it was cut, reading the map beyond its end would end the process
        (SIGBUS); what was there reads as zeros now, and fails.
        """
        size_bytes = self.size().used_bytes
        if self._data.stat().st_size < size_bytes:
            os.truncate(self._data, size_bytes)

    def sync(self) -> None:
        """All that was committed survives a power cut afterwards."""
        self.check_file()
        self._fill_up()
        try:
            self._env.sync(True)
        except lmdb.Error as error:
            raise self.damaged(str(error)) from error
        self.wrote()

    def close(self) -> None:
        self._env.close()
