"""Long work behind: begun, followed, and told when it is over."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.views.web.conftest import Server, serving, until
from views.work import Progress, Works


def test_a_reindex_behind_is_answered_at_once_and_can_be_followed(server: Server) -> None:
    name = server.project("Behind")
    for number in range(20):
        (server.root / name / f"{number}.mov").write_bytes(b"%d" % number)
    said = server.post(f"/api/projects/{name}/reindex?background=true")
    assert said.status == 202 and said.headers["location"] == said.json["job_url"]
    until(lambda: server.get(said.json["job_url"]).json["status"] == "done")
    job = server.get(said.json["job_url"]).json
    assert (job["kind"], job["subject"], job["error"]) == ("reindex", f"primary/{name}", None)
    assert job["result"]["indexed"] == 20 == job["result"]["relocated"]
    assert job["progress"]["done"] == job["progress"]["total"] > 0
    assert job["id"] in [each["id"] for each in server.get("/api/jobs").json["jobs"]]
    assert server.get("/api/jobs/none").status == 404


def test_events_end_with_the_result(server: Server) -> None:
    url = server.post("/reindex", Prefer="respond-async").json["job_url"]
    said = server.get(url, Accept="text/event-stream")
    assert said.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in said.body.decode().splitlines() if line.startswith("data: ")]
    assert events[-1]["status"] == "done" and events[-1]["result"]["indexed_projects"] >= 1


def test_the_same_work_is_not_queued_twice_and_a_failure_is_told() -> None:
    works, go = Works(), threading.Event()

    def wait(progress: Progress) -> str:
        go.wait(10)
        return "waited"

    def fail(progress: Progress) -> None:
        raise ValueError("it cannot be done")

    first = works.begin("reindex", "a", wait)
    until(lambda: first.status == "running")
    second = works.begin("reindex", "a", fail)
    assert works.begin("reindex", "a", wait) is second is not first
    go.set()
    until(lambda: second.is_over)
    assert (first.result, second.status, second.error) == ("waited", "failed", "it cannot be done")
    works.stop()


def test_a_server_that_stops_ends_the_work_after_its_step(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as server:
        running = threading.Event()

        def run(progress: Progress) -> None:
            running.set()
            while True:
                progress(1, 2, "a.mov")

        work = server.libraries.works.begin("reindex", "a", run)
        assert running.wait(10)
    assert work.status == "stopped"


@pytest.mark.parametrize("word", ["maybe", ""])
def test_a_wish_that_is_no_yes_or_no_is_422(server: Server, word: str) -> None:
    assert server.get(f"/reindex?background={word}").status == 422


def test_loose_files_are_swept_behind(server: Server) -> None:
    for number in range(3):
        (server.root / f"loose {number}.mov").write_bytes(b"loose %d" % number)
    said = server.post("/api/projects/auto-organize?background=true")
    assert said.status == 202
    until(lambda: server.get(said.json["job_url"]).json["status"] == "done")
    job = server.get(said.json["job_url"]).json
    assert job["kind"] == "auto-organize" and job["result"]["moved"] == 3 and job["progress"]["total"] == 3


def test_a_move_to_another_source_goes_on_behind(server: Server) -> None:
    (server.root.parent / "disks/far").mkdir()
    assert server.post("/api/sources", {"name": "far", "root": str(server.root.parent / "disks/far")}).status == 201
    name, there = server.project("Here"), server.project("There", "far")
    paths = [server.stored(name, f"{number}.mov", b"far %d" % number) for number in range(4)]
    body = {"relative_paths": [*paths[:3], "ingest/none.mov"], "target_project": there, "target_source": "far"}
    said = server.post(f"/api/projects/{name}/media/move?background=true", body)
    other = server.post(f"/api/projects/{name}/media/move?background=true", {**body, "relative_paths": paths[3:]})
    assert said.status == other.status == 202 and said.json["job_id"] != other.json["job_id"], "other files, another job"
    until(lambda: server.get(other.json["job_url"]).json["status"] == "done")
    job = server.get(said.json["job_url"]).json
    assert [item["from"] for item in job["result"]["moved"]] == paths[:3] and job["result"]["missing"] == ["ingest/none.mov"]
    assert job["progress"]["done"] == job["progress"]["total"] == 4
    assert server.names(name) == [] and server.get(f"/api/projects/{there}/media?source=far").json["counts"]["videos"] == 4
    assert server.post(f"/api/projects/{name}/media/move?background=true", {**body, "target_project": "P9-None"}).status == 404


def test_what_reads_for_long_does_not_keep_what_somebody_waits_for() -> None:
    works, reading, done = Works(), threading.Event(), threading.Event()

    def read(_progress: Progress) -> None:
        reading.set()
        assert done.wait(20)

    long = works.begin("receipt", "P1", read, lane="reading")
    assert reading.wait(20)
    quick = works.begin("move", "P1", lambda _progress: done.set())
    assert works.changed(quick, 99, 20) and quick.status == "done"
    assert works.changed(long, 99, 20) and long.status == "done"
    works.stop()
