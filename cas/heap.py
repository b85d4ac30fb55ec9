"""Rows by table and key on disk, for as long as a journal is folded: however many there are, memory holds a few pages of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import lmdb

from cas.index import ENGINE, MAX_TABLES, RawRow

HEAP_BYTES = 1 << 28  # of address space; doubles when it is full


class Heap:
    """Used by one thread, inside `with`; leaving it takes everything away. What a crash leaves of it lies in `incoming/`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Heap:
        self._path.mkdir(mode=0o700)
        self._env = lmdb.open(
            str(self._path), map_size=HEAP_BYTES, max_dbs=MAX_TABLES, sync=False, metasync=False, meminit=False,
            lib_version=ENGINE,
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._env.close()
        shutil.rmtree(self._path)

    def apply(self, rows: Iterable[RawRow]) -> None:
        """Set rows, and take away those that say None. The last word on each row counts."""
        latest = {(table, key): packed for table, key, packed in rows}
        while not self._applied(latest):
            self._env.set_mapsize(self._env.info()["map_size"] * 2)

    def _applied(self, latest: dict[tuple[str, bytes], bytes | None]) -> bool:
        """All of it in one transaction; False when the map is too small."""
        handles = {table: self._env.open_db(table.encode()) for table in {table for table, _ in latest}}
        try:
            with self._env.begin(write=True) as txn:
                for (table, key), packed in latest.items():
                    if packed is None:
                        txn.delete(key, db=handles[table])
                    else:
                        txn.put(key, packed, db=handles[table])
            return True
        except lmdb.MapFullError:
            return False

    def clear(self) -> None:
        """Take every row away."""
        handles = [self._env.open_db(name.encode()) for name in self._tables()]
        with self._env.begin(write=True) as txn:
            for handle in handles:
                txn.drop(handle, delete=False)

    def _tables(self) -> list[str]:
        with self._env.begin() as txn:
            return [bytes(name).decode() for name in txn.cursor().iternext(values=False)]

    def count(self) -> int:
        total = 0
        for name in self._tables():
            handle = self._env.open_db(name.encode())
            with self._env.begin() as txn:
                total += txn.stat(handle)["entries"]
        return total

    def rows(self) -> Iterator[RawRow]:
        """All rows, by table and key."""
        for name in self._tables():
            handle = self._env.open_db(name.encode())
            with self._env.begin(db=handle) as txn:
                for key, packed in txn.cursor():
                    yield name, bytes(key), bytes(packed)
