"""Health, projects and errors, as curl sees them."""

from __future__ import annotations

import json
from urllib.parse import quote

from tests.views.web.conftest import Server, until


def test_health_is_the_union_of_three_shapes(server: Server) -> None:
    said = server.get("/health").json
    assert (said["ok"], said["status"], said["service"]) == (True, "ok", "media-sync-api")
    assert said["projects_root"] == str(server.root) and said["instructions"]
    assert server.get("/healthz").json == {"status": "ok"}
    head = server.ask("HEAD", "/health")
    assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 100


def test_a_label_becomes_a_numbered_project_with_its_folders_and_index(server: Server) -> None:
    said = server.post("/api/projects", {"name": "Interview", "notes": "two cameras"})
    name = said.json["name"]
    assert said.status == 201 and name.endswith("-Interview")
    assert said.json["upload_url"] == f"/api/projects/{name}/upload?source=primary"
    assert said.json["index_exists"] is True and said.json["source_accessible"] is True
    for folder in ("ingest/originals", "ingest/thumbnails", "_manifest"):
        assert (server.root / name / folder).is_dir()
    until(lambda: (server.root / name / "index.json").exists())
    assert json.loads((server.root / name / "index.json").read_text())["notes"] == "two cameras"
    assert server.index(name)["counts"] == {"videos": 0, "duplicates_skipped": 0, "removed_missing_records": 0}


def test_labels_are_cleaned_and_numbers_go_on(server: Server) -> None:
    assert server.project("Wedding Anna").endswith("-Wedding-Anna")
    assert server.project("P90-X") == "P90-X" == server.project("P90-X")
    assert server.project("Next") == "P91-Next"
    assert server.project("Über uns") == "P92-Über-uns"
    assert server.post("/api/projects", {}).json["name"] == "P93-Project"
    assert server.post("/api/projects", {"name": "  "}).json["name"] == "P94-Project"
    assert server.post("/api/projects", {"name": None}).json["name"] == "P95-Project"


def test_every_project_that_is_listed_can_be_asked_for(server: Server) -> None:
    (server.root / "P96-by..hand/ingest/originals").mkdir(parents=True)
    (server.root / "P96-by..hand/ingest/originals/a.mov").write_bytes(b"by hand, and dotted")
    assert server.get("/reindex").status == 200
    for label in ("a..b", "...", ".x", "_x", "-", "CON", "日本", "x" * 300, "a/b\\c", "a\tb"):
        server.project(label)
    listed = [item for item in server.get("/api/projects").json if item["index_exists"]]
    assert "P96-by..hand" in [item["name"] for item in listed]
    for item in listed:
        url = item["upload_url"].replace("/upload?", "?")
        assert server.get(url).json["project"] == item["name"], item
    assert server.get("/api/projects/P1-no..such").status == 400


def test_the_list_is_a_flat_array_and_its_upload_urls_are_escaped(server: Server) -> None:
    name = server.project("Füße")
    listed = server.get("/api/projects/").json
    assert listed == server.get("/api/projects").json == sorted(listed, key=lambda item: (item["source"], item["name"]))
    [mine] = [item for item in listed if item["name"] == name]
    assert mine["upload_url"] == f"/api/projects/{quote(name)}/upload?source=primary"
    assert server.get(mine["upload_url"].replace("/upload", "")).json["project"] == name


def test_a_folder_that_is_no_project_is_listed_and_left_alone(server: Server) -> None:
    (server.root / "Scratch").mkdir()
    (server.root / "_private").mkdir()
    listed = {item["name"]: item["index_exists"] for item in server.get("/api/projects").json}
    assert listed["Scratch"] is False and "_private" not in listed
    assert server.get("/api/projects/Scratch").status == 404
    assert list((server.root / "Scratch").iterdir()) == []


def test_errors_say_detail(server: Server) -> None:
    for verb, path, body, status in [
        ("GET", "/api/projects/P77-Nobody", None, 404), ("GET", "/api/projects/_sources", None, 400),
        ("GET", "/api/projects/a..b", None, 400), ("GET", "/api/nothing", None, 404), ("GET", "/nothing", None, 404),
        ("GET", "/api/projects?source=none", None, 400), ("GET", "/api/projects/P90-X?source=none", None, 404),
        ("POST", "/api/projects?source=none", {}, 400), ("DELETE", "/api/projects", None, 405),
    ]:  # fmt: skip
        said = server.ask(verb, path, body)
        assert (said.status, isinstance(said.json["detail"], str)) == (status, True), (path, said)
    assert "GET" in server.ask("DELETE", "/api/projects").headers["allow"]


def test_a_body_of_the_wrong_shape_is_422_with_its_place(server: Server) -> None:
    for body in (None, b"[1]", b"{", b'{"name": 7}', b"\xff"):
        said = server.post("/api/projects", body, Content_Type="application/json")
        [item] = said.json["detail"]
        assert said.status == 422 and item["loc"][0] == "body" and {"type", "msg", "input"} <= set(item)


def test_sync_album_writes_one_event_and_makes_no_folder_for_an_unknown_project(server: Server) -> None:
    name, said = server.project("Album"), {"album_name": "Tag 1 ♥", "device": "iphone", "note": "x"}
    answer = server.post(f"/api/projects/{name}/sync-album", said)
    assert answer.status == 200 and answer.json["status"] == "recorded"
    [event] = [line for line in server.events(name) if line["event"] == "sync-album"]
    assert event["payload"] == said and answer.json["event"]["payload"] == said
    assert event["timestamp"] == answer.json["event"]["timestamp"]
    assert server.post("/api/projects/P70-None/sync-album", said).status == 404
    assert not (server.root / "P70-None").exists()
    assert server.post(f"/api/projects/{name}/sync-album", ["no object"]).status == 422


def test_pages_of_allowed_origins_only_may_read(server: Server) -> None:
    said = server.get("/health", Origin="http://studio.local:8790")
    assert said.headers["access-control-allow-origin"] == "http://studio.local:8790"
    assert "ETag" in said.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in server.get("/health", Origin="http://evil.example").headers
    asked = server.ask("OPTIONS", "/api/projects", Origin="http://studio.local:8790", Access_Control_Request_Method="POST")
    assert asked.status == 204 and "POST" in asked.headers["access-control-allow-methods"]


def test_pages_of_other_sites_change_nothing(server: Server) -> None:
    own, body = f"http://127.0.0.1:{server.port}", {"name": "Evil"}
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": own}, 201), ({"Origin": "http://studio.local:8790"}, 201), ({"Sec_Fetch_Site": "same-origin"}, 201),
    ):  # fmt: skip
        assert server.post("/api/projects", body, **headers).status == status, headers


def test_webdav_and_its_parent_are_still_there(server: Server) -> None:
    assert server.ask("PROPFIND", "/dav/", Depth="0").status == 207
    assert server.ask("PROPFIND", "/", Depth="0").status == 207
    assert server.ask("OPTIONS", "/").status == 200


def test_an_editable_project_is_made_or_refused_with_the_reason(server: Server) -> None:
    why = server.libraries.primary.store.ways["reflink"]
    said = server.post("/api/projects", {"name": "Grading", "editable": True})
    if why:
        assert said.status == 409 and "cannot be editable" in said.json["detail"] and why in said.json["detail"]
    else:
        assert said.status == 201 and said.json["editable"] and server.index(said.json["name"])["editable"]
    assert server.post("/api/projects", {"name": "Grading", "editable": "yes"}).status == 422
    plain = server.post("/api/projects", {"name": "Plain"}).json
    assert plain["editable"] is False and server.index(plain["name"])["editable"] is False
