"""What kind of file system something lies on, as far as that decides how changes of names are made to last."""

from __future__ import annotations

import ctypes
import os
import sys
from enum import Enum
from pathlib import Path
from typing import Any

ONE_LOG = {"ext3", "ext4"}  # and XFS, which always has its log
BTRFS_MAGIC = 0x9123683E  # linux/magic.h
STATFS_BYTES = 512  # struct statfs is 120 bytes at most
libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Names(Enum):
    """How changes of names last: all in one ordered log, all in a commit of the trees, or those of each folder for itself."""

    LOG = "log"
    TREES = "trees"
    FOLDERS = "folders"


def way_of_names(fd: int) -> Names:
    if keeps_one_log(os.fstat(fd).st_dev):
        return Names.LOG
    return Names.TREES if is_btrfs(fd) else Names.FOLDERS


def is_btrfs(fd: int) -> bool:
    """By the number that statfs(2) tells first: subvolumes have devices that no table of mounts knows."""
    if sys.platform != "linux":
        return False
    told = ctypes.create_string_buffer(STATFS_BYTES)
    return not libc.fstatfs(fd, told) and ctypes.c_ulong.from_buffer(told).value == BTRFS_MAGIC


def keeps_one_log(device: int) -> bool:
    """Does this file system write all changes of names to one log, in order? An ext4 made without its journal does not."""
    kind = file_system(device)
    if kind not in ONE_LOG:
        return kind == "xfs"
    name = os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"))
    return Path("/sys/fs/ext4", name, "journal_task").exists()


def file_system(device: int) -> str:
    """The type of the file system with this device number, as the kernel calls it; "" where that cannot be read."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0]
    return ""
