"""Is there an order of what several clients did to one register, in which each read gives what was written last? Pure.

Every value is written once, so this is decided by zones (Gibbons and Korach, Testing Shared Memories, 1997). All that was done
with one value is a cluster: its write and the reads of it. A cluster whose first end comes before its last start holds the
register from the one to the other (a forward zone); any other can be squeezed into a moment between its last start and its
first end (a backward zone). An order exists if no two forward zones overlap and none holds a whole backward zone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

NEVER = math.inf


class Act(NamedTuple):
    """`end` is NEVER for a write nobody was answered for: it may happen at any later time, or not at all."""

    writes: bool
    value: int
    start: float
    end: float


class Zone(NamedTuple):
    low: float
    high: float
    forward: bool
    value: int


def violation(acts: Iterable[Act]) -> str:
    """Why there is no such order; "" when there is one. 0 is the value before all writes."""
    clusters: dict[int, list[Act]] = {0: [Act(True, 0, -NEVER, -NEVER)]}
    for act in acts:
        clusters.setdefault(act.value, []).append(act)
    zones = []
    for value, cluster in clusters.items():
        writes = [act for act in cluster if act.writes]
        if len(writes) != 1:
            return f"value {value} was read, but not written once"
        if len(cluster) == 1 and writes[0].end == NEVER:
            continue  # nobody was answered and nobody saw it
        if any(act.end < writes[0].start for act in cluster):
            return f"value {value} was read before it was written"
        first_end, last_start = min(act.end for act in cluster), max(act.start for act in cluster)
        zones.append(Zone(min(first_end, last_start), max(first_end, last_start), first_end < last_start, value))
    return _overlap(sorted(zones))


def _overlap(zones: list[Zone]) -> str:
    """Of zones in order of their beginnings: a forward one that another forward one runs into, or that holds a backward one."""
    holding: Zone | None = None
    for zone in zones:
        if holding is not None and zone.low < holding.high and (zone.forward or zone.high < holding.high):
            return f"value {holding.value} was read after value {zone.value} had taken its place"
        if zone.forward and (holding is None or zone.high > holding.high):
            holding = zone
    return ""
