"""A full disk and a failing one, as every surface tells them: the API, WebDAV, the pages, the command line, the lock file."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faulty import FaultySystem, RoomySystem
from tests.views.web.conftest import Said, Server, form
from tools.assemble import make_server, open_libraries
from tools.config import load

PROJECT = "P1-Film"
GIB = 1 << 30


class Disk(FaultySystem, RoomySystem):
    """Full or failing, as the test says."""


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def server(tmp_path: Path, disk: Disk) -> Iterator[Server]:
    """A server of its own for each test: a degraded one does not come back."""
    root = tmp_path / "root"
    settings = load({"root": root, "port": 0, "auto_reindex": False}, {})
    with open_libraries(settings, disk) as libraries:
        running = make_server(libraries, settings)
        running.start()
        try:
            found = Server(running.port, root, libraries)
            assert found.project("Film") == PROJECT
            assert found.upload(PROJECT, "a.mov", b"film").status == 200
            yield found
        finally:
            running.stop()


def upload(server: Server) -> Said:
    return server.upload(PROJECT, "new.mov", b"new")


def resumable(server: Server) -> Said:
    said = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename bmV3Lm1vdg==,project UDEtRmlsbQ=="}
    return server.ask("POST", "/api/uploads", **said)


def job(server: Server) -> Said:
    return server.post("/api/resolve/open", {"project": PROJECT, "media_rel_paths": ["ingest/originals/a.mov"]})


def proppatch(server: Server) -> Said:
    body = b'<propertyupdate xmlns="DAV:"><set><prop><x xmlns="u:">1</x></prop></set></propertyupdate>'
    return server.ask("PROPPATCH", f"/dav/{PROJECT}/ingest/originals/a.mov", body)


def lock(server: Server) -> Said:
    body = b'<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
    return server.ask("LOCK", f"/dav/{PROJECT}/new.mov", body)


def source(server: Server) -> Said:
    other = server.root.parent / "other"
    other.mkdir(exist_ok=True)
    return server.post("/api/sources", {"name": "nas", "root": str(other)})


GROWING: dict[str, Callable[[Server], Said]] = {
    "upload": upload,
    "bare upload": lambda server: server.ask("PUT", f"/api/projects/{PROJECT}/upload/b.mov", b"new"),
    "project": lambda server: server.post("/api/projects", {"name": "More"}),
    "source": source,
    "upload in several goes": resumable,
    "job": job,
    "PUT": lambda server: server.ask("PUT", f"/dav/{PROJECT}/new.mov", b"new"),
    "MKCOL": lambda server: server.ask("MKCOL", f"/dav/{PROJECT}/day"),
    "COPY": lambda server: server.ask("COPY", f"/dav/{PROJECT}/ingest", None, Destination=f"/dav/{PROJECT}/copy"),
    "PROPPATCH": proppatch,
    "LOCK": lock,
}  # fmt: skip
TAKING: dict[str, Callable[[Server], Said]] = {
    "MOVE": lambda server: server.ask(
        "MOVE", f"/dav/{PROJECT}/ingest/originals/a.mov", None, Destination=f"/dav/{PROJECT}/b.mov"
    ),
    "DELETE": lambda server: server.ask("DELETE", f"/dav/{PROJECT}/ingest/originals/a.mov"),
}
def status(said: Said) -> int:
    """Of the answer, or of the one property inside it."""
    inner = re.search(rb"HTTP/1.1 (\d+)", said.body) if said.status == 207 else None
    return int(inner[1]) if inner else said.status


DAV = {"PUT", "MKCOL", "COPY", "PROPPATCH", "LOCK", "MOVE", "DELETE"}


@pytest.mark.parametrize("name", GROWING)
def test_while_the_disk_is_full_nothing_new_is_taken(server: Server, disk: Disk, name: str) -> None:
    disk.free_bytes = GIB
    said = GROWING[name](server)
    assert status(said) == 507 and b"full" in said.body and b"reserve" in said.body, said
    disk.free_bytes = 100 * GIB
    assert status(GROWING[name](server)) < 300


@pytest.mark.parametrize("name", TAKING)
def test_while_the_disk_is_full_names_can_be_taken_away(server: Server, disk: Disk, name: str) -> None:
    disk.free_bytes = GIB
    assert TAKING[name](server).status < 300


@pytest.mark.parametrize("target", [f"/dav/{PROJECT}/big.mov", f"/api/projects/{PROJECT}/upload/big.mov"])
def test_a_full_disk_is_told_before_the_body_is_asked_for(server: Server, disk: Disk, target: str) -> None:
    disk.free_bytes = GIB
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\nExpect: 100-continue\r\n\r\n"
    assert status_line(server.port, head) == b"HTTP/1.1 507 Insufficient Storage"


def test_a_form_is_refused_before_its_body_is_asked_for(server: Server, disk: Disk) -> None:
    disk.free_bytes = GIB
    _, kind = form(("file", "a.mov", b""))
    head = (
        f"POST /api/projects/{PROJECT}/upload HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
        "Content-Length: 90000000\r\nExpect: 100-continue\r\n\r\n"
    )
    assert status_line(server.port, head) == b"HTTP/1.1 507 Insufficient Storage"


def status_line(port: int, head: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head.encode())
        return connection.recv(4096).partition(b"\r\n")[0]


def test_a_full_disk_is_shown_and_gone_when_there_is_room(server: Server, disk: Disk) -> None:
    disk.free_inodes = 7
    said = server.get("/health").json
    assert (said["ok"], said["state"], said["degraded"]) == (True, "full", None) and "7 more files" in said["reason"]
    assert b"The disk is full:" in server.get("/").body and b"7 more files" in server.get(f"/projects/{PROJECT}").body
    disk.free_inodes = 10**7
    said = server.get("/health").json
    assert (said["state"], said["reason"]) == ("ok", None) and said["sources"]["primary"]["state"] == "ok"
    assert b"The disk is full:" not in server.get("/").body


@pytest.mark.parametrize("name", [*GROWING, *TAKING])
def test_after_a_failure_of_the_disk_nothing_is_written(server: Server, disk: Disk, name: str) -> None:
    disk.arm(1, errno.EIO, {"write"}, lasting=True)
    assert server.ask("PUT", f"/dav/{PROJECT}/fails.mov", b"x").status == 403
    disk.disarm()
    said = (GROWING | TAKING)[name](server)
    assert status(said) == (403 if name in DAV else 503)
    assert b"only reads" in said.body and b"Input/output error" in said.body, said


def test_a_degraded_store_is_shown_everywhere_and_reads_go_on(server: Server, disk: Disk) -> None:
    disk.arm(1, errno.EROFS, {"write"}, lasting=True)
    assert upload(server).status == 503
    said = server.get("/health").json
    assert (said["ok"], said["state"]) == (True, "degraded") and "Read-only file system" in said["reason"]
    assert said["degraded"] == said["sources"]["primary"]["reason"] == said["reason"]
    for page in ("/", f"/projects/{PROJECT}", "/resolve"):
        assert b"only reads" in server.get(page).body and b"Read-only file system" in server.get(page).body
    assert server.get(f"/dav/{PROJECT}/ingest/originals/a.mov").body == b"film"
    assert server.ask("PROPFIND", f"/dav/{PROJECT}", None, Depth="1").status == 207
    assert server.get(f"/api/projects/{PROJECT}/media").status == 200
    assert "it only reads: the disk fails" in (server.root / ".filmcan" / "lock").read_text()
