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
    assert said["items"][0]["path"] == here and [item.get("placeable") for item in said["items"][1:4]] == [True, True, False]
    assert said["counts"] == {"have": 1, "needed": 5, "maybe": 1}
    for wrong in ({}, {"items": "x"}, {"items": [1]}, {"items": [{"name": 1}]}, {"items": [{"name": "a", "sha256": "zz"}]},
                  {"items": [{"name": "a", "size": -1}]}):  # fmt: skip
        assert server.post(f"/api/projects/{name}/upload-needed", wrong).status == 422, wrong
    assert server.post("/api/projects/P55-None/upload-needed", {"items": []}).status == 404


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
