"""A disk without a single free byte: filmcan opens on it, reads, refuses what takes room, and goes on when there is some."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from cas.errors import NoSpace
from tests.faults.small_disks import fill, missing, mounted
from tests.state import in_index, put
from views.library import Library

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "never")
FILM = "P1-Film"


@pytest.mark.parametrize("ending", ["closed", "killed"])
def test_it_opens_on_a_full_disk_and_reads(tmp_path: Path, ending: str) -> None:
    with mounted(tmp_path / "disk", 24) as disk:
        with closing(Library(disk / "root")) as library:
            library.make_project("Film")
            put(library, f"{FILM}/a", b"film" * 1000)
            tree = in_index(library)
        fill(disk / "fill")
        for _ in range(3):
            library = Library(disk / "root")
            assert library.store.state.name == "full"
            assert in_index(library) == tree
            with pytest.raises(NoSpace):
                put(library, f"{FILM}/b", b"more")
            for act in (lambda library: library.delete(f"{FILM}/a"), lambda library: library.move(f"{FILM}/a", f"{FILM}/c")):
                try:  # there may be room for a line in the journal
                    act(library)
                except NoSpace:
                    assert library.store.state.name == "full"
                else:
                    tree = in_index(library)
                    break
            assert library.store.state.reason == ""
            library.close() if ending == "closed" else library.store._give_up()
            if f"{FILM}/a" not in tree:
                break
        os.truncate(disk / "fill", 0)
        with closing(Library(disk / "root")) as library:
            assert in_index(library) == tree
            put(library, f"{FILM}/b", b"more")
            assert library.store.state.name == "ok" and not os.listdir(library.store.layout.incoming)
