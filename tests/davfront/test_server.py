"""The defects of stock cheroot 11.1.2 that a client can meet, and the plain duties of a server.

Numbers are those of the list of defects in cheroot and wsgidav that this room was built against.
"""

import os
import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from davfront.body import BodyBroken
from davfront.server import Server, ServerOptions
from tests.davfront.server_rig import Client, serving

CHUNKED = "Transfer-Encoding: chunked"


class Shelf:
    """An application that keeps what it is given, and what it was told about it."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.broken: list[BodyBroken] = []
        self.environ: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environ = environ
        path = environ["PATH_INFO"]
        if path.startswith("/refuse"):
            start_response("507 Insufficient Storage", [])
            return [b"no"]
        if path.startswith("/shout"):  # a body where none may be
            start_response(path[6:].replace("-", " ") or "401 Unauthorized", [("Content-Length", "6")])
            return [b"noise!"]
        if environ["REQUEST_METHOD"] in ("PUT", "PROPFIND"):
            return self._keep(path, environ["wsgi.input"], start_response)
        start_response("200 OK", [("X-Target", environ["REQUEST_URI"]), ("X-Query", environ["QUERY_STRING"])])
        return [path.encode("latin-1")]

    def _keep(self, path: str, body: Any, start_response: Any) -> Iterable[bytes]:
        try:
            self.stored[path] = body.read()
        except BodyBroken as error:
            self.broken.append(error)
            if not path.startswith("/careless"):
                raise
        start_response("201 Created", [])
        return [b"kept"]


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(scope="module")
def port(shelf: Shelf) -> Iterator[int]:
    with serving(shelf) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    with Client(port) as client:
        yield client


# -- 1: short bodies


@pytest.mark.parametrize("path", ["/short", "/careless"])
def test_1_a_body_shorter_than_its_length_is_never_created(client: Client, shelf: Shelf, path: str) -> None:
    """Stock hands out an early end of file, and the application answers 201 for half a clip."""
    client.say(f"PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf".encode())
    client.sock.shutdown(1)
    assert client.reply().status == 400
    assert client.is_closed()
    assert path not in shelf.stored
    assert shelf.broken[-1].reason == "the body ended before its Content-Length"


def test_1_a_chunked_body_without_its_last_chunk_is_never_created(client: Client, shelf: Shelf) -> None:
    client.say(f"PUT /short2 HTTP/1.1\r\nHost: a\r\n{CHUNKED}\r\n\r\n4\r\nhalf\r\n".encode())
    client.sock.shutdown(1)
    assert client.reply().status == 400
    assert "/short2" not in shelf.stored


# -- 2: leftovers


@pytest.mark.parametrize("body", [b"5\r\nhello\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\nTrailer: dropped\r\n\r\n"])
def test_2_an_unread_chunked_body_does_not_become_the_next_request(client: Client, body: bytes) -> None:
    """Stock leaves the chunks on the connection and answers the next request with 400 Malformed Request-Line."""
    assert client.ask("PUT /refuse", CHUNKED, body=body).status == 507
    assert client.ask("GET /next").body == b"/next"


def test_2_an_unread_body_with_a_length_is_dropped_too(client: Client) -> None:
    assert client.ask("PUT /refuse", "Content-Length: 100000", body=bytes(100_000)).status == 507
    assert client.ask("GET /next").body == b"/next"


@pytest.mark.parametrize("framing", [CHUNKED, f"Content-Length: {64 << 20}"])
def test_2_the_answer_to_a_large_unread_body_is_seen_before_the_connection_ends(client: Client, framing: str) -> None:
    """Closing with unread bytes resets the connection, and a reset throws the answer away."""
    client.say(f"PUT /refuse HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    for _ in range(4):
        client.say(piece)
    reply = client.reply()
    assert (reply.status, reply.headers["connection"]) == (507, "close")
    client.sock.shutdown(1)
    assert client.is_closed()


def test_2_a_streaming_answer_may_still_read_its_request() -> None:
    def echo(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        while piece := environ["wsgi.input"].read(1000):
            yield piece

    with serving(echo) as port, Client(port) as client:
        body = os.urandom(5000)
        assert client.ask("PUT /", "Content-Length: 5000", body=body).body == body


# -- 3: chunked bodies of other methods


def test_3_a_chunked_body_reaches_the_application_whatever_the_method(client: Client, shelf: Shelf) -> None:
    """wsgidav on stock takes a PROPFIND whose XML comes in chunks for one without a body."""
    body = b"6\r\n<prop/\r\n1\r\n>\r\n0\r\n\r\n"
    assert client.ask("PROPFIND /xml", CHUNKED, body=body).status == 201
    assert shelf.stored["/xml"] == b"<prop/>"
    assert shelf.environ["wsgi.input"].remaining is None
    assert shelf.environ["wsgi.input_terminated"] is True


# -- 14: bodies where none may be


@pytest.mark.parametrize("path", ["/shout", "/shout404-Not-Found", "/shout412-Precondition-Failed"])
def test_14_an_answer_to_head_has_no_body_and_keeps_its_length(client: Client, path: str) -> None:
    """Stock sends what the application yields, and the client reads it as the beginning of the next answer."""
    assert client.ask(f"HEAD {path}").headers["content-length"] == "6"
    assert client.ask("GET /next").body == b"/next"


@pytest.mark.parametrize("path", ["/shout204-No-Content", "/shout304-Not-Modified"])
def test_14_answers_204_and_304_have_neither_body_nor_length(client: Client, path: str) -> None:
    """A Content-Length of 0 in a 304 would tell caches that the file is empty (RFC 9110 §8.6)."""
    assert "content-length" not in client.ask(f"GET {path}").headers
    assert client.ask("GET /next").body == b"/next"


# -- 15: escapes in paths


@pytest.mark.parametrize("path", ["/%E9", "/%ff%fe", "/%C3", "/%ED%A0%80", "/a%2Fb", "/a%2fb", "/%00", "/%zz", "/100%"])
def test_15_a_path_that_is_no_name_is_answered_400(client: Client, path: str) -> None:
    """Stock and wsgidav drop the connection at %E9 without an answer, and pass %2F on as literal text."""
    assert client.ask(f"GET {path}").status == 400
    assert client.is_closed()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a;b.txt", "/a;b.txt"),
        ("/a%3Fb.txt", "/a?b.txt"),
        ("/a%3Bb", "/a;b"),
        ("/a%23b", "/a#b"),
        ("/100%25", "/100%"),
        ("/a%252Fb", "/a%2Fb"),
        ("/a+b&c|d", "/a+b&c|d"),
        ("/%63lip%20%5c", "/clip \\"),
        ("/caf%C3%A9", "/café"),
        ("/cafe%CC%81", "/cafe\u0301"),
        ("/%F0%9F%8E%AC.", "/🎬."),
    ],
)
def test_15_every_legal_name_survives_exactly_one_decoding(client: Client, target: str, path: str) -> None:
    reply = client.ask(f"GET {target}?x=%2F")
    assert reply.body.decode() == path
    assert reply.headers["x-target"] == f"{target}?x=%2F"
    assert reply.headers["x-query"] == "x=%2F"


def test_15_a_path_with_unescaped_utf_8_is_understood(client: Client) -> None:
    assert client.ask("GET /café").body == "/café".encode()


# -- 16: Expect: 100-continue


def test_16_continue_is_sent_when_the_application_reads_and_not_before(client: Client) -> None:
    """Stock sends 100 before anybody has looked at the credentials."""
    client.say(b"PUT /asked HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n")
    assert client.reply().status == 100
    assert client.say(b"clip").reply().status == 201
    assert client.ask("GET /next").status == 200


def test_16_a_refused_upload_gets_no_continue_and_the_connection_ends(client: Client) -> None:
    client.say(b"PUT /refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    reply = client.reply()
    assert (reply.status, reply.headers["connection"]) == (507, "close")
    client.sock.shutdown(1)
    assert client.is_closed()


def test_16_a_client_that_did_not_wait_gets_no_continue(client: Client) -> None:
    assert client.ask("PUT /eager", "Expect: 100-continue", "Content-Length: 4", body=b"clip").status == 201


def test_16_a_refused_upload_of_a_terabyte_costs_nothing(client: Client) -> None:
    """Stock reads the rest of the announced length in one allocation."""
    began = time.monotonic()
    client.say(f"PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: {1 << 40}\r\n\r\nsome".encode())
    assert client.reply().status == 507
    assert time.monotonic() - began < 1


# -- 17: chunks of any size


def test_17_memory_does_not_grow_with_the_chunk_a_client_announces() -> None:
    """Stock reads a chunk whole and slices it again for every read: 8 MiB/s and half a gigabyte for 128 MiB."""
    size = 64 << 20
    got = []

    def count(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        buffer = bytearray(1 << 20)
        tracemalloc.start()
        got.append(sum(iter(lambda: environ["wsgi.input"].fill(buffer), 0)))
        got.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        start_response("201 Created", [])
        return []

    with serving(count) as port, Client(port) as client:
        client.say(f"PUT / HTTP/1.1\r\nHost: a\r\n{CHUNKED}\r\n\r\n{size:X}\r\n".encode())
        piece = bytes(1 << 20)
        for _ in range(size >> 20):
            client.say(piece)
        assert client.say(b"\r\n0\r\n\r\n").reply().status == 201
    assert got[0] == size
    assert got[1] < 2 << 20


# -- 18: many and slow clients


def test_18_forty_idle_connections_all_stay_usable(port: int) -> None:
    """Stock keeps ten and closes the rest after each answer; some of its limits answer 503, which Finder shows as
    "not found"."""
    clients = [Client(port) for _ in range(40)]
    for _ in range(2):
        for client in clients:
            reply = client.ask("GET /x")
            assert (reply.status, reply.headers.get("connection")) == (200, None)
    for client in clients:
        client.sock.close()


def test_18_an_upload_that_stops_is_told_so() -> None:
    """Stock closes after ten seconds without a word."""
    shelf = Shelf()
    with serving(shelf, ServerOptions(threads=2, stall_s=0.2)) as port, Client(port) as client:
        client.say(b"PUT /stalled HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert client.reply().status == 408
        client.sock.shutdown(1)
        assert client.is_closed()
    assert shelf.broken[0].stalled


def test_18_connections_that_say_nothing_hold_no_thread() -> None:
    """Stock gives a thread to every new connection, for as long as its time-out."""
    with serving(Shelf(), ServerOptions(threads=2)) as port:
        silent = [Client(port) for _ in range(20)]
        with Client(port) as client:
            assert client.ask("GET /x").status == 200
        for other in silent:
            other.sock.close()


# -- 19: forms of targets


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("//dav//clips///a.mov", b"/dav/clips/a.mov"),
        ("http://filmcan.test/dav/a%20b", b"/dav/a b"),
        ("HTTPS://filmcan.test:8787/dav/", b"/dav/"),
        ("http://filmcan.test", b"/"),
        ("http://filmcan.test?q=1", b"/"),
    ],
)
def test_19_doubled_slashes_and_absolute_targets_are_understood(client: Client, target: str, path: bytes) -> None:
    """Stock answers both with 400; RFC 9112 §3.2.2 asks for the second."""
    assert client.ask(f"GET {target}").body == path


def test_19_the_host_of_an_absolute_target_replaces_the_field(client: Client, shelf: Shelf) -> None:
    client.ask("GET http://other.test:99/x")
    assert shelf.environ["HTTP_HOST"] == "other.test:99"
    assert shelf.environ["REQUEST_URI"] == "/x"


def test_options_may_ask_about_the_server_as_a_whole(client: Client, shelf: Shelf) -> None:
    assert client.ask("OPTIONS *").status == 200
    assert (shelf.environ["PATH_INFO"], shelf.environ["REQUEST_URI"]) == ("/", "*")


# -- plain duties


def test_requests_sent_ahead_are_answered_in_order(client: Client) -> None:
    client.say(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(30)))
    assert [client.reply().body for _ in range(30)] == [b"/%d" % number for number in range(30)]


def test_a_head_may_arrive_byte_by_byte(client: Client) -> None:
    for byte in b"\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n":
        client.say(bytes([byte]))
    assert client.reply().body == b"/slow"


def test_the_environ_is_what_wsgi_asks_for() -> None:
    def read_all(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(-1) + environ["wsgi.input"].readline(-1)
        environ["wsgi.errors"].write("a line for the log\n")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    with serving(validator(read_all)) as port, Client(port) as client:
        assert client.ask("POST /a%20b?c", "Content-Length: 4", "Content-Type: text/x", body=b"clip").body == b"clip"


def test_the_file_methods_of_a_body_read_lines_and_blocks() -> None:
    seen: list[object] = []

    def read(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        buffer = bytearray(3)
        seen.extend([body.remaining, body.readline(), body.readline(1), body.readinto(buffer), bytes(buffer)])
        seen.extend([body.read(2), body.readlines(), body.read(), body.read(5), body.remaining])
        start_response("204 No Content", [])
        return []

    with serving(read) as port, Client(port) as client:
        client.ask("PUT /", "Content-Length: 16", body=b"one\ntwotwo.a\nb\nc")
    assert seen == [16, b"one\n", b"t", 3, b"wot", b"wo", [b".a\n", b"b\n", b"c"], b"", b"", 0]


def test_a_broken_body_stays_broken() -> None:
    seen = []

    def read_on(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for _ in range(3):
            with pytest.raises(BodyBroken) as error:
                environ["wsgi.input"].read(100)
            seen.append(error.value)
        start_response("200 OK", [])
        return [b"fine"]

    with serving(read_on) as port, Client(port) as client:
        client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert client.reply().status == 400
    assert len(seen) == 3


def test_stop_lets_a_running_request_end_and_takes_no_new_one() -> None:
    entered, leave = threading.Event(), threading.Event()

    def wait(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        entered.set()
        leave.wait(5)
        start_response("200 OK", [])
        return [b"ended"]

    server = Server(wait, options=ServerOptions(threads=2, stop_s=5))
    server.start()
    with Client(server.port) as client, Client(server.port) as idle:
        client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert entered.wait(5)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert idle.is_closed()
        with pytest.raises(ConnectionError):
            Client(server.port)
        leave.set()
        reply = client.reply()
        assert reply.body == b"ended"
        stopping.join(5)
        assert not stopping.is_alive()


def test_stop_breaks_a_transfer_that_does_not_end_in_time() -> None:
    shelf = Shelf()
    server = Server(shelf, options=ServerOptions(threads=2, stop_s=0.1))
    server.start()
    with Client(server.port) as client:
        client.say(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        while not shelf.environ:
            time.sleep(0.01)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 1
    assert shelf.broken


def test_stop_leaves_an_application_behind_that_never_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("davfront.server._STUCK_S", 0.1)
    entered, leave = threading.Event(), threading.Event()

    def hang(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        entered.set()
        leave.wait(5)
        return []

    server = Server(hang, options=ServerOptions(threads=2, stop_s=0.1))
    server.start()
    with Client(server.port) as client:
        client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert entered.wait(5)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 1
    leave.set()


def test_a_port_that_is_taken_is_an_error_at_start(port: int) -> None:
    with pytest.raises(OSError):
        Server(Shelf(), port=port).start()


def test_a_stopped_server_has_released_its_port_and_stops_twice() -> None:
    server = Server(Shelf())
    server.start()
    port = server.port
    server.stop()
    server.stop()
    with serving(Shelf()), pytest.raises(ConnectionError):
        Client(port)


def test_serve_forever_serves_until_somebody_stops_it() -> None:
    server = Server(Shelf(), options=ServerOptions(threads=2))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    while not server.port:
        time.sleep(0.01)
    time.sleep(0.05)
    with Client(server.port) as client:
        assert client.ask("GET /x").status == 200
    server.stop()
    thread.join(5)
    assert not thread.is_alive()
