"""What people do in a shell, and systems that tell what filmcan does about it."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from tests.faulty import QuickSystem
from tests.state import check_links, in_index, on_disk
from views.library import Library
from views.reindex import Report, apply, plan

FILM = "P1-Film"
ORIGINALS = f"{FILM}/ingest/originals"


class CountingSystem(QuickSystem):
    """Counts the bytes that are read, and refuses folders by name.

    refused   folders nobody may look into
    """

    def __init__(self) -> None:
        self.read_bytes = 0
        self.refused: set[str] = set()

    def readinto(self, fd: int, buffer: memoryview, offset: int) -> int:
        count = super().readinto(fd, buffer, offset)
        self.read_bytes += count
        return count

    def open_folder(self, folder: int, name: str) -> int:
        if name in self.refused:
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return super().open_folder(folder, name)


def write(path: Path, data: bytes) -> Path:
    """A file as a person puts it there, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def save(path: Path, data: bytes) -> None:
    """As editors save: write aside, rename over."""
    aside = path.with_name(f"{path.name}.aside")
    aside.write_bytes(data)
    aside.rename(path)


def edit(path: Path, data: bytes) -> None:
    """Write into the file itself, as root can although it is read-only; the time moves by more than a tick of the clock."""
    before = path.stat().st_mtime_ns
    while True:
        with path.open("r+b") as file:
            file.write(data)
        if path.stat().st_mtime_ns != before:
            return
        time.sleep(0.002)


def touch(path: Path, at_s: float = 1_600_000_000) -> None:
    os.utime(path, (at_s, at_s))


def lines(library: Library) -> list[str]:
    return plan(library).lines()


def reindex(library: Library) -> Report:
    """Look and do; afterwards index and folders say the same, and there is nothing left to do."""
    report = apply(library, plan(library))
    check_settled(library)
    return report


def check_settled(library: Library) -> None:
    assert lines(library) == []
    assert in_index(library) == on_disk(library.root)
    check_links(library)
