"""Index and journal lost, damaged, swapped, older or newer than each other: the library opens and says the same."""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cas import journal as journals
from cas import replay
from cas.segment import HEADER, walk
from tests.faulty import Death, FaultySystem, QuickSystem
from tests.state import Tree, check_links, in_index, put, rows
from views.library import Library

FILM = "P1-Film"


def fill(library: Library, names: str = "abcde") -> None:
    library.make_project("Film")
    for name in names:
        put(library, f"{FILM}/{name}", name.encode() * 100)
    library.delete(f"{FILM}/{names[0]}")
    library.amend(f"{FILM}/{names[1]}", set_props={"{DAV:}x": "<x/>"})
    library.store.note(lambda txn: None)


@pytest.fixture
def filled(root: Path) -> list[tuple[str, bytes, bytes]]:
    """Rows of a library with some changes behind it, closed."""
    with closing(Library(root, QuickSystem())) as library:
        fill(library)
        return rows(library)


def opened(root: Path) -> Library:
    return Library(root, QuickSystem())


def journal_of(root: Path) -> Path:
    return root / ".filmcan" / "journal"


def index_of(root: Path) -> Path:
    return root / ".filmcan" / "index"


def tree_of(root: Path) -> Tree:
    with closing(opened(root)) as library:
        return in_index(library, hidden=True)


# the index


def garbage(path: Path) -> None:
    (path / "data.mdb").write_bytes(b"garbage" * 10_000)


def zeros(path: Path) -> None:
    (path / "data.mdb").write_bytes(bytes((path / "data.mdb").stat().st_size))


def empty(path: Path) -> None:
    (path / "data.mdb").write_bytes(b"")


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [shutil.rmtree, garbage, zeros, empty, a_file])
def test_an_index_that_is_gone_or_garbage_is_made_again(
    root: Path, filled: list[tuple[str, bytes, bytes]], harm: Callable[[Path], None]
) -> None:
    harm(index_of(root))
    with closing(opened(root)) as library:
        assert rows(library) == filled
        put(library, f"{FILM}/next", b"next")


