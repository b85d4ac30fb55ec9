"""The acceptance checks of the HTTP contract, one story each, over one live server: what old clients rely on."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cas.verify import verify
from tests.views.web.conftest import Said, Server, serving
from views.reindex import plan

ORIGINALS = "ingest/originals"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("footage")
    (folder / "disks/nas").mkdir(parents=True)
    with serving(folder / "root", max_upload_mb=1, source_parents=str(folder / "disks")) as server:
        yield server


def reindex(server: Server, project: str) -> Said:
    said = server.post(f"/api/projects/{project}/reindex")
    assert said.status == 200, said
    return said


def files(server: Server, project: str) -> dict[str, tuple[str, int]]:
    found = server.index(project)["files"]
    return {item["relative_path"]: (item["sha256"], item["size"]) for item in found}


def sums(data: bytes) -> tuple[str, int]:
    return hashlib.sha256(data).hexdigest(), len(data)


def test_1_projects_are_numbered_and_made_once(server: Server) -> None:
    assert server.post("/api/projects", {"name": "Interview"}).json["name"] == "P1-Interview"
    assert server.libraries.flush()
    made = {str(path.relative_to(server.root / "P1-Interview")) for path in (server.root / "P1-Interview").rglob("*")}
    assert {"index.json", "ingest", ORIGINALS, "ingest/thumbnails", "_manifest"} <= made
    assert server.project("Second") == "P2-Second"
    assert server.project("Wedding Anna") == "P3-Wedding-Anna"
    assert server.project("P9-X") == "P9-X" == server.project("P9-X")
    assert server.project("Next") == "P10-Next"
    assert [item["name"] for item in server.get("/api/projects").json].count("P9-X") == 1


def test_2_the_same_bytes_are_a_duplicate_of_the_first_path(server: Server) -> None:
    name = server.project("Twice")
    path = server.stored(name, "a.mov", b"two")
    said = server.upload(name, "b.mov", b"two").json
    assert (said["status"], said["path"]) == ("duplicate", path) and server.names(name) == ["a.mov"]
    assert server.index(name)["counts"]["duplicates_skipped"] == 1
    assert [event["event"] for event in server.events(name)][-2:] == ["upload_ingested", "upload_duplicate_skipped"]


def test_3_a_second_project_has_its_own_name_of_one_blob(server: Server) -> None:
    paths = [server.root / name / server.stored(name, "a.mov", b"three") for name in (server.project("A"), server.project("B"))]
    assert paths[0].stat().st_ino == paths[1].stat().st_ino and paths[0].stat().st_nlink == 3


def test_4_a_taken_name_gives_a_new_one(server: Server) -> None:
    name = server.project("Names")
    paths = [server.stored(name, "a.mov", data) for data in (b"4a", b"4b")]
    assert [(server.root / name / path).read_bytes() for path in paths] == [b"4a", b"4b"] and len(set(paths)) == 2


def test_5_what_was_deleted_by_hand_comes_back(server: Server) -> None:
    name = server.project("Lost")
    path = server.root / name / server.stored(name, "a.mov", b"five")
    path.unlink()
    server.stored(name, "a.mov", b"five")
    assert path.read_bytes() == b"five"


def test_6_after_a_rename_by_hand_the_new_path_is_the_duplicate(server: Server) -> None:
    name = server.project("Renamed")
    path = server.root / name / server.stored(name, "a.mov", b"six")
    path.rename(path.with_name("scene 6.mov"))
    reindex(server, name)
    said = server.upload(name, "a.mov", b"six").json
    assert (said["status"], said["path"]) == ("duplicate", f"{ORIGINALS}/scene 6.mov")


@pytest.mark.parametrize("in_place", [True, False])
def test_7_after_an_overwrite_by_hand_the_entry_is_new_and_the_old_bytes_are_stored(server: Server, in_place: bool) -> None:
    name, old, new = server.project("Edited"), f"seven {in_place}".encode(), f"seven, cut {in_place}".encode()
    path = server.root / name / server.stored(name, "a.mov", old)
    if in_place:
        path.chmod(0o644)
        path.write_bytes(new)
    else:
        path.with_name("saving").write_bytes(new)
        path.with_name("saving").rename(path)
    reindex(server, name)
    assert files(server, name)[f"{ORIGINALS}/a.mov"] == sums(new)
    back = server.stored(name, "a.mov", old)
    assert files(server, name)[back] == sums(old) and (server.root / name / back).read_bytes() == old
    assert path.read_bytes() == new


def test_8_what_is_refused_leaves_nothing(server: Server) -> None:
    name = server.project("Refused")
    assert server.upload(name, "../x.mp4", b"eight").status == 400
    assert server.upload(name, "a.mov", b"x" * ((1 << 20) + 1)).status == 413
    assert server.upload("P99-None", "a.mov", b"eight").status == 404 and not (server.root / "P99-None").exists()
    assert server.names(name) == [] and list((server.root / ".filmcan/incoming").iterdir()) == []


def test_9_stray_media_come_home_and_left_alone_folders_stay(server: Server) -> None:
    name = server.project("Stray")
    folder = server.root / name
    server.libraries.flush()
    for path in ("root.mov", "misc/b.mov", "exports/cut.mov", "ingest/proxies/p.mov", "ingest/thumbnails/t.jpg",
                 "_manifest/m.mov", f"{ORIGINALS}/notes.txt"):  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    said = reindex(server, name).json
    assert (said["relocated"], said["indexed"], said["skipped_unsupported"], said["removed"]) == (2, 2, 1, 0)
    assert [item["relative_path"] for item in said["files"]] == [f"{ORIGINALS}/misc/b.mov", f"{ORIGINALS}/root.mov"]
    for path in ("exports/cut.mov", "ingest/proxies/p.mov", "ingest/thumbnails/t.jpg", "_manifest/m.mov"):
        assert (folder / path).read_bytes() == path.encode()
    again = server.get(f"/api/projects/{name}/reindex").json
    assert (again["indexed"], again["relocated"], again["removed"], again["skipped_unsupported"]) == (0, 0, 0, 1)


def test_10_what_is_gone_is_counted_and_its_bytes_are_welcome_again(server: Server) -> None:
    name = server.project("Gone")
    path = server.root / name / server.stored(name, "a.mov", b"ten")
    path.unlink()
    assert reindex(server, name).json["removed"] == 1
    assert server.index(name)["counts"]["removed_missing_records"] == 1 and files(server, name) == {}
    server.stored(name, "b.mov", b"ten")


def test_11_loose_files_are_swept_once(server: Server) -> None:
    (server.root / "loose.mov").write_bytes(b"eleven")
    (server.root / ".DS_Store").write_bytes(b"junk")
    said = server.post("/api/projects/auto-organize").json
    assert (said["status"], said["moved"]) == ("ok", 1)
    [source] = said["sources"]
    assert source["destination_project"] == "Unsorted-Loose" and source["files"] == ["loose.mov"]
    assert files(server, "Unsorted-Loose") == {f"{ORIGINALS}/loose.mov": sums(b"eleven")}
    again = server.post("/api/projects/auto-organize?source=primary").json
    assert again["moved"] == 0 and again["sources"][0]["destination_project"] is None
    (server.root / "loose.mov").write_bytes(b"another eleven")
    assert server.post("/api/projects/auto-organize").json["moved"] == 1
    assert sorted(size for _, size in files(server, "Unsorted-Loose").values()) == [6, 14]


def test_12_players_and_browsers_get_what_they_ask_for(server: Server) -> None:
    name = server.project("Play")
    path = server.stored(name, "Füße.mp4", b"12345")
    [item] = server.get(f"/api/projects/{name}/media").json["media"]
    url = item["stream_url"]
    part = server.get(url, Range="bytes=1-2")
    assert (part.status, part.body) == (206, b"23") and server.get(url, Range="bytes=-1").body == b"5"
    assert server.get(url, Range="bytes=7-").headers["content-range"] == "bytes */5"
    head = server.ask("HEAD", url)
    assert (head.status, head.headers["content-length"]) == (200, "5")
    assert server.get(url, If_None_Match=head.headers["etag"]).status == 304
    said = server.get(item["download_url"]).headers["content-disposition"]
    assert said.startswith("attachment;") and "filename*=UTF-8''F%C3%BC%C3%9Fe.mp4" in said and path.endswith("Füße.mp4")


def test_13_nothing_but_media_is_served(server: Server) -> None:
    name = server.project("Closed")
    server.stored(name, "a.mov", b"thirteen")
    server.libraries.flush()
    for path in (f"{name}/..%2F{name}/index.json", f"./{name}/{ORIGINALS}/a.mov", "_sources/sources.json", f"{name}/index.json",
                 f"{name}/_manifest/events.jsonl", f"{name}/download/_manifest/files.jsonl"):  # fmt: skip
        assert server.get(f"/media/{path}").status in (400, 403, 404), path


def test_14_a_preview_is_kept_once_listed_and_left_alone(server: Server) -> None:
    name = server.project("Preview")
    path = server.stored(name, "clip.mov", b"fourteen")
    picture = "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8\xff\xe0 frame").decode()
    url, said = f"/api/projects/{name}/media/thumbnail", {"relative_path": path, "data_url": picture}
    assert [server.post(url, said).json["stored"] for _ in range(2)] == [True, False]
    reindex(server, name)
    [item] = server.get(f"/api/projects/{name}/media").json["media"]
    assert server.get(item["thumb_url"]).body == b"\xff\xd8\xff\xe0 frame"


def test_15_sources_are_registered_switched_and_protected(server: Server) -> None:
    root = server.root.parent / "disks/nas"
    said = server.post("/api/sources", {"name": "nas", "root": str(root), "type": "smb"})
    assert said.status == 201 and said.json["accessible"] is True and said.json["root"] == str(root)
    name = server.project("Remote", "nas")
    assert name == "P1-Remote" and server.upload(name, "a.mov", b"fifteen", "nas").json["status"] == "stored"
    assert {item["source"] for item in server.get("/api/projects").json} == {"nas", "primary"}
    assert server.post("/api/sources/nas/toggle?enabled=false").json["enabled"] is False
    assert {item["source"] for item in server.get("/api/projects").json} == {"primary"}
    assert server.get("/api/projects?source=nas").status == 400 and server.get(f"/api/projects/{name}?source=nas").status == 404
    assert server.get(f"/media/{name}/{ORIGINALS}/a.mov?source=nas").status == 404
    assert server.post("/api/sources/nas/toggle").json["enabled"] is True
    assert server.get(f"/media/{name}/{ORIGINALS}/a.mov?source=nas").body == b"fifteen"
    assert server.post("/api/sources/primary/toggle").status == 400 and server.post("/api/sources/none/toggle").status == 404
    for wrong in ({"name": "primary", "root": str(root)}, {"name": "etc", "root": "/etc"}, {"name": "a/b", "root": str(root)},
                  {"name": "none", "root": str(root / "none")}, {"name": "inner", "root": str(server.root)}):  # fmt: skip
        assert server.post("/api/sources", wrong).status == 400, wrong
    assert server.post("/api/sources", {"name": "x"}).status == 422
    root.rename(root.with_name("unplugged"))
    assert server.get(f"/api/projects/{name}?source=nas").status == 503
    assert server.upload(name, "b.mov", b"x", "nas").status == 503 and server.get("/api/projects").status == 200
    [away] = [item for item in server.get("/reindex").json["sources"] if item["source"] == "nas"]
    assert away["accessible"] is False and away["error"]
    root.with_name("unplugged").rename(root)
    assert server.get(f"/api/projects/{name}?source=nas").status == 200


def test_15_a_registry_that_cannot_be_read_is_not_written_over(server: Server) -> None:
    registry = server.root / "_sources/sources.json"
    kept = registry.read_bytes()
    registry.write_bytes(kept[:-9])
    try:
        assert server.post("/api/sources/nas/toggle?enabled=false").status == 500
        assert server.get("/api/sources").status == 500
        assert {item["source"] for item in server.get("/api/projects").json} == {"primary"}
        assert registry.read_bytes() == kept[:-9]
    finally:
        registry.write_bytes(kept)


def test_18_two_hundred_uploads_at_once_agree_everywhere(server: Server) -> None:
    name = server.project("Crowd")
    contents = [b"eighteen %d" % (number % 150) * 999 for number in range(200)]

    def send(number: int) -> str:
        return str(server.upload(name, f"clip{number % 70}.mov", contents[number]).json["status"])

    with ThreadPoolExecutor(24) as pool:
        said = list(pool.map(send, range(200)))
    assert (said.count("stored"), said.count("duplicate")) == (150, 50)
    assert server.index(name)["counts"] == {"videos": 150, "duplicates_skipped": 50, "removed_missing_records": 0}
    assert sorted(files(server, name).values()) == sorted({sums(data) for data in contents})
    on_disk = {path: (server.root / name / path).read_bytes() for path in files(server, name)}
    assert {path: sums(data) for path, data in on_disk.items()} == files(server, name)
    assert server.libraries.flush()
    assert json.loads((server.root / name / "index.json").read_text())["counts"]["videos"] == 150
    library = server.libraries.primary
    assert plan(library, name).steps == () and verify(library.store, full=True).findings == []


def test_reindex_of_everything_answers_for_each_source(server: Server) -> None:
    folder: Path = server.root / "P40-By-Hand/ingest/originals"
    folder.mkdir(parents=True)
    (folder / "a.mov").write_bytes(b"by hand")
    said = server.get("/reindex").json
    [primary] = [source for source in said["sources"] if source["source"] == "primary"]
    assert primary["accessible"] is True and primary["root"] == str(server.root)
    [mine] = [project for project in primary["projects"] if project["name"] == "P40-By-Hand"]
    assert mine["indexed"] == 1 and said["indexed_files"] >= 1 and said["indexed_projects"] > 5
    assert files(server, "P40-By-Hand") == {f"{ORIGINALS}/a.mov": sums(b"by hand")}
