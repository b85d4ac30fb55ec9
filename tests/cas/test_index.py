"""The index: typed rows with checksums, changes that can be taken back, a map that grows while others read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import msgspec
import pytest

from cas import index as index_room
from cas.errors import FormatUnknown
from cas.index import Index, IndexDamaged, Table, WriteTxn


class Note(msgspec.Struct, array_like=True, frozen=True):
    text: str


class Length(msgspec.Struct, array_like=True, frozen=True):
    value: int


class Notes:
    """An index with a table of notes, and a table of their lengths that is derived."""

    def __init__(self, path: Path, map_bytes: int = 1 << 20) -> None:
        self.index = Index(path, map_bytes=map_bytes)
        self.lengths: Table[Length] = self.index.table("lengths", Length, derived=True)
        self.notes: Table[Note] = self.index.table("notes", Note, derive=self._derive)
        self.local: Table[Note] = self.index.table("local", Note, journaled=False)

    def _derive(self, txn: WriteTxn, key: bytes, old: Note | None, new: Note | None) -> None:
        if new is None:
            self.lengths.delete(txn, key)
        else:
            self.lengths.put(txn, key, Length(len(new.text)))

    def all(self) -> dict[bytes, str]:
        with self.index.read() as txn:
            assert {key: row.value for key, row in self.lengths.scan(txn)} == {
                key: len(row.text) for key, row in self.notes.scan(txn)
            }
            return {key: row.text for key, row in self.notes.scan(txn)}


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    notes = Notes(tmp_path / "index")
    yield notes
    notes.index.close()


def test_rows_come_back_in_order_of_their_keys(notes: Notes) -> None:
    txn = notes.index.write()
    for key in (b"b2", b"a", b"b1", b"c"):
        notes.notes.put(txn, key, Note(key.decode()))
    txn.commit()
    with notes.index.read() as read:
        assert [key for key, _ in notes.notes.scan(read)] == [b"a", b"b1", b"b2", b"c"]
        assert [key for key, _ in notes.notes.scan(read, b"b")] == [b"b1", b"b2"]
        assert [key for key, _ in notes.notes.scan(read, b"b", after=b"b1")] == [b"b2"]
        assert notes.notes.get(read, b"none") is None
        assert notes.notes.count(read) == 4


def test_a_reader_sees_one_moment(notes: Notes) -> None:
    with notes.index.read() as before:
        txn = notes.index.write()
        notes.notes.put(txn, b"k", Note("new"))
        txn.commit()
        assert notes.notes.get(before, b"k") is None
    assert notes.all() == {b"k": "new"}


def test_what_a_change_did_can_be_taken_back(notes: Notes) -> None:
    txn = notes.index.write()
    notes.notes.put(txn, b"kept", Note("one"))
    first = txn.take_notes()
    mark = txn.mark()
    notes.notes.put(txn, b"kept", Note("changed"))
    notes.notes.put(txn, b"fresh", Note("two"))
    notes.notes.delete(txn, b"kept")
    txn.rollback(mark)
    assert txn.take_notes() == []
    txn.commit()
    assert notes.all() == {b"kept": "one"}
    assert [(name, key) for name, key, _ in first] == [("notes", b"kept")]


def test_setting_a_row_to_what_it_is_is_no_change(notes: Notes) -> None:
    txn = notes.index.write()
    notes.notes.put(txn, b"k", Note("one"))
    txn.take_notes()
    notes.notes.put(txn, b"k", Note("one"))
    notes.notes.delete(txn, b"none")
    assert txn.take_notes() == []
    txn.abort()


def test_only_journaled_rows_are_noted_and_local_ones_are_not_compared(notes: Notes) -> None:
    txn = notes.index.write()
    notes.notes.put(txn, b"k", Note("one"))
    notes.local.put(txn, b"k", Note("here"))
    assert [name for name, _, _ in txn.take_notes()] == ["notes"]
    txn.commit()
    assert {name for name, _, _ in notes.index.dump()} == {"notes", "lengths"}
    assert [name for name, _, _ in notes.index.journaled_rows()] == ["notes"]


def test_clearing_takes_what_is_derived_too(notes: Notes) -> None:
    txn = notes.index.write()
    for number in range(50):
        notes.notes.put(txn, b"%d" % number, Note("x" * number))
    txn.clear()
    txn.commit()
    assert list(notes.index.dump()) == []


@pytest.mark.parametrize("map_bytes", [64 << 10, 128 << 10, 1 << 20])
@pytest.mark.parametrize("sizes", [[400] * 3000, [100_000] * 30, [3_000_000]], ids=["many", "large", "huge"])
def test_a_full_map_grows_in_the_middle_of_a_change(tmp_path: Path, map_bytes: int, sizes: list[int]) -> None:
    notes = Notes(tmp_path / "index", map_bytes)
    expected = {}
    txn = notes.index.write()
    for number, size in enumerate(sizes):
        mark = txn.mark()
        notes.notes.put(txn, b"%06d" % number, Note(chr(97 + number % 26) * size))
        if number % 3 == 1:
            txn.rollback(mark)
        else:
            expected[b"%06d" % number] = chr(97 + number % 26) * size
    txn.commit()
    assert notes.all() == expected
    assert notes.index.size().map_bytes > map_bytes
    notes.index.close()


def test_a_map_that_is_full_only_when_it_is_committed_grows_too(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    txn = notes.index.write()
    notes.notes.put(txn, b"k", Note("one"))

    class Full:
        def commit(self) -> None:
            txn.raw = real
            raise lmdb.MapFullError("at commit")

    real, txn.raw = txn.raw, Full()
    txn.commit()
    assert notes.all() == {b"k": "one"}


def test_the_map_grows_while_many_read_and_nobody_sees_a_torn_state(tmp_path: Path) -> None:
    notes, stop, wrong = Notes(tmp_path / "index", 64 << 10), threading.Event(), list[str]()

    def look() -> None:
        while not stop.is_set():
            found = notes.all()
            if len(set(found.values())) > 1:
                wrong.append(f"{len(found)} rows of different rounds")

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(60):
        txn = notes.index.write()
        for key in range(40):
            notes.notes.put(txn, b"%d" % key, Note(str(number) * 200))
        txn.commit()
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong and notes.index.size().map_bytes > 64 << 10
    notes.index.close()


def test_a_rotten_or_strayed_row_is_found_when_it_is_read(notes: Notes) -> None:
    txn = notes.index.write()
    notes.notes.put(txn, b"k", Note("one"))
    value = bytes(txn.raw.get(b"k", db=notes.notes.handle))
    for place in range(len(value)):
        rotten = value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        txn.raw.put(b"k", rotten, db=notes.notes.handle)
        with pytest.raises(IndexDamaged):
            notes.notes.get(txn, b"k")
    txn.raw.put(b"other", value, db=notes.notes.handle)
    with pytest.raises(IndexDamaged):
        notes.notes.get(txn, b"other")
    txn.raw.put(b"k", value, db=notes.local.handle)
    with pytest.raises(IndexDamaged):
        notes.local.get(txn, b"k")
    txn.abort()


def test_a_row_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    index = Index(tmp_path / "index")
    table = index.table("notes", Note, version=2)
    txn = index.write()
    table.put(txn, b"k", Note("new"))
    txn.commit()
    old = index.table("notes", Note, version=1)
    with index.read() as read, pytest.raises(FormatUnknown):
        old.get(read, b"k")
    index.close()


@pytest.mark.parametrize("data", [b"", b"garbage" * 5000, bytes(65536)])
def test_a_file_that_is_no_index_is_told_as_damage(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "data.mdb").write_bytes(data)
    try:
        Index(tmp_path / "index").close()
    except IndexDamaged:
        return
    assert data == b""  # LMDB makes an empty file anew


def test_a_table_is_made_while_others_write(notes: Notes) -> None:
    """Background work begins before the last room has its table: py-lmdb made both wait for ever."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            txn = notes.index.write()
            notes.notes.put(txn, b"k", Note("one"))
            notes.notes.delete(txn, b"k")
            txn.commit()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for number in range(20):
        notes.index.table(f"later{number}", Note)
    stop.set()
    writer.join()


