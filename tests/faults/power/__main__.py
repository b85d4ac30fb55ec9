"""Power cuts on one file system, a round after the other, each with a workload of its own."""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.faults.power.broken import BROKEN, Broken
from tests.faults.power.disks import FILE_SYSTEMS, FileSystem, missing, steps_of
from tests.faults.power.kernel import own_mounts
from tests.faults.power.laboratory import Found, cut, record

ROUND_STATES = 150  # of one recording; then another workload is recorded
MEMORY = Path("/dev/shm")  # images are written many times
NEEDED_BYTES = 2 << 30


def main() -> int:
    said = _words()
    if why := missing():
        print(why, file=sys.stderr)
        return 2
    own_mounts()
    logging.disable(logging.WARNING)  # each of these disks lost its index
    kind = FILE_SYSTEMS[said.file_system]
    found = _again(kind, said) if said.record else _rounds(kind, said)
    print(json.dumps({"states": found.states, "steps": found.steps, "answers": found.answers, "seconds": round(found.seconds, 1),
                      "violations": len(found.violations), "seed": said.seed}))  # fmt: skip
    return 1 if found.violations else 0


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.power", description=__doc__)
    parser.add_argument("file_system", choices=FILE_SYSTEMS)
    parser.add_argument("--states", type=int, default=ROUND_STATES, help="how many disks to look at")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--door", choices=("both", "direct", "http"), default="both", help="how the clients reach the library")
    parser.add_argument("--broken", choices=BROKEN, help="a store that leaves a sync out; stops at the first disk that shows it")
    parser.add_argument("--record", type=Path, help="a folder that an earlier run kept: look at its disks again")
    parser.add_argument("--only", type=int, help="the number of one state of that record")
    return parser.parse_args()


def _rounds(kind: FileSystem, said: argparse.Namespace) -> Found:
    """Every other round through a real server. Round `n` has the seed `seed + n`."""
    total, number, broken = Found(), 0, BROKEN[said.broken] if said.broken else Broken((), 0)
    while total.states < said.states and not (said.broken and total.violations):
        http = said.door == "http" or (said.door == "both" and number % 2 == 1)
        found = _round(kind, said, broken, said.seed + number, min(ROUND_STATES, said.states - total.states), http)
        total.violations |= {total.states + state: what for state, what in found.violations.items()}
        total.states, total.answers = total.states + found.states, total.answers + found.answers
        total.steps, total.seconds = Counter(total.steps + found.steps), total.seconds + found.seconds
        number += 1
    return total


def _round(kind: FileSystem, said: argparse.Namespace, broken: Broken, seed: int, states: int, http: bool) -> Found:
    with tempfile.TemporaryDirectory(prefix="filmcan-power-", dir=_place()) as folder:
        work = Path(folder)
        steps = record(kind, work, seed, broken.system(), http=http)
        with broken.looking():
            found = cut(kind, work, steps, seed, states, until_first=bool(said.broken), tell=print)
        if found.violations and not said.broken:
            _keep(kind, work, seed, states, min(found.violations))
        return found


def _again(kind: FileSystem, said: argparse.Namespace) -> Found:
    with tempfile.TemporaryDirectory(prefix="filmcan-power-", dir=_place()) as folder:
        for name in ("fresh.img", "record"):
            shutil.copyfile(said.record / name, Path(folder) / name)
        steps = steps_of(Path(folder))
        return cut(kind, Path(folder), steps, said.seed, said.states, only=said.only, tell=print)


def _keep(kind: FileSystem, work: Path, seed: int, states: int, state: int) -> None:
    """Threads and the kernel have their own timing: only the record itself repeats what it showed."""
    kept = Path(tempfile.mkdtemp(prefix=f"filmcan-power-{kind.name}-{seed}-"))
    for name in ("fresh.img", "record"):
        shutil.copyfile(work / name, kept / name)
    print(f"to repeat: python -m tests.faults.power {kind.name} --seed {seed} --states {states} --record {kept} --only {state}")


def _place() -> Path | None:
    """In memory where there is enough of it."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > NEEDED_BYTES else None


if __name__ == "__main__":
    sys.exit(main())
