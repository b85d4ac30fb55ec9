"""Batches of uploads: what one run of a phone or a script sent to a project, item by item (contract §2.15).

What became of a file is noted in the same change that keeps it, so a batch knows every upload that was answered. `views/tree.py`
holds the tables, `views/batch_files.py` writes what other programs read of them:

    batches   project id (8) + batch id (16) → BatchRow
    batched   project id (8) + batch id (16) + number (8) → BatchItem, in the order they came
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from cas.committer import Acts
from cas.index import Index, ReadTxn
from views.errors import BatchClosed, BatchUnknown

ID_BYTES = 16


class BatchRow(msgspec.Struct, array_like=True, frozen=True):
    """A batch and how many of its files came to what. `ended_ns` is 0 while it takes more."""

    started_ns: int
    ended_ns: int = 0
    stored: int = 0
    duplicate: int = 0
    error: int = 0

    @property
    def total(self) -> int:
        return self.stored + self.duplicate + self.error


class BatchItem(msgspec.Struct, array_like=True, frozen=True):
    """One file of a batch.

    status   stored, duplicate, or error: then `why`, and no path, sum or size
    name     as it was sent; `path` is where the project shows the bytes
    """

    at_ns: int
    status: str
    name: str
    path: str = ""
    sha256: bytes = b""
    size_bytes: int = 0
    arrived_ns: int = 0
    why: str = ""


class Batches:
    """The batches of all projects of one source, by the id of their project and their own: 32 hexadecimal digits.

    Reading with any transaction, changing inside a change of the store.
    """

    def __init__(self, index: Index) -> None:
        self._rows = index.table("batches", BatchRow)
        self._items = index.table("batched", BatchItem)

    def find(self, txn: ReadTxn, project: int, batch: str) -> BatchRow:
        """BatchUnknown."""
        row = self._rows.get(txn, _key(project, batch))
        if row is None:
            raise BatchUnknown(batch)
        return row

    def items(self, txn: ReadTxn, project: int, batch: str) -> Iterator[BatchItem]:
        """In the order they came. BatchUnknown only for what is no id."""
        return (item for _, item in self._items.scan(txn, _key(project, batch)))

    def of(self, txn: ReadTxn, project: int) -> list[str]:
        """Ids of all batches of a project."""
        return [key[8:].hex() for key, _ in self._rows.scan(txn, _number(project))]

    def start(self, acts: Acts, project: int) -> str:
        """A new batch; its id."""
        batch = acts.system.token() + acts.system.token()
        self._rows.put(acts.txn, _key(project, batch), BatchRow(acts.at_ns))
        acts.tell("batch", {"batch": [project, batch]})
        return batch

    def check_open(self, txn: ReadTxn, project: int, batch: str) -> BatchRow:
        """May something be added? BatchUnknown, BatchClosed; asked before anything is done for it."""
        row = self.find(txn, project, batch)
        if row.ended_ns:
            raise BatchClosed(batch)
        return row

    def note(self, acts: Acts, project: int, batch: str, item: BatchItem) -> None:
        """Add an item to a batch that is open; the event that is told already says so too."""
        row = self.check_open(acts.txn, project, batch)
        self._items.put(acts.txn, _key(project, batch) + _number(row.total), item)
        counts = {item.status: getattr(row, item.status) + 1}
        self._rows.put(acts.txn, _key(project, batch), replace(row, **counts))
        acts.tell(acts.op or "batch", {**acts.facts, "batch": [project, batch]})

    def end(self, acts: Acts, project: int, batch: str) -> BatchRow:
        """Nothing is added any more; ending twice is no error. BatchUnknown."""
        row = self.find(acts.txn, project, batch)
        if not row.ended_ns:
            row = replace(row, ended_ns=acts.at_ns)
            self._rows.put(acts.txn, _key(project, batch), row)
            acts.tell("batch", {"batch": [project, batch]})
        return row


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _key(project: int, batch: str) -> bytes:
    """BatchUnknown for what is no id."""
    try:
        raw = bytes.fromhex(batch)
    except ValueError:
        raise BatchUnknown(batch) from None
    if len(raw) != ID_BYTES:
        raise BatchUnknown(batch)
    return _number(project) + raw
