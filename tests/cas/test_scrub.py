"""All blobs are read again within the period: from the disk, quietly, going on where it stopped, and what rotted is found."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.digest import Digest, sums_of
from cas.scrub import FLOOR, SHARE, Scrub, Stopped
from cas.verify import Finding, verify
from tests.cas.test_verify import CannotRead
from tests.faulty import QuickSystem
from tests.rot import rot
from tests.state import put, read
from views.library import Library

FILM = "P1-Film"
DAY_NS = 86_400 * 10**9


class Timed(CannotRead):
    """Both clocks stand still but for naps and `pass_s`; forgets nothing, and remembers what it was asked to forget."""

    def __init__(self) -> None:
        self.at_s = 1000.0
        self.forgotten = 0
        self.naps: list[float] = []

    def monotonic_s(self) -> float:
        return self.at_s

    def pass_s(self, seconds: float) -> None:
        self.at_s += seconds
        self.at_ns += int(seconds * 1e9)

    def forget_cached(self, fd: int) -> None:
        self.forgotten += 1

    def nap(self, seconds: float) -> bool:
        self.naps.append(seconds)
        self.pass_s(seconds)
        return False


@pytest.fixture
def system() -> Timed:
    return Timed()


@pytest.fixture
def library(root: Path, system: Timed) -> Iterator[Library]:
    with closing(Library(root, system)) as library:
        library.make_project("Film")
        for number in range(20):
            put(library, f"{FILM}/{number}", b"film %d" % number)
        yield library


def whole_pass(scrub: Scrub, system: Timed) -> None:
    while not scrub.work(system.nap):
        pass


def verified(library: Library) -> set[int]:
    return {row.verified_ns for page in library.store.pages() for _, row in page}


def test_a_pass_reads_everything_from_the_disk_and_remembers_when(library: Library, system: Timed) -> None:
    system.pass_s(3600)
    system.read_bytes = system.forgotten = 0
    assert library.scrub.due_s() == 0
    whole_pass(library.scrub, system)
    assert system.read_bytes == sum(len(b"film %d" % number) for number in range(20)) and system.forgotten == 20
    assert verified(library) == {system.at_ns}
    state = library.scrub.state()
    assert (state.blobs, state.found, state.whole_ns) == (20, 0, system.at_ns)


def test_the_next_pass_comes_in_time_for_what_was_read_first(library: Library, system: Timed) -> None:
    began_ns = system.at_ns
    whole_pass(library.scrub, system)
    for _ in range(40):
        if library.scrub.due_s() == 0:
            break
        system.pass_s(library.scrub.due_s())
    assert system.at_ns - began_ns <= SHARE * library.scrub.period_ns + 1e9


def test_it_goes_on_after_a_restart_where_it_was_written_down(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cas.scrub.CHECKPOINT_FILES", 7)
    system = Timed()
    with closing(Library(root, system)) as library:
        library.make_project("Film")
        for number in range(20):
            put(library, f"{FILM}/{number}", b"film %d" % number)
        assert not library.scrub.work(system.nap)
        with pytest.raises(Stopped):
            library.scrub.work(lambda _: True)
    again = Timed()
    again.at_ns = system.at_ns
    with closing(Library(root, again)) as library:
        assert library.scrub.state().blobs == 7
        again.read_bytes = 0
        whole_pass(library.scrub, again)
        assert again.read_bytes == sum(row.size_bytes for page in library.store.pages() for _, row in page[7:])
        assert library.scrub.state().blobs == 20


def test_a_checkpoint_comes_after_five_minutes_too(library: Library, system: Timed) -> None:
    def slow(seconds: float) -> bool:
        system.pass_s(120)
        return False

    library.scrub.work(slow)
    assert library.scrub.state().blobs == 3


def test_it_reads_no_faster_than_it_must_and_politely(library: Library, system: Timed) -> None:
    put(library, f"{FILM}/large", os.urandom(4 << 20))
    whole_pass(library.scrub, system)
    assert sum(system.naps) == pytest.approx((4 << 20) / FLOOR, rel=0.01)


def test_what_is_late_is_read_as_fast_as_it_goes(library: Library, system: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    put(library, f"{FILM}/large", os.urandom(4 << 20))
    monkeypatch.setattr("cas.scrub.CHECKPOINT_FILES", 1)
    assert not library.scrub.work(system.nap)
    system.pass_s(library.scrub.period_ns / 1e9)
    monkeypatch.setattr("cas.scrub.CHECKPOINT_FILES", 1000)
    system.naps.clear()
    assert library.scrub.due_s() == 0
    whole_pass(library.scrub, system)
    assert sum(system.naps) == 0


def test_nothing_is_read_when_it_is_off_or_the_store_only_reads(root: Path) -> None:
    from views.library import Options

    with closing(Library(root, QuickSystem(), Options(scrub_period_ns=0))) as library:
        assert library.scrub.due_s() > 0
    with closing(Library(root, QuickSystem())) as library:
        library.store.state.degrade("the test says so")
        assert library.scrub.due_s() > 0


def test_what_it_finds_is_told_at_once(library: Library, system: Timed) -> None:
    told: list[Finding] = []
    library.scrub.on_finding = told.append
    rot(library, library.store.layout.blob(sums_of(b"film 7").digest), b"F")
    library.store.layout.blob(sums_of(b"film 8").digest).unlink()
    (library.root / FILM / "9").write_bytes(b"edited by hand")
    whole_pass(library.scrub, system)
    assert sorted((finding.kind, finding.digest.hex) for finding in told) == sorted(
        (kind, sums_of(data).digest.hex) for kind, data in (("damaged", b"film 7"), ("missing", b"film 8"), ("edited", b"film 9"))
    )
    assert read(library, f"{FILM}/9") == b"edited by hand", "nobody is told the old digest until a scan comes by"
    assert library.scrub.state().found == 3


@pytest.mark.parametrize(
    ("blobs", "damaged"), [(500, 20), pytest.param(10_000, 100, marks=pytest.mark.long)], ids=["small", "release"]
)
def test_damaged_blobs_are_all_found_and_all_healed_by_uploads(root: Path, blobs: int, damaged: int) -> None:
    """Durability reference §9, "scrub and heal"."""
    seed = int(os.environ.get("FILMCAN_SEED", random.randrange(1 << 32)))
    print(f"FILMCAN_SEED={seed}")
    chance = random.Random(seed)
    system = Timed()
    with closing(Library(root, system)) as library:
        library.make_project("Film")
        contents = [b"clip %d " % number * chance.randrange(1, 200) for number in range(blobs)]
        for number, data in enumerate(contents):
            put(library, f"{FILM}/{number}", data)
        hurt = chance.sample(range(blobs), damaged)
        for number in hurt:
            data = contents[number]
            at = chance.randrange(len(data))
            rot(library, library.store.layout.blob(sums_of(data).digest), bytes([data[at] ^ (1 << chance.randrange(8))]), at)
        told: dict[Digest, str] = {}
        library.scrub.on_finding = lambda finding: told.update({finding.digest: finding.kind})
        whole_pass(library.scrub, system)
        assert told == {sums_of(contents[number]).digest: "damaged" for number in hurt}
        assert library.care.lost_count() == damaged
        assert {path for lost in library.care.lost() for path in lost.paths} == {f"{FILM}/{number}" for number in hurt}
        for number in hurt:
            put(library, f"{FILM}/again", contents[number])
        assert library.care.lost() == [] and verify(library.store, full=True).findings == []
        for number in hurt:
            assert (library.root / FILM / str(number)).read_bytes() == read(library, f"{FILM}/{number}") == contents[number]
        print(f"{blobs} blobs, {damaged} damaged: {len(told)} found, {damaged - library.care.lost_count()} healed by re-upload")
