"""`python -m tests.bench [--quick] [--json FILE] [--keep] [--folder FOLDER]`: see the package."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from .contestants import Contestant, started
from .rows import QUICK, ROWS, Bench, Row, Scale

RESULTS = Path(__file__).parent / "RESULTS.md"
Numbers = dict[str, dict[str, list[float]]]


def main() -> None:
    options = _options()
    for program in ("curl", "wrk"):
        if not shutil.which(program):
            sys.exit(f"the bench needs {program}: apt install {program}")
    rows = [row for row in ROWS if options.only.lower() in row.name.lower()]
    with tempfile.TemporaryDirectory(prefix="filmcan-bench-", dir=options.folder) as folder:
        numbers, memory = measure(rows, QUICK if options.quick else Scale(), Path(folder))
    report = (
        "" if not options.quick else "Quick run with little data: it works, its numbers mean nothing.\n\n"
    ) + f"{table(rows, numbers)}\n\n{_words(memory)}\n"
    print(f"\n{report}")
    if options.json:
        options.json.write_text(json.dumps({"rows": numbers, "peak_memory_bytes": memory}, indent=2))
    if options.keep:
        keep(report)


def measure(rows: list[Row], scale: Scale, folder: Path) -> tuple[Numbers, dict[str, int]]:
    """Every round asks all contestants, each time another one first: what the disk does meanwhile hits them alike."""
    desk = folder / "desk"
    desk.mkdir()
    bench = Bench(scale, desk)
    with started(folder) as contestants:
        numbers = {row.name: _row(row, bench, contestants) for row in rows}
        return numbers, {one.name: one.peak_memory_bytes for one in contestants}


def _row(row: Row, bench: Bench, everybody: list[Contestant]) -> dict[str, list[float]]:
    contestants = [one for one in everybody if row.writes or one.name != "stock synced"]
    begun = time.monotonic()
    for one in contestants:
        if row.prepare:
            row.prepare(bench, one)
    values: dict[str, list[float]] = {one.name: [] for one in contestants}
    for number in range(bench.scale.rounds):
        turn = number % len(contestants)
        for one in contestants[turn:] + contestants[:turn]:
            values[one.name].append(row.measure(bench, one))
    print(f"{row.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return values


def table(rows: list[Row], numbers: Numbers) -> str:
    """Medians, and how many times better filmcan is; below 1 it is worse."""
    lines = ["| | | filmcan | stock | times | stock, synced | times |", "|---|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        middle = {name: median(values) for name, values in numbers[row.name].items()}
        ours, cells = middle["filmcan"], []
        for name in ("stock", "stock synced"):
            theirs = middle.get(name)
            cells += ["", ""] if theirs is None else [_figure(theirs), _times(row, ours, theirs)]
        lines.append(f"| {row.name} | {row.unit} | {_figure(ours)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _times(row: Row, ours: float, theirs: float) -> str:
    return f"{ours / theirs if row.more_is_better else theirs / ours:.2f}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _words(memory: dict[str, int]) -> str:
    peaks = ", ".join(f"{name} {peak >> 20} MiB" for name, peak in memory.items())
    return f"Most memory held: {peaks}."


def keep(report: str) -> None:
    """Put this run on top of the kept ones. What a machine is called is nobody's business; what it is, is."""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = (
        f"{os.cpu_count()} shared vCPU, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )
    title, _, older = RESULTS.read_text().partition("\n## ")
    kept = f"{title.rstrip()}\n\n## {day}, commit {_commit()}\n\n{machine}.\n\n{report}"
    RESULTS.write_text(kept + (f"\n## {older}" if older else ""))


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, cwd=RESULTS.parent).stdout.strip() or "unknown"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="filmcan beside a stock WebDAV server")
    parser.add_argument("--quick", action="store_true", help="little data, one round: shows only that everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every single number")
    parser.add_argument("--keep", action="store_true", help=f"add the table to {RESULTS.name}")
    parser.add_argument("--folder", type=Path, help="where the servers keep their data (default: the temporary folder)")
    parser.add_argument("--only", default="", metavar="WORDS", help="rows whose name contains this")
    return parser.parse_args()


if __name__ == "__main__":
    main()
