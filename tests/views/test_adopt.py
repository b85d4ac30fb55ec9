"""Files that lie on disk already: linked from where they lie, copied only where that cannot be."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cas.collect import DAY_NS
from cas.found import FileBusy
from cas.verify import verify
from tests.faulty import QuickSystem
from tests.state import check_links, read
from views.entry import Entry
from views.errors import AlreadyThere, NameReserved
from views.library import Library
from views.reindex import apply, plan

FILM = "P1-Film"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "a.mov").write_bytes(b"film")
    os.utime(folder / "a.mov", ns=(DAY_NS, DAY_NS))
    return folder


def test_a_file_becomes_the_stored_one_under_the_name_it_is_given(library: Library, card: Path) -> None:
    with opened(card) as folder:
        placed = library.adopt(f"{FILM}/b.mov", folder, "a.mov")
    assert (placed.path, placed.created, placed.known, placed.copied) == (f"{FILM}/b.mov", True, False, False)
    assert (placed.entry.via, placed.entry.modified_ns) == ("import", DAY_NS)
    assert (library.root / FILM / "b.mov").samefile(card / "a.mov")
    assert not (card / "a.mov").stat().st_mode & 0o222
    check_links(library)


def test_a_file_in_place_keeps_its_inode(library: Library) -> None:
    path = library.root / FILM / "a.mov"
    path.write_bytes(b"film")
    inode = path.stat().st_ino
    with opened(path.parent) as folder:
        placed = library.adopt(f"{FILM}/a.mov", folder, "a.mov", in_place=True, via="reindex")
    assert placed.created and path.stat().st_ino == inode and path.stat().st_nlink == 2
    assert not plan(library).steps


def test_bytes_that_are_here_are_known(library: Library, card: Path, put: Callable[..., object]) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    with opened(card) as folder:
        assert library.adopt(f"{FILM}/b.mov", folder, "a.mov").known
    assert (library.root / FILM / "b.mov").samefile(library.root / FILM / "a.mov")
    assert (card / "a.mov").stat().st_mode & 0o200


def test_what_is_refused_stays_as_it_is(library: Library, card: Path) -> None:
    def guard(find: Callable[[str], Entry | None]) -> None:
        assert find(FILM) is not None
        raise AlreadyThere("b.mov")

    with opened(card) as folder:
        with pytest.raises(AlreadyThere):
            library.adopt(f"{FILM}/b.mov", folder, "a.mov", guard=guard)
        with pytest.raises(NameReserved):
            library.adopt(f"{FILM}/index.json", folder, "a.mov")
        with (card / "a.mov").open("ab"), pytest.raises(FileBusy):
            library.adopt(f"{FILM}/b.mov", folder, "a.mov")
    assert library.find(f"{FILM}/b.mov") is None
    assert (card / "a.mov").stat().st_mode & 0o200 and (card / "a.mov").stat().st_nlink == 1


class TwoMounts(QuickSystem):
    """What lies below a folder called `mount` is on another disk: no name goes from one to the other."""

    def _cross(self, folder: int, to_folder: int, to_name: str, *, existing_first: bool) -> None:
        paths = [Path(os.readlink(f"/proc/self/fd/{fd}")) for fd in (folder, to_folder)]
        if len({"mount" in path.parts for path in paths}) == 2:
            if existing_first and os.path.lexists(paths[1] / to_name):  # as link(2) does
                raise FileExistsError(errno.EEXIST, "taken", to_name)
            raise OSError(errno.EXDEV, "another disk")

    def link(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        self._cross(folder, to_folder, to_name, existing_first=True)
        super().link(folder, name, to_folder, to_name)

    def rename(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        self._cross(folder, to_folder, to_name, existing_first=False)
        super().rename(folder, name, to_folder, to_name)


@pytest.fixture
def mounts(root: Path) -> Iterator[Library]:
    library = Library(root, TwoMounts())
    library.make_project("Film")
    (root / FILM / "mount").mkdir()
    yield library
    library.close()


@pytest.mark.parametrize("known", [False, True])
def test_a_file_in_place_on_another_disk_stays_the_file_it_is(
    mounts: Library, put: Callable[..., object], known: bool
) -> None:
    if known:
        put(mounts, f"{FILM}/b.mov", b"film")
    path = mounts.root / FILM / "mount/a.mov"
    path.write_bytes(b"film")
    before = path.stat()
    report = apply(mounts, plan(mounts))
    assert not report.failed and [placed.copied for placed in report.indexed] == [True]
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert read(mounts, f"{FILM}/mount/a.mov") == b"film"
    assert not plan(mounts).steps and not os.listdir(mounts.store.layout.quarantine)
    assert not verify(mounts.store, full=True).findings


def test_a_file_from_another_disk_is_copied_and_stays(mounts: Library, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount/a.mov").write_bytes(b"film")
    with opened(tmp_path / "mount") as folder:
        placed = mounts.adopt(f"{FILM}/a.mov", folder, "a.mov")
    assert placed.copied and read(mounts, f"{FILM}/a.mov") == b"film"
    assert (tmp_path / "mount/a.mov").stat().st_mode & 0o200
    check_links(mounts)
