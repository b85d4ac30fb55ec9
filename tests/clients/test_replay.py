"""The replayer hears what is wrong: each wish in a script fails when the server does not grant it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .replay import Replay, plain
from .server import DavServer, Project
from .wire import BadAnswer

GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "one"\r\n\r\nhello'


@contextmanager
def parrot(answer: bytes, heard: list[bytes]) -> Iterator[DavServer]:
    """Says `answer` to everything, and keeps what was said to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_parrot, args=(listener, answer, heard))
        thread.start()
        yield DavServer(f"http://127.0.0.1:{listener.getsockname()[1]}/dav/", Path("nowhere"))
        thread.join(10)


def _parrot(listener: socket.socket, answer: bytes, heard: list[bytes]) -> None:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(65_536):
            heard.append(data)
            connection.sendall(answer)


def _replay(tmp_path: Path, script: str, answer: bytes = GOOD) -> bytes:
    file, heard = tmp_path / "script.txt", list[bytes]()
    file.write_text(script)
    with parrot(answer, heard) as server:
        Replay(file, Project(server, "P1-Parrot")).run()
    return b"".join(heard)


def test_headers_go_out_as_they_were_written(tmp_path: Path) -> None:
    script = "always\n    User-Agent: Me/1\n\nGET a%3Bb\n    x-ODD:  two  spaces\n-> 200\n"
    said = _replay(tmp_path, script)
    assert said.startswith(b"GET /dav/P1-Parrot/a%3Bb HTTP/1.1\r\nHost: 127.0.0.1:")
    assert said.endswith(b"\r\nUser-Agent: Me/1\r\nx-ODD:  two  spaces\r\n\r\n")


def test_a_body_goes_out_in_chunks_of_the_written_size(tmp_path: Path) -> None:
    script = "PUT a\n    Transfer-Encoding: chunked\n    body film 5\n    chunks 3\n-> 200\n"
    said = _replay(tmp_path, script).partition(b"\r\n\r\n")[2]
    assert (said[:3], said[6:11], said[13:]) == (b"3\r\n", b"\r\n2\r\n", b"\r\n0\r\n\r\n")


def test_what_was_learned_is_sent_and_wanted_again(tmp_path: Path) -> None:
    script = 'GET a\n-> 200\n    ETag: "{tag}"\n\nGET b\n    If-Match: "{tag}"\n-> 200\n    ETag: "{tag}"\n'
    assert b'If-Match: "one"\r\n' in _replay(tmp_path, script)


@pytest.mark.parametrize(
    "wish",
    [
        "-> 204",
        "-> 200\n    ETag: two",
        "-> 200\n    no ETag",
        "-> 200\n    ~ bye",
        "-> 200\n    !~ hel*o",
        "-> 200\n    = nothing",
    ],
)
def test_a_wish_that_is_not_granted_fails(tmp_path: Path, wish: str) -> None:
    with pytest.raises(AssertionError, match=r"script\.txt:2: What the client does"):
        _replay(tmp_path, f"# What the client does.\nGET a\n{wish}\n")


def test_a_body_where_none_belongs_trips_the_next_request(tmp_path: Path) -> None:
    with pytest.raises(BadAnswer):
        _replay(tmp_path, "HEAD a\n-> 200\n\nGET b\n-> 200\n")


def test_xml_is_compared_without_its_freedom() -> None:
    one = b'<?xml version="1.0"?>\n<D:a xmlns:D="DAV:">\n <D:b x="1"> text</D:b> <D:c></D:c></D:a>'
    other = b'<a xmlns="DAV:"><b> text</b><c/></a>'
    assert plain(one) == plain(other) == "<a><b> text</b><c/></a>"
