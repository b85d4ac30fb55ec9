"""A real server and a client that says exactly the bytes a test tells it to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from davfront.answer import Application
from davfront.server import Server, ServerOptions

HOST = b"Host: filmcan.test\r\n"


@contextmanager
def serving(app: Application, options: ServerOptions | None = None) -> Iterator[int]:
    """The port of a server with `app`, stopped at the end."""
    server = Server(app, options=options or ServerOptions(threads=8, stop_s=2))
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@dataclass(frozen=True)
class Reply:
    """One answer from the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection. Nothing is added to what is said; nothing that was not read is forgotten."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(5)
        self.sock.connect(("127.0.0.1", port))
        self.held = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def say(self, data: bytes) -> "Client":
        self.sock.sendall(data)
        return self

    def ask(self, line: str, *fields: str, body: bytes = b"", without_body: bool = False) -> Reply:
        """Send a well-formed request and read its answer."""
        head = "".join(f"{field}\r\n" for field in [f"{line} HTTP/1.1", "Host: filmcan.test", *fields])
        self.say(head.encode() + b"\r\n" + body)
        return self.reply(without_body or line.startswith("HEAD "))

    def reply(self, without_body: bool = False) -> Reply:
        """The next answer, its body read as its framing says."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status_text = head[0].split(" ")[:2]
        assert version == "HTTP/1.1", head[0]
        status = int(status_text)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        if without_body or status in (100, 204, 304):
            return Reply(status, headers, b"")
        return Reply(status, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._exactly(size)
                assert self._exactly(2) == b"\r\n"
            assert self._until(b"\r\n") == b""
            return body
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self.rest()

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while self._more():
            pass
        rest, self.held = self.held, b""
        return rest

    def is_closed(self) -> bool:
        """True when the server has closed, after nothing more; a reset counts too."""
        try:
            return self.rest() == b""
        except ConnectionError:
            return True

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.held:
            if not self._more():
                raise EOFError(f"closed before {mark!r}: {self.held!r}")
        found, _, self.held = self.held.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self.held) < size:
            if not self._more():
                raise EOFError(f"closed {size - len(self.held)} bytes early")
        found, self.held = self.held[:size], self.held[size:]
        return found

    def _more(self) -> bool:
        data = self.sock.recv(1 << 16)
        self.held += data
        return bool(data)
