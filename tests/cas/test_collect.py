"""What no name needs goes, but late, seen twice, and never by mistake."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cas.collect import DAY_NS, Collector
from cas.digest import sums_of
from cas.verify import verify
from tests.faulty import Clock
from tests.state import check_links, check_replay, put, read, rows
from views.library import Library

FILM = "P1-Film"
OLD = sums_of(b"old").digest


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def library(root: Path, clock: Clock) -> Iterator[Library]:
    """One name whose first content nobody shows any more."""
    library = Library(root, clock)
    library.make_project("Film")
    put(library, f"{FILM}/a", b"old")
    put(library, f"{FILM}/a", b"new")
    yield library
    check_replay(library).close()


@pytest.fixture
def collector(library: Library) -> Collector:
    """Of a library that keeps nothing of the past; what of the past is needed tells tests/views/test_keeper.py."""
    return Collector(library.store, lambda txn, digest: any(True for _ in library.tree.uses_of(txn, digest)))


def blob(library: Library, data: bytes = b"old") -> Path:
    return library.store.layout.blob(sums_of(data).digest)


def why(collector: Collector) -> list[str]:
    return [candidate.why for candidate in collector.plan()]


def ripen(collector: Collector, clock: Clock, days: int = 31) -> list[bytes]:
    """A run on each of the days; what went, by digest."""
    gone = []
    for _ in range(days + 1):
        gone += [candidate.digest.raw for candidate in collector.run()]
        clock.at_ns += DAY_NS
    return gone


def test_what_a_name_or_the_trash_shows_is_needed(library: Library, collector: Collector, clock: Clock) -> None:
    library.delete(f"{FILM}/a")
    put(library, f"{FILM}/empty", b"")
    library.delete(f"{FILM}/empty")
    assert ripen(collector, clock) == [OLD.raw]
    assert blob(library, b"new").exists() and verify(library.store, full=True).findings == []


def test_it_waits_for_two_looks_a_day_apart_and_for_the_grace_time(library: Library, collector: Collector, clock: Clock) -> None:
    twice = "it must be found without a name twice, a day apart"
    assert why(collector) == [twice]
    collector.run()
    collector.run()
    assert why(collector) == [twice], "two looks within a day are one"
    clock.at_ns += DAY_NS
    collector.run()
    assert why(collector) == ["it has been without a name for 1 of 30 days"]
    clock.at_ns += 28 * DAY_NS
    assert collector.run() == [] and blob(library).exists()
    clock.at_ns += DAY_NS
    assert [candidate.digest for candidate in collector.run()] == [OLD]
    assert not blob(library).exists() and why(collector) == []


def test_looking_changes_nothing(library: Library, collector: Collector) -> None:
    before = rows(library)
    for _ in range(3):
        collector.plan()
    assert rows(library) == before and why(collector) == ["it must be found without a name twice, a day apart"]


def test_what_went_is_held_for_a_day_and_then_deleted(library: Library, collector: Collector, clock: Clock) -> None:
    used = library.space().used_bytes
    ripen(collector, clock, 30)
    clock.at_ns -= DAY_NS
    [held] = library.store.layout.trash.glob("blobs-*")
    assert [(path.name, path.read_bytes()) for path in held.iterdir()] == [(OLD.hex, b"old")]
    assert library.space().used_bytes == used - 3 and library.store.find_sha256(sums_of(b"old").sha256) is None
    clock.at_ns += DAY_NS
    collector.run()
    assert held.exists(), "yesterday's may be hours old"
    clock.at_ns += DAY_NS
    collector.run()
    assert not held.exists() and library.store.layout.trash.exists()


def test_bytes_that_were_collected_are_stored_again(library: Library, collector: Collector, clock: Clock) -> None:
    assert ripen(collector, clock) == [OLD.raw]
    put(library, f"{FILM}/b", b"old")
    assert read(library, f"{FILM}/b") == b"old"
    check_links(library)
    assert verify(library.store, full=True).findings == []


def test_bytes_that_were_sent_again_wait_the_whole_time_anew(library: Library, collector: Collector, clock: Clock) -> None:
    """Also when no look fell into the time in which a name showed them."""
    ripen(collector, clock, 28)
    put(library, f"{FILM}/a", b"old")
    put(library, f"{FILM}/a", b"new")
    assert ripen(collector, clock, 29) == [] and blob(library).exists()
    assert ripen(collector, clock, 2) == [OLD.raw]


def test_a_file_outside_that_shows_it_keeps_it(library: Library, collector: Collector, clock: Clock, tmp_path: Path) -> None:
    os.link(blob(library), tmp_path / "kept.mov")
    assert ripen(collector, clock) == []
    assert why(collector) == ["a file outside the index still shows it"]
    os.unlink(tmp_path / "kept.mov")
    assert [candidate.digest for candidate in collector.run()] == [OLD]


def test_spares_go_with_their_blob(library: Library, collector: Collector, clock: Clock, tmp_path: Path) -> None:
    row = library.store.blob(OLD)
    assert row is not None
    spare = blob(library).with_name(f"{blob(library).name}~1")
    spare.write_bytes(b"old")
    library.store.commit(lambda acts: library.store.blobs.put(acts.txn, OLD.raw, replace(row, spares=1)))
    os.link(spare, tmp_path / "kept.mov")
    assert ripen(collector, clock) == []
    os.unlink(tmp_path / "kept.mov")
    collector.run()
    assert not spare.exists() and not blob(library).exists()
    assert len(list(library.store.layout.trash.glob("blobs-*/*"))) == 2


def test_the_row_of_a_lost_content_that_nobody_wants_goes_too(library: Library, collector: Collector, clock: Clock) -> None:
    blob(library).unlink()
    assert [finding.kind for finding in verify(library.store, full=False).findings] == ["missing"]
    assert ripen(collector, clock) == [OLD.raw]
    assert verify(library.store, full=False).findings == []


def test_a_name_that_comes_in_the_last_moment_keeps_its_bytes(library: Library, collector: Collector, clock: Clock) -> None:
    """Collecting and an upload of the same bytes, decided in one group, in either order, many times."""
    for number in range(20):
        name, data = f"{FILM}/race", b"race %d" % number
        put(library, name, data)
        put(library, name, b"other %d" % number)
        ripen(collector, clock, 29)
        start = threading.Barrier(2)

        def collect(start: threading.Barrier = start) -> None:
            start.wait()
            collector.run()

        thread = threading.Thread(target=collect)
        thread.start()
        start.wait()
        put(library, name, data)
        thread.join()
        assert read(library, name) == data
    assert verify(library.store, full=True).findings == []
    check_links(library)
