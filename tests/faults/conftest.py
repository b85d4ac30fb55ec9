"""The table at the end of a run."""

from __future__ import annotations

from typing import Any

from tests.faults import figures


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if lines := figures.table():
        terminalreporter.section(f"faults (seed {figures.SEED}; FILMCAN_SEED={figures.SEED} repeats what chance decided)")
        for line in lines:
            terminalreporter.line(line)
