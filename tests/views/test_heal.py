"""Bytes that the disk lost come back from wherever they are whole, and every name shows them again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.digest import sums_of
from cas.errors import BlobDamaged
from cas.verify import verify
from tests.faulty import QuickSystem
from tests.rot import rot
from tests.state import check_links, check_replay, put, read
from tests.views.test_edits import Elsewhere
from views.library import Library
from views.reindex import plan

A, B = "P1-Film/ingest/originals/a.mov", "P2-Else/ingest/originals/b.mov"
FILM = b"what the camera saw " * 500
DIGEST = sums_of(FILM).digest


class FewLinks(QuickSystem):
    """A file system that allows three links of a file."""

    def link(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        if self.stat(folder, name).st_nlink >= 3:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        super().link(folder, name, to_folder, to_name)


def shown_twice(root: Path, system: QuickSystem | None = None) -> Library:
    library = Library(root, system or QuickSystem())
    for name in ("Film", "Else"):
        library.make_project(name)
    put(library, A, FILM)
    library.copy(A, B)
    return library


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    with closing(shown_twice(root)) as library:
        yield library


@pytest.fixture
def replica(library: Library, tmp_path: Path) -> Iterator[Library]:
    with closing(Library(tmp_path / "replica", QuickSystem())) as other:
        other.make_project("Film")
        put(other, A, FILM)
        library.healer.replicas = lambda: [("nas", other.store)]
        yield other


def blob(library: Library) -> Path:
    return library.store.layout.blob(DIGEST)


def lost(library: Library) -> list[str]:
    with library.store.index.read() as txn:
        return [row.kind for _, row in library.store.contents.damaged.scan(txn)]


def events(library: Library, *ops: str) -> list[tuple[str, list[str]]]:
    return [(event.op, event.facts["paths"]) for event in library.store.journal.after(0) if event.op in ops]


def check_whole(library: Library, *paths: str) -> None:
    for path in paths:
        assert read(library, path) == (library.root / path).read_bytes() == FILM, path
    assert verify(library.store, full=True).findings == [] and lost(library) == []
    assert plan(library).lines() == []


def test_rot_is_told_once_with_every_name_and_kept_apart(library: Library) -> None:
    rot(library, blob(library), b"rot", 100)
    assert [finding.kind for finding in verify(library.store, full=True).findings] == ["damaged"]
    assert [finding.kind for finding in verify(library.store, full=True).findings] == ["missing"]
    assert events(library, "damaged") == [("damaged", [A, B])] and lost(library) == ["damaged"]
    assert plan(library).lines() == [], "nobody takes the rotten bytes for new ones"
    with pytest.raises(BlobDamaged):
        library.open(A)
    with pytest.raises(BlobDamaged):
        library.copy(A, "P1-Film/c.mov")


def test_a_replica_brings_it_back_under_all_names(library: Library, replica: Library) -> None:
    rot(library, blob(library), b"rot", 100)
    verify(library.store, full=True)
    assert library.healer.heal(DIGEST) == "the source nas"
    check_whole(library, A, B)
    check_links(library)
    assert events(library, "damaged", "healed") == [("damaged", [A, B]), ("healed", [A, B])]
    assert library.healer.heal(DIGEST) == "", "nothing is lost"


def test_a_rotten_replica_brings_nothing(library: Library, replica: Library) -> None:
    rot(replica, replica.store.layout.blob(DIGEST), b"ROT", 7)
    rot(library, blob(library), b"rot", 100)
    verify(library.store, full=True)
    assert library.healer.heal(DIGEST) == "" and lost(library) == ["damaged"]
    assert not os.listdir(library.store.layout.incoming)
    put(library, "P1-Film/again.mov", FILM)
    check_whole(library, A, B, "P1-Film/again.mov")


def test_a_blob_that_was_deleted_is_missing_until_it_comes_again(library: Library, replica: Library) -> None:
    for path in (blob(library), library.root / A, library.root / B):
        path.unlink()
    assert [finding.kind for finding in verify(library.store, full=False).findings] == ["missing"]
    assert lost(library) == ["missing"]
    assert library.healer.heal(DIGEST) == "the source nas" and lost(library) == []
    assert library.store.open(DIGEST).size_bytes == len(FILM)


def test_a_file_of_its_own_brings_it_back(root: Path) -> None:
    with closing(shown_twice(root, Elsewhere())) as library:
        rot(library, blob(library), b"rot", 100)
        assert [finding.kind for finding in verify(library.store, full=True).findings] == ["damaged"]
        assert library.healer.heal(DIGEST) == A
        check_whole(library, A, B)


def test_a_spare_brings_its_blob_back_and_a_blob_its_spare(root: Path) -> None:
    with closing(shown_twice(root, FewLinks())) as library:
        paths = [A, B]
        for number in range(4):
            paths.append(f"P2-Else/{number}.mov")
            library.copy(A, paths[-1])
        row = library.store.blob(DIGEST)
        assert row is not None and row.spares == 2
        spare = blob(library).with_name(f"{blob(library).name}~1")
        rot(library, blob(library), b"rot", 100)
        assert [finding.why[:9] for finding in verify(library.store, full=True).findings] == ["its bytes"]
        assert library.healer.heal(DIGEST) == "a copy in the store"
        check_whole(library, *paths)
        rot(library, spare, b"rot", 100)
        assert [finding.why for finding in verify(library.store, full=True).findings] == ["its copy 1 held other bytes"]
        check_whole(library, *paths)
        spare.unlink()
        assert [finding.why for finding in verify(library.store, full=False).findings] == ["its copy 1 was gone"]
        check_whole(library, *paths)


def test_what_is_lost_is_known_after_the_index_was_made_anew(root: Path) -> None:
    library = shown_twice(root)
    rot(library, blob(library), b"rot", 100)
    verify(library.store, full=True)
    with closing(check_replay(library)) as again:
        assert lost(again) == ["damaged"]
