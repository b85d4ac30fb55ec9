"""The script in README's "Shortcuts and scripts" runs as it stands, in an empty folder with one clip, against a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.server import FILMCAN, DavServer, running
from tests.samples.make import make_samples

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder = tmp_path_factory.mktemp("script")
    with running(FILMCAN, folder / "root", folder / "server.log", True) as server:
        yield server


def script() -> str:
    section = README.read_text().split("### Shortcuts and scripts\n", 1)[1]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None, "README has no script under “Shortcuts and scripts”"
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
    stored, again, bare, needed, media, piece, reindexed, job, deleted = answers(ended.stdout)
    assert stored["status"] == "stored" and stored["path"] == "ingest/originals/clip.mov"  # type: ignore[index]
    assert (again["status"], again["path"]) == ("duplicate", stored["path"])  # type: ignore[index]
    assert bare["status"] == "duplicate"  # type: ignore[index]
    assert "have" in json.dumps(needed)
    assert [item["relative_path"] for item in media["media"]] == ["ingest/originals/clip.mov"]  # type: ignore[index]
    assert piece == 100
    assert reindexed["removed"] == 0 and job["ok"] and deleted["removed"] == ["ingest/originals/clip.mov"]  # type: ignore[index]
    assert (server.root / "P1-Wedding-Anna").is_dir()
