"""A library whose clock stands still until it is told otherwise, and what its followers wrote."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cas.system import System
from views.library import Library

START_NS = 1_768_767_300_000_001_000  # 2026-01-18T20:15:00.000001+00:00
STEP_NS = 1_000_000


class StillSystem(System):
    """Time passes only by `pass_s` and a millisecond for each look at the clock; nothing is synced, to be quick.

    refused    names that cannot be created or opened for writing, and the error they meet
    replaced   names that were swapped in, in order
    """

    def __init__(self) -> None:
        self.at_ns, self.at_s = START_NS, 1000.0
        self.refused: dict[str, int] = {}
        self.replaced: list[str] = []
        self.synced = 0

    def now_ns(self) -> int:
        self.at_ns += STEP_NS
        return self.at_ns

    def monotonic_s(self) -> float:
        return self.at_s

    def pass_s(self, seconds: float) -> None:
        self.at_s += seconds
        self.at_ns += int(seconds * 1e9)

    def _ask(self, name: str) -> None:
        if name in self.refused:
            raise OSError(self.refused[name], "refused by the test", name)

    def create(self, folder: int, name: str, mode: int = 0o600) -> int:
        self._ask(name)
        return super().create(folder, name, mode)

    def open_write(self, folder: int, name: str) -> int:
        self._ask(name)
        return super().open_write(folder, name)

    def rename(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        self._ask(to_name)
        super().rename(folder, name, to_folder, to_name)
        self.replaced.append(to_name)

    def sync_file(self, fd: int) -> None:
        self.synced += 1

    def sync_data(self, fd: int) -> None:
        self.synced += 1

    def sync_folder(self, fd: int) -> None:
        self.synced += 1


FULL = errno.ENOSPC


def put(library: Library, path: str, data: bytes = b"", via: str = "dav", writer: str = "") -> None:
    with library.receive() as body:
        body.write(data or path.encode())
        library.put(path, body, via=via, writer=writer, modified_ns=START_NS)


def lines(library: Library, project: str, name: str = "files.jsonl") -> list[dict[str, Any]]:
    path = library.root / project / "_manifest" / name
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def index(library: Library, project: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((library.root / project / "index.json").read_bytes())
    return found


def outputs(root: Path) -> dict[str, bytes]:
    """Every file that the follower writes, with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(_generated(root))}


def _generated(root: Path) -> Iterator[Path]:
    yield from root.glob("*/index.json")
    yield from root.glob("*/_manifest/*.jsonl")
