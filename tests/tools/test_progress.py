"""Progress is counted always and drawn only for people."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.desk import Desk
from tools.progress import drawn, silent


def test_many_hands_count_together() -> None:
    with silent("importing") as progress, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: progress.advance(1, 10, 1), range(1000)))
    assert (progress.files, progress.size_bytes, progress.known) == (1000, 10_000, 1000)


def test_a_bar_tells_files_bytes_and_what_was_known(capfd: pytest.CaptureFixture[str]) -> None:
    with drawn("importing") as progress:
        progress.expect(2, 2_000_000)
        progress.advance(1, 1_000_000, 1)
        progress._bar.console.width = 160  # type: ignore[attr-defined]
        shown = progress._bar.tasks[0]  # type: ignore[attr-defined]
        assert shown.fields["files"] == "1 of 2 files, 1 known"
        assert (shown.completed, shown.total) == (1_000_000, 2_000_000)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("watched", "wants_json", "draws"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_nothing_is_drawn_into_a_pipe_or_for_a_program(
    watched: bool, wants_json: bool, draws: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    with Desk({}, None, wants_json).progress("importing") as progress:
        assert hasattr(progress, "_bar") is draws
