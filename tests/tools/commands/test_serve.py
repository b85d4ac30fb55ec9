"""The server as a person starts and stops it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tools.conftest import Filmcan
from tools.commands.serve import addresses
from tools.config import load
from tools.settings import Settings

LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)/dav/")


class Served(NamedTuple):
    """A server in a process of its own, and what it said when it was ready."""

    process: subprocess.Popen[str]
    port: int
    said: str


@contextmanager
def serving(root: Path, *words: str) -> Iterator[Served]:
    command = [sys.executable, "-u", "-m", "tools", "serve", str(root), "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            said = ""
            while not said.endswith(("Stop with Ctrl-C.\n", "\n}\n")):
                line = process.stdout.readline()
                assert line, process.stderr.read()
                said += line
            [port] = set(LISTENING.findall(said))
            yield Served(process, int(port), said)
        finally:
            if process.poll() is None:
                process.kill()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {"Depth": "0"} if method == "PROPFIND" else {})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_stopped_and_stops_cleanly(root: Path, number: signal.Signals, filmcan: Filmcan) -> None:
    with serving(root) as (process, port, _):
        assert ask(port, "MKCOL", "/dav/Wedding")[0] == 201
        assert ask(port, "PUT", "/dav/Wedding/ingest/originals/a.mov", b"clip")[0] == 201
        process.send_signal(number)
        out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert "Traceback" not in err and "Stopping" in out
    assert filmcan("get", "P1-Wedding/ingest/originals/a.mov", "-").out == "clip"


def test_it_says_where_it_is_how_to_connect_and_who_can(root: Path) -> None:
    with serving(root) as (_, port, said):
        here = f"127.0.0.1:{port}/dav/"
    assert "Only this computer can connect" in said
    assert all(word in said for word in ("Finder", f"net use F: http://{here}", f"gio mount dav://{here}", "curl"))


def test_programs_are_told_as_json(root: Path) -> None:
    with serving(root, "--json") as (process, port, said):
        url = f"http://127.0.0.1:{port}/dav/"
    assert json.loads(said) == {"urls": [url], "root": str(root), "open": False, "pid": process.pid}


def test_the_top_answers_clients_that_look_there_and_people_who_browse(root: Path) -> None:
    with serving(root) as (_, port, _):
        assert ask(port, "OPTIONS", "/")[0] == 200
        assert ask(port, "PROPFIND", "/")[0] == 207
        assert ask(port, "PROPFIND", "/dav")[0] == 207
        status, text = ask(port, "GET", "/")
        assert status == 200 and b"/dav/" in text
        assert ask(port, "HEAD", "/") == (200, b"")
        assert ask(port, "GET", "/davy")[0] == 404
        assert ask(port, "PUT", "/elsewhere", b"x")[0] == 404


def test_a_file_put_into_a_project_folder_appears(root: Path) -> None:
    with serving(root, "--quiet-s", "0.1") as (_, port, _):
        ask(port, "MKCOL", "/dav/Wedding")
        (root / "P1-Wedding/ingest/originals/hand.mov").write_bytes(b"by hand")
        deadline = time.monotonic() + 20
        while ask(port, "GET", "/dav/Wedding/ingest/originals/hand.mov") != (200, b"by hand"):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_with_reindexing_off_it_does_not(root: Path) -> None:
    with serving(root, "--no-auto-reindex") as (_, port, _):
        ask(port, "MKCOL", "/dav/Wedding")
        (root / "P1-Wedding/ingest/originals/hand.mov").write_bytes(b"by hand")
        time.sleep(1.5)
        assert ask(port, "GET", "/dav/Wedding/ingest/originals/hand.mov")[0] == 404


def test_other_commands_say_where_the_server_is(root: Path, filmcan: Filmcan) -> None:
    with serving(root) as (process, port, _):
        said = filmcan("ls")
        assert said.code == 3
        assert f"http://127.0.0.1:{port}/dav/" in said.err and str(process.pid) in said.err


def test_a_second_server_on_the_same_root_is_refused(root: Path, filmcan: Filmcan) -> None:
    with serving(root):
        assert filmcan("serve", root, "--port", "0").code == 3


def test_a_port_in_use_is_told_in_one_sentence(filmcan: Filmcan) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = filmcan("serve", "--port", str(other.getsockname()[1]))
    assert said.code == 3
    assert "is in use by another program" in said.err and said.err.count("\n") == 1


def test_files_for_https_that_cannot_be_used_are_named(filmcan: Filmcan, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text("no certificate")
    said = filmcan("serve", "--tls-cert", cert, "--tls-key", key)
    assert said.code == 3 and said.err == f"filmcan: tls_key cannot be read: {key}: No such file or directory\n"
    key.write_text("no key")
    said = filmcan("serve", "--tls-cert", cert, "--tls-key", key)
    assert said.code == 3 and f"tls_cert {cert} and tls_key {key} are not a certificate" in said.err


def test_a_root_that_is_new_is_told_so_once(root: Path) -> None:
    for is_new in (True, False):
        with serving(root) as served:
            assert ("This root is new: nothing is in it yet." in served.said) is is_new


def test_the_network_is_not_reached_by_accident(filmcan: Filmcan) -> None:
    said = filmcan("serve", "--host", "0.0.0.0")
    assert said.code == 2 and "--open" in said.err


def test_every_setting_is_a_flag(filmcan: Filmcan) -> None:
    said = filmcan("serve", "--threads", "many")
    assert said.code == 2 and "from --threads" in said.err


def test_the_address_of_this_computer_comes_first_and_usual_ports_are_left_out() -> None:
    assert addresses(load(environ={}), 8787) == ["http://127.0.0.1:8787/dav/"]
    assert addresses(Settings(host="::1"), 80) == ["http://[::1]/dav/"]
    assert addresses(Settings(open=True, tls_cert=Path("c"), tls_key=Path("k")), 443)[0] == "https://127.0.0.1/dav/"


def begin_upload(port: int, name: str, size_bytes: int) -> socket.socket:
    """A PUT of which the first half was sent, and is being taken in."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    head = f"PUT /dav/Wedding/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {size_bytes}\r\nExpect: 100-continue\r\n\r\n"
    connection.sendall(head.encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 100")
    connection.sendall(bytes(size_bytes // 2))
    return connection


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_upload_that_runs_when_it_is_stopped_is_finished_and_kept(root: Path, filmcan: Filmcan) -> None:
    size = 4_000_000
    with serving(root) as (process, port, _):
        assert ask(port, "MKCOL", "/dav/Wedding")[0] == 201
        with begin_upload(port, "long.mov", size) as upload:
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 20
            while not refuses(port):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert process.poll() is None
            upload.sendall(bytes(size - size // 2))
            assert upload.recv(1000).startswith(b"HTTP/1.1 201")
        _, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert (root / ".filmcan/session").read_text().startswith("clean ")
    assert (root / "P1-Wedding/long.mov").stat().st_size == size
    assert json.loads(filmcan("verify", "--full", "--json").out)["findings"] == []


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once_and_nothing_half_is_seen(root: Path, filmcan: Filmcan, second: signal.Signals) -> None:
    with serving(root) as (process, port, _):
        assert ask(port, "MKCOL", "/dav/Wedding")[0] == 201
        assert ask(port, "PUT", "/dav/Wedding/a.mov", b"clip")[0] == 201
        with begin_upload(port, "long.mov", 4_000_000):
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 20
            while not refuses(port):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(second)
            assert process.wait(timeout=10) == -second
    assert not (root / ".filmcan/session").read_text().startswith("clean")
    assert filmcan("get", "P1-Wedding/a.mov", "-").out == "clip"
    assert "long.mov" not in filmcan("ls", "P1-Wedding").out
    assert not list((root / ".filmcan/incoming").iterdir())
