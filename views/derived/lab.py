"""Where media are decoded: a process beside this one, with limits, that may die. `views/derived/worker.py` is what runs in it.

    Lab.look ──► open file + {"kind", "width", "at_s"} ──► worker ──► facts, JPEG

No byte of a file is looked at here. A worker that takes too long is killed, one that is dead is a normal result, and the next
file gets a new one.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger("filmcan.derived")
WORKER = Path(__file__).with_name("worker.py")
NEEDED = ("av", "PIL")
MEMORY_BYTES = 3 << 30  # of addresses: frames of 8K in HEVC's ten bit need 2 GiB, libraries half of one
CPU_S = 600  # in all; a single file has seconds by the clock
FILES = 100  # then a new one, so that what leaks stays small
ANSWER_BYTES = 8 << 20
LENGTHS = struct.Struct(">II")
START_S = 30.0  # a new process reads its libraries first; on a busy machine that takes a while


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of looking at a file. status: "ok", "failed" (it cannot be read), "timeout" or "died"; picture: JPEG or b""."""

    status: str
    facts: dict[str, Any] = field(default_factory=dict)
    picture: bytes = b""


def lacking() -> str:
    """Why nothing can be decoded here, for people; "" when it can."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return "the extra `media` is not installed: pip install 'filmcan[media]'"
    return "" if hasattr(socket, "send_fds") else "this system cannot hand open files to another process"


class Lab:
    """One worker, started when it is needed. One thread at a time; only `kill` from any."""

    def __init__(self, *, width: int, at_s: float = 1.0) -> None:
        """width: the longer side of a picture, in pixels. at_s: which moment of a film it shows."""
        self._width, self._at_s = width, at_s
        self._worker: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._files = 0

    def look(self, fd: int, kind: str, within_s: float) -> Seen:
        """What the file behind `fd` is, and a picture of it. kind: "video", "audio" or "image"."""
        request = json.dumps({"kind": kind, "width": self._width, "at_s": self._at_s}).encode()
        line, fresh = self._open()
        deadline_s = time.monotonic() + within_s + (START_S if fresh else 0.0)
        self._files += 1
        try:
            socket.send_fds(line, [request], [fd])
            told, picture = LENGTHS.unpack(_read(line, LENGTHS.size, deadline_s))
            if told + picture > ANSWER_BYTES:
                raise ConnectionError(f"it answers with {told + picture} bytes")
            facts, seen = json.loads(_read(line, told, deadline_s)), _read(line, picture, deadline_s)
        except TimeoutError:
            self.close()
            return Seen("timeout")
        except (OSError, ValueError) as error:
            log.info("a worker ended while it looked at a file: %s", error)
            self.close()
            return Seen("died")
        if self._files >= FILES:
            self.close()
        if not isinstance(facts, dict) or "error" in facts:
            return Seen("failed", facts if isinstance(facts, dict) else {})
        return Seen("ok", facts, seen)

    def _open(self) -> tuple[socket.socket, bool]:
        """The line to a living worker, and whether that is a new one."""
        if self._line is not None and self._worker is not None and self._worker.poll() is None:
            return self._line, False
        self.close()
        self._line, theirs = socket.socketpair()
        command = [sys.executable, "-I", str(WORKER), str(MEMORY_BYTES), str(CPU_S)]
        with theirs:
            self._worker = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, cwd="/"
            )
        self._files = 0
        return self._line, True

    def kill(self) -> None:
        """End the worker that runs now; whoever waits for it is told that it died."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """End the worker, whatever it does. The next file gets a new one."""
        line, worker, self._line, self._worker = self._line, self._worker, None, None
        if line is not None:
            line.close()
        if worker is not None:
            worker.kill()
            worker.wait()


def _read(line: socket.socket, size: int, deadline_s: float) -> bytes:
    """So many bytes, until then. TimeoutError; ConnectionError when the other side is gone."""
    held = bytearray()
    while len(held) < size:
        line.settimeout(max(0.001, deadline_s - time.monotonic()))
        piece = line.recv(min(size - len(held), 1 << 20))
        if not piece:
            raise ConnectionError("it ended")
        held += piece
        if time.monotonic() >= deadline_s and len(held) < size:
            raise TimeoutError
    return bytes(held)
