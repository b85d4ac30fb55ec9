"""Stores that leave one sync out. Each loses something when the power goes, and the laboratory must see it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from unittest.mock import patch

from cas.home import Ending, Home
from cas.system import System


def _is_journal(fd: int) -> bool:
    return "/.filmcan/journal/" in os.readlink(f"/proc/self/fd/{fd}")


class NoFileSync(System):
    """What is uploaded is never brought to the disk; journal and names are."""

    def write_out(self, fd: int, mark: int) -> None:
        if _is_journal(fd):
            super().write_out(fd, mark)

    def start_writeback(self, fd: int, offset: int, count: int) -> None:
        return


class NoFolderSync(System):
    """Every file is synced by itself, and no folder."""

    def write_out(self, fd: int, mark: int) -> None:
        self.sync_file(fd)

    def sync_folder(self, fd: int) -> None:
        return

    def sync_names(self, folders: Iterable[int], mark: int) -> None:
        return


class NoGroupFlush(System):
    """Data and journal are written out, and the flush that a group shares is left out."""

    def sync_names(self, folders: Iterable[int], mark: int) -> None:
        return


class NoJournalSync(System):
    """Files and folders are synced, what the journal says is not."""

    def sync_file(self, fd: int) -> None:
        if not _is_journal(fd):
            super().sync_file(fd)

    def sync_data(self, fd: int) -> None:
        self.sync_file(fd)

    def write_out(self, fd: int, mark: int) -> None:
        if not _is_journal(fd):
            super().write_out(fd, mark)

    def start_writeback(self, fd: int, offset: int, count: int) -> None:
        return


@dataclass(frozen=True)
class Broken:
    """A store that is wrong.

    system   what it runs on while it is recorded
    blind    afterwards the index, which is never synced while it is in use, is believed as it is
    on       file systems where leaving this out loses something; elsewhere another sync does its work too
    rarely   those where it takes many disks to see it
    states   enough to see it many times over
    """

    on: tuple[str, ...]
    states: int
    rarely: tuple[str, ...] = ()
    system: type[System] = System
    blind: bool = False

    def looking(self) -> AbstractContextManager[object]:
        """To be entered while its disks are looked at."""
        return patch.object(Home, "last_ending", lambda home: Ending.CLEAN) if self.blind else nullcontext()


BROKEN = {
    "no-file-sync": Broken(("ext4", "xfs", "btrfs"), 40, system=NoFileSync),
    "no-folder-sync": Broken(("btrfs",), 40, system=NoFolderSync),
    "no-group-flush": Broken(("ext4", "xfs"), 40, system=NoGroupFlush),
    "no-journal-sync": Broken(("ext4", "xfs", "btrfs"), 40, system=NoJournalSync),
    "index-believed": Broken(("ext4",), 600, rarely=("xfs", "btrfs"), blind=True),
}
