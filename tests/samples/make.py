"""A card full of clips: first a plan out of a seed, then the files."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import camera
from .names import FOLDERS, KINDS, camera_name, human_name

MAKERS: dict[str, Callable[[Path, camera.Take], None]] = {
    "hevc": camera.hevc,
    "h264": camera.h264,
    "jpeg": camera.jpeg,
    "heic": camera.heic,
    "wav": camera.wav,
    "prores": camera.prores,
}
SHARES = {"hevc": 4, "h264": 5, "jpeg": 5, "heic": 2, "wav": 3, "prores": 1}


@dataclass(frozen=True)
class Sample:
    """One file to make. Samples of one `take` and `kind` have the same bytes under different names."""

    name: str
    kind: str
    take: camera.Take

    @property
    def content(self) -> tuple[str, int]:
        return self.kind, self.take.number


def make_samples(folder: Path, count: int = 200, seed: int = 1) -> list[Sample]:
    """Make `count` files below `folder`; about one in ten repeats another one's bytes.

    Names are relative, joined by "/".
    """
    plan = plan_samples(count, seed)
    first: dict[tuple[str, int], Path] = {}
    for sample in plan:
        path = folder / sample.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if sample.content in first:
            shutil.copyfile(first[sample.content], path)
        else:
            MAKERS[sample.kind](path, sample.take)
            first[sample.content] = path
        _shot_at(path, sample.take)
    return plan


def plan_samples(count: int, seed: int) -> list[Sample]:
    """The same seed gives the same plan. No two names are one name after NFC and case folding: disks differ there."""
    dice = Random(seed)
    plan: list[Sample] = []
    taken: set[str] = set()
    while len(plan) < count:
        sample = _again(dice, plan) if plan and dice.random() < 0.1 else _new(dice, seed * 100_000 + len(plan))
        key = unicodedata.normalize("NFC", sample.name).casefold()
        if key not in taken:
            taken.add(key)
            plan.append(sample)
    return plan


def _new(dice: Random, number: int) -> Sample:
    kind = dice.choices(KINDS, [SHARES[kind] for kind in KINDS])[0]
    name = camera_name(kind, dice) if dice.random() < 0.8 else human_name(kind, dice)
    return Sample(f"{dice.choice(FOLDERS)}/{name}", kind, camera.Take(number))


def _again(dice: Random, plan: list[Sample]) -> Sample:
    old = dice.choice(plan)
    return Sample(f"{dice.choice(FOLDERS)}/{human_name(old.kind, dice)}", old.kind, old.take)


def _shot_at(path: Path, take: camera.Take) -> None:
    """An old time on disk, as after a copy from a card; never the time of the test run."""
    shot_s = 1_717_200_000 + take.number * 60
    os.utime(path, (shot_s, shot_s))
