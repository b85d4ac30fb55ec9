"""A body on its way in: how large it may grow, and how it takes in a whole file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from cas.digest import sums_of
from cas.errors import TooLarge
from tests.faulty import QuickSystem
from tests.state import read
from views.library import Library, Options


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    library = Library(root, QuickSystem(), Options(max_upload_bytes=10))
    yield library
    library.close()


def test_what_is_announced_to_be_too_large_never_begins(library: Library) -> None:
    with pytest.raises(TooLarge) as caught:
        library.receive(11)
    assert (caught.value.size_bytes, caught.value.most_bytes) == (11, 10)
    assert not list(library.store.layout.incoming.iterdir())


def test_what_grows_too_large_ends_with_the_byte_that_is_too_many(library: Library) -> None:
    with library.receive() as body:
        body.write(b"x" * 10)
        with pytest.raises(TooLarge, match="larger than 10 bytes"):
            body.write(b"x")
        assert body.size_bytes == 10
    assert not list(library.store.layout.incoming.iterdir())


def test_the_largest_that_is_taken_is_taken(library: Library) -> None:
    body = library.receive(10)
    body.write(b"x" * 10)
    assert library.put("a.mov", body).entry.size_bytes == 10


@pytest.mark.parametrize("most_bytes", [None, 0])
def test_without_a_limit_everything_is_taken(root: Path, most_bytes: int | None) -> None:
    library = Library(root, QuickSystem(), Options(max_upload_bytes=most_bytes))
    with library.receive(1 << 20) as body:
        body.write(bytes(1 << 20))
    library.close()


def test_a_limit_is_told_in_the_unit_it_was_set_in() -> None:
    assert "than 3 MiB," in str(TooLarge(1 << 30, 3 << 20))


# a whole file


CLIP = b"film" * 1_000_000


@pytest.fixture
def clip(tmp_path: Path) -> Iterator[BinaryIO]:
    (tmp_path / "clip.mov").write_bytes(CLIP)
    with (tmp_path / "clip.mov").open("rb", buffering=0) as opened:
        yield opened


class Sharing(QuickSystem):
    """Shares blocks as btrfs and xfs do, as far as a reader can tell; `fails` does half of it."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails

    def clone(self, fd: int, to_fd: int) -> None:
        os.pwrite(to_fd, os.pread(fd, 1 << 30, 0) + self.fails * b"more", 0)
        if self.fails:
            raise OSError(errno.EIO, "half-way")


class NoSharing(QuickSystem):
    def clone(self, fd: int, to_fd: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")


@pytest.mark.parametrize(
    ("system", "shares"), [(Sharing(False), True), (Sharing(True), False), (NoSharing(), False)], ids=["shared", "half", "copied"]
)
def test_a_file_is_taken_whole_however_it_comes(root: Path, clip: BinaryIO, system: QuickSystem, shares: bool) -> None:
    library, heard = Library(root, system), list[int]()
    body = library.receive(len(CLIP))
    body.take_file(clip.fileno(), heard.append)
    assert (body.shares_blocks, body.size_bytes, sum(heard)) == (shares, len(CLIP), len(CLIP))
    assert body.finish().digest == sums_of(CLIP).digest
    library.put("clip.mov", body)
    assert read(library, "clip.mov") == CLIP == (root / "clip.mov").read_bytes()
    library.close()


def test_a_file_may_be_too_large_too(library: Library, clip: BinaryIO) -> None:
    with library.receive() as body, pytest.raises(TooLarge):
        body.take_file(clip.fileno())


def test_whoever_listens_can_stop_the_reading(root: Path, clip: BinaryIO) -> None:
    def stop(size_bytes: int) -> None:
        raise KeyboardInterrupt

    library = Library(root, QuickSystem())
    with library.receive() as body, pytest.raises(KeyboardInterrupt):
        body.take_file(clip.fileno(), stop)
    assert not list(library.store.layout.incoming.iterdir())
    library.close()
