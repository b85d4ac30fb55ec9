"""Uploads whose connection is cut: at every boundary of the head and at a hundred places of the body; by a reset, by an end
of sending only, by silence. Never an answer of success, the old content stays, nothing is left over.

FILMCAN_FAULTS_CONNECTIONS says how many; FILMCAN_CUT="chunked PUT: reset at 1234" does that one only.
"""

from __future__ import annotations

import os
import random
import re
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from davfront.app import DavApp
from davfront.server import Server, ServerOptions
from tests.conftest import PROJECT
from tests.faults.figures import count, some, tell
from tests.faulty import QuickSystem
from tests.state import put, read
from tools.assemble import desk_of, mounted, open_libraries, rooms
from tools.settings import Settings
from views.library import Library
from views.web.app import make_app

ONLY = os.environ.get("FILMCAN_CUT", "")
OLD, NEW = b"old" * 1000, random.Random(7).randbytes(300_000)
HEAD = b"Host: localhost\r\nUser-Agent: cut\r\nContent-Type: video/quicktime\r\n"
BODY_PLACES = 100
IMPATIENT = ServerOptions(threads=16, header_s=0.6, stall_s=0.6, idle_s=2, stop_s=5)


def _put(name: str, how: bytes, body: bytes) -> bytes:
    return f"PUT /dav/{PROJECT}/{name} HTTP/1.1\r\n".encode() + HEAD + how + b"\r\n" + body


def _form() -> bytes:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="up.mov"\r\n\r\n' + NEW + b"\r\n--x--\r\n"
    head = HEAD.replace(b"video/quicktime", b"multipart/form-data; boundary=x") + b"Content-Length: %d\r\n\r\n" % len(body)
    return f"POST /api/projects/{PROJECT}/upload HTTP/1.1\r\n".encode() + head + body


def _chunks() -> bytes:
    pieces = [NEW[at : at + 40_000] for at in range(0, len(NEW), 40_000)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


LENGTH = b"Content-Length: %d\r\n" % len(NEW)
REQUESTS = {
    "PUT over a file": _put("old", LENGTH, NEW),
    "PUT a new file": _put("new", LENGTH, NEW),
    "chunked PUT": _put("old", b"Transfer-Encoding: chunked\r\n", _chunks()),
    "PUT with its sum": _put("old", LENGTH + b"OC-Checksum: SHA1:0000000000000000000000000000000000000000\r\n", NEW),
    "raw upload": f"POST /api/projects/{PROJECT}/upload/up.mov HTTP/1.1\r\n".encode() + HEAD + LENGTH + b"\r\n" + NEW,
    "upload of a form": _form(),
}
WAYS = ("reset", "end of sending", "silence")


@dataclass(frozen=True)
class Cut:
    request: str
    way: str
    at: int

    def __str__(self) -> str:
        return f"{self.request}: {self.way} at {self.at}"


def places(request: bytes) -> list[int]:
    """After every line of the head and in the middle of it; a hundred places of the body, the last byte missing among them."""
    head = request.index(b"\r\n\r\n") + 4
    lines = [found.end() for found in re.finditer(rb"\r\n", request[:head])]
    body = [head + (len(request) - head - 1) * place // (BODY_PLACES - 1) for place in range(BODY_PLACES)]
    return sorted({*lines, *(line - 5 for line in lines), *body} - {len(request)})


def cuts() -> list[Cut]:
    found = [Cut(name, way, at) for name, request in REQUESTS.items() for at in places(request) for way in WAYS]
    return [cut for cut in found if str(cut) == ONLY] if ONLY else some(found, count("CONNECTIONS"), "cuts")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Library, int]]:
    settings = Settings(root=tmp_path / "root", port=0, auto_reindex=False, mass_delete_limit=0)
    with open_libraries(settings, QuickSystem()) as libraries:
        library = libraries.primary
        library.make_project("Film")
        put(library, f"{PROJECT}/old", OLD)
        api = make_app(desk_of(libraries, settings), rooms())
        running = Server(mounted(DavApp(library), api, api), options=IMPATIENT)
        running.start()
        yield library, running.port
        running.stop()


def send(port: int, cut: Cut) -> bytes:
    """What the server says to the part of the request that it gets; b"" when it says nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        try:
            sock.sendall(REQUESTS[cut.request][: cut.at])
            if cut.way == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return b""
            if cut.way == "end of sending":
                sock.shutdown(socket.SHUT_WR)
            said = b""
            while piece := sock.recv(1 << 16):
                said += piece
        except ConnectionError:
            return b""
        return said


@pytest.mark.timeout(1800)
def test_an_upload_that_is_cut_never_counts(server: tuple[Library, int]) -> None:
    library, port = server
    chosen = cuts()
    before = sorted(path for path, _ in library.walk(PROJECT))
    with ThreadPoolExecutor(12) as pool:  # the silent ones wait for the server's patience, side by side
        for cut, said in zip(chosen, pool.map(lambda cut: send(port, cut), chosen), strict=True):
            repeats = f'FILMCAN_CUT="{cut}" repeats it'
            assert not re.match(rb"HTTP/1.1 2", said), f"{cut}: answered {said[:60]!r}; {repeats}"
            assert read(library, f"{PROJECT}/old") == OLD, f"{cut}: the old content is gone; {repeats}"
    assert sorted(path for path, _ in library.walk(PROJECT)) == before
    assert (library.root / PROJECT / "old").read_bytes() == OLD
    for _ in range(2):  # the first whole one ends what the resets left half-way
        assert whole(port, "PUT over a file").startswith((b"HTTP/1.1 201", b"HTTP/1.1 204"))
    assert not list(library.store.layout.incoming.iterdir())
    tell("cut connections", len(chosen))


def whole(port: int, name: str) -> bytes:
    request = REQUESTS[name].replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(request)
        said = b""
        while piece := sock.recv(1 << 16):
            said += piece
        return said


def test_what_is_cut_here_counts_when_it_is_whole(server: tuple[Library, int]) -> None:
    """Otherwise the other test would say nothing."""
    _, port = server
    said = {name: whole(port, name)[9:12].decode() for name in REQUESTS}
    assert said.pop("PUT with its sum") == "400"
    assert set(said.values()) <= {"200", "201", "204"}, said
