"""Batches of uploads: each file is noted with what came of it, until the batch is finalized."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.views.web.conftest import Said, Server, form


def begin(server: Server, project: str) -> dict[str, Any]:
    said = server.post(f"/api/projects/{project}/upload?op=start")
    assert said.status == 200, said
    return dict(said.json)


def send(server: Server, project: str, batch: str, *files: tuple[str, str, bytes]) -> Said:
    body, kind = form(*files)
    return server.post(f"/api/projects/{project}/upload?op=upload&batch_id={batch}", body, Content_Type=kind)


def local(server: Server, url: str) -> str:
    assert url.startswith(f"http://127.0.0.1:{server.port}/"), url
    return url.removeprefix(f"http://127.0.0.1:{server.port}")


def test_a_batch_from_start_to_end_as_shortcuts_send_it(server: Server) -> None:
    name = server.project("Batch")
    begun = begin(server, name)
    assert begun["ok"] is True and len(bytes.fromhex(begun["batch_id"])) == 16
    assert (begun["project"], begun["source"]) == (name, "primary")
    body, kind = form(("file", "a.mov", b"first"))
    one = server.post(local(server, begun["upload_url"]), body, Content_Type=kind).json
    assert one["status"] == "ok" and one["counts"] == {"total": 1, "stored": 1, "duplicate": 0, "error": 0}
    assert one["items"][0]["path"] == "ingest/originals/a.mov" and one["batch_id"] == begun["batch_id"]
    body, kind = form(("files", "b.mov", b"second"), ("files[]", "again.mov", b"first"), ("files", "../x.mov", b"bad"))
    three = server.post(local(server, begun["upload_url"]), body, Content_Type=kind).json
    assert three["counts"] == {"total": 3, "stored": 1, "duplicate": 1, "error": 1}
    assert three["batch_snapshot"]["counts"] == {"total": 4, "stored": 2, "duplicate": 1, "error": 1}
    ended = server.post(local(server, begun["finalize_url"])).json
    assert ended["ok"] is True and ended["counts"]["total"] == 4 and len(ended["served_urls"]) == 2
    assert [(item["status"], item["filename"], item.get("relative_path")) for item in ended["items"]] == [
        ("stored", "a.mov", "ingest/originals/a.mov"), ("stored", "b.mov", "ingest/originals/b.mov"),
        ("duplicate", "again.mov", "ingest/originals/a.mov"), ("error", "../x.mov", None),
    ]  # fmt: skip
    for item in ended["items"][:3]:
        assert {"timestamp", "sha256", "size", "uploaded_at", "served"} <= item.keys()
        assert server.get(local(server, item["served"]["stream_url"])).status == 200


def test_a_batch_that_is_closed_or_unknown_takes_nothing(server: Server) -> None:
    name, other = server.project("Closed"), server.project("Other")
    batch = begin(server, name)["batch_id"]
    assert send(server, name, batch).status == 400, "no file"
    assert send(server, other, batch, ("file", "a.mov", b"x")).status == 404, "of another project"
    assert send(server, name, uuid.uuid4().hex, ("file", "a.mov", b"x")).status == 404
    assert send(server, name, "no-id", ("file", "a.mov", b"x")).status == 404
    assert server.post(f"/api/projects/{name}/upload-batch/finalize", {"batch_id": batch}).json["items"] == []
    assert send(server, name, batch, ("file", "a.mov", b"x")).status == 409
    assert server.post(f"/api/projects/{name}/upload?op=finalize", {"batch_id": batch}).status == 200, "twice is no error"
    assert server.names(name) == server.names(other) == []
    assert server.post(f"/api/projects/{name}/upload?op=finalize", {"batch_id": "zz"}).status == 404
    assert server.post(f"/api/projects/{name}/upload?op=finalize").status == 422
    assert server.post(f"/api/projects/{name}/upload?op=dance").status == 422
    assert server.post("/api/projects/P88-None/upload?op=start").status == 404


def test_a_snapshot_tells_what_came_so_far_and_so_do_the_files_in_the_project(server: Server) -> None:
    name = server.project("Snapshot")
    begun = server.post(f"/api/projects/{name}/upload-batch/start").json
    batch = begun["batch_id"]
    send(server, name, batch, ("file", "Füße.mov", b"snap"))
    asked = [
        server.get(f"/api/projects/{name}/upload-batch/{batch}").json,
        server.post(f"/api/projects/{name}/upload?op=snapshot&batch_id={batch}").json,
    ]
    assert asked[0] == asked[1] and asked[0]["count"] == 1 and asked[0]["meta"]["status"] == "open"
    assert server.libraries.flush()
    folder = server.root / name / "_manifest/upload_batches"
    assert begun["batch_path"] == f"_manifest/upload_batches/{batch}.jsonl"
    [line] = (folder / f"{batch}.jsonl").read_text().splitlines()
    assert json.loads(line) == {key: value for key, value in asked[0]["items"][0].items() if key != "served"}
    assert json.loads((folder / f"{batch}.meta.json").read_text()) == asked[0]["meta"]
    server.post(f"/api/projects/{name}/upload?op=finalize", {"batch_id": batch})
    assert server.libraries.flush()
    about = json.loads((folder / f"{batch}.meta.json").read_text())
    assert about["status"] == "closed" and about["closed_at"]


def test_bare_bytes_belong_to_a_batch_too(server: Server) -> None:
    name = server.project("Bare batch")
    batch = begin(server, name)["batch_id"]
    said = server.ask("PUT", f"/api/projects/{name}/upload/a.mov?batch_id={batch}", b"bare")
    assert said.status == 200
    said = server.post(f"/api/projects/{name}/upload?batch_id={batch}&filename=b.mov", b"bare b")
    assert said.json["counts"]["stored"] == 1
    assert server.get(f"/api/projects/{name}/upload-batch/{batch}").json["count"] == 2


@pytest.mark.parametrize("field", ["file", "files", "files[]"])
def test_one_file_without_a_batch_has_the_plain_answer(server: Server, field: str) -> None:
    name = server.project("Plain")
    assert server.upload(name, "a.mov", field.encode(), field=field).json["path"] == "ingest/originals/a.mov"
