"""Trash, versions and moments over the API, and the brake."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.views.web.conftest import Server, serving

PLACE = "ingest/originals"


def deleted(server: Server, project: str, *names: str) -> None:
    said = server.post(f"/api/projects/{project}/media/delete", {"relative_paths": [f"{PLACE}/{name}" for name in names]})
    assert said.status == 200, said


def put(server: Server, project: str, name: str, data: bytes) -> None:
    assert server.ask("PUT", f"/dav/{project}/{PLACE}/{name}", data).status in (201, 204)


def in_trash(server: Server, project: str) -> list[dict[str, str]]:
    return [item for item in server.get("/api/trash").json["items"] if item["path"].startswith(f"{project}/")]


def test_what_was_deleted_is_listed_the_last_first_and_brought_back(server: Server) -> None:
    project = server.project("Trash")
    for name in ("a.mov", "b.mov"):
        server.upload(project, name, name.encode())
    deleted(server, project, "a.mov")
    deleted(server, project, "b.mov")
    items = in_trash(server, project)
    assert [item["path"] for item in items] == [f"{project}/{PLACE}/b.mov", f"{project}/{PLACE}/a.mov"]
    assert items[0]["kind"] == "file" and items[0]["size"] == 5 and items[0]["deleted_at"]
    said = server.post("/api/trash/restore", {"names": [items[1]["name"], "99999-no"]}).json
    assert said["restored"] == [{"name": items[1]["name"], "path": f"{project}/{PLACE}/a.mov"}]
    assert [one["name"] for one in said["failed"]] == ["99999-no"]
    assert server.get(f"/media/{project}/{PLACE}/a.mov").body == b"a.mov"
    said = server.post("/api/trash/restore", {"names": [items[0]["name"]], "to": f"{project}/{PLACE}/c.mov"}).json
    assert said["restored"][0]["path"] == f"{project}/{PLACE}/c.mov" and in_trash(server, project) == []


def test_the_trash_comes_in_pages(server: Server) -> None:
    project = server.project("Pages")
    names = [f"{number}.mov" for number in range(7)]
    for name in names:
        server.upload(project, name, name.encode())
    deleted(server, project, *names)
    found, after = [], ""
    while True:
        page = server.get(f"/api/trash?limit=3&after={after}").json
        found += [item["path"].rpartition("/")[2] for item in page["items"] if item["path"].startswith(f"{project}/")]
        after = page["next"]
        if after is None:
            break
    assert sorted(found) == names


@pytest.mark.parametrize(
    "body", [{}, {"names": []}, {"names": ["a/b"]}, {"names": [""]}, {"names": ["a", "b"], "to": "x"}, {"names": 1}, []]
)
def test_what_cannot_be_restored_is_said(server: Server, body: object) -> None:
    assert server.post("/api/trash/restore", body).status in (400, 422)


def test_versions_of_a_file_are_listed_opened_and_brought_back(server: Server) -> None:
    project = server.project("Versions")
    for data in (b"one", b"two", b"three"):
        put(server, project, "a.mov", data)
    deleted(server, project, "a.mov")
    put(server, project, "a.mov", b"four!")
    put(server, project, "a.mov", b"four!")
    said = server.get(f"/api/projects/{project}/versions?relative_path={PLACE}/a.mov").json["versions"]
    assert [one["size"] for one in said] == [5, None, 5, 3, 3]
    assert [one["deleted"] for one in said] == [False, True, False, False, False]
    assert [one["current"] for one in said] == [True, False, False, False, False]
    assert server.get(said[4]["stream_url"]).body == b"one" and server.get(said[4]["stream_url"], Range="bytes=1-").body == b"ne"
    answer = server.post(f"/api/projects/{project}/versions/restore", {"relative_path": f"{PLACE}/a.mov", "seq": said[3]["seq"]})
    assert answer.json["relative_path"] == f"{PLACE}/a.mov"
    assert server.get(f"/media/{project}/{PLACE}/a.mov").body == b"two"
    body = {"relative_path": f"{PLACE}/a.mov", "seq": said[4]["seq"], "to": f"{PLACE}/first.mov"}
    assert server.post(f"/api/projects/{project}/versions/restore", body).status == 200
    assert server.get(f"/media/{project}/{PLACE}/first.mov").body == b"one"
    [newest, *_] = server.get(f"/api/projects/{project}/versions?relative_path={PLACE}/a.mov").json["versions"]
    assert newest["current"] and newest["size"] == 3


def test_versions_follow_a_folder_that_got_another_name(server: Server) -> None:
    project = server.project("Renamed")
    server.ask("MKCOL", f"/dav/{project}/ingest/day")
    server.ask("PUT", f"/dav/{project}/ingest/day/a.mov", b"one")
    server.ask("PUT", f"/dav/{project}/ingest/day/a.mov", b"two")
    server.ask("MOVE", f"/dav/{project}/ingest/day", Destination=f"/dav/{project}/ingest/night")
    said = server.get(f"/api/projects/{project}/versions?relative_path=ingest/night/a.mov").json["versions"]
    assert [server.get(one["stream_url"]).body for one in said] == [b"two", b"one"]


def test_a_project_at_a_moment_is_browsed_and_becomes_a_project(server: Server) -> None:
    project = server.project("Moments")
    server.upload(project, "a.mov", b"one")
    moments = server.get(f"/api/projects/{project}/history").json["moments"]
    then = moments[0]
    put(server, project, "a.mov", b"two")
    deleted(server, project, "a.mov")
    assert (then["op"], then["path"]) == ("put", f"{PLACE}/a.mov")
    told = server.get(f"{then['url']}&path={PLACE}").json
    assert [entry["name"] for entry in told["entries"]] == ["a.mov"]
    assert server.get(told["entries"][0]["stream_url"]).body == b"one"
    top = server.get(f"/api/projects/{project}/history/seq-{then['seq']}").json["entries"]
    assert [(entry["name"], entry["kind"]) for entry in top] == [("ingest", "folder")]
    made = server.post(f"/api/projects/{project}/history/{then['moment']}/fork", {"name": "As it was"})
    assert made.status == 201
    assert server.get(f"/media/{made.json['name']}/{PLACE}/a.mov").body == b"one"
    file = server.root / made.json["name"] / PLACE / "a.mov"
    assert os.stat(file).st_nlink >= 2
    server.ask("DELETE", f"/dav/{project}")
    assert server.get(f"/api/projects/{project}/history").json["moments"]
    assert made.json["lost"] == []
    assert server.post(f"/api/projects/{project}/history/seq-{then['seq']}/fork", {}).status == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/projects/P999-No/history", 404),
        ("/api/projects/{}/history/yesterday", 404),
        ("/api/projects/{}/history/seq-99999999", 404),
        ("/api/projects/{}/history/2026-01-01", 404),
        ("/api/projects/{}/history/seq-1?path=nowhere", 404),
        ("/api/projects/{}/versions", 400),
        ("/api/projects/{}/versions?relative_path=../x", 400),
        ("/api/projects/{}/versions?relative_path=nothing.mov", 404),
        ("/media/{}/ingest/a.mov?at=seq-1", 404),
        ("/media/{}/ingest/a.mov?version=1", 404),
        ("/media/{}/ingest/a.mov?version=x", 404),
        ("/media/{}/ingest?at=2026-11-25/..", 404),
    ],
)
def test_what_is_not_there_is_said(server: Server, path: str, status: int) -> None:
    said = server.get(path.format(server.project("Missing")))
    assert said.status == status and said.json["detail"]


@pytest.fixture
def braked(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "root", mass_delete_limit=3) as server:
        yield server


def test_a_device_that_deletes_very_much_is_paused_and_let_go_on(braked: Server) -> None:
    project = braked.project("Much")
    names = [f"{number}.mov" for number in range(8)]
    for name in names:
        braked.upload(project, name, name.encode())
    deleted(braked, project, "0.mov", "missing.mov", "1.mov")
    all_of_them = {"relative_paths": [f"{PLACE}/{name}" for name in names]}
    said = braked.post(f"/api/projects/{project}/media/delete", all_of_them)
    assert said.status == 429 and "127.0.0.1" in said.json["detail"]
    assert len(braked.get(f"/api/projects/{project}/media").json["media"]) == 6
    assert braked.ask("DELETE", f"/dav/{project}/{PLACE}/7.mov").status == 403
    assert braked.upload(project, "new.mov", b"new").json["status"] == "stored"
    [row] = braked.get("/api/brake").json["paused"]
    assert (row["device"], row["path"]) == ("127.0.0.1", f"{project}/{PLACE}/0.mov")
    assert braked.get("/health").json["paused_devices"] == ["127.0.0.1"]
    assert b"127.0.0.1 is paused" in braked.get("/", Accept="text/html").body
    assert braked.post("/api/brake/release", {"device": "10.0.0.1"}).status == 404
    assert braked.post("/api/brake/release", {"device": "127.0.0.1"}).status == 200
    assert len(braked.post(f"/api/projects/{project}/media/delete", all_of_them).json["removed"]) == 6
    assert braked.get("/health").json["paused_devices"] == []


def test_the_trash_page_shows_no_previews_of_what_was_deleted(server: Server) -> None:
    project = server.project("Pictures")
    server.upload(project, "a.mov", b"one")
    item = server.get(f"/api/projects/{project}/media").json["media"][0]
    preview = f"{project}/ingest/thumbnails/{item['sha256']}.jpg"
    assert server.ask("PUT", f"/dav/{preview}", b"picture").status == 201
    deleted(server, project, "a.mov")
    assert preview in [one["path"] for one in server.get("/api/trash").json["items"]]
    page = server.get("/trash").body.decode()
    assert f"{project}/{PLACE}/a.mov" in page and preview not in page


def test_pages_tell_what_was_without_a_script(server: Server) -> None:
    project = server.project("Looking back")
    put(server, project, "a.mov", b"one")
    then = server.get(f"/api/projects/{project}/history").json["moments"][0]
    put(server, project, "a.mov", b"two, and more")
    server.upload(project, "gone & lost.mov", b"gone")
    deleted(server, project, "gone & lost.mov")
    page = server.get("/trash").body.decode()
    assert "gone &amp; lost.mov" in page and f"{project}/{PLACE}" in page
    page = server.get(f"/projects/{project}/history").body.decode()
    assert f"at={then['moment']}" in page and "deleted: ingest/originals/gone &amp; lost.mov" in page
    page = server.get(f"/projects/{project}/history?at={then['moment']}&path={PLACE}").body.decode()
    assert f"/media/{project}/{PLACE}/a.mov?source=primary&amp;at={then['moment']}" in page and "gone" not in page
    page = server.get(f"/projects/{project}/history?at={then['moment']}").body.decode()
    assert f'value="Looking-back {then["moment"][:10]}"' in page  # the new project gets a number of its own
    page = server.get(f"/projects/{project}/versions?path={PLACE}/a.mov").body.decode()
    assert "3 bytes" in page and "13 bytes" in page and page.count("data-version") == 1
    for missing in ("history?at=nothing", f"history?at={then['moment']}&path=nowhere", "versions?path=nothing", "versions"):
        assert server.get(f"/projects/{project}/{missing}").status in (400, 404)
    assert server.get("/projects/P99-No/history").status == 404
    assert "yesterday is no time. Write " in server.get(f"/projects/{project}/history?at=yesterday").body.decode()
