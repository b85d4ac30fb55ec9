"""The past is kept for a while: the trash is emptied, moments are forgotten, and no content is ever lost by it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.errors import CasError
from tests.faulty import Clock, Death, FaultySystem
from tests.state import check_links, in_index, on_disk, put, read, without_index
from views.errors import NameNotFound
from views.keeper import Keeper, Keeping
from views.library import Library

DAY_S = 86_400
START_NS = 1_795_629_600 * 10**9  # 2026-11-25T18:00:00Z
FILM = "P1-Film"


class Ticking(Clock):
    at_ns = START_NS

    def pass_days(self, days: float) -> None:
        self.at_ns += round(days * DAY_S * 10**9)


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def library(root: Path, clock: Ticking) -> Iterator[Library]:
    with closing(Library(root, clock)) as library:
        library.make_project("Film")
        yield library


def trash(library: Library) -> list[str]:
    return [entry.name.partition("-")[2] for entry in library.listing("_trash")[1]]


def in_trash_on_disk(library: Library) -> list[str]:
    return sorted(path.name.partition("-")[2] for path in (library.root / ".filmcan/trash").glob("*-*/*"))


def keep(library: Library, days: int = 30, free_bytes: int = 0) -> list[str]:
    return [item.path for item in Keeper(library, Keeping(days, free_bytes)).run().items]


def blobs(library: Library) -> int:
    return sum(1 for path in library.store.layout.blobs.rglob("*") if path.is_file())


def test_what_was_deleted_leaves_the_trash_after_its_days_and_its_bytes_stay(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/b.mov", b"two")
    library.delete(f"{FILM}/a.mov")
    clock.pass_days(10)
    library.delete(f"{FILM}/day")
    clock.pass_days(19.9)
    assert keep(library) == [] and trash(library) == ["a.mov", "day"]
    clock.pass_days(0.2)
    assert keep(library) == [f"{FILM}/a.mov"] and trash(library) == in_trash_on_disk(library) == ["day"]
    clock.pass_days(10)
    assert keep(library) == [f"{FILM}/day"] and trash(library) == in_trash_on_disk(library) == []
    assert not list((library.root / ".filmcan/trash").iterdir()) and blobs(library) == 2
    with library.store.index.read() as txn:
        assert not list(library.tree.trashed.scan(txn)) and not list(library.tree.buried.scan(txn))


def test_moments_are_forgotten_and_what_is_kept_is_still_right(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    put(library, f"{FILM}/still.mov", b"still")
    seq = library.store.journal.last_seq
    clock.pass_days(1)
    put(library, f"{FILM}/a.mov", b"two")
    clock.pass_days(31)
    put(library, f"{FILM}/a.mov", b"three")
    keep(library)
    for moment in (f"seq-{seq}", "2026-11-25T18-00-01Z"):
        with pytest.raises(NameNotFound):
            library.entry(f"_history/{FILM}/{moment}")
    assert read(library, f"_history/{FILM}/2026-12-25T00-00-00Z/a.mov") == b"two"
    assert read(library, f"_history/{FILM}/2026-12-25T00-00-00Z/still.mov") == b"still"
    listed = [entry.name for entry in library.listing(f"_history/{FILM}")[1]]
    assert [read(library, f"_history/{FILM}/{moment}/a.mov") for moment in listed] == [b"three", b"two"]


def test_contents_are_needed_as_long_as_a_moment_shows_them(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    first = library.entry(f"{FILM}/a.mov").digest
    assert first is not None
    put(library, f"{FILM}/a.mov", b"two")
    clock.pass_days(29)
    keep(library)
    assert library.collector().plan() == []
    clock.pass_days(2)
    keep(library)
    assert [candidate.digest for candidate in library.collector().plan()] == [first]


def test_after_the_index_was_lost_what_was_forgotten_stays_forgotten(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/b.mov", b"b")
    library.delete(f"{FILM}/day")
    seq = library.store.journal.last_seq
    put(library, f"{FILM}/a.mov", b"two")
    clock.pass_days(31)
    assert keep(library) == [f"{FILM}/day"]
    library.close()
    with closing(without_index(library.root)) as again:
        with pytest.raises(NameNotFound):
            again.entry(f"_history/{FILM}/seq-{seq}")
        Keeper(again, Keeping(30)).run()
        assert len(again.collector().plan()) == 2


def test_an_index_from_before_there_was_an_order_in_the_trash_gets_it(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    library.delete(f"{FILM}/a.mov")
    with library.store.index.read() as txn:
        keys = [key for key, _ in library.tree.buried.scan(txn)]
    library.store.note(lambda txn: [library.tree.buried.delete(txn, key) for key in keys])
    assert library.past.newest() == ([], "")
    library.close()
    with closing(Library(library.root, clock)) as again:
        assert [item.path for item in again.past.newest()[0]] == [f"{FILM}/a.mov"]


def test_only_the_last_moment_before_what_is_kept_stays_in_the_table(library: Library, clock: Ticking) -> None:
    for number in range(30):
        put(library, f"{FILM}/a.mov", b"%d" % number)
        clock.pass_days(2)
    keep(library)
    with library.store.index.read() as txn:
        [project] = [found.entry.id for found in library.projects()]
        times = [moment.at_ns for moment in library.history.was.happened(txn, project)]
        _, since_ns = library.history.was.since(txn)
        assert sum(at_ns < since_ns for at_ns in times) == 1 and len(times) == 16
        assert len(list(library.history.was.of(txn, project, b"a.mov\0a.mov"))) == 16


def test_days_of_0_keep_for_ever(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    library.delete(f"{FILM}/a.mov")
    clock.pass_days(4000)
    assert keep(library, days=0) == [] and trash(library) == ["a.mov"]


def test_what_was_done_under_a_wrong_clock_is_not_old(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    now_ns, clock.at_ns = clock.at_ns, 0
    put(library, f"{FILM}/a.mov", b"two")
    library.delete(f"{FILM}/a.mov")
    seq = library.store.journal.last_seq
    clock.at_ns = now_ns
    assert keep(library) == [] and trash(library) == ["a.mov"]
    assert read(library, f"_history/{FILM}/seq-{seq - 2}/a.mov") == b"one"


def test_a_cycle_is_left_out_when_the_clock_jumped(library: Library, clock: Ticking) -> None:
    keeper = Keeper(library, Keeping(30))
    put(library, f"{FILM}/a.mov", b"one")
    library.delete(f"{FILM}/a.mov")
    clock.pass_days(31)
    assert not keeper.cycle((0.0, 0.0), (31.0 * DAY_S, 1800.0)) and trash(library) == ["a.mov"]
    assert not keeper.cycle((31.0 * DAY_S, 0.0), (0.0, 1800.0)) and trash(library) == ["a.mov"]
    assert keeper.cycle((0.0, 0.0), (1810.0, 1800.0)) and trash(library) == []


def test_what_nobody_knows_stays_where_it_lies(library: Library, clock: Ticking) -> None:
    library.make_project("Gone")
    put(library, "P2-Gone/a.mov", b"one")
    exports = library.root / "P2-Gone/exports"
    exports.mkdir()
    (exports / "cut.mov").write_bytes(b"rendered for hours")
    (library.root / "P2-Gone/index.json").write_bytes(b"{}")
    library.delete("P2-Gone")
    clock.pass_days(31)
    assert keep(library) == ["P2-Gone"] and trash(library) == []
    [left] = [path for path in (library.root / ".filmcan/trash").rglob("*") if path.is_file()]
    assert left.read_bytes() == b"rendered for hours"


def test_the_last_copy_of_a_content_is_not_removed(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    digest = library.entry(f"{FILM}/a.mov").digest
    assert digest is not None
    os.unlink(library.store.layout.blob(digest))
    library.delete(f"{FILM}/a.mov")
    clock.pass_days(31)
    keep(library)
    assert in_trash_on_disk(library) == ["a.mov"]


def test_what_was_brought_back_and_deleted_again_waits_anew(library: Library, clock: Ticking) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    library.delete(f"{FILM}/a.mov")
    clock.pass_days(29)
    [entry] = library.listing("_trash")[1]
    library.put_back(f"_trash/{entry.name}")
    library.delete(f"{FILM}/a.mov")
    clock.pass_days(2)
    assert keep(library) == [] and trash(library) == ["a.mov"]


def test_a_disk_that_is_nearly_full_keeps_less_but_a_day_always(root: Path) -> None:
    class Full(Ticking):
        free = 10**12

        def space(self, fd: int) -> os.statvfs_result:
            real = list(super().space(fd))
            real[4] = self.free // real[1]
            return os.statvfs_result((*real, 0))

    clock = Full()
    with closing(Library(root, clock)) as library:
        library.make_project("Film")
        for day in range(6):
            put(library, f"{FILM}/{day}.mov", bytes([day]) * 100_000)
            library.delete(f"{FILM}/{day}.mov")
            clock.pass_days(1)
        free = 50 << 30
        assert keep(library, free_bytes=free) == []
        clock.free = free - 250_000
        assert sorted(keep(library, free_bytes=free)) == [f"{FILM}/{day}.mov" for day in range(3)]
        assert keep(library, free_bytes=free) == []  # what is to be collected counts as free
        clock.free = free - 10**9
        clock.pass_days(0.1)
        assert sorted(keep(library, free_bytes=free)) == [f"{FILM}/{day}.mov" for day in range(3, 6)]
        put(library, f"{FILM}/new.mov", b"new" * 100_000)
        library.delete(f"{FILM}/new.mov")
        assert keep(library, free_bytes=free) == [] and trash(library) == ["new.mov"]


def test_a_folder_of_many_goes_in_several_changes(library: Library, clock: Ticking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("views.keeper.NAMES_AT_ONCE", 7)
    library.make_folder(f"{FILM}/day")
    for number in range(20):
        put(library, f"{FILM}/day/{number}.mov", b"%d" % number)
    library.delete(f"{FILM}/day")
    seq = library.store.journal.last_seq
    clock.pass_days(31)
    assert keep(library) == [f"{FILM}/day"] and in_trash_on_disk(library) == []
    assert library.store.journal.last_seq == seq + 4 and len(library.collector().plan()) == 20


@pytest.mark.parametrize("fault", [Death, 5])
def test_emptying_goes_on_after_a_fault_at_any_act(root: Path, fault: int | type[Death]) -> None:
    class Dying(FaultySystem):
        at_ns = START_NS

        def now_ns(self) -> int:
            return self.at_ns

    def prepare(system: Dying, name: str) -> Library:
        system.at_ns = START_NS
        library = Library(root / name, system)
        library.make_project("Film")
        library.make_folder(f"{FILM}/day")
        for path in ("a.mov", "day/b.mov", "day/empty"):
            put(library, f"{FILM}/{path}", b"" if path.endswith("y") else path.encode())
        library.delete(f"{FILM}/a.mov")
        library.delete(f"{FILM}/day")
        system.at_ns += 31 * DAY_S * 10**9
        return library

    system = Dying()
    with closing(prepare(system, "well")) as library:
        system.acts.clear()
        keep(library)
        acts = len(system.acts)
    assert acts > 5
    for at in range(1, acts + 1):
        system = Dying()
        library = prepare(system, str(at))
        system.arm(at, fault)
        try:
            keep(library)
        except (Death, CasError, OSError):
            assert system.struck
        library.store._give_up()
        system = Dying()
        system.at_ns += 31 * DAY_S * 10**9
        with closing(Library(root / str(at), system)) as library:
            keep(library)
            assert trash(library) == in_trash_on_disk(library) == [] and blobs(library) == 2
            assert in_index(library) == on_disk(library.root)
            check_links(library)
