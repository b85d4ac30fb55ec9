"""Receipts and manifests over HTTP, and the page that a person looks at before wiping a card."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest

from cas.digest import sums_of
from cas.disks import Disk
from cas.system import System
from tests.rot import rot
from tests.views.web.conftest import Server, form


@pytest.fixture(autouse=True)
def a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some machines keep /tmp in memory, where nothing is safe."""
    monkeypatch.setattr(System, "disk_of", lambda _self, _fd: Disk(frozenset({"sda"}), "sda"))


def finished(server: Server, job_url: str) -> Any:
    for _ in range(600):
        job = server.get(job_url).json
        if job["status"] not in ("waiting", "running"):
            assert job["status"] == "done", job
            return job["result"]
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def confirmed(server: Server, name: str, query: str = "") -> Any:
    said = server.post(f"/api/projects/{name}/receipt{query}")
    assert said.status == 202
    return finished(server, said.json["job_url"])


def test_a_project_is_not_yet_safe_until_it_was_read_back(server: Server) -> None:
    name, data = server.project("Safe"), b"footage" * 1000
    body, kind = form(("file", "a.mov", data))
    server.post(f"/api/projects/{name}/upload?sha256={hashlib.sha256(data).hexdigest()}", body, Content_Type=kind)
    before = server.get(f"/api/projects/{name}/receipt").json
    assert before["verdict"].startswith("NOT YET: 1 of 1: 1 not read back")
    assert before["files"][0]["level"] == "equal to the sender's"
    result = confirmed(server, name)
    assert result["verdict"] == "SAFE: 1 of 1" and result["findings"] == [] and "files" not in result
    after = server.get(f"/api/projects/{name}/receipt").json
    assert after["safe"] and after["counts"] == {"files": 1, "safe": 1, "not_yet": 0} and after["rule"] and after["instructions"]
    assert after["files"][0]["last_verified"] > after["files"][0]["arrived_at"]
    short = server.get(f"/api/projects/{name}/receipt?files=false&copies=2").json
    assert "files" not in short and short["verdict"] == "NOT YET: 1 of 1: 1 on 1 of 2 disks (ingest/originals/a.mov)"


@pytest.mark.parametrize(
    ("query", "status"), [("copies=0", 422), ("copies=many", 422), ("files=perhaps", 422), ("source=no", 404)]
)
def test_questions_that_mean_nothing_are_refused(server: Server, query: str, status: int) -> None:
    name = server.project("Refuse")
    assert server.get(f"/api/projects/{name}/receipt?{query}").status == status


def test_a_project_that_is_not_there_has_no_receipt(server: Server) -> None:
    for verb, rest in (("GET", "receipt"), ("POST", "receipt"), ("GET", "mhl"), ("POST", "mhl"), ("GET", "mhl/x.mhl")):
        assert server.ask(verb, f"/api/projects/P99-No/{rest}").status == 404


def test_reading_back_writes_a_generation_that_can_be_fetched(server: Server) -> None:
    name = server.project("Manifest")
    server.stored(name, "a.mov", b"clip of a manifest")
    assert server.get(f"/api/projects/{name}/mhl").json["generations"] == []
    written = confirmed(server, name)["manifest"]
    assert written["generation"] == 1 and written["listed"] == 1
    [generation] = server.get(f"/api/projects/{name}/mhl").json["generations"]
    assert written["path"] == f"{name}/ascmhl/{generation['name']}"
    said = server.get(generation["url"])
    lying = (server.root / written["path"]).read_bytes()
    assert (said.status, said.headers["content-type"], said.body) == (200, "application/xml", lying)
    assert sums_of(b"clip of a manifest").digest.hex.encode() in said.body
    assert server.get(f"/dav/{name}/ascmhl/{generation['name']}").body == lying
    assert server.get(f"/api/projects/{name}/mhl/no.mhl").status == 404


def test_a_manifest_is_written_on_request_and_only_when_there_is_news(server: Server) -> None:
    name = server.project("Request")
    server.stored(name, "a.mov", b"requested clip")
    first, second = (finished(server, server.post(f"/api/projects/{name}/mhl").json["job_url"]) for _ in range(2))
    assert (first["generation"], first["listed"]) == (1, 1) and (second["path"], second["generation"]) == (None, 1)


def test_nobody_writes_to_a_manifest(server: Server) -> None:
    name = server.project("Guard")
    confirmed(server, name)
    [generation] = server.get(f"/api/projects/{name}/mhl").json["generations"]
    inside = f"/dav/{name}/ascmhl/{generation['name']}"
    assert server.ask("PUT", inside, b"forged").status == 403
    assert server.ask("PUT", f"/dav/{name}/ascmhl/0009_forged.mhl", b"forged").status == 403
    assert server.ask("MKCOL", f"/dav/{name}/ascmhl").status == 403
    assert server.ask("DELETE", inside).status in (403, 404)
    assert b"forged" not in server.get(inside).body and len(list((server.root / name / "ascmhl").iterdir())) == 2


def test_a_closed_batch_is_read_back_by_itself_and_stands_in_the_manifest(server: Server) -> None:
    name = server.project("Batch")
    batch = server.post(f"/api/projects/{name}/upload?op=start").json["batch_id"]
    for file in ("a.mov", "b.mov"):
        body, kind = form(("file", file, f"batch {file}".encode()))
        server.post(f"/api/projects/{name}/upload?op=upload&batch_id={batch}", body, Content_Type=kind)
    ended = server.post(f"/api/projects/{name}/upload?op=finalize&batch_id={batch}").json
    result = finished(server, ended["receipt_job"])
    assert result["verdict"] == "SAFE: 2 of 2" and result["manifest"]["generation"] == 1
    [generation] = server.get(f"/api/projects/{name}/mhl").json["generations"]
    assert b"<process>transfer</process>" in server.get(generation["url"]).body
    assert server.get(ended["receipt_url"]).json["counts"]["safe"] == 2


def test_a_batch_that_brought_nothing_begins_no_work(server: Server) -> None:
    name = server.project("Nothing")
    batch = server.post(f"/api/projects/{name}/upload?op=start").json["batch_id"]
    assert "receipt_job" not in server.post(f"/api/projects/{name}/upload?op=finalize&batch_id={batch}").json


def test_damage_is_told_with_its_paths(server: Server) -> None:
    name = server.project("Damage")
    path = server.root / name / server.stored(name, "a.mov", b"a clip that will rot")
    rot(server.libraries.primary, path, b"a clip that has rot?")
    result = confirmed(server, name)
    [finding] = result["findings"]
    assert (finding["kind"], finding["paths"]) == ("damaged", [f"{name}/ingest/originals/a.mov"])
    assert result["verdict"] == "NOT YET: 1 of 1: 1 missing or changed on the disk (ingest/originals/a.mov)"


def test_the_page_says_it_without_a_script_and_is_linked_from_the_project(server: Server) -> None:
    name = server.project("Page")
    server.stored(name, "<b>&.mov", b"clip of a page")
    page = server.get(f"/projects/{name}/receipt")
    text = page.body.decode()
    assert page.status == 200 and "NOT YET: 1 of 1" in text and "&lt;b&gt;&amp;.mov" in text and "<b>&" not in text
    assert "All names and projects on one disk are one copy" in text
    assert f'href="/projects/{name}/receipt"' in server.get(f"/projects/{name}").body.decode()
    confirmed(server, name)
    assert "SAFE: 1 of 1" in server.get(f"/projects/{name}/receipt").body.decode()
    assert server.get("/projects/P99-No/receipt").status == 404