@pytest.mark.parametrize("seed", range(30))
def test_an_index_that_rotted_after_a_good_end_is_not_believed(
    root: Path, filled: list[tuple[str, bytes, bytes]], seed: int
) -> None:
    """LMDB would answer wrongly, or end the process, with pages that are flipped, zeroed or swapped."""
    chance, path = random.Random(seed), index_of(root) / "data.mdb"
    data = bytearray(path.read_bytes())
    one, other = (slice(page * 4096, page * 4096 + 4096) for page in chance.sample(range(2, len(data) // 4096), 2))
    if seed % 3 == 0:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif seed % 3 == 1:
        data[one] = bytes(4096)
    else:
        data[one], data[other] = data[other], data[one]
    path.write_bytes(data)
    with closing(opened(root)) as library:
        assert rows(library) == filled
        put(library, f"{FILM}/next", b"next")


@pytest.mark.parametrize("ended", ["well", "killed"])
def test_an_index_cut_short_does_not_end_the_process(
    root: Path, filled: list[tuple[str, bytes, bytes]], ended: str
) -> None:
    data = index_of(root) / "data.mdb"
    program = (
        "import sys, pathlib; from views.library import Library;"
        "print(len(Library(pathlib.Path(sys.argv[1])).listing('P1-Film')[1]))"
    )
    place = Path(__file__).parents[2]
    for pages in range(2, data.stat().st_size // 4096, 4):
        os.truncate(data, pages * 4096)
        if ended == "killed":
            (root / ".filmcan" / "session").write_text(QuickSystem().boot_id())
        run = subprocess.run([sys.executable, "-c", program, root], cwd=place, capture_output=True, text=True)
        assert (run.returncode, run.stdout) == (0, "5\n"), run.stderr


def test_an_older_index_catches_up(root: Path, filled: list[tuple[str, bytes, bytes]]) -> None:
    shutil.copytree(index_of(root), root.parent / "older")
    with closing(opened(root)) as library:
        fill(library, "vwxyz")
        library.move(f"{FILM}/z", f"{FILM}/c")
        newer = rows(library)
    shutil.rmtree(index_of(root))
    shutil.copytree(root.parent / "older", index_of(root))
    with closing(opened(root)) as library:
        assert library.store.replayed > 5
        assert rows(library) == newer != filled


def test_catching_up_twice_is_once(root: Path, filled: list[tuple[str, bytes, bytes]]) -> None:
    shutil.rmtree(index_of(root))
    with closing(opened(root)) as library:
        replayed = library.store.replayed
        assert library.store.catch_up() == replayed > 0
        assert rows(library) == filled
    with closing(opened(root)) as library:
        assert library.store.replayed == 0


def test_a_rebuild_stopped_in_the_middle_goes_on(
    root: Path, filled: list[tuple[str, bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(index_of(root))
    monkeypatch.setattr(replay, "REPLAY_EVENTS", 2)
    system = FaultySystem()
    after, seen = journals.Journal.after, 0

    def stopped(journal: journals.Journal, seq: int) -> object:
        for event in after(journal, seq):
            if event.seq > 5:
                raise Death
            yield event

    with monkeypatch.context() as patch:
        patch.setattr(journals.Journal, "after", stopped)
        with pytest.raises(Death):
            Library(root, system)
    with closing(opened(root)) as library:
        seen = library.store.replayed
        assert rows(library) == filled
    assert 0 < seen < library.store.journal.last_seq


def test_after_the_machine_went_down_the_index_is_made_again(root: Path, filled: list[tuple[str, bytes, bytes]]) -> None:
    class OtherBoot(QuickSystem):
        def boot_id(self) -> str:
            return "another boot"

    library = opened(root)
    put(library, f"{FILM}/more", b"more")
    newer = rows(library)
    library.store._give_up()
    with closing(Library(root, OtherBoot())) as again:
        assert again.store.replayed == again.store.journal.last_seq
        assert rows(again) == newer != filled


# the journal behind the index


def without_journal(root: Path) -> None:
    for segment in journal_of(root).iterdir():
        segment.unlink()


def without_last_events(root: Path) -> None:
    """As a copy from a backup: the last events are not in it."""
    segment = max(journal_of(root).glob("*.log"))
    segment.write_bytes(segment.read_bytes()[: offsets(segment)[-4]])


@pytest.mark.parametrize("harm", [without_journal, without_last_events])
@pytest.mark.parametrize("page", [3, 5000])
def test_what_only_the_index_knows_is_written_to_the_journal_again(
    root: Path,
    filled: list[tuple[str, bytes, bytes]],
    harm: Callable[[Path], None],
    page: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(replay, "SNAPSHOT_ROWS", page)
    harm(journal_of(root).parent.parent)
    with caplog.at_level(logging.WARNING), closing(opened(root)) as library:
        assert "all that the index has is written to the journal" in caplog.text
        last = library.store.journal.last_seq
        assert without_applied(rows(library)) == without_applied(filled)
        assert [event.op for event in library.store.journal.after(last - 1)] == ["snapshot"]
        put(library, f"{FILM}/next", b"next")
        library.delete(f"{FILM}/c")
        newer = rows(library)
        check_links(library)
    shutil.rmtree(index_of(root))
    with closing(opened(root)) as library:
        assert rows(library) == newer
        assert library.store.journal.last_seq == last + 2


@pytest.mark.parametrize("at_act", range(1, 9))
def test_dying_while_the_index_is_written_down_loses_nothing(
    root: Path, filled: list[tuple[str, bytes, bytes]], at_act: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "SNAPSHOT_ROWS", 7)
    without_journal(root)
    system = FaultySystem()
    begin = journals.Journal.begin_anew

    def armed(*args: object) -> None:
        system.arm(at_act)
        begin(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(journals.Journal, "begin_anew", armed)
        with pytest.raises(Death):
            Library(root, system).close()
    with closing(opened(root)) as library:
        assert without_applied(rows(library)) == without_applied(filled)
        newer = rows(library)
        assert not os.listdir(library.store.layout.incoming)
    shutil.rmtree(index_of(root))
    with closing(opened(root)) as library:
        assert rows(library) == newer


def without_applied(dump: list[tuple[str, bytes, bytes]]) -> list[tuple[str, bytes, bytes]]:
    return [row for row in dump if row[:2] not in (("meta", b"applied"), ("meta", b"applied at"))]


def test_missing_segments_are_told_and_the_rest_is_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 1500)
    with closing(opened(root)) as library:
        fill(library, "abcdefghij")
    segments = sorted(journal_of(root).iterdir())
    assert len(segments) > 3
    segments[1].unlink()
    shutil.rmtree(index_of(root))
    with caplog.at_level(logging.WARNING), closing(opened(root)) as library:
        assert "are missing in the journal" in caplog.text
        assert library.find(f"{FILM}/j") is not None


# the tail


def test_a_journal_torn_at_every_byte_of_its_last_record_says_all_before_it(root: Path) -> None:
    with closing(opened(root)) as library:
        fill(library)
        before = in_index(library)
        put(library, f"{FILM}/last", b"last")
        after = in_index(library)
    segment = max(journal_of(root).glob("*.log"))
    data = segment.read_bytes().rstrip(b"\0")
    start = offsets(segment)[-2]
    shutil.rmtree(index_of(root))
    for cut in range(start, len(data) + 1, 5):
        segment.write_bytes(data[:cut] + b"\xff" * (cut % 2) + bytes(4096))
        assert tree_of(root) == (after if cut == len(data) and not cut % 2 else before), cut
        shutil.rmtree(index_of(root))


def offsets(segment: Path) -> list[int]:
    """Where each record begins, and the end."""
    with segment.open("rb") as file:
        return [HEADER.size, *(end for _, end in walk(QuickSystem(), file.fileno(), segment.name))]
