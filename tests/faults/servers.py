"""Servers that die: started by a warm process, held by strace, killed at a chosen system call."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

CHANGING = (
    "openat,close,write,writev,pwrite64,pwritev,pwritev2,linkat,symlinkat,renameat,renameat2,unlink,unlinkat,rename,link,mkdir,"
    "mkdirat,rmdir,fchmod,fchmodat,utimensat,ftruncate,truncate,fallocate,fsync,fdatasync,msync,sync_file_range,sendto,sendmsg,"
    "flock,ioctl,copy_file_range"
)  # every call that can change a disk, or tell somebody that it was changed
EVERY = "all"
PATIENCE_S = 90.0  # a sync waits for all that others write to the disk
LINE = re.compile(r"(\d+) +(\w+)\(")
STRACE = shutil.which("strace")


class Server:
    """One server process. It is ended by whoever has it.

    Known by a descriptor: it may die at any moment, and its number would soon be that of somebody else's process.
    """

    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid, self._nursery = pid, nursery
        self._fd = os.pidfd_open(pid)
        self._tracer: subprocess.Popen[bytes] | None = None

    def port(self) -> int:
        """Once it listens; 0 when it died before."""
        while True:
            said = self._nursery.hear(self)
            if said is None:
                return 0
            if said.startswith("port "):
                return int(said.removeprefix("port "))

    def trace(self, *words: str) -> None:
        """Hold all its threads with strace."""
        assert STRACE is not None
        self._tracer = subprocess.Popen([STRACE, "-f", "-qq", "-p", str(self.pid), *words], stderr=subprocess.DEVNULL)
        within = time.monotonic() + PATIENCE_S
        while not self._is_held():
            assert time.monotonic() < within, "strace does not hold the server"
            time.sleep(0.001)

    def kill_at(self, call: Call) -> None:
        """Let it be killed when one of its threads is about to make this call, counted from now on."""
        name, number = call
        self.trace("-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={number}", "-o", "/dev/null")

    def fail_at(self, call: Call, error: str, *, lasting: bool) -> None:
        """Let this call of one of its threads, and with `lasting` all later ones of that name, give an error undone."""
        name, number = call
        when = f"{number}+" if lasting else f"{number}"
        self.trace("-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={when}", "-o", "/dev/null")

    def _is_held(self) -> bool:
        try:
            tasks = list(Path(f"/proc/{self.pid}/task").iterdir())
            return all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks)
        except OSError:
            return True  # it died of it already

    def is_alive(self) -> bool:
        """Also while some of its threads are still at their last call: then it has its files open."""
        return not self.gone(0)

    def gone(self, within_s: float) -> bool:
        """Wait for its end; False when it still lives."""
        if self._fd < 0:
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def end(self, number: int = signal.SIGKILL) -> None:
        if self._fd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)
            if not self.gone(PATIENCE_S):
                signal.pidfd_send_signal(self._fd, signal.SIGUSR1)
                time.sleep(1)
                raise AssertionError(f"the server does not end: {self._nursery.said()}")
            os.close(self._fd)
            self._fd = -1
        if self._tracer is not None:
            self._tracer.wait(PATIENCE_S)


class Nursery:
    """See tests/faults/nursery.py."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "go"
        os.mkfifo(self.fifo)
        self._log = (folder / "servers.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            cwd=Path(__file__).parents[2], bufsize=0,
        )  # fmt: skip
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._heard = b""

    def start(self, root: Path, *, held: bool = False, watch: bool = False) -> Server:
        """A server on `root`. A held one touches nothing until `let_go`; with `watch` it takes in what lies on the disk."""
        assert self._process.stdin is not None
        asked = {"root": str(root), "hold": str(self.fifo) if held else "", "watch": watch}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        said = self.hear(None)
        assert said is not None and said.startswith("pid "), said
        return Server(int(said.removeprefix("pid ")), self)

    def let_go(self) -> None:
        self.fifo.write_bytes(b"")

    def hear(self, server: Server | None) -> str | None:
        """The next line; None when the server has died without another."""
        assert self._process.stdout is not None
        within = time.monotonic() + PATIENCE_S
        while b"\n" not in self._heard:
            alive = server is None or server.is_alive()
            piece = self._process.stdout.read()
            if piece:
                self._heard += piece
            elif not alive:
                return None
            else:
                assert time.monotonic() < within and self._process.poll() is None, f"no server starts: {self.said()}"
                time.sleep(0.001)
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def said(self) -> str:
        """The end of what servers had to say."""
        return Path(self._log.name).read_text(errors="replace")[-3000:]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._log.close()


Call = tuple[str, int]  # a system call, and the how many-th of a thread


def calls_in(log: Path) -> tuple[list[Call], list[Call]]:
    """By a log of strace, in order: the calls of the thread that answered over HTTP; the calls of others beyond those."""
    made: dict[str, list[Call]] = {}
    answering, counted = "", Counter[tuple[str, str]]()
    for line in log.read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        thread, call = found.groups()
        counted[thread, call] += 1
        made.setdefault(thread, []).append((call, counted[thread, call]))
        if '"HTTP/1.1 ' in line:
            answering = thread
    own = made.get(answering, [])
    others = dict.fromkeys(call for calls in made.values() for call in calls)
    return own, [call for call in others if call not in own]
