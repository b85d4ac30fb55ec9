"""The index is harmed while it is open: nothing wrong is answered, nothing is built on it, and the next start has everything."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cas.errors import Degraded
from cas.index import IndexDamaged
from tests.faulty import QuickSystem
from tests.state import in_index, put, rows
from views.library import Library

FILM = "P1-Film"
Rows = list[tuple[str, bytes, bytes]]


@pytest.fixture
def old(root: Path) -> Path:
    """An old copy of the index of a root; the root itself goes on from there."""
    copy = root.parent / "old"
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")
        put(library, f"{FILM}/a", b"old")
        put(library, f"{FILM}/gone", b"gone")
    shutil.copytree(root / ".filmcan/index", copy)
    return copy / "data.mdb"


def opened(root: Path) -> Library:
    return Library(root, QuickSystem())


def gone(data: Path, old: Path) -> None:
    shutil.rmtree(data.parent)


def replaced(data: Path, old: Path) -> None:
    os.replace(old, data)


def overwritten(data: Path, old: Path) -> None:
    shutil.copyfile(old, data)  # the same file, other bytes


def cut(data: Path, old: Path) -> None:
    os.truncate(data, 3 * 4096)


def flipped(data: Path, old: Path) -> None:
    with data.open("r+b") as file:
        file.seek(5 * 4096 + 100)
        file.write(b"\xff")


HARMS = [gone, replaced, overwritten, cut, flipped]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("ending", ["closed", "killed"])
def test_a_change_finds_it_and_the_next_start_has_everything(
    root: Path, old: Path, harm: Callable[[Path, Path], None], ending: str
) -> None:
    library = opened(root)
    put(library, f"{FILM}/a", b"new")
    library.delete(f"{FILM}/gone")
    put(library, f"{FILM}/b", b"b")
    before, tree = rows(library), in_index(library)
    harm(root / ".filmcan/index/data.mdb", old)
    with pytest.raises(Degraded, match="index is damaged"):
        put(library, f"{FILM}/c", b"c")
    with pytest.raises(Degraded):
        library.delete(f"{FILM}/a")
    assert library.store.state.name == "degraded"
    try:
        assert in_index(library) == tree
    except IndexDamaged:
        assert harm in (overwritten, cut, flipped)
    if ending == "closed":
        library.close()
    else:
        library.store._give_up()
    with closing(opened(root)) as again:
        assert rows(again) == before
        put(again, f"{FILM}/c", b"c")


@pytest.mark.parametrize("harm", HARMS)
def test_a_look_now_and_then_finds_it(root: Path, old: Path, harm: Callable[[Path, Path], None]) -> None:
    with closing(opened(root)) as library:
        library.store.look_after()
        harm(root / ".filmcan/index/data.mdb", old)
        with pytest.raises(Degraded):
            library.store.look_after()
        assert library.store.state.name == "degraded"


@pytest.mark.parametrize("harm", HARMS)
def test_harm_in_the_last_moment_is_not_sealed_as_a_good_end(root: Path, old: Path, harm: Callable[[Path, Path], None]) -> None:
    with closing(opened(root)) as library:
        put(library, f"{FILM}/b", b"b")
        before = rows(library)
        harm(root / ".filmcan/index/data.mdb", old)
    assert not (root / ".filmcan/session").read_text().startswith("clean")
    with closing(opened(root)) as again:
        assert rows(again) == before


def test_a_row_that_rots_is_never_answered_and_degrades(root: Path, old: Path) -> None:
    with closing(opened(root)) as library:
        put(library, f"{FILM}/named-so-that-it-is-found", b"b")
        data = (root / ".filmcan/index/data.mdb").read_bytes()
        with (root / ".filmcan/index/data.mdb").open("r+b") as file:
            place = -1
            while (place := data.find(b"named-so-that-it-is-found", place + 1)) >= 0:
                file.seek(place + 3)
                file.write(b"X")
        with pytest.raises(IndexDamaged):
            in_index(library)
        assert library.store.state.name == "degraded"
    with closing(opened(root)) as again:
        assert in_index(again)[f"{FILM}/named-so-that-it-is-found"] == b"b"


@pytest.mark.parametrize("harm", ["flip", "zero", "swap"])
@pytest.mark.parametrize("seed", range(10))
def test_harm_between_a_kill_and_the_next_start_is_found_before_lmdb_sees_it(root: Path, old: Path, harm: str, seed: int) -> None:
    library = opened(root)
    for number in range(60):
        put(library, f"{FILM}/{number}", b"%d" % number)
    before = rows(library)
    library.store._give_up()
    path = root / ".filmcan/index/data.mdb"
    data = bytearray(path.read_bytes())
    one, other = 2 + seed, 2 + (seed * 7 + 3) % (len(data) // 4096 - 2)
    first, second = (slice(page * 4096, page * 4096 + 4096) for page in (one, other))
    if harm == "flip":
        data[one * 4096 + 20 + seed * 300] ^= 4
    elif harm == "zero":
        data[first] = bytes(4096)
    else:
        data[first], data[second] = data[second], data[first]
    path.write_bytes(data)
    with closing(opened(root)) as again:
        assert rows(again) == before


def test_after_a_kill_a_whole_index_is_believed(root: Path, old: Path) -> None:
    library = opened(root)
    put(library, f"{FILM}/b", b"b")
    library.store._give_up()
    with closing(opened(root)) as again:
        assert again.store.replayed == 0


@pytest.mark.parametrize("boot", ["the same", "another"])
@pytest.mark.parametrize("seed", range(12))
def test_an_index_torn_by_a_power_cut_is_never_believed(root: Path, old: Path, boot: str, seed: int) -> None:
    """The index is not synced while it is open: after a power cut any of its pages may be the one from before. Even when the
    machine says that it kept its memory, each page is looked at."""
    library = opened(root)
    for number in range(60):
        put(library, f"{FILM}/{number}", b"%d" % number)
    before = rows(library)
    library.store._give_up()
    path, chance = root / ".filmcan/index/data.mdb", random.Random(seed)
    stale = old.read_bytes()
    data = bytearray(path.read_bytes())
    for start in range(0, len(data), 4096):
        if chance.random() < 0.3:
            data[start : start + 4096] = stale[start : start + 4096].ljust(4096, b"\0")
    path.write_bytes(data)
    if boot == "another":
        (root / ".filmcan/session").write_text("the boot before\n")
    with closing(opened(root)) as again:
        assert rows(again) == before


# whose index is it?


def test_an_index_of_another_root_is_not_believed(root: Path, old: Path, tmp_path: Path) -> None:
    with closing(opened(tmp_path / "other")) as other:
        other.make_project("Else")
        for name in "abcdefgh":
            put(other, f"P1-Else/{name}", name.encode())
    library = opened(root)
    before = rows(library)
    library.store._give_up()
    shutil.copyfile(tmp_path / "other/.filmcan/index/data.mdb", root / ".filmcan/index/data.mdb")
    with closing(opened(root)) as again:
        assert rows(again) == before


def test_an_index_that_knows_another_future_is_not_believed(root: Path, old: Path, tmp_path: Path) -> None:
    """The root was put back from a copy and went another way; then the index of the first way comes back."""
    shutil.copytree(root, tmp_path / "copy")
    with closing(opened(root)) as library:
        put(library, f"{FILM}/one", b"one")
        put(library, f"{FILM}/two", b"two")
    index = (root / ".filmcan/index/data.mdb").read_bytes()
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "copy", root)
    library = opened(root)
    for name in ("three", "four", "five"):
        put(library, f"{FILM}/{name}", name.encode())
    before = rows(library)
    library.store._give_up()
    (root / ".filmcan/index/data.mdb").write_bytes(index)
    with closing(opened(root)) as again:
        assert rows(again) == before


PROGRAM = """
import os, pathlib, sys
from views.library import Library
library = Library(pathlib.Path(sys.argv[1]))
os.truncate(library.store.index.path / "data.mdb", 2 * 4096)
try:
    library.listing("P1-Film")
except Exception as error:
    print(type(error).__name__)
"""


def test_a_process_that_reads_beyond_a_cut_ends_and_the_next_has_everything(root: Path, old: Path) -> None:
    """Between two looks at the file a read of a page that was cut off ends the process (SIGBUS). Nothing is lost by that."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, root], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert ended.returncode in (0, -7, -11), ended.stderr
    with closing(opened(root)) as again:
        tree = in_index(again)
    assert (tree[f"{FILM}/a"], tree[f"{FILM}/gone"]) == (b"old", b"gone")
