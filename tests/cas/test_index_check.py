"""The check of an index file that nobody has open: whatever it lets pass, LMDB reads as it was written."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import msgspec
import pytest

from cas.index import Index, Table
from cas.index_check import harm

PAGE = 4096


class Text(msgspec.Struct, array_like=True, frozen=True):
    text: bytes


def opened(path: Path) -> tuple[Index, list[Table[Text]]]:
    index = Index(path)
    return index, [index.table(name, Text) for name in ("one", "two")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with a past: values of all sizes, two tables, many free pages, branches two deep."""
    path, chance = tmp_path_factory.mktemp("made") / "index", random.Random(1)
    index, tables = opened(path)
    for _ in range(40):
        txn = index.write()
        for _ in range(300):
            key = b"%06d" % chance.randrange(9000)
            for table in tables:
                if chance.random() < 0.3:
                    table.delete(txn, key)
                else:
                    table.put(txn, key, Text(chance.randbytes(chance.choice([5, 50, 300, 300, 9000 if key < b"000100" else 7]))))
        txn.commit()
    index.sync()
    index.close()
    return path


def rows(path: Path) -> list[tuple[str, bytes, bytes]]:
    index, tables = opened(path)
    found = list(index.dump())
    with index.read() as txn:
        for table in tables:
            for key, row in list(table.scan(txn)):
                assert table.get(txn, key) == row
    index.close()
    return found


def test_a_file_that_lmdb_wrote_is_whole(made: Path) -> None:
    assert harm(made / "data.mdb") == ""
    assert harm_of(made.parent / "fresh") == ""


def harm_of(path: Path) -> str:
    Index(path).close()
    return harm(path / "data.mdb")


@pytest.mark.parametrize("seed", range(60))
def test_what_passes_is_read_as_it_was_written(made: Path, tmp_path: Path, seed: int) -> None:
    chance, data = random.Random(seed), bytearray((made / "data.mdb").read_bytes())
    pages = len(data) // PAGE
    one, other = (slice(page * PAGE, page * PAGE + PAGE) for page in chance.sample(range(pages), 2))
    if seed % 4 == 0:
        for _ in range(8):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif seed % 4 == 1:
        data[one] = bytes(PAGE)
    elif seed % 4 == 2:
        data[one], data[other] = data[other], data[one]
    else:
        del data[chance.randrange(2, pages) * PAGE :]
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "data.mdb").write_bytes(data)
    if not harm(tmp_path / "index" / "data.mdb"):
        shutil.copytree(made, tmp_path / "made")
        assert rows(tmp_path / "index") == rows(tmp_path / "made")


@pytest.mark.parametrize("data", [b"garbage" * 5000, bytes(65536), b"x"])
def test_garbage_is_no_index(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(data)
    assert harm(tmp_path / "data.mdb")


def test_every_page_that_is_in_use_matters(made: Path, tmp_path: Path) -> None:
    """Zeroed, one after the other: what is not found is free."""
    data = (made / "data.mdb").read_bytes()
    found = 0
    for page in range(2, len(data) // PAGE, 5):
        harmed = data[: page * PAGE] + bytes(PAGE) + data[page * PAGE + PAGE :]
        (tmp_path / "data.mdb").write_bytes(harmed)
        found += bool(harm(tmp_path / "data.mdb"))
    assert found > 50
