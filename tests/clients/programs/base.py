"""The story that every program can be told: files and folders under paths below /dav/, spelt as people spell them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Protocol

PATIENCE_S = 60


class Refused(Exception):
    """The program says that something did not work; its words are in the message."""


class Program(Protocol):
    """Paths are relative to /dav/, unescaped. A verb that fails raises `Refused` or OSError."""

    def upload(self, local: Path, path: str) -> None: ...

    def download(self, path: str, local: Path) -> None: ...

    def move(self, path: str, target: str) -> None: ...

    def delete(self, path: str) -> None: ...

    def make_folder(self, path: str) -> None: ...

    def delete_folder(self, path: str) -> None: ...

    def names(self, path: str) -> list[str]:
        """The names in a folder, as this program shows them."""
        ...


def run(*command: str, input: str = "", environment: dict[str, str] | None = None) -> str:
    """Run one command to its end and return what it printed; `Refused` when it exits with anything but 0."""
    done = subprocess.run(
        command,
        input=input.encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
    )
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Refused(f"{' '.join(command)}: exit {done.returncode}\n{said}{done.stderr.decode(errors='replace')}")
    return said
