"""What verify finds, what it does not hold for damage, and that nothing it meets ends it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cas.digest import Digest, sums_of
from cas.errors import BlobDamaged
from cas.verify import Progress, verify
from tests.faulty import Clock
from tests.rot import rot
from tests.state import put
from views.library import Library

FILM = "P1-Film"


class CannotRead(Clock):
    """A disk with bad sectors: `bad` bytes at the beginning of a file cannot be read. Counts what is."""

    bad = b""
    read_bytes = 0

    def readinto(self, fd: int, buffer: memoryview, offset: int) -> int:
        count = super().readinto(fd, buffer, offset)
        self.read_bytes += count
        if self.bad and bytes(buffer[: len(self.bad)]) == self.bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return count


@pytest.fixture
def system() -> CannotRead:
    return CannotRead()


@pytest.fixture
def library(root: Path, system: CannotRead) -> Iterator[Library]:
    library = Library(root, system)
    library.make_project("Film")
    for name in ("a", "b", "c"):
        put(library, f"{FILM}/{name}", b"film " + name.encode())
    put(library, f"{FILM}/empty", b"")
    yield library
    library.close()


def blob(library: Library, data: bytes) -> Path:
    return library.store.layout.blob(sums_of(data).digest)


def found(library: Library, *, full: bool = True, progress: Progress | None = None) -> dict[str, list[Digest]]:
    by_kind: dict[str, list[Digest]] = {}
    for finding in verify(library.store, full=full, progress=progress).findings:
        by_kind.setdefault(finding.kind, []).append(finding.digest)
    return by_kind


def test_a_whole_store_has_no_findings_and_everything_is_counted(library: Library) -> None:
    done = verify(library.store, full=True)
    assert (done.blobs, done.size_bytes, done.findings) == (4, 18, [])


def test_a_full_look_reads_every_byte_and_remembers_when(library: Library, system: CannotRead) -> None:
    system.at_ns += 10**9
    system.read_bytes = 0
    verify(library.store, full=True)
    assert system.read_bytes == 18
    row = library.store.blob(sums_of(b"film a").digest)
    assert row is not None and row.verified_ns == system.at_ns


def test_a_quick_look_reads_only_what_looks_other_than_it_should(library: Library, system: CannotRead) -> None:
    os.utime(blob(library, b"film a"), (0, 0))
    system.read_bytes = 0
    assert found(library, full=False) == {}
    assert system.read_bytes == 6
    assert found(library, full=False) == {} and system.read_bytes == 6, "it was sealed again"


def test_rot_is_found_by_a_full_look_and_an_edit_by_a_quick_one(library: Library) -> None:
    rot(library, blob(library, b"film a"), b"FILM A")
    blob(library, b"film b").write_bytes(b"FILM B, and longer")
    edited = {"edited": [sums_of(b"film b").digest]}
    assert found(library, full=False) == edited
    assert found(library) == {**edited, "damaged": [sums_of(b"film a").digest]}


def test_a_finding_says_why_and_the_library_through_which_names(library: Library) -> None:
    library.copy(f"{FILM}/a", f"{FILM}/again")
    blob(library, b"film a").unlink()
    [finding] = verify(library.store, full=False).findings
    assert (finding.kind, finding.why) == ("missing", "its file is gone")
    assert library.paths_of(finding.digest) == [f"{FILM}/a", f"{FILM}/again"]


def test_the_same_bytes_sent_again_heal(library: Library) -> None:
    rot(library, blob(library, b"film a"), b"FILM A")
    blob(library, b"film b").unlink()
    assert len(found(library)) == 2
    with pytest.raises(BlobDamaged):
        library.open(f"{FILM}/a")
    put(library, f"{FILM}/a", b"film a")
    put(library, f"{FILM}/b2", b"film b")
    assert found(library) == {}


def test_a_file_no_row_knows_is_told(library: Library) -> None:
    stray = library.store.layout.blob(sums_of(b"nobody's").digest)
    stray.write_bytes(b"nobody's")
    (stray.parent / "not a blob").write_bytes(b"")
    assert found(library) == {"unknown": [sums_of(b"nobody's").digest]}


def test_bytes_that_cannot_be_read_are_damage_and_do_not_end_the_look(library: Library, system: CannotRead) -> None:
    system.bad = b"film b"
    [finding] = verify(library.store, full=True).findings
    assert (finding.kind, finding.why) == ("damaged", "it cannot be read: Input/output error")
    row = library.store.blob(sums_of(b"film c").digest)
    assert row is not None and row.verified_ns == system.at_ns


def test_what_comes_and_goes_while_it_looks_is_no_finding(library: Library) -> None:
    """A content that is collected, one that is healed, one that arrives: each between the look at a blob and the end."""
    blob(library, b"film a").unlink()
    gone = sums_of(b"film b").digest

    def meddle(blobs: int, size_bytes: int) -> None:
        if blobs == 4:
            put(library, f"{FILM}/a", b"film a")
            put(library, f"{FILM}/new", b"new")
            library.store.commit(lambda acts: library.store.blobs.delete(acts.txn, gone.raw))
            blob(library, b"film b").unlink()

    assert found(library, progress=meddle) == {}


def test_an_edit_while_it_looks_is_told_as_what_it_is_at_the_end(library: Library) -> None:
    os.utime(blob(library, b"film a"), (0, 0))

    def meddle(blobs: int, size_bytes: int) -> None:
        if blobs == 4:
            blob(library, b"film a").write_bytes(b"FILM")

    verify(library.store, full=True, progress=meddle)
    assert found(library, full=False) == {"edited": [sums_of(b"film a").digest]}, "it was not sealed with bytes nobody read"


def test_beside_uploads_deletes_and_copies_nothing_is_found(library: Library) -> None:
    stop, told = threading.Event(), []

    def change() -> None:
        number = 0
        while not stop.is_set():
            put(library, f"{FILM}/n{number % 7}", b"film %d" % number)
            library.copy(f"{FILM}/n{number % 7}", f"{FILM}/copy")
            if number % 3 == 0:
                library.delete(f"{FILM}/n{number % 7}")
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(15):
            told += verify(library.store, full=True).findings
    finally:
        stop.set()
        thread.join()
    assert told == []


def test_while_the_store_only_reads_it_still_looks(library: Library) -> None:
    stray = library.store.layout.blob(sums_of(b"nobody's").digest)
    stray.write_bytes(b"nobody's")
    os.utime(blob(library, b"film a"), (0, 0))
    library.store.state.degrade("the test says so")
    assert found(library) == {"unknown": [sums_of(b"nobody's").digest]}
