"""Mounts, loop devices and a mount table of one's own: system calls that Python has no words for. Linux only, as root."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import struct
import time
from pathlib import Path

MS_REC, MS_PRIVATE, MNT_DETACH = 1 << 14, 1 << 18, 2
CLONE_NEWNS = 0x20000
PR_SET_PDEATHSIG = 1
LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_GET_STATUS64 = 0x4C82, 0x4C0A, 0x4C05  # linux/loop.h
LO_AUTOCLEAR, LO_DIRECT_IO = 4, 16
INFO = struct.Struct("<QQQQQIIII64s64s32sQQ")
CONFIG = struct.Struct(f"<II{INFO.size}s64x")
LOOP_MAJOR = 7
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(done: int, what: str) -> None:
    if done:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, folder: Path, kind: str, data: str = "", flags: int = 0) -> None:
    words = (text.encode() for text in (source, str(folder), kind))
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None), f"mount {source} as {kind}")


def unmount(folder: Path, *, busy_s: float = 10.0) -> None:
    """EBUSY when somebody still uses it after `busy_s`."""
    until = time.monotonic() + busy_s
    while _libc.umount2(str(folder).encode(), 0):
        code = ctypes.get_errno()
        if code != errno.EBUSY or time.monotonic() > until:
            raise OSError(code, f"unmount {folder}: {os.strerror(code)}")
        time.sleep(0.005)


def detach(folder: Path) -> None:
    """Out of sight at once, and gone when nobody uses it any more."""
    _checked(_libc.umount2(str(folder).encode(), MNT_DETACH), f"detach {folder}")


def own_mounts() -> None:
    """From now on this process and its children see and make mounts of their own; they end with the last of them."""
    _checked(_libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", Path("/"), "", flags=MS_REC | MS_PRIVATE)


def die_with_parent() -> None:
    """To be called by a child: it is killed when the process that started it ends."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


class Loop:
    """A block device over a file. It is gone when it is closed and nothing is mounted from it."""

    def __init__(self, file: Path, *, direct: bool = False) -> None:
        """direct   the file is read and written without the page cache, several requests at once"""
        with open("/dev/loop-control", "rb") as control, open(file, "r+b", buffering=0) as backing:
            flags = LO_AUTOCLEAR | (LO_DIRECT_IO if direct else 0)
            info = INFO.pack(0, 0, 0, 0, 0, 0, 0, 0, flags, os.fsencode(file.name), b"", b"", 0, 0)
            while True:
                self.number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
                self.path = Path(f"/dev/loop{self.number}")
                if not self.path.exists():
                    os.mknod(self.path, 0o60600, os.makedev(LOOP_MAJOR, self.number))
                self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.ioctl(self._fd, LOOP_CONFIGURE, CONFIG.pack(backing.fileno(), 0, info))
                    return
                except OSError as error:
                    os.close(self._fd)
                    if error.errno != errno.EBUSY:  # somebody else took it
                        raise

    @property
    def direct(self) -> bool:
        """Does it really go past the page cache?"""
        data = bytearray(INFO.size)
        fcntl.ioctl(self._fd, LOOP_GET_STATUS64, data)
        return bool(INFO.unpack(data)[8] & LO_DIRECT_IO)

    def close(self) -> None:
        os.close(self._fd)
