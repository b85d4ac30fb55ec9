"""What leaves the server: whole answers, or connections that visibly break."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from davfront.body import BLOCK_BYTES, FileBody, FileCut
from davfront.server import Server, ServerOptions
from tests.davfront.server_rig import Client, serving

Start = Callable[..., Any]
Handler = Callable[[dict[str, Any], Start], Iterable[bytes]]


class Switch:
    """An application that is told per test what to do."""

    def __init__(self) -> None:
        self.handler: Handler | None = None

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        assert self.handler is not None
        return self.handler(environ, start_response)

    def answers(self, body: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK") -> None:
        def handler(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
            start_response(status, list(headers))
            return body

        self.handler = handler


@pytest.fixture(scope="module")
def rig() -> Iterator[tuple[Switch, int]]:
    switch = Switch()
    with serving(switch, ServerOptions(threads=4, stall_s=0.3, body_bytes_s=1, stop_s=2)) as port:
        yield switch, port


@pytest.fixture
def switch(rig: tuple[Switch, int]) -> Switch:
    return rig[0]


@pytest.fixture
def client(rig: tuple[Switch, int]) -> Iterator[Client]:
    with Client(rig[1]) as client:
        yield client


def wait_for(condition: Callable[[], bool]) -> None:
    """The server tidies up after the client has its answer."""
    until = time.monotonic() + 2
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    assert condition()


class Closing:
    """A body that remembers being closed."""

    def __init__(self, *pieces: bytes, fails: bool = False) -> None:
        self.pieces = pieces
        self.fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.fails:
            raise OSError("secret/path of the disk")

    def close(self) -> None:
        self.closed += 1


# -- heads


def test_every_answer_says_when_and_who(switch: Switch, client: Client) -> None:
    switch.answers([b"x"])
    headers = client.ask("GET /").headers
    assert headers["server"] == "filmcan" and headers["date"].endswith(" GMT")


def test_the_date_is_that_of_the_clock_the_server_was_given() -> None:
    switch = Switch()
    switch.answers([b"x"])
    server = Server(switch, options=ServerOptions(threads=1), now_ns=lambda: 784111777 * 10**9)
    server.start()
    with Client(server.port) as client:
        assert client.ask("GET /").headers["date"] == "Sun, 06 Nov 1994 08:49:37 GMT"
        assert client.say(b"\x00\r\n\r\n").reply().headers["date"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    server.stop()


def test_the_application_may_say_so_itself(switch: Switch, client: Client) -> None:
    switch.answers([b"x"], ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("SERVER", "other"))
    headers = client.ask("GET /").headers
    assert headers["server"] == "other" and headers["date"].startswith("Thu, 01 Jan 1970")


def test_a_connection_closed_by_the_application_is_closed(switch: Switch, client: Client) -> None:
    """Some Windows clients only keep their own time with it (quirks decide which)."""
    switch.answers([b"x"], ("connection", "Close"))
    assert client.ask("GET /").headers["connection"] == "close"
    assert client.is_closed()


@pytest.mark.parametrize(
    "header", [("X", "a\r\nSet-Cookie: b"), ("X\r\nY", "a"), ("X", "a\nb"), ("X", "a\rb"), ("X", "a\0b"), ("X", "✓")]
)
def test_no_header_value_can_begin_another_line(switch: Switch, client: Client, header: tuple[str, str]) -> None:
    switch.answers([b"x"], header)
    reply = client.ask("GET /")
    assert reply.status == 500
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("status", ["", "OK", "20 OK", "200 OK\r\nX: y", "099 Early", "103 Early Hints"])
def test_a_malformed_status_is_the_servers_failure(switch: Switch, client: Client, status: str) -> None:
    switch.answers([b"x"], status=status)
    assert client.ask("GET /").status == 500


def test_the_framing_of_an_answer_is_not_the_applications(switch: Switch, client: Client) -> None:
    switch.answers([b"0\r\n\r\n"], ("Transfer-Encoding", "chunked"))
    assert client.ask("GET /").status == 500


# -- bodies


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1, 3 << 20])
def test_a_body_that_is_all_there_has_a_length(switch: Switch, client: Client, size: int) -> None:
    body = os.urandom(size)
    switch.answers([body[: size // 2], body[size // 2 :]])
    for _ in range(2):
        reply = client.ask("GET /")
        assert reply.headers["content-length"] == str(size)
        assert reply.body == body


def test_a_body_of_unknown_length_goes_out_in_chunks(switch: Switch, client: Client) -> None:
    pieces = [b"one", b"", os.urandom(200_000), b"three"]
    switch.answers(iter(pieces))
    reply = client.ask("GET /")
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.body == b"".join(pieces)
    switch.answers(iter([b"next"]), ("Content-Length", "4"))
    assert client.ask("GET /").body == b"next"


def test_an_http_1_0_client_reads_to_the_end_of_the_connection(switch: Switch, client: Client) -> None:
    switch.answers(iter([b"one", b"two"]))
    client.say(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    reply = client.reply()
    assert reply.body == b"onetwo"
    assert reply.headers["connection"] == "close" and "transfer-encoding" not in reply.headers


def test_an_iterator_that_yields_nothing_is_an_empty_body(switch: Switch, client: Client) -> None:
    switch.answers(iter([]))
    assert client.ask("GET /").headers["content-length"] == "0"


def test_the_write_function_of_wsgi_works(switch: Switch, client: Client) -> None:
    def handler(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"one")
        return [b"two"]

    switch.handler = handler
    assert client.ask("GET /").body == b"onetwo"
    assert client.ask("HEAD /").body == b""
    assert client.ask("GET /").body == b"onetwo"


def test_a_body_is_closed_whatever_happens(switch: Switch, client: Client) -> None:
    for line in ("GET /", "HEAD /"):
        body = Closing(b"x")
        switch.answers(body)
        client.ask(line)
        wait_for(lambda body=body: body.closed == 1)


# -- failures


def test_an_error_before_the_head_is_a_plain_500(switch: Switch, client: Client, caplog: Any) -> None:
    body = Closing(fails=True)
    switch.answers(body)
    reply = client.ask("GET /clip?%01")
    assert reply.status == 500
    assert b"secret" not in reply.body and reply.body.count(b"\n") == 1
    assert client.is_closed()
    assert body.closed == 1


def test_an_error_after_the_head_never_looks_like_the_end(switch: Switch, client: Client) -> None:
    switch.answers(Closing(b"one", fails=True))
    with pytest.raises((EOFError, ConnectionError)):
        client.ask("GET /")


def test_to_an_http_1_0_client_a_failed_answer_is_a_reset(switch: Switch, client: Client) -> None:
    switch.answers(Closing(b"one", fails=True))
    client.say(b"GET / HTTP/1.0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        client.reply()


def test_an_application_that_exits_does_not_stop_the_server(switch: Switch, client: Client, rig: Any) -> None:
    def handler(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise SystemExit(3)

    switch.handler = handler
    assert client.ask("GET /").status == 500
    switch.answers([b"alive"])
    with Client(rig[1]) as other:
        assert other.ask("GET /").body == b"alive"


def test_an_application_that_never_starts_its_answer_is_a_500(switch: Switch, client: Client) -> None:
    switch.handler = lambda environ, start_response: [b"x"]
    assert client.ask("GET /").status == 500


def test_text_instead_of_bytes_is_a_500(switch: Switch, client: Client) -> None:
    switch.answers(iter(["text"]))  # type: ignore[arg-type]
    assert client.ask("GET /").status == 500


@pytest.mark.parametrize("length", ["2", "4", "none"])
def test_a_length_that_is_not_true_is_a_500(switch: Switch, client: Client, length: str) -> None:
    switch.answers([b"abc"], ("Content-Length", length))
    assert client.ask("GET /").status == 500


def test_a_stream_longer_or_shorter_than_its_length_breaks(switch: Switch, client: Client, rig: Any) -> None:
    switch.answers(iter([b"ab", b"c"]), ("Content-Length", "4"))
    with pytest.raises((EOFError, ConnectionError)):
        client.ask("GET /")
    switch.answers(iter([b"abc", b"de"]), ("Content-Length", "4"))
    with Client(rig[1]) as other, pytest.raises((EOFError, ConnectionError)):
        other.ask("GET /")


def test_start_response_may_be_called_again_only_with_the_error(switch: Switch, client: Client) -> None:
    def handler(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise KeyError("late")
        except KeyError as error:
            start_response("503 Service Unavailable", [], (KeyError, error, None))
        return [b"sorry"]

    switch.handler = handler
    assert client.ask("GET /").status == 503

    def twice(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    switch.handler = twice
    assert client.ask("GET /").status == 500


def test_the_log_is_one_escaped_line_for_each_failure(
    switch: Switch, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise ValueError("line one\nline two \x1b[31m")

    switch.handler = handler
    with caplog.at_level(logging.INFO, "filmcan.server"):
        client.ask("GET /caf%C3%A9")
    [record] = caplog.records
    text = record.getMessage()
    assert text.isprintable() and text.isascii() and "ValueError" in text and "test_server_answers.py:" in text
    assert record.exc_info is None


# -- files


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip"
    path.write_bytes(os.urandom(3 << 20))
    return path


def body_of(path: Path, offset: int, length: int, closed: list[int] | None = None) -> FileBody:
    fd = os.open(path, os.O_RDONLY)

    def close() -> None:
        os.close(fd)
        if closed is not None:
            closed.append(fd)

    return FileBody(fd, offset, length, close)


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 3 << 20), (1, 2 << 20), (5, 0), (0, 1), (7, 1 << 16), (7, (1 << 16) + 1)]
)
def test_a_part_of_a_file_arrives_whole(switch: Switch, client: Client, clip: Path, offset: int, length: int) -> None:
    for _ in range(2):
        closed: list[int] = []
        switch.answers(body_of(clip, offset, length, closed))
        reply = client.ask("GET /")
        assert reply.headers["content-length"] == str(length)
        assert reply.body == clip.read_bytes()[offset : offset + length]
        wait_for(lambda closed=closed: len(closed) == 1)


def test_without_sendfile_it_is_read_in_blocks(
    switch: Switch, client: Client, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sendfile")
    switch.answers(body_of(clip, 1, 1 << 20))
    assert client.ask("GET /").body == clip.read_bytes()[1 : 1 + (1 << 20)]


def test_where_a_file_system_cannot_sendfile_the_rest_is_read(
    switch: Switch, client: Client, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", refuse)
    switch.answers(body_of(clip, 0, 3 << 20))
    assert client.ask("GET /").body == clip.read_bytes()


def test_head_of_a_file_tells_its_length_and_sends_nothing(switch: Switch, client: Client, clip: Path) -> None:
    closed: list[int] = []
    switch.answers(body_of(clip, 0, 3 << 20, closed))
    assert client.ask("HEAD /").headers["content-length"] == str(3 << 20)
    wait_for(lambda: len(closed) == 1)
    switch.answers([b"next"])
    assert client.ask("GET /").body == b"next"


def test_a_304_of_a_file_sends_neither_bytes_nor_length(switch: Switch, client: Client, clip: Path) -> None:
    switch.answers(body_of(clip, 0, 3 << 20), status="304 Not Modified")
    assert "content-length" not in client.ask("GET /").headers
    switch.answers([b"next"])
    assert client.ask("GET /").body == b"next"


@pytest.mark.parametrize("length", [1 << 10, 4 << 20])
def test_a_file_shorter_than_promised_breaks_the_answer(
    switch: Switch, client: Client, clip: Path, length: int
) -> None:
    os.truncate(clip, length // 2)
    closed: list[int] = []
    switch.answers(body_of(clip, 0, length, closed))
    with pytest.raises((EOFError, ConnectionError)):
        client.ask("GET /")
    wait_for(lambda: len(closed) == 1)


def test_a_file_that_cannot_be_read_at_all_is_a_500(switch: Switch, client: Client, clip: Path) -> None:
    fd = os.open(clip, os.O_WRONLY)
    switch.answers(FileBody(fd, 0, 100, lambda: os.close(fd)))
    assert client.ask("GET /").status == 500


def test_a_client_that_goes_away_inside_a_file_is_no_error(
    switch: Switch, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = tmp_path / "large"
    with clip.open("wb") as file:
        file.truncate(64 << 20)
    closed: list[int] = []
    switch.answers(body_of(clip, 0, 64 << 20, closed))
    with caplog.at_level(logging.INFO, "filmcan.server"):
        client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.sock.recv(1000)
        client.sock.close()
        wait_for(lambda: len(closed) == 1)
    assert caplog.records == []


def test_a_receiver_that_takes_nothing_is_cut(rig: tuple[Switch, int], tmp_path: Path) -> None:
    clip = tmp_path / "large"
    with clip.open("wb") as file:
        file.truncate(64 << 20)
    closed: list[int] = []
    rig[0].answers(body_of(clip, 0, 64 << 20, closed))
    with Client(rig[1], receive_buffer=4096) as client:
        client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: len(closed) == 1)


def test_a_file_body_is_a_body_for_any_server(clip: Path) -> None:
    closed: list[int] = []
    body = body_of(clip, 10, 1 << 20, closed)
    blocks = list(body)
    assert b"".join(blocks) == clip.read_bytes()[10 : 10 + (1 << 20)]
    assert max(map(len, blocks)) == BLOCK_BYTES
    body.close()
    body.close()
    assert len(closed) == 1


def test_a_file_body_never_ends_early_without_a_word(clip: Path) -> None:
    body = body_of(clip, (3 << 20) - 10, 20)
    with pytest.raises(FileCut) as error:
        list(body)
    assert error.value.missing_bytes == 10
    body.close()
