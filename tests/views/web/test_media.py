"""Media: lists, streaming, saving, previews, delete and move."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.views.web.conftest import Said, Server

JPEG = b"\xff\xd8\xff\xe0 a picture"


def data_url(picture: bytes, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"


def listed(server: Server, project: str) -> dict[str, dict[str, str]]:
    media = server.get(f"/api/projects/{project}/media").json["media"]
    assert media == sorted(media, key=lambda item: item["relative_path"])
    return {item["relative_path"]: item for item in media}


@pytest.fixture(scope="module")
def nas(server: Server) -> Iterator[str]:
    """A second source."""
    root = server.root.parent / "disks/nas"
    root.mkdir()
    assert server.post("/api/sources", {"name": "nas", "root": str(root)}).status == 201
    yield "nas"


def test_the_list_holds_urls_that_work(server: Server) -> None:
    name = server.project("Liste")
    path, data = server.stored(name, "clip 1 ♥.mov", b"moving"), b"moving"
    item = listed(server, name)[path]
    assert item["stream_url"] == f"/media/{name}/{quote(path)}?source=primary" and "thumb_url" not in item
    assert (item["sha256"], item["size"], item["kind"]) == (hashlib.sha256(data).hexdigest(), 6, "video")
    for url in (item["stream_url"], item["download_url"]):
        assert server.get(url).body == data
    said = server.get(f"/api/projects/{name}/media").json
    assert (said["project"], said["source"], said["counts"]["videos"]) == (name, "primary", 1)
    assert server.get("/api/projects/P66-None/media").status == 404


def test_players_get_ranges_heads_and_304(server: Server) -> None:
    name = server.project("Ranges")
    url = f"/media/{name}/{server.stored(name, 'a.mp4', b'12345')}"
    whole = server.get(url)
    assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, b"12345", "bytes")
    assert whole.headers["content-type"] == "video/mp4" and "no-cache" in whole.headers["cache-control"]
    part = server.get(url, Range="bytes=1-2")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"23", "bytes 1-2/5")
    assert server.get(url, Range="bytes=-1").body == b"5" and server.get(url, Range="bytes=3-").body == b"45"
    beyond = server.get(url, Range="bytes=9-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, "bytes */5")
    head = server.ask("HEAD", url)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "5")
    assert server.get(url, If_None_Match=whole.headers["etag"]).status == 304
    assert server.get(url, If_Modified_Since=whole.headers["last-modified"]).status == 304
    assert server.get(url, Range="bytes=1-2", If_Range='"other"').status == 200
    refused = server.post(url)
    assert refused.status == 405 and "GET" in refused.headers["allow"]
    assert "Content-Range" in server.get(url, Origin="http://studio.local:8790").headers["access-control-expose-headers"]


def test_saving_tells_the_name_in_both_spellings(server: Server) -> None:
    name = server.project("Save")
    path = server.stored(name, "Straße 1.mov", b"x")
    said = server.get(f"/media/{name}/download/{quote(path)}").headers["content-disposition"]
    assert said.startswith('attachment; filename="Stra_e 1.mov"') and f"filename*=UTF-8''{quote('Straße 1.mov')}" in said


def test_nothing_but_media_folders_can_be_had(server: Server) -> None:
    name = server.project("Walls")
    server.stored(name, "a.mov", b"x")
    server.libraries.flush()
    (server.root / name / "secret.txt").write_text("x")
    (server.root / name / "ingest/link.mov").symlink_to("/etc/hostname")
    (server.root / name / "exports").mkdir()
    (server.root / name / "exports/link.mov").symlink_to("/etc/hostname")
    for path in (
        f"{name}/..%2F..%2Fetc/passwd", f"{name}/ingest/%2e%2e/index.json", f"./{name}/ingest/originals/a.mov",
        "_sources/sources.json",
        f"{name}/index.json", f"{name}/_manifest/events.jsonl", f"{name}/download/index.json", f"{name}/secret.txt",
        f"{name}/ingest/link.mov", f"{name}/exports/link.mov", f"{name}/ingest/originals", f"{name}/ingest/originals/",
        ".filmcan/x/y",
        f"{name}//etc/passwd", "a/b", f"{name}/exports/../index.json", "%ff/ingest/a.mov", "P1-None/ingest/originals/a.mov",
    ):  # fmt: skip
        said = server.get(f"/media/{path}")
        assert said.status in (400, 403, 404), (path, said)
    assert server.get(f"/media/{name}/ingest/originals/a.mov?source=none").status == 404


def test_finished_exports_can_be_watched_though_nothing_indexes_them(server: Server) -> None:
    name = server.project("Exports")
    (server.root / name / "exports/v1").mkdir(parents=True)
    (server.root / name / "exports/v1/cut.mp4").write_bytes(b"final cut")
    assert server.get(f"/media/{name}/exports/v1/cut.mp4", Range="bytes=0-4").body == b"final"


def test_a_preview_is_kept_once_and_follows_the_content(server: Server) -> None:
    name = server.project("Preview")
    path, other = server.stored(name, "clip.mov", b"one"), server.stored(name, "clip.mp4", b"two")
    said = server.post(f"/api/projects/{name}/media/thumbnail", {"relative_path": path, "data_url": data_url(JPEG)}).json
    assert said["stored"] is True and said["thumbnail_url"].startswith(f"/media/{name}/ingest/thumbnails/")
    again = server.post(f"/api/projects/{name}/media/thumbnail", {"relative_path": path, "data_url": data_url(JPEG + b"2")}).json
    assert again["stored"] is False and again["thumbnail_url"] == said["thumbnail_url"]
    items = listed(server, name)
    assert items[path]["thumb_url"] == said["thumbnail_url"] and "thumb_url" not in items[other]
    shown = server.get(said["thumbnail_url"])
    assert (shown.body, shown.headers["content-type"]) == (JPEG, "image/jpeg")
    assert server.get(f"/media/{name}/ingest/thumbnails/clip.jpg").body == JPEG
    assert server.get(f"/media/{name}/ingest/thumbnails/other.jpg").status == 404
    assert server.get(f"/api/projects/{name}/reindex").json["relocated"] == 0
    assert listed(server, name)[path]["thumb_url"] == said["thumbnail_url"]
    assert "ingest/thumbnails" not in str(server.events(name))


def test_previews_of_nothing_and_pictures_that_are_none_are_refused(server: Server) -> None:
    name = server.project("NoPreview")
    path, url = server.stored(name, "a.mov", b"a"), f"/api/projects/{name}/media/thumbnail"
    for relative, picture, status in [
        ("ingest/originals/none.mov", data_url(JPEG), 404), ("exports/a.mov", data_url(JPEG), 400), ("../a", data_url(JPEG), 400),
        (path, "data:image/gif;base64,R0lG", 400), (path, "data:image/jpeg;base64,%%", 400), (path, data_url(b""), 400),
        (path, data_url(b"<script>"), 400), (path, "nothing", 400), (path, data_url(JPEG + bytes(3 << 20)), 413),
    ]:  # fmt: skip
        said = server.post(url, {"relative_path": relative, "data_url": picture})
        assert said.status == status, (relative, picture[:40], said)
    assert server.post(url, {"relative_path": path}).status == 422
    assert server.post(url, {"relative_path": path, "data_url": data_url(b"\x89PNG\r\n\x1a\nx", "image/png")}).json["stored"]


def test_delete_takes_names_away_and_tells_what_was_missing(server: Server) -> None:
    name = server.project("Delete")
    path, gone = server.stored(name, "a.mov", b"a"), server.stored(name, "b.mov", b"b")
    server.post(f"/api/projects/{name}/media/thumbnail", {"relative_path": path, "data_url": data_url(JPEG)})
    (server.root / name / gone).unlink()
    (server.root / name / "ingest/originals/dropped.mov").write_bytes(b"dropped")
    asked = [path, gone, "ingest/originals/dropped.mov", "ingest/originals/none.mov", "ingest/originals"[:16] + "/none"]
    said = server.post(f"/api/projects/{name}/media/delete", {"relative_paths": asked}).json
    assert (said["removed"], said["missing"]) == (asked[:3], asked[3:])
    assert server.names(name) == [] and list((server.root / name / "ingest/thumbnails").iterdir()) == []
    assert server.index(name)["counts"]["removed_missing_records"] == 3
    assert {"paths": [path], "source": "primary"} in [line["payload"] for line in server.events(name)]
    assert server.stored(name, "a.mov", b"a") == path


def test_delete_stays_below_ingest(server: Server) -> None:
    name = server.project("Records")
    url = f"/api/projects/{name}/media/delete"
    for path in ("index.json", "_manifest/events.jsonl", "../x", "/etc/passwd", "ingest/../index.json", "", "ingest\\a", "a"):
        assert server.post(url, {"relative_paths": [path]}).status == 400, path
    assert server.post(url, {"relative_paths": []}).status == 400
    for wrong in ({}, {"relative_paths": "a"}, {"relative_paths": [1]}):
        assert server.post(url, wrong).status == 422
    assert server.post(url, {"relative_paths": ["ingest/originals"]}).json["missing"] == ["ingest/originals"]
    assert (server.root / name / "ingest/originals").is_dir()


def test_move_brings_files_flat_into_another_project(server: Server) -> None:
    one, two = server.project("From"), server.project("To")
    path, same = server.stored(one, "a.mov", b"a"), server.stored(one, "same.mov", b"same")
    first = server.stored(two, "a.mov", b"another"), server.stored(two, "there.mov", b"same")
    deep = server.root / one / "ingest/originals/cam/b.mov"
    deep.parent.mkdir()
    deep.write_bytes(b"b")
    server.post(f"/api/projects/{one}/media/thumbnail", {"relative_path": path, "data_url": data_url(JPEG)})
    asked = [path, same, "ingest/originals/cam/b.mov", "ingest/originals/none.mov"]
    wanted = {"relative_paths": asked, "target_project": two, "target_source": None}
    said = server.post(f"/api/projects/{one}/media/move", wanted).json
    assert said["moved"] == [{"from": path, "to": "ingest/originals/a_1.mov"}, {"from": asked[2], "to": "ingest/originals/b.mov"}]
    assert (said["duplicates"], said["missing"]) == ([same], asked[3:])
    assert server.names(one) == [] and server.names(two) == ["a.mov", "a_1.mov", "b.mov", "there.mov"]
    items = listed(server, two)
    assert "indexed_at" in items["ingest/originals/a_1.mov"] and "thumb_url" in items["ingest/originals/a_1.mov"]
    assert {line["event"] for line in server.events(one)} >= {"media_moved_out", "media_move_duplicate"}
    assert "media_moved_in" in {line["event"] for line in server.events(two)}
    assert (server.root / two / first[0]).read_bytes() == b"another"


def test_move_into_another_source_copies_compares_and_then_lets_go(server: Server, nas: str) -> None:
    one, two = server.project("Here"), server.project("There", nas)
    path, same = server.stored(one, "a.mov", b"abc" * 1000), server.stored(one, "b.mov", b"same")
    assert server.upload(two, "b2.mov", b"same", source=nas).json["status"] == "stored"
    said = server.post(f"/api/projects/{one}/media/move",
                       {"relative_paths": [path, same], "target_project": two, "target_source": nas}).json  # fmt: skip
    assert said["moved"] == [{"from": path, "to": "ingest/originals/a.mov"}] and said["duplicates"] == [same]
    root: Path = server.libraries["nas"].root
    assert (root / two / "ingest/originals/a.mov").read_bytes() == b"abc" * 1000 and server.names(one) == []
    assert server.get(f"/media/{two}/ingest/originals/a.mov?source=nas").status == 200
    found = {file["relative_path"]: file for file in server.get(f"/api/projects/{two}?source=nas").json["files"]}
    assert "indexed_at" in found["ingest/originals/a.mov"]


def test_moves_that_make_no_sense_are_refused(server: Server) -> None:
    name = server.project("Still")
    path, url = server.stored(name, "a.mov", b"a"), f"/api/projects/{name}/media/move"
    for target, status in ((name, 400), ("../x", 400), ("P44-None", 404)):
        assert server.post(url, {"relative_paths": [path], "target_project": target}).status == status
    assert server.post(url, {"relative_paths": [path]}).status == 422
    assert server.post(url, {"relative_paths": [path], "target_project": name, "target_source": "none"}).status == 404
    assert server.names(name) == ["a.mov"]


def test_a_part_of_the_list_is_told_in_the_order_of_arrival(server: Server) -> None:
    name = server.project("Query")
    paths = [server.stored(name, f"{letter}.mov", letter.encode()) for letter in "cabed"]
    url, seen, offset = f"/api/projects/{name}/media/query", list[str](), 0
    while offset is not None:
        said = server.get(f"{url}?limit=2&offset={offset}").json
        seen += [item["relative_path"] for item in said["items"]]
        offset = said["next_offset"]
    assert seen == paths and said["total"] == 5 and said["has_more"] is False
    times = [item["uploaded_at"] for item in server.index(name)["files"]]
    between = server.get(f"{url}?created_after={quote(times[1])}&created_before={quote(times[3])}").json
    assert [item["relative_path"] for item in between["items"]] == paths[1:3]
    assert server.get(f"{url}?created_after={times[4]}").json["total"] == 1, "a plus that is not escaped"
    assert server.get(f"{url}?created_after=2000-01-01&limit=99999").json["limit"] == 1000
    for wrong in ("limit=x", "offset=-1", "created_after=yesterday"):
        assert server.get(f"{url}?{wrong}").status == 422


def tag(server: Server, project: str, paths: list[str], **change: list[str]) -> Said:
    return server.post(f"/api/projects/{project}/media/tags", {"relative_paths": paths, **change})


def test_media_are_tagged_listed_and_found_by_their_tags(server: Server) -> None:
    name = server.project("Tags")
    first, second = (server.stored(name, file, file.encode()) for file in ("IMG_0001.MOV", "DSC_0002.NEF"))
    said = tag(server, name, [first, second, "ingest/originals/none.mov"], add_tags=[" Keeper ", "Day 1"]).json
    assert said["status"] == "ok" and said["missing"] == ["ingest/originals/none.mov"]
    assert [(item["relative_path"], item["tags"]) for item in said["updated"]] == [
        (path, {"manual": ["day 1", "keeper"], "derived": []}) for path in (first, second)
    ]  # fmt: skip
    assert tag(server, name, [second], remove_tags=["KEEPER"]).json["updated"][0]["tags"]["manual"] == ["day 1"]
    assert {path: item["tags"] for path, item in listed(server, name).items()} == {
        first: ["day 1", "keeper"], second: ["day 1"],
    }  # fmt: skip
    url = f"/api/projects/{name}/media"
    assert [item["relative_path"] for item in server.get(f"{url}?tag=Keeper&tag=day%201").json["media"]] == [first]
    assert [item["relative_path"] for item in server.get(f"{url}/query?tag=day%201&origin=nikon_z7").json["items"]] == [second]
    assert server.get(f"{url}/query?tag=none").json["total"] == 0
    sha256 = listed(server, name)[first]["sha256"]
    assert server.get(f"/api/registry/{sha256}").json["tags"]["manual"] == ["day 1", "keeper"]


def test_what_cannot_be_a_tag_is_refused(server: Server) -> None:
    name = server.project("Untagged")
    path = server.stored(name, "a.mov", b"untagged")
    assert tag(server, name, [path], add_tags=["good", " "]).status == 400 and listed(server, name)[path]["tags"] == []
    assert tag(server, name, [], add_tags=["good"]).status == 400
    assert tag(server, name, [path], add_tags="good").status == 422  # type: ignore[arg-type]
    assert tag(server, name, ["_manifest/files.jsonl"], add_tags=["good"]).status == 400
    assert tag(server, "P77-None", [path], add_tags=["good"]).status == 404


def test_both_sources_tell_of_a_move_between_them(server: Server, nas: str) -> None:
    one, two = server.project("Leaves"), server.project("Arrives", nas)
    path, same = server.stored(one, "a.mov", b"leaves"), server.stored(one, "same.mov", b"already there")
    assert server.upload(two, "b.mov", b"already there", source=nas).json["status"] == "stored"
    server.post(f"/api/projects/{one}/media/move", {"relative_paths": [path, same], "target_project": two, "target_source": nas})
    items = {"items": [{"from": path, "to": path}]}
    left = [(event["event"], event["payload"]) for event in server.events(one)][2:]
    assert left == [
        ("media_moved_out", {"target_project": two, **items, "source": "primary", "to_source": nas}),
        ("media_deleted", {"paths": [same], "source": "primary"}),
        ("media_move_duplicate", {"target_project": two, "paths": [same]}),
    ]  # fmt: skip
    folder = server.libraries[nas].root / two / "_manifest"
    came = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()][1:]
    assert [event["event"] for event in came] == ["media_moved_in", "upload_duplicate_skipped"]
    assert came[0]["payload"] == {"source_project": one, **items, "source": nas, "from_source": "primary"}
    lines = [json.loads(line) for line in (folder / "files.jsonl").read_text().splitlines()]
    assert [(line["op"], line["source"]) for line in lines][1:] == [("moved_in", "move"), ("duplicate", "move")]


def test_tags_go_along_to_another_source(server: Server, nas: str) -> None:
    name, there = server.project("Tagged"), server.project("Tagged there", nas)
    path = server.stored(name, "a.mov", b"tagged, and off to another disk")
    tag(server, name, [path], add_tags=["keeper"])
    said = server.post(f"/api/projects/{name}/media/move",
                       {"relative_paths": [path], "target_project": there, "target_source": nas})  # fmt: skip
    assert said.json["moved"]
    [item] = server.get(f"/api/projects/{there}/media?source={nas}").json["media"]
    assert item["tags"] == ["keeper"]
