"""The scripts in README run as they stand, in an empty folder with one clip, against a real server."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.clients.frail import Break, Frail
from tests.clients.server import FILMCAN, DavServer, running
from tests.samples.make import make_samples
from views.derived.lab import lacking
from views.library import Library

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder = tmp_path_factory.mktemp("script")
    with running(FILMCAN, folder / "root", folder / "server.log", True) as server:
        yield server


def script(title: str = "Shortcuts and scripts") -> str:
    section = README.read_text().split(f"### {title}\n", 1)[1]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None, f"README has no script under “{title}”"
    return found[1]


def answers(said: str) -> list[object]:
    """The JSON answers the script printed, one after the other; numbers of `wc` between them too."""
    decoder, found, place = json.JSONDecoder(), list[object](), 0
    while (start := re.search(r"\S", said[place:])) is not None:
        value, place = decoder.raw_decode(said, place + start.start())
        found.append(value)
    return found


def test_the_script_of_the_readme_does_what_its_comments_say(server: DavServer, tmp_path: Path) -> None:
    sample = next(s for s in make_samples(tmp_path / "card", 12) if s.name.lower().endswith((".mov", ".mp4")))
    (tmp_path / "clip.mov").write_bytes((tmp_path / "card" / sample.name).read_bytes())
    environment = {**os.environ, "FILMCAN": f"http://{server.host}:{server.port}"}
    ended = subprocess.run(["sh", "-eu"], input=script(), cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    stored, again, bare, batch, ended_batch, needed, media, piece, *rest = answers(ended.stdout)
    tagged, found, facts, reindexed, job, deleted = rest
    assert stored["status"] == "stored" and stored["path"] == "ingest/originals/clip.mov"  # type: ignore[index]
    assert (again["status"], again["path"]) == ("duplicate", stored["path"])  # type: ignore[index]
    assert bare["status"] == "duplicate"  # type: ignore[index]
    assert "have" in json.dumps(needed)
    assert [item["relative_path"] for item in media["media"]] == ["ingest/originals/clip.mov"]  # type: ignore[index]
    assert piece == 100
    assert batch["counts"]["duplicate"] == 1 and len(ended_batch["items"]) == 1  # type: ignore[index]
    assert tagged["updated"][0]["tags"]["manual"] == ["keeper"] and len(found["media"]) == 1  # type: ignore[index]
    assert lacking() or (facts["status"] == "ok" and (tmp_path / "clip.jpg").read_bytes()[:3] == b"\xff\xd8\xff")  # type: ignore[index]
    assert reindexed["removed"] == 0 and job["ok"] and deleted["removed"] == ["ingest/originals/clip.mov"]  # type: ignore[index]
    assert (server.root / "P1-Wedding-Anna").is_dir()


def test_the_script_that_goes_on_where_it_stopped_does_so_over_cuts_and_kills(tmp_path: Path) -> None:
    library, data = Library(tmp_path / "root"), random.Random("goes on").randbytes(8 << 20)
    library.make_project("Film")
    library.close()
    (tmp_path / "clip.mov").write_bytes(data)
    breaks = [Break(1 << 20, False, True), Break(2 << 20, True, False), Break(1 << 20, False, False)]
    frail = Frail(tmp_path / "root", breaks, lambda: None)
    try:
        environment = {**os.environ, "FILMCAN": "http://{}:{}".format(*frail.door), "PROJECT": "P1-Film"}
        text = script("Uploads that go on where they stopped")
        ended = subprocess.run(["sh", "-u"], input=text, cwd=tmp_path, env=environment, capture_output=True, text=True)
    finally:
        frail.close()
    told = json.loads(ended.stdout)
    assert (told["status"], told["sha256"]) == ("stored", hashlib.sha256(data).hexdigest()), ended.stderr
    assert (tmp_path / "root/P1-Film/ingest/originals/clip.mov").read_bytes() == data and frail.starts == 2


TORN_TAIL = """#!/bin/sh
# a card that cannot be read to its end the first time
[ -e "$0.once" ] && exec /usr/bin/tail "$@"
touch "$0.once"
/usr/bin/tail "$@" | head -c 1000
exit 1
"""


def goes_on(folder: Path, server: DavServer, project: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "FILMCAN": f"http://{server.host}:{server.port}",
        "PROJECT": project,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }
    text = script("Uploads that go on where they stopped")
    return subprocess.run(["sh"], input=text, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_a_clip_that_cannot_be_read_to_its_end_is_never_stored_short(server: DavServer, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tail").write_text(TORN_TAIL)
    (tmp_path / "bin" / "tail").chmod(0o755)
    data = random.Random("torn").randbytes(50_000)
    (tmp_path / "clip.mov").write_bytes(data)
    assert put_project(server, "P71-Torn") == 201
    ended = goes_on(tmp_path, server, "P71-Torn")
    assert json.loads(ended.stdout)["sha256"] == hashlib.sha256(data).hexdigest(), ended.stderr


@pytest.mark.parametrize(("clip", "project"), [(None, "P72-Here"), (b"film", "P73-Nowhere")])
def test_without_the_clip_or_the_project_the_script_ends_and_stores_nothing(
    server: DavServer, tmp_path: Path, clip: bytes | None, project: str
) -> None:
    assert put_project(server, "P72-Here") in (201, 405)
    if clip is not None:
        (tmp_path / "clip.mov").write_bytes(clip)
    ended = goes_on(tmp_path, server, project)
    assert ended.returncode == 1 and ended.stdout == "" and ended.stderr
    assert not list(server.root.glob(f"{project}/ingest/originals/*"))


def put_project(server: DavServer, name: str) -> int:
    """The status of MKCOL."""
    with closing(HTTPConnection(server.host, server.port)) as connection:
        connection.request("MKCOL", f"/dav/{name}")
        return connection.getresponse().status
