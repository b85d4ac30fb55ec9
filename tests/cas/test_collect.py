"""What no name needs goes, but late, seen twice, and never by mistake."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cas.collect import DAY_NS, Collector
from cas.digest import sums_of
from cas.verify import verify
from tests import faulty
from tests.state import check_links, check_replay, put, read, rows
from views.library import Library

FILM = "P1-Film"
OLD = sums_of(b"old").digest


class Clock(faulty.Clock):
    """Both clocks go together, unless somebody sets the one on the wall."""

    set_ns = 0

    def monotonic_s(self) -> float:
        return (self.at_ns - self.set_ns) / 1e9

    def set_clock(self, by_ns: int) -> None:
        self.at_ns += by_ns
        self.set_ns += by_ns


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


def test_a_clock_that_was_set_skips_a_cycle_and_makes_nothing_older(
    library: Library, collector: Collector, clock: Clock
) -> None:
    ripen(collector, clock, 20)
    for by_days in (400, -400, 1):
        clock.set_clock(by_days * DAY_NS)
        assert collector.run() == [] and "the clock was set" in collector.skipped
    assert blob(library).exists()
    assert ripen(collector, clock, 8) == [] and collector.skipped == ""
    assert ripen(collector, clock, 3) == [OLD.raw]


def test_five_minutes_more_or_less_are_no_jump(library: Library, collector: Collector, clock: Clock) -> None:
    collector.run()
    clock.set_clock(299 * 10**9)
    collector.run()
    assert collector.skipped == ""


def test_a_clock_without_a_battery_is_noticed_over_a_restart(
    library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def jump() -> int:
        return library.store.note(lambda txn: library.store.clock.jump_ns(txn, b"test"))

    boots = iter("abcd")
    monkeypatch.setattr(clock, "boot_id", lambda: next(boots))
    assert jump() == 0
    clock.at_ns += 30 * DAY_NS
    assert jump() == 0, "it was off for a month"
    clock.at_ns -= 40 * DAY_NS
    assert jump() == -40 * DAY_NS
    clock.at_ns += 9000 * DAY_NS
    assert jump() == 9000 * DAY_NS


def test_a_link_made_in_the_last_moment_keeps_the_blob(
    library: Library, collector: Collector, clock: Clock, tmp_path: Path
) -> None:
    """Between the last look and the rename: its links are counted once more in the holding place."""
    rename = clock.rename

    def link_first(folder: int, name: str, to_folder: int, to_name: str) -> None:
        if to_name == OLD.hex and not (tmp_path / "kept").exists():
            os.link(blob(library), tmp_path / "kept")
        rename(folder, name, to_folder, to_name)

    clock.rename = link_first  # type: ignore[method-assign]
    assert ripen(collector, clock) == [] and blob(library).exists()
    assert why(collector) == ["a file outside the index still shows it"]
    os.unlink(tmp_path / "kept")
    clock.rename = rename  # type: ignore[method-assign]
    assert [candidate.digest for candidate in collector.run()] == [OLD]


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.long), pytest.param(600, marks=pytest.mark.long)])
def test_collecting_without_grace_beside_uploads_and_deletes_loses_nothing_acknowledged(root: Path, seconds: int) -> None:
    """Durability reference §9, "GC race": eight writers of few contents, so that what one collects another just sent again."""
    clock = Clock()
    seed = int(os.environ.get("FILMCAN_SEED", random.randrange(1 << 32)))
    print(f"FILMCAN_SEED={seed}")
    library = Library(root, clock)
    library.make_project("Film")
    collector = Collector(library.store, lambda txn, digest: bool(library.tree.paths_of(txn, digest)), grace_ns=0)
    stop, failed, done = threading.Event(), list[str](), dict[int, int]()
    shown: list[bytes | None] = [None] * 8

    def write(number: int) -> None:
        chance, path = random.Random(seed + number), f"{FILM}/{number}"
        while not stop.is_set():
            data = b"content %d" % chance.randrange(12)
            if chance.random() < 0.3 and shown[number] is not None:
                library.delete(path)
                shown[number] = None
            else:
                put(library, path, data)
                shown[number] = data
            if shown[number] is not None and read(library, path) != shown[number]:
                failed.append(path)
            done[number] = done.get(number, 0) + 1

    def told(act: Callable[[int], None], number: int) -> None:
        try:
            act(number)
        except Exception as error:
            failed.append(f"{number}: {error!r}")

    threads = [threading.Thread(target=told, args=(write, number)) for number in range(8)]
    for thread in threads:
        thread.start()
    until, gone = time.monotonic() + seconds, 0
    while time.monotonic() < until and not failed:
        empty_trash(library)
        gone += len(collector.run())
        clock.at_ns += DAY_NS
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == [] and gone > 0
    for number, data in enumerate(shown):
        assert library.find(f"{FILM}/{number}") is None if data is None else read(library, f"{FILM}/{number}") == data
    assert verify(library.store, full=True).findings == []
    check_replay(library).close()
    print(f"{seconds} s: {sum(done.values())} uploads and deletes, {gone} contents collected, none of them needed")


def empty_trash(library: Library) -> None:
    """The names in the trash hold links; without them what was deleted is nobody's."""
    for path in library.store.layout.trash.glob("2*/*"):
        path.unlink()