@pytest.mark.parametrize("how", ["table", "reserve", "abort"])
def test_what_another_thread_of_ours_writes_is_no_foreign_write(
    notes: Notes, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How the file looks was remembered when the next could write already: out of file descriptors, with one change given up
    and another beginning, the store believed that somebody else had written, and only read from then on."""
    looked, go_on = threading.Event(), threading.Event()
    look, wrote, remembering = index_room.look, notes.index.wrote, list[bool]()

    def slow_look(path: str) -> index_room.Look:
        seen = look(path)
        if threading.current_thread() is other and remembering:
            looked.set()
            go_on.wait(0.3)
        return seen

    def remember() -> None:
        if threading.current_thread() is other:
            remembering.append(True)
        wrote()

    def act() -> None:
        if how == "abort":
            txn = notes.index.write()
            notes.notes.put(txn, b"given up", Note("one"))
            txn.abort()
        elif how == "table":
            notes.index.table("later", Note)
        else:
            notes.index.reserve("later")

    monkeypatch.setattr(index_room, "look", slow_look)
    monkeypatch.setattr(notes.index, "wrote", remember)
    other = threading.Thread(target=act, daemon=True)
    other.start()
    assert looked.wait(5)
    txn = notes.index.write()
    notes.notes.put(txn, b"k", Note("one"))
    txn.commit()
    go_on.set()
    other.join()
    notes.index.check_file()
