"""What a served store does for itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cas import journal as journals
from cas.errors import Degraded
from cas.pulse import FOLD_S, READERS_S, Pulse
from tests.faulty import QuickSystem
from tests.state import put
from views.library import Library


class Later(QuickSystem):
    passed_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.passed_s


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_harmed_index_is_noticed_while_nobody_writes(library: Library) -> None:
    pulse = Pulse(library.store, lambda: 0).start()
    os.unlink(library.store.index.path / "data.mdb")
    until(lambda: library.store.state.name == "degraded")
    pulse.stop()


def test_the_journal_is_folded_every_hour_as_far_as_it_may_be(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 2000)
    system = Later()
    with closing(Library(root, system)) as library:
        library.make_project("Film")
        for number in range(20):
            put(library, f"P1-Film/{number}", b"%d" % number)
        pulse = Pulse(library.store, lambda: library.store.journal.last_seq)
        pulse.beat()
        assert library.store.journal.folded_seq == 0
        system.passed_s += FOLD_S
        pulse.beat()
        assert library.store.journal.folded_seq > 0


def test_dead_readers_are_looked_for_every_minute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, seen = Later(), list[int]()
    with closing(Library(root, system)) as library:
        monkeypatch.setattr(library.store.index, "forget_dead_readers", lambda: seen.append(1))
        pulse = Pulse(library.store, lambda: 0)
        for _ in range(3):
            pulse.beat()
        assert not seen
        system.passed_s += READERS_S
        pulse.beat()
        assert seen == [1]


def test_a_degraded_store_keeps_its_pulse_quiet(library: Library) -> None:
    library.store.state.degrade("test")
    with pytest.raises(Degraded):
        Pulse(library.store, lambda: 0).beat()
