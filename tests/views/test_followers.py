"""Followers see every event in order, whatever happens to them or to each other, and nobody waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cas.journal import Event
from cas.store import Store
from tests.views.stage import StillSystem, lines, put
from views import followers
from views.followers import FollowerThread
from views.library import Library
from views.manifest import Manifest


class Notebook:
    """A follower that writes numbers down. `fails` is raised by the next `take` or `tend`; `gate` holds it up."""

    def __init__(self, name: str = "notebook") -> None:
        self.name, self.problem, self.seq = name, "", 0
        self.seen: list[int] = []
        self.begun: list[int] = []
        self.finished = 0
        self.fails: Exception | None = None
        self.again: int | None = None
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()

    def begin(self, position: int) -> None:
        self.begun.append(position)
        self.seq = position

    def take(self, events: Sequence[Event]) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        if self.fails is not None:
            raise self.fails
        self.seen += [event.seq for event in events]
        self.seq = events[-1].seq

    def tend(self, now_s: float, *, finish: bool) -> float:
        self.finished += finish
        if self.again is not None:
            self.seq, self.again = self.again, None
        return float("inf")

    def settle(self) -> int:
        return self.seq


@pytest.fixture
def system() -> StillSystem:
    return StillSystem()


@pytest.fixture
def store(tmp_path: Path, system: StillSystem) -> Iterator[Store]:
    store = Store(tmp_path, system)
    yield store
    store.close()


def happen(store: Store, count: int = 1) -> None:
    for _ in range(count):
        store.commit(lambda acts: acts.tell("something", {}))


def saved(store: Store, name: str = "notebook") -> int:
    with store.index.read() as txn:
        row = store.positions.get(txn, name.encode())
    return row.seq if row else 0


def test_every_event_comes_once_and_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "BATCH_EVENTS", 7)
    notebook = Notebook()
    happen(store, 20)
    thread = FollowerThread(store, [notebook]).start()
    happen(store, 20)
    assert thread.stop()
    assert notebook.seen == list(range(1, 41))
    assert saved(store) == 40


def test_a_follower_goes_on_where_it_was(store: Store) -> None:
    happen(store, 3)
    FollowerThread(store, [Notebook()]).stop()
    happen(store, 2)
    notebook = Notebook()
    assert FollowerThread(store, [notebook]).flush()
    assert (notebook.begun, notebook.seen) == ([3], [4, 5])


def test_what_was_not_saved_comes_again(store: Store) -> None:
    happen(store, 3)
    FollowerThread(store, [Notebook()]).flush()
    notebook = Notebook()
    FollowerThread(store, [notebook]).flush()
    assert notebook.seen == [1, 2, 3]


def test_positions_cost_a_commit_every_few_seconds_only(store: Store, system: StillSystem) -> None:
    thread = FollowerThread(store, [Notebook()])
    positions = set()
    for _ in range(100):
        happen(store)
        thread.step()
        system.pass_s(0.1)
        positions.add(saved(store))
    assert len(positions) == 1 + 10 / followers.SAVE_EVERY_S - 1
    assert store.journal.last_seq == 100


def test_a_position_that_did_not_move_is_not_saved(
    store: Store, system: StillSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(store)
    thread = FollowerThread(store, [Notebook()])
    thread.stop()
    monkeypatch.setattr(store, "note", lambda _: pytest.fail("nothing is new"))
    for _ in range(5):
        system.pass_s(10)
        thread.step()


def test_a_follower_that_fails_begins_again_and_the_others_go_on(
    store: Store, system: StillSystem, caplog: pytest.LogCaptureFixture
) -> None:
    weak, strong = Notebook("weak"), Notebook("strong")
    thread = FollowerThread(store, [weak, strong])
    happen(store, 2)
    thread.stop()
    weak.fails = RuntimeError("out of ink")
    happen(store, 2)
    for _ in range(4):
        thread.step()
        system.pass_s(followers.RETRY_S + 1)
    assert strong.seen == [1, 2, 3, 4]
    assert weak.problem == "RuntimeError: out of ink"
    assert len(caplog.records) == 1
    weak.fails = None
    thread.step()
    assert (weak.problem, weak.begun[-1], weak.seen) == ("", 2, [1, 2, 3, 4])
    assert len(caplog.records) == 1


def test_a_follower_that_fails_is_left_alone_for_a_while(store: Store, system: StillSystem) -> None:
    notebook = Notebook()
    notebook.fails = RuntimeError("out of ink")
    thread = FollowerThread(store, [notebook])
    happen(store)
    thread.step()
    begun = len(notebook.begun)
    thread.step()
    assert len(notebook.begun) == begun
    assert not thread.flush()  # who asks gets another try, and the truth
    assert len(notebook.begun) == begun + 1


def test_a_follower_may_ask_to_be_told_again(store: Store) -> None:
    notebook = Notebook()
    thread = FollowerThread(store, [notebook])
    happen(store, 3)
    notebook.again = 1
    assert thread.flush()
    assert notebook.seen == [1, 2, 3, 2, 3]


def test_nobody_waits_for_a_follower(store: Store) -> None:
    notebook = Notebook()
    notebook.gate.clear()
    thread = FollowerThread(store, [notebook]).start()
    happen(store)
    assert notebook.entered.wait(10)
    assert not thread.flush(timeout_s=0.05)
    happen(store, 5)
    notebook.gate.set()
    assert thread.flush()
    assert notebook.seen == [1, 2, 3, 4, 5, 6]
    assert thread.stop()


def test_a_store_that_only_reads_saves_no_position_and_stops_well(store: Store) -> None:
    happen(store, 3)
    thread = FollowerThread(store, [Notebook()])
    assert thread.flush()
    store.state.degrade("the disk fails")
    assert thread.stop()
    assert saved(store) == 0


def test_flush_finishes_what_waits_for_a_quiet_moment(store: Store) -> None:
    notebook = Notebook()
    thread = FollowerThread(store, [notebook])
    thread.step()
    assert notebook.finished == 0
    assert thread.flush()
    assert notebook.finished == 1


def test_stopping_ends_the_thread(store: Store) -> None:
    thread = FollowerThread(store, [Notebook()]).start()
    assert any(one.name == "followers" for one in threading.enumerate())
    assert thread.stop()
    assert not any(one.name == "followers" for one in threading.enumerate())


def test_manifests_are_whole_behind_many_hands(tmp_path: Path) -> None:
    """Four uploaders, a real clock, a real thread; then a restart that finds nothing to do."""
    library = Library(tmp_path)
    thread = FollowerThread(library.store, [Manifest(library.store, library.tree)]).start()
    project = library.make_project("Film").path

    def upload(hand: int) -> None:
        for number in range(25):
            put(library, f"{project}/ingest/originals/{hand}-{number}.mov")

    hands = [threading.Thread(target=upload, args=(hand,)) for hand in range(4)]
    for one in hands:
        one.start()
    for one in hands:
        one.join()
    assert thread.flush()
    expected = sorted(f"ingest/originals/{hand}-{number}.mov" for hand in range(4) for number in range(25))
    assert sorted(line["relative_path"] for line in lines(library, project)) == expected
    assert thread.stop()
    before = (tmp_path / project / "index.json").stat().st_ino
    again = Manifest(library.store, library.tree)
    assert FollowerThread(library.store, [again]).flush()
    assert len(lines(library, project)) == 100
    assert (tmp_path / project / "index.json").stat().st_ino == before
    library.close()
