"""A project for programs that write in place: its files are their own and share blocks with what is stored, on real disks.

Whatever is written there is taken in as a new content; no other project, no blob sees it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.digest import sums_of
from cas.system import System
from cas.verify import verify
from tests.faults.power import disks
from tests.faulty import QuickSystem
from tests.state import check_replay, put, read
from tests.views.test_edits import TICK_S, check_honest, look, truncate, write_a_map, write_and_set_the_time_back
from tests.views.test_edits import append as append_to
from tests.views.test_edits import write as write_to
from views.errors import CannotBeEditable
from views.library import Library
from views.reindex import apply, plan_of
from views.scan import Scanner

CUT, FILM = "P1-Cut", "P2-Film"
CLIP = bytes(range(256)) * 4096  # 1 MiB: blocks can only be shared whole


@pytest.fixture(scope="module", params=["btrfs", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if why := disks.missing():
        pytest.skip(f"a disk that shares blocks is mounted for this: {why}")
    work = tmp_path_factory.mktemp(request.param)
    (work / "disk").mkdir()
    kind = disks.FILE_SYSTEMS[request.param]
    disks.make_image(kind, work / "image")
    with disks.mounted(kind, work / "image", work / "disk") as folder:
        yield folder


@pytest.fixture
def library(disk: Path) -> Iterator[Library]:
    """An editable project and one that is not, with a clip of the second in both."""
    with closing(Library(disk / System().token(), QuickSystem())) as library:
        library.make_project("Cut", editable=True)
        library.make_project("Film")
        put(library, f"{FILM}/a.mov", CLIP)
        library.copy(f"{FILM}/a.mov", f"{CUT}/a.mov")
        time.sleep(TICK_S)
        yield library


def is_shared(library: Library, path: str) -> bool:
    """Is the file a link of its blob?"""
    entry = library.entry(path)
    assert entry.digest is not None
    return os.path.samefile(library.root / path, library.store.layout.blob(entry.digest))


def used(folder: Path) -> int:
    os.sync()
    space = os.statvfs(folder)
    return (space.f_blocks - space.f_bfree) * space.f_frsize


def test_a_file_there_is_writable_its_own_and_takes_no_room(library: Library, disk: Path) -> None:
    assert not is_shared(library, f"{CUT}/a.mov") and is_shared(library, f"{FILM}/a.mov")
    assert (library.root / CUT / "a.mov").stat().st_mode & 0o777 == 0o644
    before = used(disk)
    for number in range(20):
        library.copy(f"{FILM}/a.mov", f"{CUT}/{number}.mov")
    assert used(disk) - before < 4 << 20, "twenty copies of 1 MiB share their blocks"
    assert verify(library.store, full=True).findings == []
    found = library.healer.copy_of(sums_of(CLIP).digest)
    assert found is not None and found[1].startswith(CUT)
    found[0].abandon()


@pytest.mark.parametrize("edit", [write_to, append_to, truncate, write_a_map, write_and_set_the_time_back])
def test_what_is_written_there_is_a_new_content_and_nothing_else_changes(library: Library, edit: Callable[[Path], bytes]) -> None:
    edit(library.root / CUT / "a.mov")
    edited = (library.root / CUT / "a.mov").read_bytes()
    assert read(library, f"{FILM}/a.mov") == CLIP
    look(library)
    assert read(library, f"{CUT}/a.mov") == edited and library.entry(f"{CUT}/a.mov").digest == sums_of(edited).digest
    assert read(library, f"{FILM}/a.mov") == CLIP and not is_shared(library, f"{CUT}/a.mov")
    assert (library.root / CUT / "a.mov").stat().st_mode & 0o200, "and can be written to again"
    assert verify(library.store, full=True).findings == []
    assert not [event for event in library.store.journal.after(0) if event.op in ("edited", "damaged")]
    check_honest(library)
    edit(library.root / CUT / "a.mov")
    look(library)
    check_honest(library)


def test_whatever_comes_there_is_its_own(library: Library) -> None:
    put(library, f"{CUT}/put.mov", b"put " * 5000)
    put(library, f"{CUT}/put.mov", b"over " * 5000)
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/b.mov", b"moved along " * 500)
    put(library, f"{FILM}/c.mov", b"moved " * 500)
    library.copy(f"{FILM}/day", f"{CUT}/copied")
    library.move(f"{FILM}/day", f"{CUT}/day")
    library.move(f"{FILM}/c.mov", f"{CUT}/c.mov")
    (library.root / CUT / "by hand.mov").write_bytes(b"by hand " * 500)
    os.link(library.root / FILM / "a.mov", library.root / CUT / "linked.mov")
    look(library)
    for name in ("put.mov", "copied/b.mov", "day/b.mov", "c.mov", "by hand.mov", "linked.mov"):
        assert not is_shared(library, f"{CUT}/{name}"), name
    check_honest(library)
    library.move(f"{CUT}/day", f"{FILM}/day")
    library.move(f"{CUT}/c.mov", f"{FILM}/c.mov")
    assert is_shared(library, f"{FILM}/day/b.mov") and is_shared(library, f"{FILM}/c.mov")
    assert (library.root / FILM / "c.mov").stat().st_mode & 0o777 == 0o444
    look(library)
    check_honest(library)


def test_a_file_moved_there_by_hand_gets_blocks_of_its_own(library: Library) -> None:
    put(library, f"{FILM}/b.mov", b"moved by hand " * 500)
    os.rename(library.root / FILM / "b.mov", library.root / CUT / "b.mov")
    look(library)
    assert not is_shared(library, f"{CUT}/b.mov")
    check_honest(library)


def test_a_copy_of_the_project_is_editable_too_and_so_is_what_the_trash_gives_back(library: Library) -> None:
    library.copy(CUT, "P3-Second")
    assert library.project("P3-Second").row.editable and not is_shared(library, "P3-Second/a.mov")
    library.move("P3-Second", "P3-Renamed")
    assert library.is_editable("P3-Renamed/x") and not library.is_editable("P3-Second/x")
    library.delete("P3-Renamed")
    assert not library.is_editable("P3-Renamed/x")


def test_an_upload_over_an_edit_nobody_took_in_yet_keeps_the_edit(library: Library) -> None:
    write_to(library.root / CUT / "a.mov")
    edited = (library.root / CUT / "a.mov").read_bytes()
    put(library, f"{CUT}/a.mov", b"over " * 50)
    assert [path.read_bytes() for path in library.store.layout.quarantine.iterdir()] == [edited]


def test_while_a_program_writes_nothing_half_written_is_taken_in(library: Library) -> None:
    with (library.root / CUT / "a.mov").open("r+b") as file:
        file.write(b"half")
        file.flush()
        heard = Scanner(library).names([f"{CUT}/a.mov"])
        assert apply(library, plan_of(library, heard)).busy == [f"{CUT}/a.mov"]
        assert read(library, f"{CUT}/a.mov") == CLIP
    look(library)
    check_honest(library)


def test_the_flag_is_kept_by_the_journal(library: Library) -> None:
    library.set_notes(CUT, "grading")
    with closing(check_replay(library)) as again:
        assert again.project(CUT).row.editable and again.is_editable(f"{CUT}/a.mov")


def test_a_disk_that_cannot_refuses_with_the_reason(root: Path) -> None:
    class Without(QuickSystem):
        def clone(self, fd: int, to_fd: int) -> None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    with closing(Library(root, Without())) as library:
        with pytest.raises(CannotBeEditable, match=r"btrfs or XFS.*Operation not supported"):
            library.make_project("Cut", editable=True)
        assert library.projects() == [] and not any(root.glob("P*"))
        library.make_project("Cut")


def test_what_takes_the_place_of_an_editable_project_is_editable_only_if_it_was_before(library: Library) -> None:
    library.make_folder(f"{FILM}/folder")
    library.copy(f"{FILM}/a.mov", f"{FILM}/folder/b.mov")
    library.copy(f"{FILM}/folder", CUT)
    assert not library.project(CUT).row.editable and is_shared(library, f"{CUT}/b.mov")
