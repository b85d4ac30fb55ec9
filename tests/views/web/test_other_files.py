"""Files that are no media by their names: kept and marked, hidden, or refused, as the setting says (contract §2.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.views.web.conftest import Server, form, serving


def listed(server: Server, project: str) -> list[str]:
    media = server.get(f"/api/projects/{project}/media").json["media"]
    assert [item["relative_path"] for item in server.get(f"/api/projects/{project}/media/query").json["items"]] == [
        item["relative_path"] for item in media
    ]  # fmt: skip
    return [item["relative_path"].rpartition("/")[2] for item in media]


@pytest.mark.parametrize(("word", "shown"), [("keep", ["a.mov", "notes.txt"]), ("hide", ["a.mov"])])
def test_other_files_are_kept_and_listed_as_the_setting_says(tmp_path: Path, word: str, shown: list[str]) -> None:
    with serving(tmp_path / "root", other_files=word) as server:
        name = server.project("Mixed")
        for file in ("a.mov", "notes.txt"):
            server.stored(name, file, file.encode())
        assert listed(server, name) == shown and server.names(name) == ["a.mov", "notes.txt"]
        assert [item.get("media") for item in server.index(name)["files"]] == [None, False]
        assert server.post(f"/api/projects/{name}/reindex").json["removed"] == 0 and server.names(name) == ["a.mov", "notes.txt"]


def test_other_files_are_refused_on_every_way_in_but_by_hand(tmp_path: Path) -> None:
    with serving(tmp_path / "root", other_files="refuse") as server:
        name = server.project("Strict")
        server.stored(name, "a.mov", b"a")
        assert server.upload(name, "notes.txt", b"notes").status == 415
        assert server.ask("PUT", f"/api/projects/{name}/upload/notes.txt", b"notes").status == 415
        assert server.ask("POST", f"/api/uploads?project={name}&filename=notes.txt", b"", Upload_Complete="?0").status == 415
        body, kind = form(("files", "b.mov", b"b"), ("files", "notes.txt", b"notes"))
        several = server.post(f"/api/projects/{name}/upload", body, Content_Type=kind).json
        assert several["counts"] == {"total": 2, "stored": 1, "duplicate": 0, "error": 1}
        assert server.names(name) == ["a.mov", "b.mov"]
        assert server.ask("PUT", f"/dav/{name}/ingest/originals/notes.txt", b"by a drive").status == 201
        assert listed(server, name) == ["a.mov", "b.mov", "notes.txt"]
