"""Has the clock gone as time has? Deadlines of days are counted by the clock on the wall, which somebody may set.

What runs seldom writes down both clocks each time, and compares the next time. Within one run of the machine the second one
cannot be set. Over a restart only much can be told: a clock that went back, or one that is months ahead.
"""

from __future__ import annotations

import msgspec

from cas.index import Index, WriteTxn
from cas.system import System

ALLOWED_NS = 300 * 10**9  # durability reference §5
OVER_A_RESTART_NS = 60 * 86_400 * 10**9  # nobody knows how long the machine was off; a clock without a battery is off by years


class ClockRow(msgspec.Struct, array_like=True, frozen=True):
    """Both clocks when somebody asked last, and the run of the machine; key: who."""

    at_ns: int
    monotonic_s: float
    boot: str


class Clock:
    """Asked inside a change."""

    def __init__(self, system: System, index: Index) -> None:
        self._system = system
        self._table = index.table("clock", ClockRow, journaled=False)

    def jump_ns(self, txn: WriteTxn, who: bytes) -> int:
        """By how much the clock was set since `who` asked last; 0 when it was not, or by less than five minutes.

        A machine that slept looks the same: its second clock stood still.
        """
        system = self._system
        now = ClockRow(system.now_ns(), system.monotonic_s(), system.boot_id())
        last = self._table.get(txn, who)
        self._table.put(txn, who, now)
        if last is None:
            return 0
        passed_ns = now.at_ns - last.at_ns
        if last.boot and last.boot == now.boot:
            jump_ns = passed_ns - int((now.monotonic_s - last.monotonic_s) * 1e9)
            return jump_ns if abs(jump_ns) > ALLOWED_NS else 0
        return 0 if -ALLOWED_NS <= passed_ns <= OVER_A_RESTART_NS else passed_ns
