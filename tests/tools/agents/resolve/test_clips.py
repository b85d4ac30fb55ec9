"""Is a clip there, and is it what the server has?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tools.agents.resolve import clips
from tools.agents.resolve.clips import Clip, Finder, Outcome
from tools.agents.resolve.places import Places


def clip_of(path: Path, data: bytes) -> Clip:
    return Clip(path.name, str(path), len(data), hashlib.sha256(data).hexdigest())


def look(clip: Clip, finder: Finder | None = None) -> Path | Outcome:
    [(_, found)] = (finder or Finder(Places(), patience_s=0)).find([clip])
    return found


def test_a_whole_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"clip")
    assert look(clip_of(tmp_path / "a.mov", b"clip")) == tmp_path / "a.mov"


def test_the_first_place_that_has_it_counts(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/a.mov").write_bytes(b"clip")
    finder = Finder(Places([("/srv/x", str(tmp_path / "none")), ("/srv/x", str(tmp_path / "b"))]), patience_s=0)
    assert look(Clip("a.mov", "/srv/x/a.mov", 4), finder) == tmp_path / "b/a.mov"


@pytest.mark.parametrize(("data", "outcome"), [(None, "missing"), (b"cl", "incomplete"), (b"CLIP", "damaged")])
def test_what_is_wrong_is_told(tmp_path: Path, data: bytes | None, outcome: str) -> None:
    path = tmp_path / "a.mov"
    if data is not None:
        path.write_bytes(data)
    found = look(clip_of(path, b"clip"))
    assert isinstance(found, Outcome) and found.outcome == outcome and str(path) in found.detail and not found.good


def test_a_large_file_is_compared_by_size_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "HASHED_BYTES", 3)
    (tmp_path / "a.mov").write_bytes(b"CLIP")
    assert look(clip_of(tmp_path / "a.mov", b"clip")) == tmp_path / "a.mov"


def test_files_that_show_a_moment_later_are_waited_for_together(tmp_path: Path) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            (tmp_path / "late.mov").write_bytes(b"clip")

    finder = Finder(Places(), patience_s=4, sleep=sleep)
    found = dict(finder.find([clip_of(tmp_path / name, b"clip") for name in ("late.mov", "never.mov", "no.mov")]))
    outcomes = [what.outcome if isinstance(what, Outcome) else what.name for what in found.values()]
    assert outcomes == ["late.mov", "missing", "missing"] and len(slept) == 4


def test_paths_of_windows_are_looked_for_on_windows_alone(tmp_path: Path) -> None:
    found = look(Clip("a.mov", r"B:\x\a.mov", 1), Finder(Places(), patience_s=0, windows=False))
    assert isinstance(found, Outcome) and r"B:\x\a.mov" in found.detail
