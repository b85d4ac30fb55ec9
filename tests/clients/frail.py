"""A server behind a door that breaks: after so many bytes a connection is cut, or the server is killed with kill -9 and started
again. The door keeps its port, so a client goes on with the URLs it has."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .server import FILMCAN, end, port_of, start

PIECE_BYTES = 1 << 16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: the other side hears of a reset, not of an end


@dataclass(frozen=True)
class Break:
    """after_bytes  that clients sent since the break before: the next one does not come through
    kill         the server too
    resets       the client is told of a reset, not of an end
    """

    after_bytes: int
    kill: bool
    resets: bool

    @staticmethod
    def some(chance: random.Random, count: int, most_bytes: int) -> list[Break]:
        """So many, at random places behind the head of a request; every other one kills."""
        return [Break(chance.randrange(4096, most_bytes), turn % 2 == 1, chance.random() < 0.5) for turn in range(count)]


class Frail:
    """look  called at every break, while nobody writes after a kill, and in the middle of things after a cut"""

    def __init__(self, root: Path, breaks: Sequence[Break], look: Callable[[], None]) -> None:
        self._root, self._left, self._look = root, list(breaks), look
        self._passed_bytes, self.starts = 0, 0
        self._turn = threading.Lock()  # held while the server is down: who connects then, waits
        self._start()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.door: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """The server ends as it does when it is asked to. Every break must have happened."""
        self._listener.close()
        end(self._process)
        assert not self._left, f"{len(self._left)} breaks never happened"

    def _start(self) -> None:
        log = self._root.with_name(f"server{self.starts}.log")
        self._process: subprocess.Popen[bytes] = start(FILMCAN, self._root, log)
        self._port = port_of(self._process, log)
        self.starts += 1

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with self._turn:
            server = socket.create_connection(("127.0.0.1", self._port))
        threading.Thread(target=_pour, args=(server, client), daemon=True).start()
        with client, server, contextlib.suppress(OSError):  # one side is gone, so the other one goes
            while data := client.recv(PIECE_BYTES):
                passing, broken = self._let_through(len(data))
                server.sendall(data[:passing])
                if broken:
                    self._break(broken, client, server)
                    return
            server.shutdown(socket.SHUT_WR)
            server.recv(1, socket.MSG_PEEK)

    def _let_through(self, count: int) -> tuple[int, Break | None]:
        with self._turn:
            if not self._left or self._passed_bytes + count < self._left[0].after_bytes:
                self._passed_bytes += count
                return count, None
            broken, passed, self._passed_bytes = self._left.pop(0), self._passed_bytes, 0
            return broken.after_bytes - passed, broken

    def _break(self, broken: Break, client: socket.socket, server: socket.socket) -> None:
        with self._turn:
            if broken.kill:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
            self._look()
            if broken.kill:
                self._start()
        for side in (client, server) if broken.resets else ():
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for side in (client, server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(PIECE_BYTES):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
