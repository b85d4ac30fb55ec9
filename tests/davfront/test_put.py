"""PUT over a real server."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
import zlib
from pathlib import Path

import pytest
from blake3 import blake3

from cas.digest import sums_of
from tests.davfront.conftest import Client
from views.library import Library

CLIP = os.urandom(3_000_000)


def test_a_new_file_is_201_with_all_that_saves_a_round_trip(dav: Client) -> None:
    answer = dav("PUT", "/dav/P1-Test/a%20b.mov", CLIP)
    digest = blake3(CLIP).hexdigest()
    assert (answer.status, answer["ETag"], answer["X-Filmcan-Digest"]) == (201, f'"{digest}"', f"blake3:{digest}")
    assert (answer["X-Filmcan-Known"], answer["Location"]) == ("false", "/dav/P1-Test/a%20b.mov")
    assert "Last-Modified" in answer and "Date" in answer and answer.body == b""
    assert dav("GET", "/dav/P1-Test/a%20b.mov").body == CLIP


def test_the_same_bytes_again_are_204_with_the_same_tag_and_a_new_time(dav: Client) -> None:
    first = dav("PUT", "/dav/P1-Test/a.mov", CLIP, X_OC_Mtime="1000000000")
    again = dav("PUT", "/dav/P1-Test/a.mov", CLIP)
    assert (again.status, again["ETag"], again["X-Filmcan-Known"]) == (204, first["ETag"], "true")
    assert first["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT" != again["Last-Modified"]
    assert first["X-OC-Mtime"] == "accepted" and "X-OC-Mtime" not in again


def test_bytes_that_are_known_under_another_name_are_told(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/a.mov", CLIP)
    answer = dav("PUT", "/dav/P1-Test/b.mov", CLIP)
    assert (answer.status, answer["X-Filmcan-Known"]) == (201, "true")


def test_a_chunked_body_arrives(dav: Client) -> None:
    pieces = (CLIP[at : at + 70_000] for at in range(0, len(CLIP), 70_000))
    assert (
        dav("PUT", "/dav/P1-Test/a.mov", pieces, Transfer_Encoding="chunked", X_Expected_Entity_Length=len(CLIP)).status
        == 201
    )
    assert dav("GET", "/dav/P1-Test/a.mov").body == CLIP


def test_a_chunked_body_shorter_than_finder_said_is_not_stored(dav: Client) -> None:
    answer = dav("PUT", "/dav/P1-Test/a.mov", iter([b"abc"]), Transfer_Encoding="chunked", X_Expected_Entity_Length=4)
    assert answer.status == 400
    assert dav("GET", "/dav/P1-Test/a.mov").status == 404


def test_a_body_cut_short_leaves_what_was_there(dav: Client) -> None:
    """§13 row 1. Stock takes a body that ends early for the whole file and writes it in place."""
    dav("PUT", "/dav/P1-Test/a.mov", b"old")
    with socket.create_connection(("127.0.0.1", dav.port)) as sock:
        sock.sendall(b"PUT /dav/P1-Test/a.mov HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nshort")
        sock.shutdown(socket.SHUT_WR)
        assert b" 400 " in sock.makefile("rb").readline()
    assert dav("GET", "/dav/P1-Test/a.mov").body == b"old"


SUMS = {
    "OC-Checksum": ["SHA1:" + hashlib.sha1(b"x").hexdigest(), "MD5:" + hashlib.md5(b"x").hexdigest(),
                    f"ADLER32:{zlib.adler32(b'x'):08x}", "SHA256:" + hashlib.sha256(b"x").hexdigest()],
    "Repr-Digest": [f"sha-256=:{base64.b64encode(hashlib.sha256(b'x').digest()).decode()}:"],
    "Content-Digest": [f"sha-256=:{base64.b64encode(hashlib.sha256(b'x').digest()).decode()}:"],
    "Digest": [f"SHA-256={base64.b64encode(hashlib.sha256(b'x').digest()).decode()}"],
}  # fmt: skip


@pytest.mark.parametrize(("header", "value"), [(header, value) for header, values in SUMS.items() for value in values])
def test_a_promised_sum_is_checked(dav: Client, header: str, value: str) -> None:
    assert dav("PUT", "/dav/P1-Test/good", b"x", **{header: value}).status == 201
    assert dav("PUT", "/dav/P1-Test/bad", b"y", **{header: value}).status == 400
    assert dav("GET", "/dav/P1-Test/bad").status == 404


@pytest.mark.parametrize(
    ("path", "headers", "want"),
    [("/dav/P1-Test/no/a", {}, 409), ("/dav/P1-Test/new/", {}, 409), ("/dav/P1-Test/ingest/", {}, 405),
     ("/dav/P1-Test/ingest", {}, 405), ("/dav/P1-Test/a", {"Content-Range": "bytes 1-2/3"}, 400),
     ("/dav/P1-Test/a", {"If-Match": '"x"'}, 412), ("/dav/P1-Test/a", {"If-Match": "*"}, 412),
     ("/dav/P1-Test/index.json", {}, 403), ("/dav/_new", {}, 403),
     ("/dav/P1-Test/%01", {}, 400), ("/dav/P1-Test/" + "x" * 201, {}, 400),
     ("/dav/P1-Test/a", {"If": "(<urn:x>)"}, 412), ("/dav/P1-Test/a", {"If": "nonsense"}, 400),
     ("/dav/P1-Test/a", {"OC-Checksum": "MD5:xx"}, 400)],
)  # fmt: skip
def test_what_will_be_refused_is_refused_before_the_body_is_asked_for(
    dav: Client, path: str, headers: dict[str, str], want: int
) -> None:
    """§13 row 16. Stock sends `100 Continue` first and then reads the whole body in one piece."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", dav.port), timeout=10) as sock:
        sock.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n{lines}\r\n".encode()
        )
        assert f" {want} ".encode() in sock.makefile("rb").readline()


