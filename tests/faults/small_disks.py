"""Small ext4 disks in files, mounted for a test: soon full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20
PROGRAMS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
MKFS = shutil.which("mkfs.ext4", path=PROGRAMS)


def missing() -> str:
    """Why no disk can be mounted here; "" when one can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root can mount a disk"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices"
    return "" if MKFS else "mkfs.ext4 is not installed"


@contextmanager
def mounted(folder: Path, size_mib: int, inodes: int = 0) -> Iterator[Path]:
    """A fresh ext4 of this size, with so many inodes if that is said, on `folder`."""
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(size_mib * MIB)
    assert MKFS is not None
    few = ["-N", str(inodes)] if inodes else []
    subprocess.run([MKFS, "-q", "-F", "-m", "0", *few, str(image)], check=True)
    folder.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        image.unlink()


def fill(path: Path, leave_bytes: int = 0) -> None:
    """Another program takes all space there is, but for about `leave_bytes`."""
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for size in (MIB, 4096):
            piece = bytes(size)
            try:
                while os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize >= leave_bytes + size:
                    os.write(fd, piece)
                    os.fsync(fd)
            except OSError:
                continue
    finally:
        os.close(fd)
