"""The table tells which side is better, whichever way a unit counts."""

from __future__ import annotations

from .__main__ import table
from .rows import Row


def _row(unit: str, ours: list[float], theirs: list[float]) -> str:
    row = Row("A row", unit, lambda _bench, _one: 0.0)
    return table([row], {"A row": {"filmcan": ours, "stock": theirs}}).splitlines()[-1]


def test_more_requests_a_second_are_better() -> None:
    assert _row("/s", [200, 300, 1], [100, 100, 100]) == "| A row | /s | 200 | 100 | 2.00 |  |  |"


def test_fewer_milliseconds_are_better() -> None:
    assert _row("ms", [5.0], [50.0]) == "| A row | ms | 5.0 | 50.0 | 10.00 |  |  |"
