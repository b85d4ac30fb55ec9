"""Linux's own way to tell which names change below a root, by ctypes.

Other than through a library that watches whole trees, folders can be watched one by one as they come and the store's own be
left out, names need not be UTF-8, a full queue is told, and nobody holds the interpreter while 10,000 folders are begun to be
watched (0.6 s, each time there is a new project).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cas.layout import HOME
from views import naming

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8  # inotify(7)
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_Q_OVERFLOW, IN_IGNORED = 0x4000, 0x8000
IN_ONLYDIR, IN_DONT_FOLLOW, IN_ISDIR = 0x1000000, 0x2000000, 0x40000000
CHANGES = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
EVENT = struct.Struct("iIII")
READ_BYTES = 1 << 18
GATHER_S, MOST_S = 0.05, 0.2  # after a change, until nothing comes any more, at most so long; many changes of a name are one
PASSING = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}

Tell = Callable[[set[str], set[str]], None]


class Inotify:
    """One thread that listens, and tells. What it promises is told by `views.hints.Hints`."""

    def __init__(self, root: Path, tell: Tell, fail: Callable[[str], None]) -> None:
        self._root, self._tell, self._fail = os.fsencode(root), tell, fail
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.ready = threading.Event()
        self._stop = threading.Event()
        self._fd, self._wake = -1, os.eventfd(0, os.EFD_CLOEXEC)
        self._above: dict[int, tuple[int, str]] = {}  # watched folder → the one above, its name there
        self._inside: dict[int, dict[str, int]] = {}  # watched folder → those in it, by name
        self._top = 0
        self._thread = threading.Thread(target=self._run, name="filmcan-inotify", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def _run(self) -> None:
        try:
            self._listen()
        except Exception as error:  # a limit, or a fault of ours: whoever listens falls back
            self._fail((error.strerror if isinstance(error, OSError) else None) or repr(error))
        finally:
            self.ready.set()
            if self._fd >= 0:
                os.close(self._fd)

    def _listen(self) -> None:
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._watch_everything()
        self.ready.set()
        heard = select.poll()  # select() cannot hear of descriptors from 1024 on, and an open library holds 256 alone
        for fd in (self._fd, self._wake):
            heard.register(fd, select.POLLIN)
        while not self._stop.is_set():
            if self._fd in {fd for fd, _ in heard.poll()}:
                self._take(list(self._gathered()))

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            limits = {errno.ENOSPC: "the limit of watched folders is reached: fs.inotify.max_user_watches",
                      errno.EMFILE: "the limit of watchers is reached: fs.inotify.max_user_instances"}  # fmt: skip
            raise OSError(number, limits.get(number, os.strerror(number)))
        return result

    # which folders

    def _watch_everything(self) -> None:
        """All folders there are that concern us. Those that are watched already go on being so."""
        self._top = self._add(b"")
        self._above[self._top] = 0, ""
        self._inside.setdefault(self._top, {})
        self._watch_inside(self._top)

    def _add(self, path: bytes) -> int:
        """The number of a watched folder: the same for the same folder, whatever it is called."""
        mask = CHANGES | IN_ONLYDIR | IN_DONT_FOLLOW
        return self._checked(self._libc.inotify_add_watch(self._fd, os.path.join(self._root, path), mask))

    def _watch(self, above: int, name: str) -> int | None:
        """Watch a folder; None when it went, or is not for us."""
        path = os.path.join(self._path(above), name)
        if not concerns_us(f"{path}/anything"):
            return None
        try:
            number = self._add(os.fsencode(path))
        except OSError as error:
            if error.errno in PASSING:
                return None
            raise
        if number in self._above:
            if self._is_above(number, above):
                return None  # mounted into itself
            self._detach(number)
        self._above[number] = above, name
        self._inside.setdefault(number, {})
        self._inside[above][name] = number
        return number

    def _watch_inside(self, folder: int) -> None:
        """All folders below a watched one."""
        left = [folder]
        while left and not self._stop.is_set():
            above = left.pop()
            left += [number for name in self._folders_in(above) if (number := self._watch(above, name)) is not None]

    def _folders_in(self, folder: int) -> list[str]:
        try:
            with os.scandir(os.path.join(self._root, os.fsencode(self._path(folder)))) as entries:
                return [os.fsdecode(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []  # it went, or may not be read: the comparison says so

    def _path(self, folder: int) -> str:
        names: list[str] = []
        while folder != self._top:
            folder, name = self._above[folder]
            names.append(name)
        return "/".join(reversed(names))

    def _is_above(self, folder: int, below: int) -> bool:
        while below not in (folder, self._top):
            below = self._above[below][0]
        return below == folder

    def _detach(self, folder: int) -> None:
        above, name = self._above.pop(folder)
        if self._inside.get(above, {}).get(name) == folder:
            del self._inside[above][name]

    def _forget(self, folder: int) -> None:
        """Nothing below a folder is watched any more: it was moved away from the root."""
        left = [folder]
        while left:
            number = left.pop()
            left += self._inside.pop(number, {}).values()
            self._above.pop(number, None)
            self._libc.inotify_rm_watch(self._fd, number)

    # what changed

    def _gathered(self) -> Iterator[tuple[int, int, str]]:
        """Events (folder, mask, name) as long as they keep coming; looked for now and then, not each as it comes."""
        until = time.monotonic() + MOST_S
        while data := self._read():
            at = 0
            while at < len(data):
                folder, mask, _, size = EVENT.unpack_from(data, at)
                at += EVENT.size + size
                yield folder, mask, os.fsdecode(data[at - size : at].rstrip(b"\0"))
            if time.monotonic() > until or self._stop.wait(GATHER_S):
                return

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return b""

    def _take(self, events: list[tuple[int, int, str]]) -> None:
        paths, whole, away = set[str](), set[str](), set[int]()
        for folder, mask, name in events:
            if mask & IN_Q_OVERFLOW:
                whole.add("")
            elif mask & IN_IGNORED:
                self._gone(folder)
            elif folder in self._above and name:
                path = os.path.join(self._path(folder), name)
                if path not in paths and concerns_us(path):
                    paths.add(path)
                if mask & IN_ISDIR:
                    self._take_folder(folder, mask, name, whole, away)
        for folder in away:
            if folder not in self._above:
                self._forget(folder)
        if "" in whole:
            self._watch_everything()
        if paths or whole:
            self._tell(paths, whole)

    def _take_folder(self, above: int, mask: int, name: str, whole: set[str], away: set[int]) -> None:
        """A folder came, went, or got another name. What came is to be looked through: nobody listened while it was filled."""
        if mask & IN_MOVED_FROM and (folder := self._inside[above].get(name)) is not None:
            self._detach(folder)
            away.add(folder)
        if mask & (IN_CREATE | IN_MOVED_TO) and (folder := self._watch(above, name)) is not None:
            self._watch_inside(folder)
            whole.add(self._path(folder))

    def _gone(self, folder: int) -> None:
        """The kernel does not watch it any more: it was deleted."""
        if folder in self._above:
            self._detach(folder)
        self._inside.pop(folder, None)


def concerns_us(path: str) -> bool:
    """Can a change of this name ever matter to a view? Not the store's own, not what filmcan writes, not client junk."""
    top, *inner = path.split("/")
    if top == HOME or (inner and not naming.is_project_name(top)):
        return False
    return not (inner and naming.is_generated(inner[0])) and not any(map(naming.is_junk, (top, *inner)))
