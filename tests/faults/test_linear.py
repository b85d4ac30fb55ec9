"""The checker of histories tells good ones from bad ones: against every order there is, for small histories."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.linear import NEVER, Act, violation


def write(value: int, start: float, end: float = NEVER) -> Act:
    return Act(True, value, start, end)


def read(value: int, start: float, end: float) -> Act:
    return Act(False, value, start, end)


def test_what_was_answered_and_is_not_read_is_lost() -> None:
    assert violation([write(1, 0, 1), read(0, 2, 3)])
    assert not violation([write(1, 0, 1), read(1, 2, 3)])
    assert not violation([write(1, 0, 3), read(0, 1, 2)])


def test_a_write_nobody_was_answered_for_may_come_or_not_but_does_not_go_again() -> None:
    assert not violation([write(1, 0), read(0, 1, 2)])
    assert not violation([write(1, 0), read(0, 1, 2), read(1, 3, 4)])
    assert violation([write(1, 0), read(1, 1, 2), read(0, 3, 4)])


def test_a_value_that_came_back_is_seen() -> None:
    assert violation([write(1, 0, 1), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7)])
    assert violation([read(9, 0, 1)])
    assert violation([read(1, 0, 1), write(1, 2, 3)])


TIMES = st.tuples(st.integers(0, 9), st.integers(1, 6))


@settings(max_examples=300, deadline=None)
@given(st.lists(TIMES, max_size=3), st.lists(st.tuples(TIMES, st.integers(0, 3)), max_size=3), st.integers(0, 3))
def test_it_agrees_with_trying_every_order(
    writes: list[tuple[int, int]], reads: list[tuple[tuple[int, int], int]], unanswered: int
) -> None:
    acts = [write(number, start, NEVER if number == unanswered else start + took)
            for number, (start, took) in enumerate(writes, 1)]  # fmt: skip
    acts += [read(value, start, start + took) for (start, took), value in reads if value <= len(writes)]
    acts = [act._replace(start=act.start + 0.01 * n, end=act.end + 0.013 * n) for n, act in enumerate(acts)]  # no two alike
    assert (violation(acts) == "") == any(map(_holds, permutations(acts)))


def _holds(order: tuple[Act, ...]) -> bool:
    """Does this order keep to the clock, and does each read give the last write? Unanswered writes at the end never happened."""
    if any(later.end < act.start for place, act in enumerate(order) for later in order[place + 1 :]):
        return False
    value = 0
    for act in order:
        if act.writes:
            value = act.value
        elif act.value != value:
            return False
    return True
