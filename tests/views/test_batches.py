"""Batches of uploads in the library: noted with the upload itself, kept over everything, written for other programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faulty import QuickSystem
from tests.state import check_replay, in_index, on_disk
from views.errors import BatchClosed, BatchUnknown
from views.followers import FollowerThread
from views.library import Library
from views.manifest import Manifest

P = "P1-A"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path / "root", QuickSystem())
    library.make_project(P)
    yield library
    library.close()


def begin(library: Library) -> str:
    return library.store.commit(lambda acts: library.tree.batches.start(acts, library.tree.found(acts.txn, P)[1].id))


def end(library: Library, batch: str) -> None:
    project = library.project(P).entry.id
    library.store.commit(lambda acts: library.tree.batches.end(acts, project, batch))


def upload(library: Library, batch: str, name: str, data: bytes) -> None:
    with library.receive() as body:
        body.write(data)
        library.upload(P, name, body, batch=batch)


def items(library: Library, batch: str) -> list[tuple[str, str, str]]:
    with library.store.index.read() as txn:
        found = library.tree.batches.items(txn, library.project(P).entry.id, batch)
        return [(item.status, item.name, item.path) for item in found]


def flush(library: Library) -> Path:
    assert FollowerThread(library.store, [Manifest(library.store, library.tree)]).flush()
    return library.root / P / "_manifest/upload_batches"


def test_an_upload_and_its_note_are_one_change(library: Library) -> None:
    batch = begin(library)
    before = library.store.journal.last_seq
    upload(library, batch, "a.mov", b"one")
    assert library.store.journal.last_seq == before + 1
    upload(library, batch, "b.mov", b"one")
    first = "ingest/originals/a.mov"
    assert items(library, batch) == [("stored", "a.mov", first), ("duplicate", "b.mov", first)]
    again = check_replay(library)
    assert items(again, batch)[1][0] == "duplicate"
    again.close()


def test_a_closed_or_unknown_batch_leaves_nothing_of_the_upload(library: Library) -> None:
    batch = begin(library)
    end(library, batch)
    before = in_index(library)
    with pytest.raises(BatchClosed):
        upload(library, batch, "a.mov", b"one")
    with pytest.raises(BatchUnknown):
        upload(library, "ab" * 16, "a.mov", b"one")
    assert in_index(library) == before == on_disk(library.root)


def test_files_of_a_batch_are_as_new_as_index_json_and_come_back_with_it(library: Library) -> None:
    batch = begin(library)
    upload(library, batch, "a.mov", b"one")
    folder = flush(library)
    [line] = (folder / f"{batch}.jsonl").read_text().splitlines()
    assert json.loads(line)["relative_path"] == "ingest/originals/a.mov"
    upload(library, batch, "b.mov", b"two")
    end(library, batch)
    flush(library)
    assert len((folder / f"{batch}.jsonl").read_text().splitlines()) == 2
    assert json.loads((folder / f"{batch}.meta.json").read_text())["status"] == "closed"
    wrote = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder.parent)
    (library.root / P / "index.json").unlink()
    flush(library)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == wrote
