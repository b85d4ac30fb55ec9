"""What is known of a content, what a phone need not send, and names given without sending."""

from __future__ import annotations

import hashlib
import time

from blake3 import blake3

from tests.views.web.conftest import Server


def sums(data: bytes) -> tuple[str, str]:
    return hashlib.sha256(data).hexdigest(), blake3(data).hexdigest()


def test_a_content_is_found_by_either_sum_with_its_oldest_name_first(server: Server) -> None:
    one, two = server.project("RegOne"), server.project("RegTwo")
    data = b"known everywhere"
    first, second = server.stored(one, "b.mov", data), server.stored(two, "a.mov", data)
    for digest in (*sums(data), sums(data)[0].upper(), f"sha256:{sums(data)[0]}"):
        record = server.get(f"/api/registry/{digest}").json
        assert (record["project"], record["relative_path"], record["canonical_name"]) == (one, first, "b.mov")
        assert record["aliases"] == [{"source": "primary", "project": two, "relative_path": second}]
        assert (record["sha256"], record["blake3"], record["size"]) == (*sums(data), len(data))
        assert server.get(record["urls"]["stream"]).body == data
    assert server.get("/api/registry/nohex").status == 400 and server.get(f"/api/registry/{'0' * 64}").status == 404


def test_where_a_content_is_used_tells_every_name(server: Server) -> None:
    name, data = server.project("Used"), b"used"
    path = server.stored(name, "a.mov", data)
    server.ask("COPY", f"/dav/{name}/{path}", Destination=f"/dav/{name}/ingest/originals/again.mov")
    said = server.get(f"/api/blobs/{sums(data)[1]}").json
    assert [item["relative_path"] for item in said["names"]] == [path, "ingest/originals/again.mov"]
    assert all(server.get(item["download_url"]).body == data for item in said["names"])
    for gone in (path, "ingest/originals/again.mov"):
        server.ask("DELETE", f"/dav/{name}/{gone}")
    assert server.get(f"/api/blobs/{sums(data)[1]}").json["names"] == []
    assert server.get(f"/api/registry/{sums(data)[1]}").status == 404


def test_many_are_resolved_by_sum_or_by_where_they_were(server: Server) -> None:
    name = server.project("Resolve")
    path = server.stored(name, "a 1.mov", b"resolve me")
    asset = f"sha256:{sums(b'resolve me')[0]}"
    listed = server.get(f"/api/projects/{name}/media").json["media"][0]
    place = f"{name}/{path}"
    said = {
        "asset_ids": [asset, "sha256:" + "1" * 64, "nonsense"],
        "fallback_paths": {"clip": place, "url": listed["download_url"], "none": "P1-None/a.mov", "nonsense": place},
    }
    answer = server.post("/api/registry/resolve", said).json
    assert set(answer["results"]) == {asset, "clip", "url", "nonsense"} and answer["missing"] == ["sha256:" + "1" * 64, "none"]
    assert {record["asset_id"] for record in answer["results"].values()} == {asset}


def test_looking_up_is_quick_among_many(server: Server) -> None:
    name = server.project("Quick")
    assets = []
    for number in range(100):
        server.stored(name, f"{number}.mov", b"quick %d" % number)
        assets.append(f"sha256:{sums(b'quick %d' % number)[0]}")
    began = time.perf_counter()
    assert len(server.post("/api/registry/resolve", {"asset_ids": assets}).json["results"]) == 100
    assert time.perf_counter() - began < 0.5, "the Program Monitor waits half a second"


def test_a_phone_learns_what_it_need_not_send(server: Server) -> None:
    name, other = server.project("Phone"), server.project("Elsewhere")
    here, gone = server.stored(name, "here.mov", b"here"), server.stored(name, "gone.mov", b"gone")
    server.stored(other, "there.mov", b"there")
    (server.root / name / gone).unlink()
    items = [
        {"name": "x.mov", "size": 4, "sha256": sums(b"here")[0]}, {"name": "y.mov", "blake3": sums(b"gone")[1]},
        {"name": "z.mov", "sha256": sums(b"there")[0]}, {"name": "new.mov", "size": 9, "sha256": sums(b"new")[0]},
        {"name": "here.mov", "size": 4, "modified": "2026-01-01T00:00:00Z"}, {"name": "here.mov", "size": 5}, {"name": "a.mov"},
    ]  # fmt: skip
    said = server.post(f"/api/projects/{name}/upload-needed", {"items": items}).json
    assert [item["status"] for item in said["items"]] == ["have", "needed", "needed", "needed", "maybe", "needed", "needed"]
    assert said["items"][0]["path"] == here and [item.get("placeable") for item in said["items"][1:4]] == [False, True, False]
    assert said["counts"] == {"have": 1, "needed": 5, "maybe": 1}
    for wrong in ({}, {"items": "x"}, {"items": [1]}, {"items": [{"name": 1}]}, {"items": [{"name": "a", "sha256": "zz"}]},
                  {"items": [{"name": "a", "size": -1}]}, {"items": [{"name": "a", "size": True}]},
                  {"items": [{"name": "a", "blake3": 5}]}, {"items": [{"name": "a"}] * 10_001}, []):  # fmt: skip
        assert server.post(f"/api/projects/{name}/upload-needed", wrong).status == 422, wrong
    assert server.post("/api/projects/P55-None/upload-needed", {"items": []}).status == 404


