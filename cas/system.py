"""Every system call, the clock and random numbers, behind one small object.

Tests replace `System` to inject faults and to freeze time; platforms differ only here. Folders are open descriptors and
names are single components, never followed when they are symbolic links: a name swapped for a link between check and
use leads nowhere. Linux is tested. macOS works without unnamed files and leases. Windows lacks `dir_fd`: `unfit` says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

if sys.platform != "win32":
    import fcntl

from cas.digest import Buffer
from cas.disks import Disk, disk_of
from cas.file_system import Names, libc, way_of_names

O_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
O_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
O_TMPFILE = getattr(os, "O_TMPFILE", 0)
F_FULLFSYNC = 51  # macOS: fsync leaves the data in the drive's cache, this does not (fcntl(2) on macOS)
F_SETLEASE, F_UNLCK, F_RDLCK = 1024, 2, 0  # linux/fcntl.h
FICLONE = 0x40049409  # linux/fs.h
BTRFS_START_SYNC, BTRFS_WAIT_SYNC = 0x80089418, 0x40089416  # linux/btrfs.h
SYNC_FILE_RANGE_WRITE = 2  # start write-back, do not wait (sync_file_range(2))
SYNC_FILE_RANGE_ALL = 7  # write, and wait until the disk has it
IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30}  # number of the system call, which the C library has no name for
IOPRIO_THREAD, IOPRIO_IDLE = 1, 3 << 13  # linux/ioprio.h
FULL = {errno.ENOSPC, errno.EDQUOT}
FAILING = {errno.EIO, errno.EROFS}
NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}  # file systems without O_TMPFILE answer one of these


_sync_file_range = getattr(libc, "sync_file_range", None)


class System:
    """The operating system as the store sees it. Any thread; every method may raise OSError."""

    unfit = "" if os.link in os.supports_dir_fd else "this system opens no files relative to a folder (dir_fd is missing)"

    # the clock and chance
    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def token(self) -> str:
        """16 hexadecimal digits nobody can guess."""
        return secrets.token_hex(8)

    def boot_id(self) -> str:
        """The same as long as the machine has not lost its memory; "" where the system does not tell."""
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""

    # folders
    def open_root(self, path: Path) -> int:
        """The folder at `path`; here, and only here, symbolic links are followed."""
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        self._names.pop(os.fstat(fd).st_dev, None)  # another disk may have this number by now
        return fd

    def open_folder(self, folder: int, name: str) -> int:
        return os.open(name, os.O_RDONLY | O_FOLDER, dir_fd=folder)

    def make_folder(self, folder: int, name: str, mode: int = 0o755) -> None:
        os.mkdir(name, mode, dir_fd=folder)

    def remove_folder(self, folder: int, name: str) -> None:
        os.rmdir(name, dir_fd=folder)

    def scan(self, folder: int) -> list[os.DirEntry[str]]:
        """Every name in a folder at this moment, with its kind.

        Read through a descriptor of its own: one that is shared has one place to read from for all threads, and btrfs gives
        it only names that were there when it was opened (since Linux 6.5). Do not ask an entry for more than its kind.
        """
        fd = self.open_folder(folder, ".")
        try:
            with os.scandir(fd) as entries:
                found = list(entries)
            for entry in found:
                entry.is_dir(follow_symlinks=False)  # asked while `fd` is open: not every listing tells, and it is remembered
            return found
        finally:
            os.close(fd)

    # files
    def open_read(self, folder: int, name: str) -> int:
        """For reading; O_NONBLOCK so that a FIFO put there does not hold the caller for ever."""
        return os.open(name, os.O_RDONLY | O_PLAIN | getattr(os, "O_NONBLOCK", 0), dir_fd=folder)

    def create(self, folder: int, name: str, mode: int = 0o600) -> int:
        """A new file under a new name, open for reading and writing."""
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | O_PLAIN, mode, dir_fd=folder)

    def create_unnamed(self, folder: int, mode: int = 0o600) -> int | None:
        """A new file without a name, gone when the process dies; None where the file system has none (O_TMPFILE)."""
        if not O_TMPFILE:
            return None
        try:
            return os.open(".", O_TMPFILE | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), mode, dir_fd=folder)
        except OSError as error:
            if error.errno in NO_UNNAMED:
                return None
            raise

    def open_write(self, folder: int, name: str) -> int:
        return os.open(name, os.O_RDWR | O_PLAIN, dir_fd=folder)

    def close(self, fd: int) -> None:
        os.close(fd)

    def read(self, fd: int, count: int) -> bytes:
        return os.read(fd, count)

    def readinto(self, fd: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(fd, [buffer], offset)

    def write(self, fd: int, data: Buffer) -> None:
        """All of `data`; a short write (full disk, signal) goes on until the system says why it cannot."""
        left = memoryview(data)
        while left:
            left = left[os.write(fd, left) :]

    def write_at(self, fd: int, data: Buffer, offset: int) -> None:
        left = memoryview(data)
        while left:
            done = os.pwrite(fd, left, offset)
            left, offset = left[done:], offset + done

    def truncate(self, fd: int, size_bytes: int) -> None:
        os.ftruncate(fd, size_bytes)

    def stat(self, folder: int, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def fstat(self, fd: int) -> os.stat_result:
        return os.fstat(fd)

    def set_mode(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)

    def set_modified(self, fd: int, modified_ns: int) -> None:
        os.utime(fd, ns=(modified_ns, modified_ns))

    # names
    def link(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        os.link(name, to_name, src_dir_fd=folder, dst_dir_fd=to_folder, follow_symlinks=False)

    def link_open(self, fd: int, to_folder: int, to_name: str) -> None:
        """Give an open, unnamed file a name (open(2), O_TMPFILE)."""
        os.link(f"/proc/self/fd/{fd}", to_name, dst_dir_fd=to_folder, follow_symlinks=True)

    def rename(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        os.rename(name, to_name, src_dir_fd=folder, dst_dir_fd=to_folder)

    def unlink(self, folder: int, name: str) -> None:
        """Take a name away; a name already gone is success."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return

    # lasting
    def sync_file(self, fd: int) -> None:
        """Data, size, mode and times of a file survive a power cut afterwards."""
        if sys.platform == "darwin":
            fcntl.fcntl(fd, F_FULLFSYNC)
        else:
            os.fsync(fd)

    def sync_data(self, fd: int) -> None:
        """As sync_file, but times may be lost: for files written in place whose size does not change."""
        if sys.platform == "linux":
            os.fdatasync(fd)
        else:
            self.sync_file(fd)

    def sync_folder(self, fd: int) -> None:
        """The names in a folder survive a power cut afterwards.

        On btrfs by a commit of all its trees. What fsync of a folder keeps there is a list of single changes, replayed at the
        next mount, and after a cut in between that gives what never was: a name that was being replaced was gone, old file and
        new, and a disk with a moved folder could not be mounted any more (Linux 6.18, tests/faults/power). A commit takes no
        longer than two such fsyncs.
        """
        if self._way_of_names(fd) is Names.TREES:
            self._commit_trees(fd)
        else:
            os.fsync(fd)

    def _commit_trees(self, fd: int) -> None:
        """What was done until now is in the trees of a btrfs (btrfs_ioctl_start_sync, btrfs_ioctl_wait_sync). Data that nobody
        synced is not waited for, as syncfs(2) would: it may be many gigabytes of others."""
        generation = bytearray(8)
        fcntl.ioctl(fd, BTRFS_START_SYNC, generation)
        fcntl.ioctl(fd, BTRFS_WAIT_SYNC, bytes(generation))

    def write_out(self, fd: int, mark: int) -> None:
        """The data of a new file cannot be lost any more while a name survives that is given to it afterwards.

        With `sync_names` after that name, data and name are durable. Where the log of `mark`'s file system is ordered (see
        there) the data only has to reach the disk before the name enters the log: the log's own flush covers both, and one
        flush is saved (0.27 ms of a small upload). Elsewhere this is sync_file.
        """
        if self._logged(mark) != os.fstat(fd).st_dev or _sync_file_range is None:
            self.sync_file(fd)
        elif _sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), SYNC_FILE_RANGE_ALL):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def sync_names(self, folders: Iterable[int], mark: int) -> None:
        """The names in all these folders, and what was written out before, survive a power cut afterwards.

        mark   a folder of the store whose time may be changed

        On ext4 and XFS one sync is enough for all of one file system: both write changes of names to one log, in order, a sync
        forces that log up to the folder's own last change, and the disk's cache is flushed before the log says so
        (jbd2_journal_commit_transaction, xfs_log_force_seq). The mark is changed last of all, then synced. Elsewhere each
        folder is synced, on btrfs once for all. Eight uploads in one group cost nine flushes otherwise.
        """
        logged = self._logged(mark)
        if logged is not None:
            os.utime(mark)
            self.sync_folder(mark)
        committed = set[int]()
        for fd in folders:
            device = os.fstat(fd).st_dev
            if device != logged and device not in committed:
                self.sync_folder(fd)
                if self._way_of_names(fd) is Names.TREES:
                    committed.add(device)

    def sync_before(self, fd: int) -> None:
        """The names in a folder reach the disk before any change of names that comes later: by themselves where changes keep
        their order (ext4, XFS, btrfs), elsewhere by a sync."""
        if self._way_of_names(fd) is Names.FOLDERS:
            self.sync_folder(fd)

    def keep_mark(self, mark: int) -> None:
        """This folder stays open: what is asked of it for every change is asked once, here."""
        self._marks[mark] = self._log_of(mark)

    def _logged(self, mark: int) -> int | None:
        """The device of `mark`, if its file system keeps name changes in one ordered log."""
        return self._marks[mark] if mark in self._marks else self._log_of(mark)

    def _log_of(self, mark: int) -> int | None:
        return os.fstat(mark).st_dev if self._way_of_names(mark) is Names.LOG else None

    def _way_of_names(self, fd: int) -> Names:
        """Asked once for each device."""
        device = os.fstat(fd).st_dev
        if device not in self._names:
            self._names[device] = way_of_names(fd)
        return self._names[device]

    _names: ClassVar[dict[int, Names]] = {}
    _marks: ClassVar[dict[int, int | None]] = {}  # by descriptor, which is one for the whole process

    def start_writeback(self, fd: int, offset: int, count: int) -> None:
        """Ask the kernel to begin writing, so that the sync at the end is short. A hint: its failure changes nothing."""
        if _sync_file_range is not None:
            _sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(count), SYNC_FILE_RANGE_WRITE)

    def forget_cached(self, fd: int) -> None:
        """Reads of this file come from the disk from now on, not from memory (posix_fadvise(2), DONTNEED). A hint: what is not
        synced yet, or mapped by another program, stays; where the system has no such call nothing happens.
        """
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def be_idle(self) -> None:
        """Reads and writes of the calling thread wait for those of everybody else, where the disk's scheduler knows that
        (ioprio_set(2), class idle). A hint."""
        number = IOPRIO_SET.get(os.uname().machine) if sys.platform == "linux" else None
        if number is not None:
            ctypes.CDLL(None).syscall(number, IOPRIO_THREAD, threading.get_native_id(), IOPRIO_IDLE)

    # copying, locking, space
    def clone(self, fd: int, to_fd: int) -> None:
        """Share the blocks of `fd` with `to_fd` (btrfs, xfs, …); OSError where the file system cannot."""
        if sys.platform != "linux":
            raise OSError(errno.EOPNOTSUPP, "sharing blocks is only known on Linux")
        fcntl.ioctl(to_fd, FICLONE, fd)

    def lock(self, fd: int) -> bool:
        """Take the lock of an open file for this process; False when another holds it (flock(2): ends with the process)."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def being_written(self, fd: int) -> bool | None:
        """Does somebody have this file open for writing? None where the system cannot tell.

        A read lease is granted only when nobody has (fcntl(2), F_SETLEASE): smbd, cp and rsync are seen that way.
        """
        if sys.platform != "linux":
            return None
        try:
            fcntl.fcntl(fd, F_SETLEASE, F_RDLCK)
        except BlockingIOError:
            return True
        except OSError:
            return None
        fcntl.fcntl(fd, F_SETLEASE, F_UNLCK)
        return False

    def space(self, fd: int) -> os.statvfs_result:
        """Blocks and inodes of a file system, all and free. File systems without a table of inodes tell 0 of them (btrfs)."""
        return os.fstatvfs(fd)

    def disk_of(self, fd: int) -> Disk:
        """The disk that an open file or folder lies on."""
        return disk_of(fd)

    def open_path(self, folder: int, names: tuple[str, ...] | list[str]) -> int:
        """The folder `names` below `folder`, one step at a time, no step through a symbolic link. The caller closes it."""
        fd = os.dup(folder)
        for name in names:
            try:
                inner = self.open_folder(fd, name)
            finally:
                os.close(fd)
            fd = inner
        return fd

    @contextmanager
    def folder(self, folder: int, names: tuple[str, ...] | list[str] = ()) -> Iterator[int]:
        fd = self.open_path(folder, names)
        try:
            yield fd
        finally:
            os.close(fd)
