"""A running server reads its clips again, names what is lost, and brings it back from another source."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cas.digest import sums_of
from tests.faulty import QuickSystem
from tests.rot import rot
from tests.state import put, read
from tests.views.test_heal import DIGEST, FILM, A, B, shown_twice
from tools.assemble import open_libraries
from tools.config import load
from views.care import Caretaker
from views.library import Library


def soon(true: Callable[[], object], within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def test_the_thread_reads_all_and_stops_when_asked(root: Path) -> None:
    with closing(shown_twice(root)) as library:
        rot(library, library.store.layout.blob(DIGEST), b"rot", 9)
        caretaker = Caretaker(library.care, library.store).start()
        soon(lambda: library.scrub.state().whole_ns)
        caretaker.stop()
        assert [(lost.kind, lost.paths, lost.projects) for lost in library.care.lost()] == [
            ("damaged", [A, B], ["P1-Film", "P2-Else"])
        ]


def test_a_thread_that_naps_ends_at_once(root: Path) -> None:
    with closing(shown_twice(root)) as library:
        put(library, "P1-Film/large", bytes(64 << 20))
        caretaker = Caretaker(library.care, library.store).start()
        soon(lambda: library.scrub.state().began_ns or True)
        began_s = time.monotonic()
        caretaker.stop()
        assert time.monotonic() - began_s < 5


def test_in_a_served_root_rot_is_healed_from_another_source(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("views.care.LOOK_S", 0.1)
    nas = tmp_path / "nas"
    for place in (root, nas):
        with closing(shown_twice(place)):
            pass
    (root / "_sources").mkdir()
    source = {"name": "nas", "root": str(nas), "type": "local", "enabled": True}
    (root / "_sources" / "sources.json").write_text(json.dumps([source]))
    with closing(Library(root, QuickSystem())) as library:
        rot(library, library.store.layout.blob(DIGEST), b"rot", 9)
    settings = load({"root": str(root), "watch": False}, environ={})
    with open_libraries(settings, QuickSystem()) as libraries:
        primary = libraries.primary
        soon(lambda: primary.scrub.state().whole_ns and not primary.care.lost_count())
        assert read(primary, A) == read(primary, B) == FILM == (root / B).read_bytes()
        healed = [event.facts for event in primary.store.journal.after(0) if event.op == "healed"]
        assert [(facts["from"], facts["paths"]) for facts in healed] == [("the source nas", [A, B])]


def test_a_source_that_comes_back_later_heals_then(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("views.care.AGAIN_S", 0.0)
    with closing(shown_twice(root)) as library, closing(shown_twice(tmp_path / "nas")) as nas:
        library.store.layout.blob(DIGEST).unlink()
        for path in (A, B):
            (library.root / path).unlink()
        library.store.doubt.note_missing(DIGEST)
        assert library.care.heal() == [] and library.care.lost_count() == 1
        library.healer.replicas = lambda: [("nas", nas.store)]
        assert library.care.heal() == [(DIGEST, "the source nas")]
        assert library.care.lost() == [] and library.store.open(sums_of(FILM).digest).size_bytes == len(FILM)
