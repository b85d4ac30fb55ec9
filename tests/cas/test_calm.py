"""No act of ours looks like an edit: after every change, each file is known to be untouched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.digest import sums_of
from cas.verify import verify
from tests.cas.test_verify import CannotRead
from tests.faults.test_every_act import CHANGES, FILM, prepare
from tests.state import put
from views.library import Library
from views.reindex import plan


class Named(CannotRead):
    """A file system without unnamed files."""

    def create_unnamed(self, folder: int, mode: int = 0o600) -> int | None:
        return None


@pytest.fixture(params=[CannotRead, Named])
def library(root: Path, request: pytest.FixtureRequest) -> Iterator[Library]:
    with closing(Library(root, request.param())) as library:
        library.make_project("Film")
        prepare(library, f"{FILM}/at")
        yield library


def is_calm(library: Library, path: Path) -> bool | None:
    with library.store.index.read() as txn:
        return library.store.contents.calm.is_calm(txn, path.stat())


@pytest.mark.parametrize("name", CHANGES)
def test_what_we_do_ourselves_is_no_reason_to_read(library: Library, name: str) -> None:
    CHANGES[name](library, f"{FILM}/at")
    for digest in library.store.blobs_on_disk:
        assert is_calm(library, library.store.layout.blob(digest)) is True
    for path, entry in library.walk():
        assert entry.is_folder or is_calm(library, library.root / path) is True, path
    system = library.store.system
    assert isinstance(system, CannotRead)
    system.read_bytes = 0
    assert plan(library).lines() == [] and verify(library.store, full=False).findings == []
    put(library, f"{FILM}/again", f"{FILM}/at B".encode())
    assert system.read_bytes == 0


def test_what_we_do_while_a_file_is_read_does_not_make_the_reading_worthless(library: Library) -> None:
    """An upload of a clip that others deleted and linked all the time was refused: each reading of it came too late."""
    put(library, f"{FILM}/first", b"clip")
    digest = sums_of(b"clip").digest
    put(library, f"{FILM}/second", b"clip")
    blob = library.store.layout.blob(digest)
    os.chmod(blob, 0o400)
    assert is_calm(library, blob) is False
    verdict = library.store.doubt.examine(digest, lambda size_bytes: library.delete(f"{FILM}/second"))
    assert verdict is not None
    library.move(f"{FILM}/first", f"{FILM}/moved")
    assert library.store.doubt.settle(digest, verdict)
    assert is_calm(library, blob) is True


def test_what_others_do_while_a_file_is_read_makes_the_reading_worthless(library: Library) -> None:
    put(library, f"{FILM}/first", b"clip")
    digest = sums_of(b"clip").digest
    blob = library.store.layout.blob(digest)
    os.chmod(blob, 0o400)
    verdict = library.store.doubt.examine(digest)
    assert verdict is not None
    os.chmod(blob, 0o444)
    library.move(f"{FILM}/first", f"{FILM}/moved")
    assert library.store.doubt.settle(digest, verdict)
    assert is_calm(library, blob) is False


def test_names_made_by_hand_leave_a_file_of_which_nothing_is_known(library: Library) -> None:
    digest = sums_of(f"{FILM}/at B".encode()).digest
    blob = library.store.layout.blob(digest)
    os.link(blob, library.root.parent / "backup")
    assert is_calm(library, blob) is None
    system = library.store.system
    assert isinstance(system, CannotRead)
    system.read_bytes = 0
    put(library, f"{FILM}/again", f"{FILM}/at B".encode())
    assert system.read_bytes == blob.stat().st_size, "it is read before it stands for what was sent"
    assert is_calm(library, blob) is True


def test_a_blob_that_was_not_read_for_long_is_read_before_it_stands_for_an_upload(library: Library) -> None:
    system = library.store.system
    assert isinstance(system, CannotRead)
    data = f"{FILM}/at B".encode()
    system.at_ns += library.store.contents.trusted_ns + 1
    for expected in (len(data), 0):
        system.read_bytes = 0
        put(library, f"{FILM}/again", data)
        assert system.read_bytes == expected
    row = library.store.blob(sums_of(data).digest)
    assert row is not None and row.verified_ns == system.at_ns
