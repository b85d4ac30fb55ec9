"""Uploads in several goes over HTTP: when they expire, and what a restart makes of them."""

from __future__ import annotations

from base64 import b64encode
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from tests.faulty import Clock
from tests.views.web.conftest import Server, serving, until

TUS = {"Tus_Resumable": "1.0.0"}
CHUNK = {**TUS, "Content_Type": "application/offset+octet-stream"}
DAY_NS = 24 * 3600 * 10**9


def begun(server: Server, name: str, length: int) -> str:
    metadata = f"project {b64encode(b'P1-Film').decode()},filename {b64encode(name.encode()).decode()}"
    said = server.post("/api/uploads", Upload_Length=str(length), Upload_Metadata=metadata, **TUS)
    assert said.status == 201, said
    return urlsplit(said.headers["location"]).path


def parts(server: Server) -> list[str]:
    return sorted(path.suffix for path in (server.root / ".filmcan/uploads").iterdir())


def test_an_upload_expires_a_week_after_its_last_byte_and_what_it_became_is_told_as_long(tmp_path: Path) -> None:
    clock = Clock()
    with serving(tmp_path / "root", clock) as server:
        server.project("Film")
        half, whole = begun(server, "half.mov", 10), begun(server, "whole.mov", 5)
        server.ask("PATCH", whole, b"whole", Upload_Offset="0", **CHUNK)
        clock.at_ns += 6 * DAY_NS
        said = server.ask("PATCH", half, b"hello", Upload_Offset="0", **CHUNK)
        assert parsedate_to_datetime(said.headers["upload-expires"]).timestamp() == (clock.at_ns + 7 * DAY_NS) // 10**9
        clock.at_ns += DAY_NS
        assert server.get(whole).status == 404 and server.ask("HEAD", half, **TUS).headers["upload-offset"] == "5"
        clock.at_ns += 6 * DAY_NS - 10**9
        assert server.get(half).json["status"] == "receiving"
        clock.at_ns += 10**9
        for verb in ("HEAD", "GET", "DELETE"):
            assert server.ask(verb, half, **TUS).status == 404
        assert server.ask("PATCH", half, b"world", Upload_Offset="5", **CHUNK).status == 404
        assert server.names("P1-Film") == ["whole.mov"] and parts(server) == []


def test_what_expired_while_nothing_ran_is_swept_at_the_next_start(tmp_path: Path) -> None:
    clock = Clock()
    with serving(tmp_path / "root", clock) as server:
        server.project("Film")
        server.ask("PATCH", begun(server, "half.mov", 10), b"hello", Upload_Offset="0", **CHUNK)
        kept = begun(server, "kept.mov", 10)
    clock.at_ns += 6 * DAY_NS
    with serving(tmp_path / "root", clock) as server:
        assert server.ask("PATCH", kept, b"hello", Upload_Offset="0", **CHUNK).status == 204
    clock.at_ns += DAY_NS
    with serving(tmp_path / "root", clock) as server:
        until(lambda: parts(server) == [".notes", ".part"])
        assert server.ask("PATCH", kept, b"world", Upload_Offset="5", **CHUNK).status == 204
        assert (server.root / "P1-Film/ingest/originals/kept.mov").read_bytes() == b"helloworld"
