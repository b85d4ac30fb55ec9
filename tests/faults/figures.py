"""How much of each kind of fault is run, and what came of it: the figures of the durability reference, section 9.

`make test` runs the left column, `make faults` the right one. FILMCAN_FAULTS_<NAME>=<number> changes one of them, and
FILMCAN_SEED repeats a run that chance decided. What was done is printed as a table when all tests are over.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import TypeVar

T = TypeVar("T")
RELEASE = os.environ.get("FILMCAN_FAULTS") == "release"
SEED = int(os.environ.get("FILMCAN_SEED", str(random.SystemRandom().randrange(10**9))))
FIGURES: dict[str, tuple[int, int]] = {
    "CALLS": (200, 1_000),  # kills at a system call
    "ERRORS": (500, 10_000),  # errors of system calls
    "MODEL": (200, 10_000),  # stories of 50 steps over a simulated file system
    "ERRORS_BELOW": (60, 1_000),  # the same below Python, by strace: LMDB writes by itself
    "CUTS": (300, 2_000),  # disks after a power cut, for each file system; 10,000 of each take hours
    "HISTORY": (3_000, 100_000),  # requests of 16 clients
    "HISTORY_KILLS": (10, 200),
    "CONNECTIONS": (200, 2_000),  # cut uploads
    "DEVICE": (20, 300),  # disks that fail
    "INDEX": (60, 1_000),  # indexes that rotted between two starts
    "MEMORY": (24, 256),  # MiB of each of 20 uploads at once
}
_told: Counter[tuple[str, str]] = Counter()


def count(name: str) -> int:
    """How many faults of a kind this run makes."""
    return int(os.environ.get(f"FILMCAN_FAULTS_{name}", FIGURES[name][RELEASE]))


def share(name: str, number: int, of: int) -> int:
    """The part of that count which the test `number` of `of` tests does; together they do all."""
    whole, more = divmod(count(name), of)
    return whole + (number < more)


def some(points: list[T], most: int, about: str) -> list[T]:
    """At most so many of these points, in order; which of them is decided by the seed."""
    if len(points) <= most:
        return points
    chosen = random.Random(f"{SEED} {about}").sample(range(len(points)), most)
    return [points[place] for place in sorted(chosen)]


def tell(what: str, done: int, words: str = "0 violations") -> None:
    """For the table: so many faults of a kind were made, looked at and found harmless. Lines about the same thing add up."""
    _told[what, words] += done


def table() -> list[str]:
    wide = max((len(what) for what, _ in _told), default=0)
    return [f"{what:<{wide}}  {done:>9,}  {words}" for (what, words), done in sorted(_told.items())]
