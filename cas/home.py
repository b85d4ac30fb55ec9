"""The folder `.filmcan` of a root: made once, locked while in use, its places kept open as descriptors."""

from __future__ import annotations

import json
import os
from enum import Enum
from pathlib import Path
from typing import Any

from cas.digest import tag_of_file
from cas.errors import FormatUnknown, LockHeld, RootUnfit
from cas.layout import FORMAT, HOME, PLACES, Layout
from cas.system import FULL, System

CLEAN = "clean"
HOLDER_BYTES = 500
ONLY_READS = "; it only reads: "  # in the lock file, before the reason


class Ending(Enum):
    """How a session ended, which says how far its index can be believed.

    CLEAN     the index is byte for byte as it was left
    KILLED    the process ended in the middle, and the machine has kept its memory since: the index is whole, unless somebody or
              something harmed it
    SWAPPED   it ended well, but this is not the index it left
    LOST      the power was cut, or the process doubted its index: not to be believed
    """

    CLEAN = "clean"
    KILLED = "killed"
    SWAPPED = "swapped"
    LOST = "lost"


class Home:
    """One root, opened for this process. Descriptors stay valid until `close`; a second process gets LockHeld."""

    def __init__(self, root: Path, system: System) -> None:
        if system.unfit:
            raise RootUnfit(root, system.unfit)
        root.mkdir(parents=True, exist_ok=True)
        self.layout, self._system = Layout(root.resolve()), system
        self.root = system.open_root(self.layout.root)
        self._open: list[int] = [self.root]
        self._holder = f"process {os.getpid()}"
        try:
            self.home = self._place(self.root, HOME, 0o700)
            self._lock()
            self.blobs, self.incoming, self.uploads, self.journal, self.trash, self.quarantine = (
                self._place(self.home, name, 0o700 if name != "blobs" else 0o755) for name in PLACES
            )
            system.keep_mark(self.mark)
            self.root_id = self._read_format()
            system.sync_folder(self.home)
            system.sync_folder(self.root)
        except BaseException:
            self.close()
            raise

    @property
    def mark(self) -> int:
        """The folder whose time says that names changed (System.sync_names); nobody who watches the root sees into it."""
        return self.journal

    def _place(self, folder: int, name: str, mode: int) -> int:
        try:
            self._system.make_folder(folder, name, mode)
        except FileExistsError:
            pass  # made by an earlier opening
        fd = self._system.open_folder(folder, name)
        self._open.append(fd)
        return fd

    def _lock(self) -> None:
        """flock ends with the process, however it ends; the text inside is only for people."""
        fd = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=self.home)
        self._open.append(fd)
        if not self._system.lock(fd):
            holder = os.pread(fd, HOLDER_BYTES, 0).decode(errors="replace").strip() or "unknown process"
            raise LockHeld(self.layout.root, holder)
        os.ftruncate(fd, 0)
        self._note_holder("")

    def note_address(self, address: str) -> None:
        """Tell, in the lock file, where the process that holds the root can be reached."""
        self._note_holder(f", serving {address}")

    def note_trouble(self, reason: str) -> None:
        """Tell there, too, that the process only reads by now."""
        self._note_holder(f"{ONLY_READS}{' '.join(reason.split())}")

    def _note_holder(self, more: str) -> None:
        self._holder += more
        os.pwrite(self._open[2], f"{self._holder}\n".encode()[:HOLDER_BYTES], 0)

    def read_small(self, name: str) -> bytes | None:
        """A small file of `.filmcan`; None when it is not there."""
        try:
            fd = self._system.open_read(self.home, name)
        except FileNotFoundError:
            return None
        try:
            return self._system.read(fd, 4096)
        finally:
            self._system.close(fd)

    def _read_format(self) -> str:
        """The root id; FORMAT is written at the first opening."""
        text = self.read_small("FORMAT")
        if text is None:
            return self._write_format()
        try:
            said: dict[str, Any] = dict(json.loads(text))
        except (ValueError, TypeError):
            raise FormatUnknown(str(self.layout.format), text[:40], FORMAT) from None
        if said.get("format") != FORMAT:
            raise FormatUnknown(str(self.layout.format), said.get("format"), FORMAT)
        return str(said.get("root_id", ""))

    def last_ending(self) -> Ending:
        """How the last session ended. Ask before `begin_session`."""
        said = (self.read_small("session") or b"").decode(errors="replace").strip()
        if said.startswith(CLEAN):
            return Ending.CLEAN if said == self._clean() else Ending.SWAPPED
        return Ending.KILLED if said and said == self._system.boot_id() else Ending.LOST

    def _clean(self) -> str:
        try:
            return f"{CLEAN} {tag_of_file(self.layout.index / 'data.mdb')}"
        except OSError:
            return ""

    def begin_session(self) -> None:
        """From now on the index is only believed while the machine keeps its memory. On a full disk the word of the last session
        stays: it is true of an index that does not change, and of no other."""
        try:
            self._say_session(self._system.boot_id() or "unknown")
        except OSError as error:
            if error.errno not in FULL:
                raise

    def doubt_session(self) -> None:
        """The index is not what it should be: whatever comes next makes it again."""
        self._say_session("doubted")

    def end_session(self) -> None:
        """The index was synced and nothing will change it any more."""
        self._say_session(self._clean())

    def _say_session(self, text: str) -> None:
        self.replace(self.home, "session", f"{text}\n".encode(), 0o600, lasting=True)

    def _write_format(self) -> str:
        root_id = self._system.token() + self._system.token()
        said = json.dumps({"format": FORMAT, "root_id": root_id}, indent=2) + "\n"
        self.replace(self.home, "FORMAT", said.encode(), 0o644, lasting=True)
        return root_id

    def replace(self, folder: int, name: str, data: bytes, mode: int, *, lasting: bool) -> None:
        """Write a small file whole and swap it in: a reader sees the old or the new one.

        lasting   sync file and folder before returning; without it a power cut may bring the old one back
        """
        replace_file(self._system, (self.incoming, self._system.token()), folder, name, data, mode, lasting=lasting)

    def sweep(self) -> int:
        """Remove what an interrupted process staged; how many files. Nobody was answered for any of them."""
        return self._empty(self.incoming)

    def _empty(self, folder: int) -> int:
        count = 0
        for entry in self._system.scan(folder):
            if entry.is_dir(follow_symlinks=False):  # a copy of a folder, half built
                with self._system.folder(folder, (entry.name,)) as inner:
                    count += self._empty(inner)
                self._system.remove_folder(folder, entry.name)
            else:
                self._system.unlink(folder, entry.name)
                count += 1
        return count

    def close(self) -> None:
        while self._open:
            self._system.close(self._open.pop())


def replace_file(
    system: System, staged: tuple[int, str], folder: int, name: str, data: bytes, mode: int, *, lasting: bool
) -> None:
    """Home.replace for any folder. `staged`: where the new file lies until it is whole, on the same file system."""
    fd = system.create(*staged, mode)
    try:
        system.write(fd, data)
        if lasting:
            system.sync_file(fd)
        else:
            system.write_out(fd, staged[0])  # a name that lasts without its bytes would be neither the old file nor the new
        system.rename(*staged, folder, name)
    except BaseException:
        system.unlink(*staged)
        raise
    finally:
        system.close(fd)
    if lasting:
        system.sync_folder(folder)
