"""Pictures that the server makes when somebody asks, kept by content; facts that it learns while it looks."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.samples import camera
from tests.views.web.conftest import Said, Server, serving
from tests.views.web.test_media import JPEG, data_url, listed
from views.derived.facts import PAUSE_NS, FactsRow
from views.derived.lab import Lab, Seen, lacking

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "all is there")


def clip(folder: Path, number: int) -> bytes:
    camera.h264(folder / "clip.mov", camera.Take(number))
    return (folder / "clip.mov").read_bytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def thumbnail(server: Server, project: str, data: bytes) -> Said:
    return server.get(f"/thumbnails/{project}/{sha256(data)}.jpg")


def row(server: Server, data: bytes) -> FactsRow:
    library = server.libraries.primary
    known = library.known(sha256(data))
    found = library.facts.of(known[0]) if known else None
    assert found is not None
    return found


def status(said: Said) -> str | None:
    """Why a placeholder came; None for a picture."""
    assert said.status == 200, said
    if "x-thumb-status" in said.headers:
        assert said.headers["content-type"] == "image/svg+xml" and b"<svg" in said.body
        assert said.headers["cache-control"] == "public, max-age=300"
        return said.headers["x-thumb-status"]
    assert said.headers["cache-control"] == "public, max-age=31536000, immutable"
    return None


def test_a_preview_is_made_once_kept_and_listed(server: Server, tmp_path: Path) -> None:
    name, data = server.project("Made"), clip(tmp_path, 30)
    path = server.stored(name, "clip.mov", data)
    assert "thumb_url" not in listed(server, name)[path]
    said = thumbnail(server, name, data)
    assert status(said) is None and said.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(said.body)).size == (640, 360)
    kept = server.root / name / f"ingest/thumbnails/{sha256(data)}.jpg"
    assert kept.read_bytes() == said.body == thumbnail(server, name, data).body and row(server, data).tries == 1
    item = listed(server, name)[path]
    assert server.get(item["thumb_url"]).body == said.body
    assert (item["width"], item["height"]) == (1280, 720) and item["created_at"].startswith("2024-06-01T00:30:00")
    assert server.index(name)["counts"]["videos"] == 1, "a preview is no media"
    assert server.post(f"/api/projects/{name}/reindex").json["removed"] == 0 and kept.exists()


def test_a_preview_that_a_client_drew_stays(server: Server, tmp_path: Path) -> None:
    name, data = server.project("Drawn"), clip(tmp_path, 31)
    path = server.stored(name, "clip.mov", data)
    server.post(f"/api/projects/{name}/media/thumbnail", {"relative_path": path, "data_url": data_url(JPEG)})
    assert thumbnail(server, name, data).body == JPEG


def test_a_second_project_has_its_own_name_of_the_picture(server: Server, tmp_path: Path) -> None:
    one, two, data = server.project("First"), server.project("Second"), clip(tmp_path, 32)
    for name in (one, two):
        server.stored(name, "clip.mov", data)
    assert thumbnail(server, one, data).body == thumbnail(server, two, data).body
    assert (server.root / two / f"ingest/thumbnails/{sha256(data)}.jpg").exists()


def test_what_cannot_be_read_has_a_placeholder_and_is_not_looked_at_again(server: Server) -> None:
    name, data = server.project("Broken"), b"no film, whatever its name says"
    server.stored(name, "clip.mov", data)
    assert status(thumbnail(server, name, data)) == "failed"
    before = row(server, data)
    assert status(thumbnail(server, name, data)) == "failed" and row(server, data) == before and before.tries == 1
    assert list((server.root / name / "ingest/thumbnails").iterdir()) == []


def test_only_pictures_of_what_a_project_shows_are_told(server: Server, tmp_path: Path) -> None:
    name, other, data = server.project("Shown"), server.project("Not shown"), clip(tmp_path, 33)
    server.stored(name, "clip.mov", data)
    server.stored(name, "sound.wav", b"no picture")
    assert thumbnail(server, other, data).status == thumbnail(server, name, b"unknown").status == 404
    assert thumbnail(server, name, b"no picture").status == 400
    for wrong in ("x.jpg", "abc", f"{sha256(data)}.png", f"{sha256(data)}", ".jpg"):
        assert server.get(f"/thumbnails/{name}/{wrong}").status == 404, wrong
    assert server.get(f"/thumbnails/P99-None/{sha256(data)}.jpg").status == 404


def test_a_page_full_of_clips_is_made_and_holds_no_thread_for_long(server: Server, tmp_path: Path) -> None:
    name, contents = server.project("Many"), [clip(tmp_path, number) for number in range(40, 60)]
    for number, data in enumerate(contents):
        server.stored(name, f"{number}.mov", data)
    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(lambda data: status(thumbnail(server, name, data)), contents))
    assert set(said) <= {None, "locked"}
    with ThreadPoolExecutor(4) as pool:
        assert all(status(answer) is None for answer in pool.map(lambda data: thumbnail(server, name, data), contents))


def test_a_file_that_takes_too_long_has_three_tries_some_minutes_apart(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, data = server.project("Slow"), b"takes for ever"
    server.stored(name, "clip.mov", data)
    given, library = list[float](), server.libraries.primary

    def look(_lab: Lab, _fd: int, _kind: str, within_s: float) -> Seen:
        given.append(within_s)
        return Seen("timeout")

    monkeypatch.setattr(Lab, "look", look)
    now_ns = library.store.system.now_ns
    for later in range(6):
        monkeypatch.setattr(library.store.system, "now_ns", lambda later=later: now_ns() + later * (PAUSE_NS + 10**9))
        for _ in range(2):
            assert status(thumbnail(server, name, data)) == "timeout"
    assert given == [25.0, 60.0, 90.0]


def test_facts_are_told_and_null_where_nobody_knows(server: Server, tmp_path: Path) -> None:
    name, data = server.project("Facts"), clip(tmp_path, 34)
    path, text = server.stored(name, "clip.mov", data), server.stored(name, "notes.txt", b"notes")
    said = server.get(f"/api/media/facts?project={name}&relative_path={path}").json
    assert (said["width"], said["height"], said["fps"], said["video_codec"]) == (1280, 720, 25.0, "h264")
    assert said["duration_s"] == said["duration_seconds"] > 0 and said["has_audio"] is True and said["status"] == "ok"
    assert said["timeline"] == {
        "anchor_time": "2024-06-01T00:34:00.000000Z", "anchor_source": "container", "confidence": "medium",
    }  # fmt: skip
    known = server.get(f"/api/registry/{sha256(data)}").json
    assert known["timeline"] == said["timeline"] and known["facts"]["duration_seconds"] == said["duration_seconds"]
    none = server.get(f"/api/media/facts?project={name}&relative_path={text}").json
    assert none["duration_seconds"] is None and none["timeline"]["anchor_source"] == "file"
    assert server.get(f"/api/media/facts?project={name}&relative_path=ingest/none.mov").status == 404
    assert server.get(f"/api/media/facts?project={name}").status == 422
    assert server.get("/api/media/facts?project=P99-None&relative_path=ingest/a.mov").status == 404


def test_without_the_extra_the_server_says_so(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, data = server.project("Bare server"), clip(tmp_path, 35)
    path = server.stored(name, "clip.mov", data)
    monkeypatch.setattr("views.derived.lab.NEEDED", ("no_such_library",))
    assert status(thumbnail(server, name, data)) == "ffmpeg_missing"
    assert server.get(f"/api/media/facts?project={name}&relative_path={path}").json["status"] == "unknown"


def test_a_store_that_only_reads_shows_pictures_and_keeps_none(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as server:
        name, data = server.project("Degraded"), clip(tmp_path, 36)
        server.stored(name, "clip.mov", data)
        server.libraries.primary.store.state.degrade("a test says so")
        assert status(thumbnail(server, name, data)) is None
        assert list((server.root / name / "ingest/thumbnails").iterdir()) == []
        assert server.get(f"/api/media/facts?project={name}&relative_path=ingest/originals/clip.mov").json["width"] == 320
