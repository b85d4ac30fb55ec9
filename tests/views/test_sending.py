"""A move to another source, and the end of the process at every act of it, on either side: the clip is somewhere, always."""

from __future__ import annotations

import errno
from contextlib import closing
from pathlib import Path

import pytest

from cas.errors import CasError
from tests.faulty import Death, FaultySystem
from tests.state import in_index, on_disk, put
from views.errors import ChangedMeanwhile
from views.library import Library
from views.reindex import apply, plan
from views.sending import Side, send

HERE, THERE = "P1-Here", "P1-There"
INNER = "ingest/originals/a.mov"
FAULTS: dict[str, int | type[Death]] = {"death": Death, "EIO": errno.EIO, "ENOSPC": errno.ENOSPC}


def opened(root: Path, label: str) -> tuple[Library, FaultySystem]:
    system = FaultySystem()
    library = Library(root, system)
    library.make_project(label)
    return library, system


def move(here: Library, there: Library, inner: str = INNER) -> str:
    entry = here.entry(f"{HERE}/{inner}")
    return send(inner, entry, Side(here, "primary", HERE), Side(there, "nas", THERE)).path


def contents(library: Library) -> set[bytes]:
    return {data for path, data in in_index(library).items() if data is not None and "ingest/originals" in path}


def test_a_file_goes_over_whole_with_its_time_and_its_tags(tmp_path: Path) -> None:
    here, there = opened(tmp_path / "here", HERE)[0], opened(tmp_path / "there", THERE)[0]
    with closing(here), closing(there):
        put(here, f"{HERE}/{INNER}", b"clip")
        here.amend(f"{HERE}/{INNER}", modified_ns=123 * 10**9)
        here.tag([f"{HERE}/{INNER}"], add=["keeper"])
        assert move(here, there) == INNER and here.find(f"{HERE}/{INNER}") is None
        entry = there.entry(f"{THERE}/{INNER}")
        assert entry.modified_ns == 123 * 10**9 and entry.via == "move" and entry.digest is not None
        assert there.tags_of(entry.digest) == ("keeper",) and (there.root / THERE / INNER).read_bytes() == b"clip"


def test_a_file_that_changed_meanwhile_stays(tmp_path: Path) -> None:
    here, there = opened(tmp_path / "here", HERE)[0], opened(tmp_path / "there", THERE)[0]
    with closing(here), closing(there):
        put(here, f"{HERE}/{INNER}", b"clip")
        before = here.entry(f"{HERE}/{INNER}")
        put(here, f"{HERE}/{INNER}", b"another cut")
        with pytest.raises(ChangedMeanwhile):
            send(INNER, before, Side(here, "primary", HERE), Side(there, "nas", THERE))
        assert contents(here) == {b"another cut"}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("struck", ["here", "there"])
def test_whatever_ends_a_move_the_clip_is_whole_in_one_of_both_and_moving_again_finishes(
    tmp_path: Path, struck: str, fault: str
) -> None:
    at_act, done = 0, False
    while not done:
        at_act += 1
        clip, roots = b"clip %d" % at_act, {"here": tmp_path / "here", "there": tmp_path / "there"}
        (here, here_system), (there, there_system) = opened(roots["here"], HERE), opened(roots["there"], THERE)
        put(here, f"{HERE}/{INNER}", clip)
        system = {"here": here_system, "there": there_system}[struck]
        system.arm(at_act, FAULTS[fault])
        try:
            move(here, there)
            done = not system.struck
        except (Death, CasError, OSError):
            assert system.struck
        for library in (here, there):
            library.store._give_up()
        (here, _), (there, _) = opened(roots["here"], HERE), opened(roots["there"], THERE)
        with closing(here), closing(there):
            for library in (here, there):
                apply(library, plan(library))
            assert clip in contents(here) | contents(there), f"lost at act {at_act}"
            if clip in contents(here):
                move(here, there)
            assert contents(here) == set() and clip in contents(there)
            shown = {data for path, data in on_disk(there.root).items() if data is not None}
            assert clip in shown and all(data.startswith(b"clip ") for data in shown)
    assert at_act > 4, "no fault was met"
