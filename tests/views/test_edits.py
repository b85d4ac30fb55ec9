"""Somebody edits a clip through its name in a project, as root or on a share can: eight ways, each found by one look.

The bytes that were written are kept under their own digest, the content that was there before is told as lost or comes back, and
no name anywhere shows the edited bytes under the old digest.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.digest import sums_of
from cas.errors import BlobDamaged
from cas.verify import verify
from tests.faulty import QuickSystem
from tests.state import put, read
from views.library import Library
from views.reindex import Report, apply, plan, plan_of
from views.scan import Scanner

A, B = "P1-Film/ingest/originals/a.mov", "P2-Else/ingest/originals/b.mov"
FILM = b"what the camera saw " * 500
TICK_S = 0.02  # an edit within the tick of the kernel's clock in which filmcan itself acted hides (cas/calm.py)
Edit = Callable[[Path], bytes]


def write(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.write(b"EDIT")
    return b"EDIT" + FILM[4:]


def append(path: Path) -> bytes:
    with path.open("ab") as file:
        file.write(b"and more")
    return FILM + b"and more"


def write_a_map(path: Path) -> bytes:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:4] = b"EDIT"
        memory.flush()
    return b"EDIT" + FILM[4:]


def truncate(path: Path) -> bytes:
    os.truncate(path, 100)
    return FILM[:100]


def write_and_set_the_time_back(path: Path) -> bytes:
    before = path.stat()
    edited = write(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return edited


def save_aside_and_rename_over(path: Path) -> bytes:
    path.with_name("a.mov.tmp").write_bytes(b"saved anew")
    os.replace(path.with_name("a.mov.tmp"), path)
    return b"saved anew"


def delete_and_recreate(path: Path) -> bytes:
    path.unlink()
    path.write_bytes(b"made anew")
    return b"made anew"


def copy_over_with_its_time(path: Path) -> bytes:
    """`rsync --inplace -t` where there is one, else `cp -p`, from a file of the same size and time."""
    source = path.parents[3] / "source.mov"
    source.write_bytes(b"EDIT" + FILM[4:])
    shutil.copystat(path, source)
    tool = ["rsync", "--inplace", "--ignore-times", "-t"] if shutil.which("rsync") else ["cp", "-p", "--reflink=auto"]
    subprocess.run([*tool, source, path], check=True)
    source.unlink()
    assert path.stat().st_mtime_ns == os.stat(path).st_mtime_ns
    return b"EDIT" + FILM[4:]


WAYS: list[Edit] = [
    write, append, write_a_map, truncate, write_and_set_the_time_back, save_aside_and_rename_over, delete_and_recreate,
    copy_over_with_its_time,
]  # fmt: skip
NEW_FILE = (save_aside_and_rename_over, delete_and_recreate)


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    """One content, in two projects."""
    with closing(Library(root, QuickSystem())) as library:
        for name in ("Film", "Else"):
            library.make_project(name)
        put(library, A, FILM)
        library.copy(A, B)
        time.sleep(TICK_S)
        yield library


@pytest.fixture
def replica(library: Library, tmp_path: Path) -> Iterator[Library]:
    """Another source, which has the content too."""
    other = Library(tmp_path / "replica", QuickSystem())
    other.make_project("Film")
    put(other, A, FILM)
    library.healer.replicas = lambda: [("nas", other.store)]
    yield other
    other.close()


def look(library: Library) -> Report:
    """One whole scan, after which nothing is left to do."""
    report = apply(library, plan(library))
    assert plan(library).lines() == []
    return report


def told(library: Library, op: str) -> list[dict[str, object]]:
    return [event.facts for event in library.store.journal.after(0) if event.op == op]


def check_honest(library: Library) -> None:
    """What each name shows, on disk and to readers, has the digest that the index says."""
    for path, entry in library.walk():
        if entry.digest is not None:
            data = (library.root / path).read_bytes()
            assert sums_of(data).digest == entry.digest and read(library, path) == data, path


@pytest.mark.parametrize("edit", WAYS)
def test_an_edit_is_found_by_one_look_and_both_are_told(library: Library, edit: Edit) -> None:
    edited = edit(library.root / A)
    look(library)
    assert read(library, A) == edited and library.entry(A).digest == sums_of(edited).digest
    check_honest(library)
    if edit in NEW_FILE:
        assert read(library, B) == FILM and not told(library, "edited")
        return
    [facts] = told(library, "edited")
    assert (facts["original"], facts["paths"], facts["replaced"]) == ("lost", [A, B], sums_of(FILM).digest.hex)
    assert [(lost.kind, lost.paths) for lost in library.care.lost()] == [("edited", [A, B])]
    assert [finding.kind for finding in verify(library.store, full=True).findings] == ["missing"]
    put(library, "P1-Film/again.mov", FILM)
    assert verify(library.store, full=True).findings == []
    check_honest(library)


@pytest.mark.parametrize("edit", WAYS)
def test_with_a_replica_the_other_projects_show_the_original_again(library: Library, replica: Library, edit: Edit) -> None:
    edited = edit(library.root / A)
    heard = Scanner(library).names([A])  # as the watcher hears it
    apply(library, plan_of(library, heard))
    assert read(library, A) == edited and read(library, B) == FILM
    assert (library.root / B).read_bytes() == FILM
    assert plan(library).lines() == [] and verify(library.store, full=True).findings == []
    check_honest(library)
    if edit not in NEW_FILE:
        assert [(facts["original"], facts["restored"]) for facts in told(library, "edited")] == [("restored", [B])]


def test_where_nobody_can_tell_which_name_was_edited_all_keep_it_and_the_original_is_back(
    library: Library, replica: Library
) -> None:
    edited = write(library.root / B)
    look(library)
    assert read(library, A) == read(library, B) == edited
    [facts] = told(library, "edited")
    assert (facts["original"], facts["restored"]) == ("restored", [])
    assert library.store.blob(sums_of(FILM).digest) and library.store.layout.blob(sums_of(FILM).digest).read_bytes() == FILM
    assert verify(library.store, full=True).findings == []


@pytest.mark.parametrize("edit", [write, write_and_set_the_time_back, write_a_map])
def test_a_quick_look_finds_what_no_scan_has_seen_yet(library: Library, edit: Edit) -> None:
    edit(library.root / A)
    assert [(finding.kind, finding.digest) for finding in verify(library.store, full=False).findings] == [
        ("edited", sums_of(FILM).digest)
    ]


@pytest.mark.parametrize("edit", [write, append, truncate, write_a_map, write_and_set_the_time_back])
def test_the_same_bytes_sent_again_are_not_answered_with_the_edited_ones(library: Library, edit: Edit) -> None:
    edited = edit(library.root / A)
    put(library, "P1-Film/again.mov", FILM)
    assert read(library, "P1-Film/again.mov") == FILM and (library.root / "P1-Film/again.mov").read_bytes() == FILM
    look(library)
    assert read(library, A) == edited and library.store.layout.blob(sums_of(edited).digest).read_bytes() == edited
    check_honest(library)


@pytest.mark.parametrize("edit", [write, write_and_set_the_time_back])
def test_a_copy_does_not_spread_an_edit_under_the_old_digest(library: Library, edit: Edit) -> None:
    edited = edit(library.root / A)
    library.copy(A, "P1-Film/copy.mov")
    check_honest(library)
    assert read(library, "P1-Film/copy.mov") == edited


def test_a_reader_of_an_edited_clip_is_refused_once_and_then_told_the_truth(library: Library) -> None:
    edited = write(library.root / A)
    with pytest.raises(BlobDamaged):
        library.open(B)
    assert read(library, A) == read(library, B) == edited
    check_honest(library)


def test_a_clip_that_was_only_touched_stays_what_it_is(library: Library) -> None:
    os.utime(library.root / A, (5, 5))
    os.chmod(library.root / A, 0o640)
    os.link(library.root / A, library.root.parent / "backup.mov")
    look(library)
    assert not told(library, "edited") and verify(library.store, full=False).findings == []
    assert library.entry(A).digest == sums_of(FILM).digest


class Elsewhere(QuickSystem):
    """Projects lie where the store cannot be linked to: every name is a file of its own."""

    def link(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        if len(name) == 62:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        super().link(folder, name, to_folder, to_name)


@pytest.mark.parametrize("edit", [write, append, write_a_map, truncate, write_and_set_the_time_back])
def test_an_edit_of_a_file_of_its_own_changes_no_other_name(root: Path, edit: Edit) -> None:
    """And is found as any other; nothing is lost."""
    with closing(Library(root, Elsewhere())) as library:
        for name in ("Film", "Else"):
            library.make_project(name)
        put(library, A, FILM)
        library.copy(A, B)
        time.sleep(TICK_S)
        edited = edit(library.root / A)
        look(library)
        assert read(library, A) == edited and read(library, B) == FILM
        check_honest(library)
        assert verify(library.store, full=True).findings == []
