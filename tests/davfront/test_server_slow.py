"""Slow, silent and too many clients: each is bounded, and none holds up another."""

import errno
import logging
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from davfront.admission import Admission
from davfront.body import BodyBroken, FileBody
from davfront.server import ServerOptions
from davfront.wire import Pace
from tests.davfront.server_rig import Client, serving


def swallow(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [environ["wsgi.url_scheme"].encode(), b" ", body]


IMPATIENT = ServerOptions(threads=3, idle_s=0.3, header_s=0.15, stall_s=0.2, body_bytes_s=1000, stop_s=1)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(swallow, IMPATIENT) as port:
        yield port


def test_a_head_that_trickles_in_ends_at_the_deadline(port: int) -> None:
    """A byte now and then renews a time-out of the socket, but not the deadline for the whole head."""
    with Client(port) as client:
        began = time.monotonic()
        client.say(b"GET / HTTP/1.1\r\nHost: ")
        while time.monotonic() - began < 0.14:
            client.say(b"a")
            time.sleep(0.02)
        reply = client.reply()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert time.monotonic() - began < 1


def test_a_connection_that_never_speaks_is_closed_without_a_word(port: int) -> None:
    with Client(port) as client:
        began = time.monotonic()
        assert client.rest() == b""
        assert time.monotonic() - began < 0.3 + 0.1


def test_a_connection_that_spoke_once_may_rest_longer(port: int) -> None:
    with Client(port) as client:
        client.ask("GET /")
        began = time.monotonic()
        assert client.rest() == b""
        assert time.monotonic() - began > 0.2


def test_a_body_below_the_least_rate_is_refused_although_it_never_stops(port: int) -> None:
    with Client(port) as client:
        client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(15):
            client.say(b"abc")
            time.sleep(0.02)
        assert client.reply().status == 408


def test_a_slow_body_above_the_least_rate_arrives(port: int) -> None:
    with Client(port) as client:
        client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n")
        for _ in range(20):
            client.say(bytes(100))
            time.sleep(0.02)
        assert client.reply().status == 200


def test_slow_uploads_do_not_hold_up_others() -> None:
    with serving(swallow, ServerOptions(threads=6, stall_s=5)) as port:
        slow = [Client(port).say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx") for _ in range(5)]
        with Client(port) as client:
            for _ in range(10):
                assert client.ask("GET /").status == 200
        for other in slow:
            assert other.say(b"12345678").reply().status == 200
            other.sock.close()


def test_many_busy_connections_share_few_threads() -> None:
    """A connection stays with its thread for a moment between requests, but not while others wait for one."""
    with serving(swallow, ServerOptions(threads=2)) as port:
        answered: list[int] = []

        def work() -> None:
            with Client(port) as client:
                answered.extend(client.ask("GET /").status for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert answered == [200] * 240


def test_a_receiver_below_the_least_rate_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    closed = threading.Event()

    def send(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        file = path.open("rb")
        start_response("200 OK", [])
        return FileBody(file.fileno(), 0, 64 << 20, lambda: (file.close(), closed.set())[0])

    options = ServerOptions(threads=2, stall_s=0.3, body_bytes_s=1e9)
    with serving(send, options) as port, Client(port, receive_buffer=4096) as client:
        client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 2:
                client.sock.recv(1000)
                time.sleep(0.005)
        assert closed.wait(1)


def test_connections_beyond_the_most_are_closed_and_come_back(caplog: pytest.LogCaptureFixture) -> None:
    with serving(swallow, ServerOptions(threads=2, max_connections=3)) as port:
        clients = [Client(port) for _ in range(3)]
        for client in clients:
            client.ask("GET /")
        with Client(port) as extra:
            assert extra.is_closed()
        assert "too many" in caplog.text
        for client in clients:
            client.sock.close()
        time.sleep(0.05)
        with Client(port) as client:
            assert client.ask("GET /").status == 200


def test_one_address_gets_its_share_and_loopback_any_number() -> None:
    admission = Admission(most=10, per_address=2)
    assert [admission.admit("192.168.1.7") for _ in range(3)] == [True, True, False]
    assert admission.admit("192.168.1.8")
    assert all(admission.admit(address) for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.1"))
    admission.forget("192.168.1.7")
    assert [admission.admit("192.168.1.7") for _ in range(2)] == [True, False]
    assert [admission.admit("fe80::1%eth0") for _ in range(3)] == [True, True, False]
    assert admission.admit("127.0.0.1") and not admission.admit("127.0.0.1")  # ten in all


def test_addresses_are_unbounded_when_asked_for() -> None:
    admission = Admission(most=100, per_address=None)
    assert all(admission.admit("192.168.1.7") for _ in range(100))


def test_running_out_of_sockets_is_survived(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with serving(swallow, ServerOptions(threads=2)) as port:
        accept, refused = socket.socket.accept, [errno.EMFILE, errno.ECONNABORTED]

        def failing(self: socket.socket) -> Any:
            if refused:
                raise OSError(refused.pop(), "Too many open files")
            return accept(self)

        monkeypatch.setattr(socket.socket, "accept", failing)
        with Client(port) as client:
            assert client.ask("GET /").status == 200
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_only_waiting_counts_and_each_window_by_itself() -> None:
    pace = Pace(window_s=10, bytes_s=5)
    pace.count(9, 0)
    pace.count(1, 50)  # full, and just enough
    pace.count(9.5, 0)
    with pytest.raises(TimeoutError):
        pace.count(1, 49)


def test_half_a_pair_of_tls_files_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="belong together"):
        ServerOptions(tls_cert="cert.pem")


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    home = tmp_path_factory.mktemp("tls")
    cert, key = str(home / "cert.pem"), str(home / "key.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-subj", "/CN=filmcan.test", "-addext", "subjectAltName=DNS:filmcan.test", "-days", "1"]
    command = ["openssl", "req", "-x509", "-nodes", *curve, *names, "-keyout", key, "-out", cert]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("openssl makes the certificate")
    return cert, key


@pytest.fixture(scope="module")
def tls(certificate: tuple[str, str]) -> Iterator[tuple[int, ssl.SSLContext]]:
    cert, key = certificate
    options = ServerOptions(threads=3, header_s=0.3, stall_s=0.3, stop_s=1, tls_cert=cert, tls_key=key)
    with serving(swallow_or_send, options) as port:
        yield port, ssl.create_default_context(cafile=cert)


def swallow_or_send(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] != "GET":
        return swallow(environ, start_response)
    file = open(environ["QUERY_STRING"], "rb")  # the body closes it
    start_response("200 OK", [])
    return FileBody(file.fileno(), 0, 1 << 20, file.close)


def secured(tls: tuple[int, ssl.SSLContext]) -> Client:
    client = Client(tls[0])
    client.sock = tls[1].wrap_socket(client.sock, server_hostname="filmcan.test")
    return client


def test_over_tls_requests_bodies_and_files_arrive(tls: tuple[int, ssl.SSLContext], tmp_path: Path) -> None:
    path = tmp_path / "clip"
    path.write_bytes(bytes(range(256)) * 4096)
    with secured(tls) as client:
        body = bytes(300_000)
        assert client.ask("PUT /", "Content-Length: 300000", body=body).body == b"https " + body
        assert client.ask("PUT /", "Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n\r\n").body == b"https x"
        assert client.ask(f"GET /?{path}").body == path.read_bytes()
        client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
        assert client.reply().body == b"https x"
        assert client.rest() == b""  # ended by close_notify; an unannounced end would raise here


def test_plain_http_on_the_tls_port_is_told_so(tls: tuple[int, ssl.SSLContext]) -> None:
    with Client(tls[0]) as client:
        reply = client.ask("GET /")
        assert (reply.status, reply.body) == (400, b"this port speaks HTTPS only\n")


def test_a_slow_handshake_holds_up_nobody(tls: tuple[int, ssl.SSLContext]) -> None:
    """Stock shakes hands in the thread that accepts, so one silent client stops all new connections."""
    with Client(tls[0]) as slow:
        slow.say(b"\x16\x03\x01")
        time.sleep(0.02)
        with secured(tls) as client:
            assert client.ask("PUT /").status == 200
        assert slow.is_closed()


def test_a_broken_body_over_tls_is_not_a_whole_one(tls: tuple[int, ssl.SSLContext]) -> None:
    with secured(tls) as client:
        client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        raw = client.sock.detach()
        socket.socket(fileno=raw).close()
    with secured(tls) as client:
        client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert client.reply().status == 408


# -- a body that nobody wants any more


class Stopped:
    """An application that waits for a body while another thread stops it."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        stopping = threading.Timer(0.05, body.stop)
        stopping.start()
        with pytest.raises(BodyBroken):
            while body.readinto(bytearray(100)):
                pass
        stopping.join()
        self.ended.set()
        start_response("409 Conflict", [])
        return [b"a later one came"]


BODIES = pytest.mark.parametrize("body", ["Content-Length: 1000", "Transfer-Encoding: chunked"])


@BODIES
def test_a_body_that_is_stopped_ends_long_before_anything_times_out(body: str) -> None:
    app = Stopped()
    with serving(app, ServerOptions(threads=2, stall_s=60, stop_s=1)) as port, Client(port) as client:
        client.say(f"PUT / HTTP/1.1\r\nHost: a\r\n{body}\r\n\r\n5\r\nhello\r\n".encode())
        reply = client.reply()
        assert (reply.status, reply.body, reply.headers["connection"]) == (409, b"a later one came", "close")


@BODIES
def test_over_tls_too_and_no_ciphertext_is_taken_for_the_body(certificate: tuple[str, str], body: str) -> None:
    """The connection may end with it: OpenSSL answers an end that was not announced with an alert."""
    cert, key = certificate
    app = Stopped()
    with serving(app, ServerOptions(threads=2, stall_s=60, stop_s=1, tls_cert=cert, tls_key=key)) as port:
        with secured((port, ssl.create_default_context(cafile=cert))) as client:
            client.say(f"PUT / HTTP/1.1\r\nHost: a\r\n{body}\r\n\r\n5\r\nhello\r\n".encode())
            assert app.ended.wait(5)
