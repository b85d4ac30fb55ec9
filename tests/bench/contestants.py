"""The servers that are measured, each with a folder of its own on the same disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.server import FILMCAN, DavServer, Project, running

COMMANDS = {
    "filmcan": FILMCAN,
    "stock": [sys.executable, "-m", "tests.bench.stock", "{root}"],
    "stock synced": [sys.executable, "-m", "tests.bench.stock", "{root}", "--durable"],
}


@dataclass(frozen=True)
class Contestant:
    """One running server and the project that the rows work in."""

    name: str
    server: DavServer
    project: Project

    def url(self, name: str = "") -> str:
        return self.server.url_of(self.project.path(name))

    @property
    def peak_memory_bytes(self) -> int:
        """The most that its process ever held in memory."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        return int(peak) * 1024


@contextmanager
def started(folder: Path) -> Iterator[list[Contestant]]:
    """All servers at once; they are idle while another one is measured."""
    with ExitStack() as stack:
        yield [stack.enter_context(_one(name, folder / name.replace(" ", "-"))) for name in COMMANDS]


@contextmanager
def _one(name: str, folder: Path) -> Iterator[Contestant]:
    root = folder / "root"
    root.mkdir(parents=True)
    with running(COMMANDS[name], root, folder / "log", name == "filmcan") as server:
        yield Contestant(name, server, server.project("Bench"))
