"""A journal that is kept short: the same rows, the same kept events, whatever dies in between."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas import fold as folds
from cas import journal as journals
from cas import replay
from cas.journal import number_of
from tests.faulty import Death, FaultySystem, QuickSystem
from tests.state import check_links, in_index, put, rows
from views.followers import FollowerThread
from views.library import Library
from views.manifest import Manifest

FILM = "P1-Film"
ALL = 1 << 40


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 3000)
    monkeypatch.setattr(journals, "AHEAD_BYTES", 4096)
    monkeypatch.setattr(journals, "RECENT_EVENTS", 2)
    monkeypatch.setattr(replay, "SNAPSHOT_ROWS", 7)
    monkeypatch.setattr(folds, "SNAPSHOT_ROWS", 7)


def live(library: Library, seed: int, changes: int = 60) -> None:
    """Puts, overwrites, moves, deletes."""
    chance = random.Random(seed)
    if library.find(FILM) is None:
        library.make_project("Film")
    for number in range(changes):
        names = [entry.name for entry in library.listing(FILM)[1] if not entry.is_folder]
        act = chance.choice(["put", "put", "over", "move", "delete"]) if names else "put"
        if act == "put":
            put(library, f"{FILM}/{seed}-{number}", b"%d %d" % (seed, number))
        elif act == "over":
            put(library, f"{FILM}/{chance.choice(names)}", b"over %d %d" % (seed, number))
        elif act == "move":
            library.move(f"{FILM}/{chance.choice(names)}", f"{FILM}/m{seed}-{number}")
        else:
            library.delete(f"{FILM}/{chance.choice(names)}")


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    with closing(Library(root, QuickSystem())) as library:
        live(library, 1)
        yield library


def journal_of(root: Path) -> list[str]:
    return sorted(os.listdir(root / ".filmcan/journal"))


def rebuilt(root: Path) -> list[tuple[str, bytes, bytes]]:
    shutil.rmtree(root / ".filmcan/index")
    with closing(Library(root, QuickSystem())) as library:
        check_links(library)
        return rows(library)


def test_what_is_folded_gives_the_same_rows(library: Library, root: Path) -> None:
    before, segments = rows(library), len(journal_of(root))
    folded = library.store.fold(ALL)
    assert folded.segments == segments - 1 > 3 and folded.rows > 20
    assert len(journal_of(root)) == 2 and journal_of(root)[0].endswith(".base")
    assert rows(library) == before
    library.close()
    assert rebuilt(root) == before


def test_only_segments_wholly_below_the_number_go(library: Library, root: Path) -> None:
    firsts = [number_of(name) for name in journal_of(root)]
    assert library.store.fold(firsts[2] - 2).segments == 1
    assert library.store.journal.folded_seq == firsts[1] - 1
    assert library.store.fold(firsts[2] - 1, small=True).segments == 1
    assert journal_of(root)[0] == f"{firsts[2] - 1:012d}.base"
    assert next(library.store.journal.after(firsts[2] - 1)).seq == firsts[2]


def test_a_follower_that_lags_keeps_what_it_has_not_read(library: Library, root: Path) -> None:
    follower = FollowerThread(library.store, [Manifest(library.store, library.tree, "primary"), library.history])
    follower.stop()
    live(library, 2)
    with library.store.index.read() as txn:
        read = min(row.seq for _, row in library.store.positions.scan(txn))
    library.store.fold(ALL)
    assert 0 < library.store.journal.folded_seq <= read


def test_a_reader_that_stands_before_the_cut_begins_with_the_base(library: Library) -> None:
    last = library.store.journal.last_seq
    library.store.fold(ALL)
    folded = library.store.journal.folded_seq
    for after in (0, 3, folded - 1):
        events = list(library.store.journal.after(after))
        pages = [event for event in events if event.op == "snapshot"]
        assert pages[0].facts["begins"] and pages[-1].seq == folded
        assert [event.seq for event in events] == list(range(events[0].seq, last + 1))
    assert [event.seq for event in library.store.journal.after(folded)] == list(range(folded + 1, last + 1))


def test_a_reader_in_the_middle_goes_on_over_a_fold(library: Library) -> None:
    reading = library.store.journal.after(0)
    seen = [next(reading).seq for _ in range(3)]
    library.store.fold(ALL)
    seen += [event.seq for event in reading]
    assert seen[-1] == library.store.journal.last_seq


def test_folding_again_and_again_keeps_everything(root: Path) -> None:
    for seed in range(6):
        with closing(Library(root, QuickSystem())) as library:
            live(library, seed, 40)
            library.store.fold(library.store.journal.last_seq - 20, small=bool(seed % 2))
            before = rows(library)
        assert rebuilt(root) == before


def test_it_is_not_done_for_little(library: Library) -> None:
    live(library, 2, 200)
    library.store.fold(ALL)
    live(library, 3, 12)
    assert library.store.fold(ALL).segments == 0
    assert library.store.fold(ALL, small=True).segments > 0


def test_without_room_nothing_is_begun(library: Library, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = journal_of(root)
    monkeypatch.setattr(library.store, "available_bytes", lambda: 5000)
    assert "too little room" in library.store.fold(ALL).why
    assert journal_of(root) == before and not list((root / ".filmcan/incoming").iterdir())


def test_a_damaged_segment_is_not_folded(library: Library, root: Path) -> None:
    path = root / ".filmcan/journal" / journal_of(root)[1]
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    before = journal_of(root)
    assert "damaged" in library.store.fold(ALL).why
    assert journal_of(root) == before


ACTS = 40


@pytest.mark.parametrize("late", [False, True])
def test_dying_at_any_act_of_a_fold_loses_nothing(root: Path, late: bool) -> None:
    with closing(Library(root, QuickSystem())) as library:
        live(library, 1, 25)
        before = rows(library)
    died = 0
    for at_act in range(1, ACTS):
        copy = root.parent / f"copy{at_act}"
        shutil.copytree(root, copy, copy_function=os.link)
        died += _die(copy, at_act, late)
        if died < at_act:
            break
        with closing(Library(copy, QuickSystem())) as library:
            assert rows(library) == before, at_act
            assert not os.listdir(library.store.layout.incoming)
            live(library, 7, 3)
            after = rows(library)
        assert rebuilt(copy) == after, at_act
    assert 10 < died < ACTS - 1


def _die(root: Path, at_act: int, late: bool) -> bool:
    """Blobs and segments are links of the original: a fold writes to none of them."""
    for name in ("index", "journal"):
        shutil.move(root / ".filmcan" / name, root / "aside")
        shutil.copytree(root / "aside", root / ".filmcan" / name)
        shutil.rmtree(root / "aside")
    system = FaultySystem()
    library = Library(root, system)
    system.arm(at_act, Death, late=late)
    try:
        library.store.fold(ALL)
    except Death:
        return True
    finally:
        system.disarm()
        system.dead = False
        library.store._give_up()
    return False


def test_an_old_index_from_before_the_cut_begins_anew(root: Path) -> None:
    with closing(Library(root, QuickSystem())) as library:
        live(library, 1, 15)
        library.store._give_up()
        library.store._closed = True
    shutil.copytree(root / ".filmcan/index", root.parent / "old")
    library = Library(root, QuickSystem())
    live(library, 2)
    library.store.fold(ALL)
    before, tree = rows(library), in_index(library)
    library.store._give_up()
    shutil.copyfile(root.parent / "old/data.mdb", root / ".filmcan/index/data.mdb")
    with closing(Library(root, QuickSystem())) as library:
        assert rows(library) == before and in_index(library) == tree


def test_a_rebuild_stopped_inside_a_base_begins_it_again(library: Library, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.store.fold(ALL)
    before = rows(library)
    library.close()
    shutil.rmtree(root / ".filmcan/index")
    after, given = journals.Journal.after, 0

    def stopped(journal: journals.Journal, seq: int) -> object:
        nonlocal given
        for event in after(journal, seq):
            given += 1
            if given == 6:
                raise Death
            yield event

    monkeypatch.setattr(replay, "REPLAY_EVENTS", 2)
    with monkeypatch.context() as patch:
        patch.setattr(journals.Journal, "after", stopped)
        with pytest.raises(Death):
            Library(root, QuickSystem())
    with closing(Library(root, QuickSystem())) as again:
        assert rows(again) == before


def test_the_past_that_is_kept_is_the_same_after_a_fold_and_a_rebuild(library: Library, root: Path) -> None:
    journal = library.store.journal
    cut = number_of(journal.segments()[3]) - 1
    library.history.catch_up()
    library.store.fold(cut)
    top = library.entry(FILM).id

    def then(library: Library, seq: int) -> list[tuple[str, bytes | None]]:
        with library.store.index.read() as txn:
            return [(entry.name, entry.raw_digest) for entry in library.history.was.children(txn, top, seq)]

    seqs = range(journal.folded_seq, journal.last_seq + 1)
    before = [then(library, seq) for seq in seqs]
    library.close()
    shutil.rmtree(root / ".filmcan/index")
    with closing(Library(root, QuickSystem())) as again:
        again.history.catch_up()
        assert [then(again, seq) for seq in seqs] == before


def test_what_followers_told_stays_told_once_after_a_fold_and_a_lost_index(root: Path) -> None:
    """Audit files of a project hold what the journal forgets; whoever reads on from the base neither loses nor repeats lines."""

    def followed(act: Callable[[Library], object]) -> dict[str, bytes]:
        with closing(Library(root, QuickSystem())) as library:
            manifest = Manifest(library.store, library.tree, "primary")
            followers = FollowerThread(library.store, [manifest, library.history]).start()
            act(library)
            followers.stop()
        return {path.name: path.read_bytes() for path in (root / FILM / "_manifest").glob("*.jsonl")}

    before = followed(lambda library: live(library, 1))
    assert len(before["files.jsonl"]) > 1000

    def fold(library: Library) -> None:
        assert library.store.fold(ALL).segments > 3

    assert followed(fold) == before
    shutil.rmtree(root / ".filmcan/index")
    assert followed(lambda library: None) == before
    after = followed(lambda library: put(library, f"{FILM}/ingest/originals/next", b"next"))
    assert after["files.jsonl"].startswith(before["files.jsonl"]) and after["files.jsonl"].count(b"next") == 1


def test_folding_beside_writers_and_readers_loses_nothing(root: Path) -> None:
    wrong: list[object] = []
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")

        def write(number: int) -> None:
            for place in range(40):
                put(library, f"{FILM}/{number}-{place}", b"%d %d" % (number, place))

        def read() -> None:
            while any(writer.is_alive() for writer in writers):
                last, seen = library.store.journal.last_seq, 0
                for event in library.store.journal.after(0):
                    if event.seq != seen + 1 and not event.facts.get("begins"):
                        wrong.append((seen, event.seq))
                    seen = event.seq
                if seen < last:
                    wrong.append((seen, last))

        writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        threads = [*writers, threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        while any(writer.is_alive() for writer in writers):
            library.store.fold(library.store.journal.last_seq, small=True)
        for thread in threads:
            thread.join()
        before = rows(library)
        assert len(in_index(library)) == 124 and library.store.journal.folded_seq > 0
    assert not wrong and rebuilt(root) == before
