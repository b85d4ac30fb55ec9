"""Loose files at the top go into the catch-all project, and nothing else does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from views.edit import Placed
from views.library import Library
from views.organize import organize

HOME = "Unsorted-Loose/ingest/originals"


def test_files_dropped_and_files_sent_are_swept_alike(library: Library, root: Path, put: Callable[..., Placed]) -> None:
    (root / "by hand.mov").write_bytes(b"by hand")
    (root / "notes.txt").write_bytes(b"notes")
    put(library, "by dav.mov", b"by dav")
    assert sorted(organize(library)) == ["by dav.mov", "by hand.mov", "notes.txt"]
    assert sorted(path.name for path in (root / HOME).iterdir()) == ["by dav.mov", "by hand.mov", "notes.txt"]
    assert organize(library) == []


def test_what_is_no_loose_file_stays(library: Library, root: Path) -> None:
    for name in (".hidden.mov", "_kept.mov", "Thumbs.db", "a..b.mov"):
        (root / name).write_bytes(b"x")
    (root / "folder.mov").mkdir()
    (root / "link.mov").symlink_to("/etc/hostname")
    before = {path.name for path in root.iterdir()}
    assert organize(library) == []
    assert {path.name for path in root.iterdir()} == before and library.find("Unsorted-Loose") is None


def test_files_that_changed_a_moment_ago_come_next_time(library: Library, root: Path) -> None:
    (root / "old.mov").write_bytes(b"old")
    time.sleep(2.1)
    (root / "young.mov").write_bytes(b"young")
    assert organize(library, quiet_s=2) == ["old.mov"] and (root / "young.mov").exists()
    assert organize(library) == ["young.mov"]


def test_a_taken_name_gets_the_time_of_the_file_before_it(library: Library, root: Path) -> None:
    for data in (b"one", b"two", b"three"):
        (root / "a.mov").write_bytes(data)
        os.utime(root / "a.mov", (1_700_000_000, 1_700_000_000))
        assert organize(library) == ["a.mov"]
    names = ["1700000000_a.mov", "1700000000_a_1.mov", "a.mov"]
    assert sorted(path.name for path in (root / HOME).iterdir()) == names
    assert {(root / HOME / name).read_bytes() for name in names} == {b"one", b"two", b"three"}


def test_a_loose_file_that_is_gone_by_hand_leaves_no_trace(library: Library, root: Path, put: Callable[..., Placed]) -> None:
    put(library, "gone.mov", b"gone")
    (root / "gone.mov").unlink()
    assert organize(library) == [] and library.find("gone.mov") is None
