"""Settings arrive where they act."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from cas.errors import NoSpace
from tools.assemble import background, left_alone, make_server, open_libraries, open_library
from tools.config import load
from tools.settings import Settings
from views.errors import Clash
from views.reindex import plan


@contextmanager
def served(settings: Settings) -> Iterator[int]:
    with open_libraries(settings) as libraries:
        server = make_server(libraries, settings)
        server.start()
        try:
            yield server.port
        finally:
            server.stop()


def put(port: int, path: str, body: bytes | Iterable[bytes]) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("PUT", path, body, encode_chunked=True)
    response = connection.getresponse()
    return response.status, response.read()


def test_names_that_differ_by_case_are_refused_when_the_settings_say_so(tmp_path: Path) -> None:
    for choice in ("keep", "refuse"):
        settings = load({"root": tmp_path / choice, "case_collisions": choice}, environ={})
        with open_library(settings) as library:
            library.make_folder("P1-A")
            library.make_folder("P1-A/clips")
            if choice == "keep":
                library.make_folder("P1-A/Clips")
            else:
                with pytest.raises(Clash):
                    library.make_folder("P1-A/Clips")


def test_the_reserve_stays_free(tmp_path: Path) -> None:
    with open_library(load({"root": tmp_path, "reserve_bytes": "9999T"}, environ={})) as library:
        with pytest.raises(NoSpace):
            library.receive(1)


def test_a_root_is_free_again_after_the_library_is_closed(tmp_path: Path) -> None:
    settings = load({"root": tmp_path}, environ={})
    for _ in range(2):
        with open_library(settings):
            pass


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_past_the_limit_is_refused_and_leaves_nothing(tmp_path: Path, chunked: bool) -> None:
    def body(mib: int) -> bytes | list[bytes]:
        return [b"x" * (1 << 20)] * mib if chunked else b"x" * (mib << 20)

    root = tmp_path / "root"
    with served(load({"root": root, "port": 0, "max_upload_mb": 2}, environ={})) as port:
        assert put(port, "/dav/fits.mov", body(2))[0] == 201
        status, said = put(port, "/dav/large.mov", body(3))
        assert status == 413 and b"2 MiB" in said
        assert put(port, "/dav/fits.mov", body(3))[0] == 413  # and what was there stays
    assert {path.name for path in root.iterdir()} == {".filmcan", "fits.mov"}
    assert (root / "fits.mov").stat().st_size == 2 << 20
    assert list((root / ".filmcan/incoming").iterdir()) == []


@pytest.mark.parametrize("told", ["Content-Length: 3000000", "Transfer-Encoding: chunked\r\nX-Expected-Entity-Length: 3000000"])
def test_an_upload_that_announces_too_much_is_refused_before_it_is_asked_for(tmp_path: Path, told: str) -> None:
    with served(load({"root": tmp_path, "port": 0, "max_upload_mb": 2}, environ={})) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(f"PUT /dav/a.mov HTTP/1.1\r\nHost: a\r\n{told}\r\nExpect: 100-continue\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 413 ")
    assert not (tmp_path / "a.mov").exists()


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_with_certificate_and_key_the_address_is_https(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    settings = load({"root": tmp_path / "root", "port": 0, "tls_cert": cert, "tls_key": key}, environ={})
    with served(settings) as port:
        trust = ssl.create_default_context(cafile=str(cert))
        connection = HTTPSConnection("127.0.0.1", port, timeout=20, context=trust)
        connection.request("OPTIONS", "/dav/")
        assert connection.getresponse().status == 200


def test_previews_are_left_alone_whatever_the_settings_say(tmp_path: Path) -> None:
    settings = load({"root": tmp_path, "left_alone": "scratch"}, environ={})
    with open_library(settings) as library:
        library.make_folder("P1-A")
        for name in ("ingest/thumbnails/a.jpg", "scratch/b.mov", "exports/c.mov"):
            (tmp_path / "P1-A" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "P1-A" / name).write_text("x")
        found = plan(library, left_alone=left_alone(settings))
    assert [line.split()[1] for line in found.lines()] == ["P1-A/exports", "P1-A/exports/c.mov"]


def test_nothing_runs_in_the_background_when_reindexing_is_off(tmp_path: Path) -> None:
    import threading

    settings = load({"root": tmp_path, "auto_reindex": "no"}, environ={})
    with open_library(settings) as library:
        before = threading.active_count()
        with background(library, settings):
            assert threading.active_count() == before


def test_what_follows_the_journal_has_caught_up_when_the_library_is_closed(tmp_path: Path) -> None:
    with open_library(load({"root": tmp_path}, environ={})) as library:
        library.make_project("P1-A", "two cameras")
    index = json.loads((tmp_path / "P1-A/index.json").read_text())
    assert (index["project"], index["notes"]) == ("P1-A", "two cameras")
