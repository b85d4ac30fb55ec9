"""Disks of tests: one that is recorded while it is used, and those that lost power, rebuilt from the record."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.power.kernel import Loop, mount, unmount
from tests.faults.power.record import Piece, Step, load
from tests.faults.power.recorder import DISK, MARKS

MIB = 1 << 20
PROGRAMS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))  # not everybody's PATH has mkfs
COPY_BYTES = 1 << 24


@dataclass(frozen=True)
class FileSystem:
    """How a file system is made. Small, so that a copy of the image is quick; no smaller than its tool allows.

    kind     as mount calls it
    whole    where blocks of 4096 bytes lie that no cut tears: super blocks, which have one checksum and are read before any
             log. A disk with a torn one cannot be mounted, whatever a program did
    """

    name: str
    kind: str
    size_bytes: int
    command: tuple[str, ...]
    options: str = ""
    whole: tuple[int, ...] = (0,)


EXT4 = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard")
FILE_SYSTEMS = {
    found.name: found
    for found in (
        FileSystem("ext4", "ext4", 128 * MIB, EXT4),
        FileSystem("xfs", "xfs", 320 * MIB, ("mkfs.xfs", "-q", "-K", "-f")),
        FileSystem("btrfs", "btrfs", 256 * MIB, ("mkfs.btrfs", "-q", "-K", "-f"), whole=(64 << 10, 64 * MIB)),
        FileSystem("ext4-writeback", "ext4", 128 * MIB, EXT4, "data=writeback"),
        FileSystem("ext4-data-in-log", "ext4", 128 * MIB, EXT4, "data=journal"),
    )
}


def missing(*, root: bool = True) -> str:
    """Why disks cannot be recorded here, as a sentence; "" when they can. `root`: this process itself has to be root's."""
    if sys.platform != "linux":
        return "recording a disk needs Linux"
    if root and os.geteuid():
        return "recording a disk needs root: mounts and loop devices"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(path):
            return f"recording a disk needs {path}"
    for kind in FILE_SYSTEMS.values():
        if shutil.which(kind.command[0], path=PROGRAMS) is None:
            return f"recording a disk needs {kind.command[0]}"
    return ""


def make_image(kind: FileSystem, path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(kind.size_bytes)
    program = shutil.which(kind.command[0], path=PROGRAMS)
    assert program is not None, kind.command[0]
    subprocess.run([program, *kind.command[1:], str(path)], check=True, stdout=subprocess.DEVNULL)


def copy_sparse(source: Path, target: Path) -> None:
    """What is written of a file, holes staying holes."""
    with open(source, "rb", buffering=0) as from_file, open(target, "wb", buffering=0) as to_file:
        size, at = os.fstat(from_file.fileno()).st_size, 0
        os.ftruncate(to_file.fileno(), size)
        while at < size:
            try:
                at = os.lseek(from_file.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole
                return
            end = os.lseek(from_file.fileno(), at, os.SEEK_HOLE)
            os.lseek(to_file.fileno(), at, os.SEEK_SET)
            while at < end:
                at += os.sendfile(to_file.fileno(), from_file.fileno(), at, min(end - at, COPY_BYTES))


class Recorder:
    """A disk in use: `folder` is its mounted file system, `mark` takes a note between its writes."""

    def __init__(self, folder: Path, marks: int) -> None:
        self.folder, self._marks = folder, marks

    def mark(self, text: str) -> None:
        """In the record when this returns, behind everything that was durable before. Any thread."""
        os.pwrite(self._marks, text.encode(), 0)


@contextmanager
def recorded(kind: FileSystem, work: Path, *, direct: bool) -> Iterator[Recorder]:
    """A fresh file system, recorded from its first mount on. `work` then has `fresh.img`, the disk before, and `record`."""
    image, served, folder = work / "image", work / "served", work / "used"
    make_image(kind, image)
    copy_sparse(image, work / "fresh.img")
    served.mkdir()
    folder.mkdir()
    command = [sys.executable, "-m", "tests.faults.power.recorder", str(served), str(image), str(work / "record")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the recorder did not start"
    marks = os.open(served / MARKS, os.O_WRONLY)
    try:
        with mounted(kind, served / DISK, folder, direct=direct):
            yield Recorder(folder, marks)
    finally:
        os.close(marks)
        unmount(served)
        process.stdout.close()
        if code := process.wait(30):
            raise RuntimeError(f"the recorder ended with {code}; its record cannot be believed")


class NotMounted(Exception):
    """The kernel refuses a disk as it is."""


@contextmanager
def mounted(kind: FileSystem, image: Path, folder: Path, *, direct: bool = False) -> Iterator[Path]:
    """A file system in a file, mounted; its log is replayed by the kernel when it was not left well."""
    loop = Loop(image, direct=direct)
    try:
        if direct and not loop.direct:
            raise OSError(f"{loop.path} does not go past the page cache")
        mount(str(loop.path), folder, kind.kind, kind.options)
    except OSError as error:
        raise NotMounted(f"{kind.name} cannot be mounted: {error.strerror}") from error
    finally:
        loop.close()
    try:
        yield folder
    finally:
        unmount(folder)


class Rebuilt:
    """A disk after a cut, in a file that is used again and again."""

    def __init__(self, kind: FileSystem, work: Path) -> None:
        self._kind, self._safe, self._image, self._folder = kind, work / "safe.img", work / "cut.img", work / "cut"
        self._folder.mkdir(exist_ok=True)
        copy_sparse(work / "fresh.img", self._safe)

    def advance(self, safe: Iterable[Piece]) -> None:
        """These writes are on the disk from now on, whatever happens."""
        write(self._safe, safe)

    @contextmanager
    def with_kept(self, kept: Iterable[Piece]) -> Iterator[Path]:
        """The disk with these writes too, mounted. What is done to it does not last."""
        copy_sparse(self._safe, self._image)
        write(self._image, kept)
        with mounted(self._kind, self._image, self._folder) as folder:
            yield folder


def write(image: Path, pieces: Iterable[Piece]) -> None:
    with open(image, "r+b", buffering=0) as file:
        for piece in pieces:
            os.pwrite(file.fileno(), piece.data, piece.offset)


def steps_of(work: Path) -> list[Step]:
    return load(work / "record")
