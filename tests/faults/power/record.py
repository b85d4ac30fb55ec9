"""What a recorder wrote down, and what a disk may hold when the power goes at some place of it.

A flush covers the writes that had been answered when it was asked for; they are on the disk for good. Any of the later ones
may be there or not, whole or in part: a sector of 512 bytes is the old or the new one.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SECTOR_BYTES, BLOCK_BYTES = 512, 4096
HEAD = struct.Struct("<BIQI")


class Kind(IntEnum):
    WRITE = 1
    FLUSH = 2
    MARK = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was asked of the recorder.

    batch   requests that were there at the same moment have the same number
    """

    kind: Kind
    batch: int
    offset: int
    data: memoryview


def load(path: Path) -> list[Step]:
    data, at, found = memoryview(path.read_bytes()), 0, []
    while at < len(data):
        kind, batch, offset, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        found.append(Step(Kind(kind), batch, offset, data[at : at + size]))
        at += size
    return found


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes at a place of the disk."""

    offset: int
    data: memoryview


@dataclass(frozen=True)
class Cut:
    """The power goes after the first `at` steps.

    safe    writes that became certain since the cut before, in order
    loose   writes of which any may be there or not, in order
    """

    at: int
    safe: tuple[Piece, ...]
    loose: tuple[Piece, ...]


class Cuts:
    """A record walked forward."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps, self._at, self._loose = steps, 0, list[Step]()

    def to(self, at: int) -> Cut:
        """The cut after `at` steps; `at` never falls from call to call."""
        safe: list[Step] = []
        for step in self._steps[self._at : at]:
            if step.kind is Kind.WRITE:
                self._loose.append(step)
            elif step.kind is Kind.FLUSH:
                safe += [old for old in self._loose if old.batch < step.batch]
                self._loose = [old for old in self._loose if old.batch >= step.batch]
        self._at = at
        return Cut(at, _pieces(safe), _pieces(self._loose))


def _pieces(steps: Sequence[Step]) -> tuple[Piece, ...]:
    return tuple(Piece(step.offset, step.data) for step in steps)


# which of the loose writes a disk kept

Kept = list[Piece]


class Way:
    """Decides it, by chance. `whole`: where blocks lie that are not torn."""

    def __init__(self, chance: random.Random, whole: Collection[int]) -> None:
        self._chance, self._whole = chance, whole

    def nothing(self, loose: Sequence[Piece]) -> Kept:
        return []

    def everything(self, loose: Sequence[Piece]) -> Kept:
        return list(loose)

    def prefix(self, loose: Sequence[Piece]) -> Kept:
        """As a disk that writes in order, with the last one torn."""
        count = self._chance.randint(0, len(loose))
        return [*loose[:count], *(self._torn(loose[count]) if count < len(loose) else [])]

    def some(self, loose: Sequence[Piece]) -> Kept:
        share = self._share()
        return [piece for piece in loose if self._chance.random() < share]

    def all_but_one(self, loose: Sequence[Piece]) -> Kept:
        left_out = self._chance.randrange(len(loose)) if loose else 0
        return [piece for place, piece in enumerate(loose) if place != left_out]

    def only_one(self, loose: Sequence[Piece]) -> Kept:
        return [self._chance.choice(loose)] if loose else []

    def some_sectors(self, loose: Sequence[Piece]) -> Kept:
        """Each sector of each write for itself."""
        share = self._share()
        return [sector for piece in loose for sector in self._sectors(piece) if self._chance.random() < share]

    def _share(self) -> float:
        return self._chance.choice((0.1, 0.5, 0.9))

    def _torn(self, piece: Piece) -> Kept:
        sectors = self._sectors(piece)
        return sectors[: self._chance.randint(0, len(sectors))]

    def _sectors(self, piece: Piece) -> list[Piece]:
        found, at = [], 0
        while at < len(piece.data):
            inside = (piece.offset + at) % BLOCK_BYTES  # ext4 also writes its super block, 1 KiB inside a block, by itself
            size = BLOCK_BYTES - inside if piece.offset + at - inside in self._whole else SECTOR_BYTES
            found.append(Piece(piece.offset + at, piece.data[at : at + size]))
            at += size
        return found


WAYS: dict[str, Callable[[Way, Sequence[Piece]], Kept]] = {
    "nothing": Way.nothing,
    "everything": Way.everything,
    "prefix": Way.prefix,
    "some": Way.some,
    "all but one": Way.all_but_one,
    "only one": Way.only_one,
    "some sectors": Way.some_sectors,
}
