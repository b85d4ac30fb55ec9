"""Power cuts below real file systems, see tests/faults/power: whatever of the unflushed writes a disk kept, all that was
answered is there, nothing half is seen, and the library goes on. Stores that leave a sync out are caught."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.needs import missing
from tests.faults import figures
from tests.faults.power import disks
from tests.faults.power.broken import BROKEN
from tests.faults.power.record import Piece, Way

HOUSE = Path(__file__).parents[2]
MAIN = ("ext4", "xfs", "btrfs")
MORE = ("ext4-writeback", "ext4-data-in-log")


def as_root() -> list[str]:
    """CI may run as a user with sudo (.ci/run). Nobody else is asked for it behind their back."""
    return ["sudo", "--non-interactive"] if os.geteuid() and os.environ.get("CI") == "true" else []


def laboratory(*words: str) -> tuple[int, dict[str, Any], str]:
    """How it ended, its figures, and all it said. A process of its own: it has mounts of its own, and one that believes a torn
    index may be ended by it."""
    why = disks.missing(root=not as_root())
    if why:
        missing(why)
    command = [*as_root(), sys.executable, "-B", "-m", "tests.faults.power", *words]  # root leaves no files here
    done = subprocess.run(command, cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last = done.stdout.rstrip().rpartition("\n")[2]
    return done.returncode, json.loads(last) if last.startswith("{") else {}, done.stdout


@pytest.mark.parametrize("kind", [*MAIN, *(pytest.param(kind, marks=pytest.mark.long) for kind in MORE)])
def test_after_a_power_cut_all_that_was_answered_is_there_and_nothing_half_is_seen(kind: str) -> None:
    states = figures.count("CUTS")
    code, found, said = laboratory(kind, "--states", str(states), "--seed", str(figures.SEED))
    assert code == 0 and found["states"] == states, said
    assert found["steps"]["FLUSH"] and found["answers"], said
    figures.tell(f"power cuts on {kind}", states)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name, broken in BROKEN.items() for kind in broken.on]
    + [pytest.param(name, kind, marks=pytest.mark.long) for name, broken in BROKEN.items() for kind in broken.rarely],
)
def test_a_store_that_leaves_a_sync_out_is_caught(name: str, kind: str) -> None:
    words = ("--states", str(BROKEN[name].states), "--seed", str(figures.SEED), "--door", "direct", "--broken", name)
    code, found, said = laboratory(kind, *words)
    assert found.get("violations") or code < 0, f"{BROKEN[name].states} disks, and nothing was noticed: {said}"
    figures.tell(f"broken on purpose: {name}", 1, "caught")


@pytest.mark.parametrize(("offset", "size_bytes", "pieces"), [(0, 4096, 1), (1024, 1024, 1), (2048, 4096, 5), (8192, 1024, 2)])
def test_a_super_block_is_the_old_or_the_new_one_wherever_it_is_written(offset: int, size_bytes: int, pieces: int) -> None:
    """ext4 with blocks of 1 KiB writes it alone, and a disk with a torn one cannot be mounted, whatever a program did."""
    way, piece = Way(random.Random(1), (0,)), Piece(offset, memoryview(bytes(size_bytes)))
    sectors = way._sectors(piece)
    assert len(sectors) == pieces and sum(len(sector.data) for sector in sectors) == size_bytes