def test_a_body_that_is_wanted_is_asked_for(dav: Client) -> None:
    with socket.create_connection(("127.0.0.1", dav.port), timeout=10) as sock:
        sock.sendall(b"PUT /dav/P1-Test/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        stream = sock.makefile("rb")
        assert b" 100 " in stream.readline()
        sock.sendall(b"x")
        stream.readline()
        assert b" 201 " in stream.readline()


def test_a_precondition_is_decided_again_when_the_body_is_there(dav: Client) -> None:
    """Somebody else makes the name while our body is on its way: create-only must not overwrite it."""
    with socket.create_connection(("127.0.0.1", dav.port), timeout=10) as sock:
        sock.sendall(b"PUT /dav/P1-Test/a HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 2\r\n\r\nm")
        assert dav("PUT", "/dav/P1-Test/a", b"theirs").status == 201
        sock.sendall(b"e")
        assert b" 412 " in sock.makefile("rb").readline()
    assert dav("GET", "/dav/P1-Test/a").body == b"theirs"


def test_of_many_who_want_to_be_first_one_is(dav: Client) -> None:
    statuses: list[int] = []

    def create(number: int) -> None:
        statuses.append(Client(dav.port)("PUT", "/dav/P1-Test/one", f"{number}", If_None_Match="*").status)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [412] * 11


def test_a_refused_upload_leaves_no_trace(dav: Client, library: Library) -> None:
    dav("PUT", "/dav/P1-Test/a", b"x", OC_Checksum="MD5:" + "0" * 32)
    incoming = Path(library.root) / ".filmcan" / "incoming"
    assert list(incoming.iterdir()) == []


def test_a_request_after_a_refused_chunked_one_is_understood(dav: Client) -> None:
    """§13 row 2. Stock leaves the unread chunks on the connection: the next request is "Malformed Request-Line"."""
    with socket.create_connection(("127.0.0.1", dav.port), timeout=10) as sock:
        sock.sendall(
            b"PUT /dav/P1-Test/no/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
        )
        sock.sendall(b"OPTIONS /dav/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = sock.makefile("rb").read()
    assert b" 409 " in text and b" 200 " in text and b"Malformed" not in text


def test_a_file_at_the_top_is_kept_as_it_is(dav: Client) -> None:
    assert dav("PUT", "/dav/loose.mov", b"x").status == 201
    assert dav("GET", "/dav/loose.mov").body == b"x"


def test_a_clip_is_an_ordinary_file_in_the_project(dav: Client, library: Library) -> None:
    dav("PUT", "/dav/P1-Test/ingest/originals/a.mov", CLIP)
    assert (Path(library.root) / "P1-Test/ingest/originals/a.mov").read_bytes() == CLIP


def test_a_name_that_is_not_utf8_is_answered(dav: Client) -> None:
    """§13 row 15. Stock drops the connection on `%E9`."""
    assert dav("PUT", "/dav/P1-Test/%E9", b"x").status == 400


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("md5", "OC_Checksum", "MD5:" + hashlib.md5(CLIP).hexdigest()),
        ("sha256", "Repr_Digest", f"sha-256=:{base64.b64encode(hashlib.sha256(CLIP).digest()).decode()}:"),
        ("sha256", "Content_Digest", f"sha-256=:{base64.b64encode(hashlib.sha256(CLIP).digest()).decode()}:"),
    ],
)
def test_a_sum_that_was_promised_and_kept_is_remembered(dav: Client, library: Library, kind: str, field: str, value: str) -> None:
    assert dav("PUT", "/dav/P1-Test/a.mov", CLIP, **{field: value}).status == 201
    row = library.store.blob(sums_of(CLIP).digest)
    assert row is not None and set(row.told) == {kind}
