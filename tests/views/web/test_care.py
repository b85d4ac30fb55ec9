"""How well the clips are, as programs ask it and people see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cas.digest import sums_of
from cas.verify import verify
from tests.rot import rot
from tests.views.web.conftest import Server, serving, until

CLIP = b"what the camera saw"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "root") as server:
        yield server


def test_the_first_pass_begins_by_itself_and_is_told(server: Server) -> None:
    until(lambda: bool(server.get("/api/care").json["scrub"]["last_whole_at"]))
    scrub = server.get("/api/care").json["scrub"]
    assert (scrub["state"], scrub["period_days"], scrub["found"]) == ("waiting", 30.0, 0)
    assert server.get("/health").json["care"] == {"scrub": scrub, "lost": 0}


def test_a_lost_clip_is_told_everywhere_with_its_projects_and_paths_until_it_is_sent_again(server: Server) -> None:
    one, two = server.project("One"), server.project("Two")
    paths = [f"{project}/{server.stored(project, 'a.mov', CLIP)}" for project in (one, two)]
    library = server.libraries.primary
    digest = sums_of(CLIP).digest
    rot(library, library.store.layout.blob(digest), b"W")
    verify(library.store, full=True)
    [lost] = server.get("/api/care").json["lost"]
    assert lost.pop("since") and lost == {
        "blake3": digest.hex, "kind": "damaged", "size": len(CLIP), "projects": [one, two], "paths": paths,
    }  # fmt: skip
    assert server.get("/health").json["care"]["lost"] == 1
    page = server.get("/").body.decode()
    assert "are damaged:" in page and paths[0] in page and "only reads" not in page
    told = [line["payload"]["paths"] for line in server.events(one) if line["event"] == "media_damaged"]
    assert told == [[paths[0].partition("/")[2]]]
    assert server.get(f"/media/{paths[0]}").status == 500
    again = server.upload(server.project("Three"), "again.mov", CLIP)
    assert again.json["status"] == "stored"
    assert server.get("/api/care").json["lost"] == [] and "are damaged:" not in server.get("/").body.decode()
    for path in paths:
        assert server.get(f"/media/{path}").body == CLIP


def test_an_unknown_source_is_refused(server: Server) -> None:
    assert server.get("/api/care?source=none").status == 404
