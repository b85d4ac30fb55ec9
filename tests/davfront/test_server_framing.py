"""Where a request ends, and who says so: every ambiguous one gets a single answer and then the end of the connection.

A server and something in front of it that read the same bytes differently let one client's request swallow another's
(request smuggling, RFC 9112 §11.2). The table holds the known ways.
"""

import random
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront.body import BodyBroken
from davfront.head import BadRequest, Head, parse
from davfront.intake import ChunkedBody
from davfront.wire import Wire
from tests.davfront.server_rig import Client, serving


def swallow(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(swallow) as port:
        yield port


H = b"Host: a\r\n"
PUT = b"PUT / HTTP/1.1\r\n" + H
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSED: list[tuple[str, bytes, int]] = [
    ("two equal lengths", PUT + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nclip", 400),
    ("two different lengths", PUT + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nclip", 400),
    ("a list of lengths", PUT + b"Content-Length: 4, 4\r\n\r\nclip", 400),
    ("a signed length", PUT + b"Content-Length: +4\r\n\r\nclip", 400),
    ("a negative length", PUT + b"Content-Length: -4\r\n\r\nclip", 400),
    ("a hexadecimal length", PUT + b"Content-Length: 0x4\r\n\r\nclip", 400),
    ("a length with an underscore", PUT + b"Content-Length: 1_0\r\n\r\nclip", 400),
    ("a length in other digits", PUT + "Content-Length: ٤\r\n\r\nclip".encode(), 400),
    ("a length in raised digits", PUT + b"Content-Length: \xb2\r\n\r\nclip", 400),
    ("an empty length", PUT + b"Content-Length:\r\n\r\nclip", 400),
    ("a length beyond 63 bits", PUT + b"Content-Length: 99999999999999999999\r\n\r\nclip", 400),
    ("a space before the colon", PUT + b"Content-Length : 4\r\n\r\nclip", 400),
    ("length and chunks", PUT + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks and length", PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    ("another coding", PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("an invented coding", PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("a coding with a parameter", PUT + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
    ("the coding twice", PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("the coding with a vertical tab", PUT + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks in HTTP/1.0", b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a folded line", PUT + b"X: a\r\n b\r\n\r\n", 400),
    ("a folded first line", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("a folded coding", PUT + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("lone LF in the head", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    ("lone LF inside a value", PUT + b"X: a\nContent-Length: 4\r\n\r\nclip", 400),
    ("lone CR inside a value", PUT + b"X: a\rContent-Length: 4\r\n\r\nclip", 400),
    ("NUL in a value", PUT + b"X: a\0b\r\n\r\n", 400),
    ("DEL in a value", PUT + b"X: a\x7fb\r\n\r\n", 400),
    ("a line without a colon", PUT + b"nonsense\r\n\r\n", 400),
    ("an empty header name", PUT + b": x\r\n\r\n", 400),
    ("a header name with a space", PUT + b"X Y: z\r\n\r\n", 400),
    ("a header name that is no token", PUT + "Größe: 4\r\n\r\n".encode(), 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("a Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a Host with a user", b"GET http://u@a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("two Authorizations", PUT + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    ("two Destinations", b"MOVE /a HTTP/1.1\r\n" + H + b"Destination: /b\r\nDestination: /c\r\n\r\n", 400),
    ("no version", b"GET /\r\n\r\n", 400),
    ("a version in small letters", b"GET / http/1.1\r\n" + H + b"\r\n", 400),
    ("a version with more digits", b"GET / HTTP/1.10\r\n" + H + b"\r\n", 400),
    ("another major version", b"GET / HTTP/3.0\r\n" + H + b"\r\n", 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("two spaces in the request line", b"GET  / HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("a tab in the request line", b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("a space in the target", b"GET /a b HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("a method that is no token", b"GE(T / HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("a fragment in the target", b"GET /a#b HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("a target without a slash", b"GET a HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("a target in authority form", b"CONNECT a:443 HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("a star for another method", b"GET * HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("an unknown expectation", PUT + b"Expect: money\r\nContent-Length: 4\r\n\r\nclip", 417),
    ("a request line of 40 KiB", b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
    ("a head of 40 KiB", PUT + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    ("101 header fields", PUT + b"X: y\r\n" * 100 + b"\r\n", 431),
    ("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    ("a chunk size that is no number", CHUNKED + b"xyz\r\n", 400),
    ("a chunk size with 0x", CHUNKED + b"0x4\r\nclip\r\n0\r\n\r\n", 400),
    ("a chunk size with a sign", CHUNKED + b"+4\r\nclip\r\n0\r\n\r\n", 400),
    ("a negative chunk size", CHUNKED + b"-4\r\nclip\r\n0\r\n\r\n", 400),
    ("a chunk size with an underscore", CHUNKED + b"1_0\r\n" + bytes(16) + b"\r\n0\r\n\r\n", 400),
    ("a chunk size after a space", CHUNKED + b" 4\r\nclip\r\n0\r\n\r\n", 400),
    ("a chunk size of 20 digits", CHUNKED + b"F" * 20 + b"\r\nclip", 400),
    ("an empty chunk size", CHUNKED + b"\r\nclip\r\n0\r\n\r\n", 400),
    ("a chunk longer than its size", CHUNKED + b"4\r\nclips\r\n0\r\n\r\n", 400),
    ("a chunk ended by LF", CHUNKED + b"4\r\nclip\n0\r\n\r\n", 400),
    ("a chunk size ended by LF", CHUNKED + b"4\nclip\r\n0\r\n\r\n", 400),
    ("a chunk size with a lone CR", CHUNKED + b"4\r;\r\nclip\r\n0\r\n\r\n", 400),
    ("a chunk extension without an end", CHUNKED + b"4;" + b"x" * 9000, 400),
    ("a trailer without an end", CHUNKED + b"0\r\nX: " + b"x" * 9000, 400),
    ("a thousand trailers", CHUNKED + b"0\r\n" + b"X: y\r\n" * 1000, 400),
]  # fmt: skip


@pytest.mark.parametrize(("request_bytes", "status"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_could_be_read_in_two_ways_gets_one_answer_and_the_end(
    port: int, request_bytes: bytes, status: int
) -> None:
    with Client(port) as client:
        client.say(request_bytes)
        client.sock.shutdown(1)
        reply = client.reply()
        assert reply.status == status
        assert reply.headers["connection"] == "close"
        assert reply.body.endswith(b"\n") and reply.body.count(b"\n") == 1
        assert client.rest() == b""


ACCEPTED: list[tuple[str, bytes, bytes]] = [
    ("a length", PUT + b"Content-Length: 4\r\n\r\nclip", b"clip"),
    ("a length between blanks", PUT + b"Content-Length: \t 4 \t\r\n\r\nclip", b"clip"),
    ("a length with zeros before it", PUT + b"Content-Length: 0004\r\n\r\nclip", b"clip"),
    ("a length of nothing", PUT + b"Content-Length: 0\r\n\r\n", b""),
    ("neither length nor body", PUT + b"\r\n", b""),
    ("an empty line before the request", b"\r\n" + PUT + b"\r\n", b""),
    ("names in any case", b"PUT / HTTP/1.1\r\nhOST: a\r\ncontent-LENGTH: 4\r\n\r\nclip", b"clip"),
    ("the coding in any case", PUT + b"transfer-encoding: CHUNKED\r\n\r\n4\r\nclip\r\n0\r\n\r\n", b"clip"),
    ("several chunks", CHUNKED + b"2\r\ncl\r\n2\r\nip\r\n0\r\n\r\n", b"clip"),
    ("sizes with zeros before them", CHUNKED + b"0004\r\nclip\r\n000\r\n\r\n", b"clip"),
    ("sizes in either case", CHUNKED + b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    ("extensions", CHUNKED + b'4 ; name="value"; other\r\nclip\r\n0;last\r\n\r\n', b"clip"),
    ("trailers", CHUNKED + b"4\r\nclip\r\n0\r\nContent-Length: 99\r\nX: y\r\n\r\n", b"clip"),
    ("a chunk that looks like an end", CHUNKED + b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    ("an empty Host", b"PUT / HTTP/1.1\r\nHost:\r\nContent-Length: 1\r\n\r\nc", b"c"),
    ("a Host with an IPv6 address", b"PUT / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 1\r\n\r\nc", b"c"),
    ("a later minor version", b"PUT / HTTP/1.9\r\n" + H + b"Content-Length: 1\r\n\r\nc", b"c"),
    ("a name with an underscore is dropped", PUT + b"Content_Length: 9\r\nContent-Length: 1\r\n\r\nc", b"c"),
    ("bytes above ASCII in a value", PUT + b"X: \xc3\xa9\xff\r\nContent-Length: 1\r\n\r\nc", b"c"),
    ("a hundred fields", PUT + b"X: y\r\n" * 98 + b"Content-Length: 1\r\n\r\nc", b"c"),
]  # fmt: skip


@pytest.mark.parametrize(("request_bytes", "body"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_what_has_one_meaning_is_read_whole_and_the_next_request_is_found(
    port: int, request_bytes: bytes, body: bytes
) -> None:
    with Client(port) as client:
        client.say(request_bytes + SMUGGLED)
        assert client.reply().body == body
        assert client.reply().status == 200
        client.sock.shutdown(1)
        assert client.is_closed()


def test_without_a_length_the_next_byte_is_the_next_request(port: int) -> None:
    with Client(port) as client:
        client.say(PUT + b"\r\nbody without a length\r\n\r\n")
        assert client.reply().body == b""
        assert client.reply().status == 400


@pytest.mark.parametrize(
    ("line", "fields", "stays"),
    [
        ("HTTP/1.1", b"", True),
        ("HTTP/1.1", b"Connection: close\r\n", False),
        ("HTTP/1.1", b"Connection: TE, Close\r\n", False),
        ("HTTP/1.0", b"", False),
        ("HTTP/1.0", b"Connection: Keep-Alive\r\n", True),
        ("HTTP/1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_the_connection_stays_when_both_sides_want_it(port: int, line: str, fields: bytes, stays: bool) -> None:
    with Client(port) as client:
        client.say(f"GET / {line}\r\n".encode() + H + fields + b"\r\n")
        connection = client.reply().headers.get("connection")
        if stays:
            assert connection == (None if line == "HTTP/1.1" else "keep-alive")
            assert client.ask("GET /").status == 200
        else:
            assert connection == "close"
            assert client.is_closed()


def test_repeated_fields_are_lists_and_cookies_are_not() -> None:
    head = parse(b"GET / HTTP/1.1\r\nHost: a\r\nIf: (<a>)\r\nCookie: a=1\r\nIf: (<b>)\r\nCookie: b=2")
    assert head.fields["HTTP_IF"] == "(<a>), (<b>)"
    assert head.fields["HTTP_COOKIE"] == "a=1; b=2"


def test_content_fields_have_no_prefix_and_underscores_never_arrive() -> None:
    head = parse(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Type: x\r\nContent_Type: y\r\nX_Remote_User: root\r\nX-A: b")
    assert head.fields == {"HTTP_HOST": "a", "CONTENT_TYPE": "x", "HTTP_X_A": "b"}


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 60))
def test_any_bytes_are_a_head_or_a_bad_request(noise: bytes, start: int, end: int) -> None:
    good = b"PUT /a%20b?c HTTP/1.1\r\nHost: filmcan.test\r\nContent-Length: 4\r\nExpect: 100-continue"
    for raw in (noise, good[:start] + noise + good[end:]):
        try:
            head = parse(raw)
        except BadRequest as error:
            assert error.status[:3] in {"400", "417", "505"}
        else:
            assert isinstance(head, Head) and head.path.startswith("/")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.integers(1, 400), st.integers(0, 2**32))
def test_chunks_cut_anywhere_are_the_same_body(pieces: list[bytes], read_bytes: int, seed: int) -> None:
    wire_bytes = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\nNEXT"
    for cut in (None, random.Random(seed).randrange(len(wire_bytes) - 4)):
        ours, theirs = socket.socketpair()
        with theirs, ours:
            theirs.sendall(wire_bytes[:cut])
            theirs.shutdown(1)
            body = ChunkedBody(Wire(ours, 5, 0))
            try:
                got = b"".join(iter(lambda body=body: body.read(read_bytes), b""))
            except BodyBroken:
                assert cut is not None and not body.finished
            else:
                assert got == b"".join(pieces) and body.finished and cut is None
