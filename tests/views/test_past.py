"""The past as paths: what was, when it was, and how moments are called."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faulty import Clock
from tests.state import put, read, without_index
from views import moments
from views.errors import NameNotFound, NameReserved
from views.library import Library

SECOND_NS = 10**9
START_NS = 1_795_629_600 * SECOND_NS  # 2026-11-25T18:00:00Z


class Ticking(Clock):
    at_ns = START_NS

    def pass_s(self, seconds: float) -> None:
        self.at_ns += round(seconds * SECOND_NS)


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def library(tmp_path: Path, clock: Ticking) -> Iterator[Library]:
    with closing(Library(tmp_path / "root", clock)) as library:
        library.make_project("Film")
        clock.pass_s(60)
        yield library


def names(library: Library, path: str) -> list[str]:
    return [entry.name for entry in library.listing(path)[1]]


def test_a_project_is_seen_as_it_was_at_a_time(library: Library, clock: Ticking) -> None:
    put(library, "P1-Film/a.mov", b"first")
    clock.pass_s(60)
    put(library, "P1-Film/a.mov", b"second")
    library.delete("P1-Film/ingest")
    then = "_history/P1-Film/2026-11-25T18-01-30Z"
    assert read(library, f"{then}/a.mov") == b"first"
    assert names(library, f"{then}/ingest") == ["originals", "thumbnails"]
    assert read(library, "_history/P1-Film/2026-11-25T18-02-00Z/a.mov") == b"second"
    assert names(library, "_history/P1-Film/2026-11-25T18-02-00Z") == ["a.mov"]
    with pytest.raises(NameNotFound):
        library.entry("_history/P1-Film/2026-11-25T17-59-59Z")


@pytest.mark.parametrize(
    "when",
    ["2026-11-25T18:01:30Z", "2026-11-25T18-01-30", "2026-11-25T18-01-30.5Z", "2026-11-25 18-01", "2026-11-25 18:01:30 UTC"],
)
def test_a_time_may_be_written_in_several_ways(library: Library, clock: Ticking, when: str) -> None:
    put(library, "P1-Film/a.mov", b"first")
    clock.pass_s(60)
    put(library, "P1-Film/a.mov", b"second")
    assert read(library, f"_history/P1-Film/{when}/a.mov") == b"first"


def test_a_day_is_its_end(library: Library, clock: Ticking) -> None:
    put(library, "P1-Film/a.mov", b"first")
    clock.pass_s(86_400)
    put(library, "P1-Film/a.mov", b"second")
    assert read(library, "_history/P1-Film/2026-11-25/a.mov") == b"first"
    assert read(library, "_history/P1-Film/2026-11-26/a.mov") == b"second"


@pytest.mark.parametrize("when", ["yesterday", "seq-0", "seq-9999", "2026-13-01", "2026-02-30", "seq-x", "2026-11-25T25-00-00Z"])
def test_what_is_no_moment_is_not_found(library: Library, when: str) -> None:
    with pytest.raises(NameNotFound):
        library.entry(f"_history/P1-Film/{when}")


def test_changes_within_a_second_are_told_apart(library: Library, clock: Ticking) -> None:
    for number in range(4):
        put(library, "P1-Film/a.mov", b"%d" % number)
        clock.pass_s(0.0001)
    clock.pass_s(100)
    listed = names(library, "_history/P1-Film")[:4]
    assert len(set(listed)) == 4
    assert [read(library, f"_history/P1-Film/{moment}/a.mov") for moment in listed] == [b"3", b"2", b"1", b"0"]


def test_every_moment_listed_is_the_state_after_its_change(library: Library, clock: Ticking) -> None:
    for number in range(40):
        put(library, "P1-Film/a.mov", b"%d" % number)
        clock.pass_s(17.77 * number)
    for moment in names(library, "_history/P1-Film"):
        entry = library.entry(f"_history/P1-Film/{moment}")
        shown = library.find(f"_history/P1-Film/{moment}/a.mov")
        assert entry.is_folder and (shown is None or shown.modified_ns <= moments.time_of(moment))  # type: ignore[operator]
        assert not [m for m in names(library, "_history/P1-Film") if moments.time_of(m) is None]


def test_the_list_of_moments_stays_short(library: Library, clock: Ticking) -> None:
    for _ in range(300):
        put(library, "P1-Film/a.mov", os.urandom(8))
        clock.pass_s(3600 * 7)
    assert 60 < len(names(library, "_history/P1-Film")) <= 85


def test_a_project_is_found_by_the_names_it_had(library: Library, clock: Ticking) -> None:
    put(library, "P1-Film/a.mov", b"first")
    clock.pass_s(60)
    library.move("P1-Film", "Other")
    clock.pass_s(60)
    library.delete("P1-Other")
    assert names(library, "_history") == ["P1-Other"]
    for name in ("P1-Film", "P1-Other"):
        assert read(library, f"_history/{name}/2026-11-25T18-01-30Z/a.mov") == b"first"
        with pytest.raises(NameNotFound):
            library.entry(f"_history/{name}/2026-11-25T18-30-00Z")


def test_a_folder_that_moved_is_where_it_was_then(library: Library, clock: Ticking) -> None:
    library.make_project("Else")
    library.make_folder("P1-Film/day")
    put(library, "P1-Film/day/a.mov", b"first")
    clock.pass_s(60)
    library.move("P1-Film/day", "P2-Else/night")
    put(library, "P2-Else/night/a.mov", b"second")
    assert read(library, "_history/P1-Film/2026-11-25T18-01-30Z/day/a.mov") == b"first"
    assert read(library, "_history/P2-Else/2026-11-25T18-02-00Z/night/a.mov") == b"second"
    assert "night" not in names(library, "_history/P2-Else/2026-11-25T18-01-30Z")
    assert names(library, "_history/P2-Else")[0] == "2026-11-25T18-02-00Z"


def test_a_state_before_is_a_new_project_without_a_byte_written(library: Library, clock: Ticking) -> None:
    put(library, "P1-Film/a.mov", b"first")
    clock.pass_s(60)
    put(library, "P1-Film/a.mov", b"second")
    inode = os.stat(library.store.layout.blob(library.entry("_history/P1-Film/2026-11-25T18-01-30Z/a.mov").digest)).st_ino  # type: ignore[arg-type]
    placed = library.copy("_history/P1-Film/2026-11-25T18-01-30Z", "Film as it was")
    assert placed.entry.name == "P2-Film-as-it-was"
    assert os.stat(library.root / "P2-Film-as-it-was/a.mov").st_ino == inode
    assert read(library, "P2-Film-as-it-was/a.mov") == b"first" and read(library, "P1-Film/a.mov") == b"second"


def test_an_earlier_version_goes_over_the_file_of_today(library: Library, clock: Ticking) -> None:
    put(library, "P1-Film/a.mov", b"first")
    number = library.entry("P1-Film/a.mov").id
    clock.pass_s(60)
    put(library, "P1-Film/a.mov", b"second")
    library.copy("_history/P1-Film/2026-11-25T18-01-30Z/a.mov", "P1-Film/a.mov")
    assert read(library, "P1-Film/a.mov") == b"first" and library.entry("P1-Film/a.mov").id == number
    assert read(library, "_history/P1-Film/2026-11-25T18-02-00Z/a.mov") == b"first"


def test_an_old_state_of_a_folder_goes_into_that_folder(library: Library, clock: Ticking) -> None:
    put(library, "P1-Film/ingest/a.mov", b"first")
    clock.pass_s(60)
    library.delete("P1-Film/ingest/a.mov")
    library.copy("_history/P1-Film/2026-11-25T18-01-30Z/ingest", "P1-Film/ingest/before")
    assert read(library, "P1-Film/ingest/before/a.mov") == b"first"


def test_nothing_is_written_into_the_past(library: Library) -> None:
    put(library, "P1-Film/a.mov", b"first")
    for act in (
        lambda: put(library, "_trash/x", b"x"),
        lambda: put(library, "_history/P1-Film/2026-11-25T18-01-00Z/a.mov", b"x"),
        lambda: library.make_folder("_history/new"),
        lambda: library.move("P1-Film/a.mov", "_trash/a.mov"),
        lambda: library.move("_history/P1-Film/2026-11-25/a.mov", "P1-Film/b.mov"),
        lambda: library.copy("P1-Film/a.mov", "_history/a.mov"),
        lambda: library.copy("_history/P1-Film", "P1-Film/all"),
        lambda: library.delete("_trash"),
        lambda: library.delete("_history/P1-Film"),
        lambda: library.amend("_trash", modified_ns=1),
    ):
        with pytest.raises(NameReserved):
            act()


def test_the_past_is_made_again_with_the_index(library: Library, clock: Ticking) -> None:
    put(library, "P1-Film/a.mov", b"first")
    clock.pass_s(60)
    library.delete("P1-Film/a.mov")
    library.close()
    with closing(without_index(library.root)) as again:
        assert read(again, "_history/P1-Film/2026-11-25T18-01-30Z/a.mov") == b"first"


def test_the_past_is_written_down_when_uploads_rest_or_it_is_late(library: Library, clock: Ticking) -> None:
    history, begun_s = library.history, 1000.0
    history.begin(0)
    assert history.tend(begun_s, finish=False) == float("inf")

    def known_after(news_s: float) -> bool:
        put(library, "P1-Film/a.mov", b"%f" % news_s)
        history.take(list(library.store.journal.after(history.seq)))
        history.tend(begun_s + news_s, finish=False)
        with library.store.index.read() as txn:
            return history.known(txn) == library.store.journal.last_seq

    assert [known_after(news_s) for news_s in (1.0, 1.5, 2.0, 15.0)] == [False, False, False, False]
    assert history.tend(begun_s + 15.5, finish=False) == 0.5
    assert history.tend(begun_s + 16.0, finish=False) == float("inf")
    assert [known_after(news_s) for news_s in (17.0, 31.0, 46.9, 47.0)] == [False, False, False, True]


def test_what_an_earlier_version_shows_is_needed_at_once_and_by_a_follower_far_behind(library: Library) -> None:
    for number in range(300):
        put(library, "P1-Film/a.mov", b"%d" % number)
    digests = [digest for digest, _ in next(library.store.pages())]
    with library.store.index.read() as txn:
        assert library.history.known(txn) == 0
        assert all(library._needed(txn, digest) for digest in digests)
    library.history.catch_up()
    with library.store.index.read() as txn:
        assert all(library._needed(txn, digest) for digest in digests)


@given(st.integers(0, 4 * 10**18), st.integers(1, 5 * 10**9))
def test_the_name_of_a_moment_lies_behind_it_and_before_the_next(at_ns: int, later_ns: int) -> None:
    said = moments.time_of(moments.name_of(at_ns, at_ns + later_ns))
    assert said is not None and at_ns <= said < at_ns + later_ns
