"""HTTP/1.1 by hand: what we send is what was written down, and what comes back is read strictly.

Python's own client tidies headers, picks escapes and forgives surplus bytes. A recorded conversation needs none of
that: a body after HEAD or a stray chunk has to trip the next request, as it trips a real client on a kept-alive
connection.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import BinaryIO

ANSWER_WITHIN_S = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None


class BadAnswer(Exception):
    """The server said something that is not HTTP/1.1, or hung up in the middle."""


class Wire:
    """One connection. Not for threads."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._connect()

    def reopen(self) -> None:
        """A new connection, after the server has said that it closes this one."""
        self.close()
        self._connect()

    def _connect(self) -> None:
        self.socket = socket.create_connection((self.host, self.port), timeout=ANSWER_WITHIN_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream: BinaryIO = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, verb: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """One plain request with its body in one piece; for looking at the result from outside."""
        lines = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.send(f"{verb} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return self.answer(verb)

    def answer(self, verb: str) -> Answer:
        """The next final answer; interim ones (100, 102) are passed over."""
        while True:
            answer = self.one_answer(verb)
            if answer.status >= 200:
                return answer

    def one_answer(self, verb: str) -> Answer:
        status = self._status()
        headers = self._headers()
        bodyless = verb == "HEAD" or status < 200 or status in (204, 304)
        return Answer(status, headers, b"" if bodyless else self._body({k.lower(): v for k, v in headers}))

    def _status(self) -> int:
        words = self._line().split(" ", 2)
        if len(words) < 2 or words[0] != "HTTP/1.1" or not words[1].isdigit():
            raise BadAnswer(f"not a status line: {' '.join(words)!r}")
        return int(words[1])

    def _headers(self) -> list[tuple[str, str]]:
        headers = []
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise BadAnswer(f"not a header: {line!r}")
            headers.append((name, value.strip()))
        return headers

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self._stream.read()

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self._line().split(";")[0], 16):
            pieces.append(self._exactly(size))
            self._exactly(2)
        self._headers()
        return b"".join(pieces)

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise BadAnswer(f"hung up after {len(data)} of {size} bytes")
        return data

    def _line(self) -> str:
        line = self._stream.readline(65_537)
        if not line.endswith(b"\r\n"):
            raise BadAnswer("hung up" if not line else f"line without end: {line[:80]!r}")
        return line[:-2].decode("latin-1")
