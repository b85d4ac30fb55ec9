"""What a sender told of its bytes is remembered with the content; and bytes that were read back from the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cas.blobs import BlobRow
from cas.digest import Digest, sums_of
from cas.errors import BlobDamaged, ChecksumWrong
from cas.readback import read_back
from tests.cas.test_verify import FILM, blob
from tests.faulty import Clock
from tests.rot import rot
from tests.state import put
from views.library import Library

CLIP = b"film a"


class Ticking(Clock):
    """A millisecond passes with each look; and how often memory was told to forget a file."""

    forgotten = 0

    def now_ns(self) -> int:
        self.at_ns += 1_000_000
        return self.at_ns

    def forget_cached(self, fd: int) -> None:
        self.forgotten += 1
        super().forget_cached(fd)


@pytest.fixture
def system() -> Ticking:
    return Ticking()


@pytest.fixture
def library(root: Path, system: Ticking) -> Iterator[Library]:
    library = Library(root, system)
    library.make_project("Film")
    yield library
    library.close()


def row(library: Library, data: bytes) -> BlobRow:
    found = library.store.blob(sums_of(data).digest)
    assert found is not None
    return found


def send(library: Library, path: str, data: bytes, **told: bytes) -> None:
    with library.receive(len(data), [kind for kind in told if kind != "sha256"]) as body:
        body.write(data)
        body.finish()
        for kind, value in told.items():
            body.require(kind, value)
        library.put(path, body)


def test_a_sum_that_was_told_and_is_right_is_remembered_also_after_the_index_was_lost(library: Library, root: Path) -> None:
    send(library, f"{FILM}/a", CLIP, sha256=hashlib.sha256(CLIP).digest(), md5=hashlib.md5(CLIP).digest())
    told = row(library, CLIP).told
    assert set(told) == {"sha256", "md5"} and all(told.values())
    library.close()
    (root / ".filmcan/index/data.mdb").unlink()
    again = Library(root, Ticking())
    assert row(again, CLIP).told == told
    again.close()


def test_who_tells_nothing_leaves_nothing_and_takes_nothing_away(library: Library) -> None:
    send(library, f"{FILM}/a", CLIP)
    assert row(library, CLIP).told == {}
    send(library, f"{FILM}/b", CLIP, sha256=hashlib.sha256(CLIP).digest())
    first = row(library, CLIP).told
    send(library, f"{FILM}/c", CLIP)
    send(library, f"{FILM}/d", CLIP, sha256=hashlib.sha256(CLIP).digest())
    assert row(library, CLIP).told == first and set(first) == {"sha256"}


def test_a_wrong_sum_is_refused_and_nothing_is_remembered(library: Library) -> None:
    with pytest.raises(ChecksumWrong):
        send(library, f"{FILM}/a", CLIP, sha256=bytes(32))
    assert library.store.blob(sums_of(CLIP).digest) is None


def test_a_client_that_names_a_known_content_is_heard_once(library: Library) -> None:
    put(library, f"{FILM}/a", CLIP)
    digest, seq = sums_of(CLIP).digest, library.store.journal.last_seq
    library.store.hear([digest, Digest(bytes(32))], "blake3")
    assert set(row(library, CLIP).told) == {"blake3"} and library.store.journal.last_seq == seq + 1
    library.store.hear([digest], "blake3")
    assert library.store.journal.last_seq == seq + 1


def test_reading_back_goes_past_the_memory_and_keeps_time_and_sums(library: Library, system: Ticking) -> None:
    for path, data in (("a", CLIP), ("b", b"film b"), ("empty", b"")):
        put(library, f"{FILM}/{path}", data)
    assert not row(library, CLIP).read_back
    seen: list[tuple[int, int]] = []
    digests = [sums_of(data).digest for data in (CLIP, b"film b", CLIP, b"")]
    assert read_back(library.store, digests, extra=["xxh128", "sha512"], progress=lambda *at: seen.append(at)) == []
    found = row(library, CLIP)
    assert found.read_back and found.sums["sha512"] == hashlib.sha512(CLIP).digest() and len(found.sums["xxh128"]) == 16
    assert system.forgotten == 2 and seen[-1] == (3, 12)


def test_the_kernel_really_forgets_a_synced_file(tmp_path: Path) -> None:
    """A read that may not wait for the disk finds nothing afterwards (preadv2(2), RWF_NOWAIT)."""
    from cas.system import System

    file = tmp_path / "clip"
    file.write_bytes(os.urandom(1 << 20))
    fd = os.open(file, os.O_RDONLY)
    buffer = bytearray(4096)
    try:
        os.fsync(fd)
        os.pread(fd, 1 << 20, 0)
        try:
            os.preadv(fd, [buffer], 1 << 19, os.RWF_NOWAIT)
        except OSError as error:
            pytest.skip(f"this file system does not tell what lies in memory: {error}")
        System().forget_cached(fd)
        with pytest.raises(BlockingIOError):
            os.preadv(fd, [buffer], 1 << 19, os.RWF_NOWAIT)
    finally:
        os.close(fd)


def test_what_rotted_is_found_named_and_set_aside(library: Library) -> None:
    put(library, f"{FILM}/a", CLIP)
    rot(library, blob(library, CLIP), b"fIlm a")
    [found] = read_back(library.store, [sums_of(CLIP).digest])
    assert (found.kind, found.digest) == ("damaged", sums_of(CLIP).digest)
    assert not row(library, CLIP).read_back and not blob(library, CLIP).exists()
    assert [finding.kind for finding in read_back(library.store, [sums_of(CLIP).digest])] == ["missing"]


def test_an_edited_file_is_told_as_that(library: Library) -> None:
    put(library, f"{FILM}/a", CLIP)
    path = blob(library, CLIP)
    path.chmod(0o644)
    path.write_bytes(b"another film")
    [found] = read_back(library.store, [sums_of(CLIP).digest])
    assert found.kind == "edited" and path.exists()


def test_further_sums_are_never_kept_of_bytes_that_are_others(library: Library) -> None:
    put(library, f"{FILM}/a", CLIP)
    rot(library, blob(library, CLIP), b"fIlm a")
    with pytest.raises(BlobDamaged):
        library.store.add_sums(sums_of(CLIP).digest, ["md5"])
    assert library.store.blob(sums_of(b"fIlm a").digest) is None and row(library, CLIP).sums == {}


def test_a_healed_blob_has_its_sender_still_and_must_be_read_back_again(library: Library) -> None:
    send(library, f"{FILM}/a", CLIP, sha256=hashlib.sha256(CLIP).digest())
    read_back(library.store, [sums_of(CLIP).digest])
    rot(library, blob(library, CLIP), b"fIlm a")
    read_back(library.store, [sums_of(CLIP).digest])
    put(library, f"{FILM}/b", CLIP)
    healed = row(library, CLIP)
    assert set(healed.told) == {"sha256"} and not healed.read_back