def test_what_contradicts_itself_has_to_be_sent(server: Server) -> None:
    """The client may delete its copy of what is told to be here."""
    name = server.project("Contrary")
    for data in (b"one clip", b"another clip"):
        server.stored(name, data.decode() + ".mov", data)
    right, wrong = sums(b"one clip"), sums(b"another clip")
    items = [
        {"name": "a.mov", "size": 8, "sha256": right[0].upper(), "blake3": right[1]},
        {"name": "a.mov", "sha256": right[0], "blake3": ""},
        {"name": "b.mov", "sha256": right[0], "blake3": wrong[1]}, {"name": "c.mov", "sha256": right[0], "size": 9},
        {"name": "d.mov", "sha256": right[1]}, {"name": "e.mov", "sha256": right[0], "blake3": "1" * 64},
    ]  # fmt: skip
    said = server.post(f"/api/projects/{name}/upload-needed", {"items": items}).json["items"]
    assert [item["status"] for item in said] == ["have", "have"] + ["needed"] * 4
    for item in items[2:]:
        assert server.post(f"/api/projects/{name}/place", item).status == 404, item


def test_what_nobody_can_read_any_more_cannot_be_placed(server: Server) -> None:
    """Deleted, replaced, or of another source: its digest alone gives nobody the bytes. `placeable` says the same."""
    name, other = server.project("Reader"), server.project("Secret")
    (server.root.parent / "disks/place").mkdir()
    server.post("/api/sources", {"name": "place", "root": str(server.root.parent / "disks/place")})
    far = server.project("Far", source="place")
    deleted, replaced = server.stored(other, "a.mov", b"was deleted"), server.stored(other, "b.mov", b"was replaced")
    server.upload(far, "c.mov", b"on another disk", source="place")
    server.post(f"/api/projects/{other}/media/delete", {"relative_paths": [deleted]})
    server.ask("PUT", f"/dav/{other}/{replaced}", b"the new one")
    contents = [b"was deleted", b"was replaced", b"on another disk", b"the new one"]
    items = [{"name": f"{number}.mov", "sha256": sums(data)[0]} for number, data in enumerate(contents)]
    said = server.post(f"/api/projects/{name}/upload-needed", {"items": items}).json["items"]
    assert [(item["status"], item["placeable"]) for item in said] == [("needed", False)] * 3 + [("needed", True)]
    assert [server.post(f"/api/projects/{name}/place", item).status for item in items] == [404, 404, 404, 200]
    assert server.names(name) == ["3.mov"]


def test_a_content_is_asked_for_by_name_size_time_and_either_sum_and_files_is_another_word_for_items(server: Server) -> None:
    name = server.project("Words")
    path, (sha256, blake) = server.stored(name, "a.mov", b"words"), sums(b"words")
    for known in ({"sha256": sha256}, {"blake3": blake}, {"sha256": sha256, "blake3": blake, "size": 5, "modified": 1767225600}):
        said = server.post(f"/api/projects/{name}/upload-needed", {"files": [{"name": "z.mov", **known}]}).json
        assert said["items"] == [{"name": "z.mov", "status": "have", "path": path}] and said["counts"]["have"] == 1
    assert server.post(f"/api/projects/{name}/upload-needed", {"items": []}).json["items"] == []
    for wrong in ({"sha256": sha256}, {"name": "b.mov"}, {"name": "b.mov", "sha256": "12"}, {"name": 1, "sha256": sha256}):
        assert server.post(f"/api/projects/{name}/place", wrong).status == 422, wrong


def test_known_bytes_are_placed_by_name_without_sending_them(server: Server) -> None:
    name, other = server.project("Place"), server.project("Origin")
    path, data = server.stored(other, "a.mov", b"placed"), b"placed"
    said = server.post(f"/api/projects/{name}/place", {"name": "mine.mov", "sha256": sums(data)[0]}).json
    assert (said["status"], said["path"], said["size"]) == ("stored", "ingest/originals/mine.mov", len(data))
    assert (server.root / name / said["path"]).stat().st_ino == (server.root / other / path).stat().st_ino
    assert server.post(f"/api/projects/{name}/place", {"name": "b.mov", "blake3": sums(data)[1]}).json["status"] == "duplicate"
    assert server.post(f"/api/projects/{name}/place", {"name": "b.mov", "sha256": "2" * 64}).status == 404
    assert server.post(f"/api/projects/{name}/place", {"name": "../b.mov", "sha256": sums(data)[0]}).status == 400
    lost = server.root / other / server.stored(other, "lost.mov", b"lost")
    lost.unlink()
    assert server.post(f"/api/projects/{name}/place", {"name": "lost.mov", "sha256": sums(b"lost")[0]}).status == 404


def test_files_are_copied_between_projects_by_link(server: Server) -> None:
    name, other = server.project("CopyFrom"), server.project("CopyTo")
    path, same = server.stored(name, "a.mov", b"copy me"), server.stored(name, "b.mov", b"same here")
    server.stored(other, "a.mov", b"mine"), server.stored(other, "c.mov", b"same here")
    asked = {"relative_paths": [path, same, "ingest/originals/none.mov"], "target_project": other}
    said = server.post(f"/api/projects/{name}/media/copy", asked).json
    assert said["copied"] == [{"from": path, "to": "ingest/originals/a_1.mov"}]
    assert (said["duplicates"], said["missing"]) == ([same], ["ingest/originals/none.mov"])
    assert server.names(name) == ["a.mov", "b.mov"] and server.names(other) == ["a.mov", "a_1.mov", "c.mov"]
