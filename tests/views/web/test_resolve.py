"""The Resolve queue over HTTP, as pages and agents of the replaced system speak it (contract §2.14)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falcon.testing
import pytest

from cas.digest import sums_of
from tests.views.test_jobs import Clock
from tests.views.web.conftest import Server
from views.jobs import ATTEMPTS, LEASE_S
from views.library import Library
from views.sources import Sources
from views.web import resolve
from views.web.app import make_app
from views.web.desk import Desk

CLIP = "ingest/originals/clip 1.mov"
KEYS = {
    "id", "created_at", "status", "project", "new_project_name", "media_rel_paths", "mode", "source", "claimed_by", "claimed_at",
    "done_at", "failed_at", "error",
}  # fmt: skip
Ask = Callable[..., Any]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def library(root: Path, clock: Clock, put: Callable[..., Any]) -> Iterator[Library]:
    library = Library(root, clock)
    for label in ("A", "AB"):
        library.make_project(label)
    put(library, f"P1-A/{CLIP}", b"first")
    put(library, "P1-A/ingest/originals/both.mov", b"both")
    put(library, "P2-AB/ingest/originals/both.mov", b"both")
    yield library
    library.close()


def client_of(library: Library, **extras: object) -> falcon.testing.TestClient:
    app = make_app(Desk({"primary": library}, Sources(library.root), extras=extras), [resolve.routes])

    def served(environ: dict[str, Any], start: Any) -> Any:
        environ["wsgi.input"] = environ["wsgi.input"].input  # wsgiref's validator hides `readinto`, which our server has
        return app(environ, start)

    return falcon.testing.TestClient(served)  # type: ignore[arg-type]


@pytest.fixture
def client(library: Library) -> falcon.testing.TestClient:
    return client_of(library)


@pytest.fixture
def ask(client: falcon.testing.TestClient) -> Ask:
    """ask(body, …): queue a job; the answer."""

    def ask(project: str = "P1-A", paths: Any = (CLIP,), query: str = "", **more: Any) -> Any:
        body = {"project": project, "media_rel_paths": list(paths), **more}
        return client.simulate_post("/api/resolve/open", json=body, query_string=query)

    return ask


@pytest.fixture
def say(client: falcon.testing.TestClient) -> Ask:
    """say(id, act, …): what an agent tells of a job; the answer."""

    def say(id: str, act: str, **more: Any) -> Any:
        return client.simulate_post(f"/api/resolve/jobs/{id}/{act}", **more)

    return say


def claim(client: falcon.testing.TestClient, query: str = "") -> list[dict[str, Any]]:
    said = client.simulate_post("/api/resolve/jobs/next", query_string=query)
    assert said.status_code == 200
    jobs: list[dict[str, Any]] = said.json["jobs"]
    return jobs


def test_a_job_goes_from_the_page_to_the_agent_and_is_done(client: falcon.testing.TestClient, ask: Ask, say: Ask) -> None:
    queued = ask()
    assert queued.status_code == 200 and queued.json["ok"] is True and queued.json["instructions"]
    [job] = claim(client)
    assert job.keys() >= KEYS
    assert job["id"] == queued.json["job_id"] and job["status"] == "claimed" and job["claimed_by"] == "resolve-agent"
    assert isinstance(job["created_at"], float) and isinstance(job["claimed_at"], float)
    assert (job["project"], job["media_rel_paths"], job["mode"], job["source"]) == ("P1-A", [CLIP], "import", "primary")
    assert claim(client) == []
    for _ in range(2):
        assert say(job["id"], "complete").json["ok"] is True
    done = client.simulate_get(f"/api/resolve/jobs/{job['id']}").json
    assert done["status"] == "done" and isinstance(done["done_at"], float) and done["failed_at"] is None


def test_a_job_says_where_its_files_are_and_what_they_hold(client: falcon.testing.TestClient, ask: Ask, library: Library) -> None:
    ask()
    [job] = claim(client)
    sums = sums_of(b"first")
    assert job["media_project"] == "P1-A" and job["host_root"] == str(library.root)
    assert job["media"] == [{
        "relative_path": CLIP, "sha256": sums.sha256.hex(), "blake3": sums.digest.hex, "size": 5,
        "host_path": str(library.root / "P1-A" / CLIP),
        "stream_url": "/media/P1-A/ingest/originals/clip%201.mov?source=primary",
    }]  # fmt: skip


@pytest.mark.parametrize("project", ["__select__", "__new__"])
def test_the_project_of_files_is_found_if_only_one_has_them(client: falcon.testing.TestClient, ask: Ask, project: str) -> None:
    assert ask(project, new_project_name="Cut").status_code == 200
    assert ask(project, ["ingest/originals/both.mov"], new_project_name="Cut").status_code == 200
    assert ask(project, ["nobody/has.mov"], new_project_name="Cut").status_code == 200
    found = [(job["media_project"], len(job["media"])) for job in claim(client, "limit=3")]
    assert found == [("P1-A", 1), (None, 0), (None, 0)]


def test_a_folder_stands_for_the_files_in_it_each_once(client: falcon.testing.TestClient, ask: Ask) -> None:
    ask(paths=["ingest", CLIP, CLIP])
    [job] = claim(client)
    assert {medium["relative_path"] for medium in job["media"]} == {CLIP, "ingest/originals/both.mov"} and len(job["media"]) == 2


def test_a_job_takes_only_so_many_files(client: falcon.testing.TestClient, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("views.resolve.MOST_PATHS", 1)
    assert [ask(paths=paths).status_code for paths in (["ingest"], [CLIP, CLIP], [CLIP])] == [400, 400, 200]


def test_reveal_has_a_short_name(client: falcon.testing.TestClient, ask: Ask) -> None:
    ask(mode="reveal")
    assert claim(client)[0]["mode"] == "reveal_in_explorer"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"project": "P1-A", "media_rel_paths": []}),
        (400, {"project": "P1-A"}),
        (400, {"project": "P1-A", "media_rel_paths": [CLIP], "mode": "delete"}),
        (400, {"project": "P1-A", "media_rel_paths": ["/etc/passwd"]}),
        (400, {"project": "P1-A", "media_rel_paths": ["../P2-AB/ingest/originals/both.mov"]}),
        (400, {"project": "P1-A", "media_rel_paths": ["C:\\x.mov"]}),
        (400, {"project": "P1-A", "media_rel_paths": ["..\\x.mov"]}),
        (400, {"project": "P1-A", "media_rel_paths": [""]}),
        (400, {"project": "../P1-A", "media_rel_paths": [CLIP]}),
        (400, {"project": "", "media_rel_paths": [CLIP]}),
        (400, {"project": "__new__", "media_rel_paths": [CLIP]}),
        (400, {"project": "__new__", "new_project_name": "a/b", "media_rel_paths": [CLIP]}),
        (400, {"project": "__select__", "media_rel_paths": ["a/../b"]}),
        (404, {"project": "P9-None", "media_rel_paths": [CLIP]}),
        (404, {"project": "P1-A", "media_rel_paths": [CLIP, "ingest/originals/none.mov"]}),
        (404, {"project": "P1", "media_rel_paths": ["ingest"]}),
        (404, {"project": "P1-A", "media_rel_paths": ["index.json"]}),
        (422, {"media_rel_paths": [CLIP]}),
        (422, {"project": 1, "media_rel_paths": [CLIP]}),
        (422, {"project": "P1-A", "media_rel_paths": CLIP}),
        (422, {"project": "P1-A", "media_rel_paths": [1]}),
        (422, []),
        (422, None),
    ],
)
def test_what_no_job_can_say_is_refused(client: falcon.testing.TestClient, status: int, body: Any) -> None:
    said = client.simulate_post("/api/resolve/open", **({} if body is None else {"json": body}))
    assert said.status_code == status, said.text
    assert said.json["detail"]
    assert claim(client) == []


def test_a_body_nested_without_end_is_refused(client: falcon.testing.TestClient) -> None:
    assert client.simulate_post("/api/resolve/open", body="[" * 100_000).status_code == 422


def test_an_unknown_source_is_a_bad_request(ask: Ask) -> None:
    assert ask(query="source=nas").status_code == 400


def test_a_limit_below_one_yields_one_and_no_number_is_422(client: falcon.testing.TestClient, ask: Ask) -> None:
    ids = [ask().json["job_id"] for _ in range(4)]
    assert [job["id"] for job in claim(client, "limit=0")] == ids[:1]
    assert [job["id"] for job in claim(client, "limit=-5&claimed_by=edit-1")] == ids[1:2]
    assert [job["id"] for job in claim(client, "limit=9")] == ids[2:]
    assert client.simulate_post("/api/resolve/jobs/next", query_string="limit=x").status_code == 422
    assert client.simulate_get("/api/resolve/jobs/next").status_code == 405


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"query_string": "error=no%20disk"}, "no disk"),
        ({"json": {"error": "no disk"}}, "no disk"),
        ({"json": "no disk"}, "no disk"),
        ({}, resolve.NO_REASON),
        ({"body": "{broken"}, resolve.NO_REASON),
        ({"json": [1]}, resolve.NO_REASON),
        ({"body": "[" * 100_000}, resolve.NO_REASON),
        ({"query_string": "error=", "json": {"error": "from the body"}}, "from the body"),
    ],
)
def test_a_failure_is_heard_however_it_is_said(
    client: falcon.testing.TestClient, ask: Ask, say: Ask, sent: dict[str, Any], reason: str
) -> None:
    id = ask().json["job_id"]
    claim(client)
    assert say(id, "fail", **sent).json["ok"] is True
    job = client.simulate_get(f"/api/resolve/jobs/{id}").json
    assert (job["status"], job["error"]) == ("failed", reason) and isinstance(job["failed_at"], float)
    assert say(id, "fail").status_code == 200
    assert say(id, "complete").status_code == 409


def test_what_became_of_each_clip_is_kept(client: falcon.testing.TestClient, ask: Ask, say: Ask) -> None:
    id = ask().json["job_id"]
    claim(client)
    clips = [{"relative_path": CLIP, "outcome": "imported", "detail": ""}]
    say(id, "complete", json={"clips": [*clips, "nonsense", {"outcome": "x"}]})
    assert client.simulate_get(f"/api/resolve/jobs/{id}").json["clips"] == clips


@pytest.mark.parametrize("id", ["no-uuid", "00000000-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("act", ["complete", "fail", "cancel", "heartbeat"])
def test_an_unknown_job_is_not_found(say: Ask, client: falcon.testing.TestClient, id: str, act: str) -> None:
    said = say(id, act)
    assert (said.status_code, said.json["detail"]) == (404, "job not found")
    assert client.simulate_get(f"/api/resolve/jobs/{id}").status_code == 404


def test_an_expired_lease_is_offered_again_but_not_for_ever(client: falcon.testing.TestClient, ask: Ask, clock: Clock) -> None:
    id = ask().json["job_id"]
    for attempt in range(1, ATTEMPTS + 1):
        [job] = claim(client)
        assert (job["id"], job["attempts"], job["lease_until"]) == (id, attempt, job["claimed_at"] + LEASE_S)
        clock.wait(LEASE_S)
    assert claim(client) == []
    assert client.simulate_get(f"/api/resolve/jobs/{id}").json["status"] == "failed"


def test_the_lease_can_be_set(library: Library, ask: Ask) -> None:
    ask()
    said = client_of(library, resolve_lease_s=60).simulate_post("/api/resolve/jobs/next")
    [job] = said.json["jobs"]
    assert job["lease_s"] == 60 and job["lease_until"] == job["claimed_at"] + 60


def test_a_heartbeat_keeps_the_lease_and_a_cancel_ends_it(
    client: falcon.testing.TestClient, ask: Ask, say: Ask, clock: Clock
) -> None:
    id = ask().json["job_id"]
    claim(client, "claimed_by=edit-1")
    clock.wait(LEASE_S - 1)
    assert say(id, "heartbeat", query_string="claimed_by=edit-1").json["ok"] is True
    clock.wait(LEASE_S - 1)
    assert claim(client) == []
    assert say(id, "heartbeat", query_string="claimed_by=edit-2").status_code == 409
    assert say(id, "cancel").json["job"]["cancelled"] is True
    assert say(id, "heartbeat", query_string="claimed_by=edit-1").status_code == 409


def test_the_list_shows_the_newest_first_and_can_be_narrowed(client: falcon.testing.TestClient, ask: Ask) -> None:
    ids = [ask().json["job_id"] for _ in range(3)]
    claim(client)
    listed = client.simulate_get("/api/resolve/jobs").json
    assert [job["id"] for job in listed["jobs"]] == ids[::-1] and listed["total"] == 3
    pending = client.simulate_get("/api/resolve/jobs", query_string="status=pending&limit=1").json
    assert [job["id"] for job in pending["jobs"]] == ids[:0:-1][:1] and pending["total"] == 2
    assert client.simulate_get("/api/resolve/jobs", query_string="status=lost").status_code == 422


def test_a_restart_keeps_jobs(root: Path, library: Library, client: falcon.testing.TestClient, ask: Ask, clock: Clock) -> None:
    taken, waiting = ask().json["job_id"], ask().json["job_id"]
    claim(client)
    library.close()
    again = Library(root, clock)
    client = client_of(again)
    assert [job["id"] for job in claim(client, "limit=5")] == [waiting]
    assert client.simulate_post(f"/api/resolve/jobs/{taken}/complete").json["ok"] is True
    again.close()


def test_agents_that_poll_together_never_get_the_same_job(client: falcon.testing.TestClient, ask: Ask) -> None:
    ids, got = {ask().json["job_id"] for _ in range(20)}, list[str]()
    agents = [threading.Thread(target=lambda: got.extend(job["id"] for job in claim(client, "limit=5"))) for _ in range(8)]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join()
    assert len(got) == len(set(got)) and set(got) == ids


def test_letters_of_any_script_and_half_letters_are_kept(client: falcon.testing.TestClient, ask: Ask, say: Ask) -> None:
    id = ask().json["job_id"]
    claim(client, "claimed_by=%E7%B7%A8%E9%9B%86%FF")
    say(id, "fail", query_string="error=" + "%C3%BC" * 9000)
    job = json.loads(client.simulate_get(f"/api/resolve/jobs/{id}").content)
    assert job["claimed_by"].startswith("編集") and set(job["error"]) == {"ü"} and len(job["error"]) == 4000


def test_the_server_has_the_queue_and_two_agents_share_its_jobs(server: Server) -> None:
    project = server.project("Cut")
    server.upload(project, "a.mov", b"clip")
    wanted = {"project": project, "media_rel_paths": ["ingest/originals/a.mov"]}
    ids = {server.post("/api/resolve/open", wanted).json["job_id"] for _ in range(12)}
    got: list[str] = []

    def agent() -> None:
        while jobs := server.post("/api/resolve/jobs/next?limit=2").json["jobs"]:
            for job in jobs:
                got.append(job["id"])
                assert Path(job["media"][0]["host_path"]).read_bytes() == b"clip"
                assert server.post(f"/api/resolve/jobs/{job['id']}/complete").json["ok"] is True

    agents = [threading.Thread(target=agent) for _ in range(4)]
    for thread in agents:
        thread.start()
    for thread in agents:
        thread.join()
    assert len(got) == len(ids) and set(got) == ids
    assert {job["status"] for job in server.get("/api/resolve/jobs/").json["jobs"] if job["id"] in ids} == {"done"}


def test_a_failure_is_heard_over_the_wire_with_and_without_a_body(server: Server) -> None:
    project = server.project("Fail")
    server.upload(project, "b.mov", b"other clip")
    for sent, reason in (({"error": "in json"}, "in json"), (None, resolve.NO_REASON), (b"", resolve.NO_REASON)):
        id = server.post("/api/resolve/open", {"project": project, "media_rel_paths": ["ingest/originals/b.mov"]}).json["job_id"]
        server.post("/api/resolve/jobs/next")
        assert server.post(f"/api/resolve/jobs/{id}/fail", sent).status == 200
        assert server.get(f"/api/resolve/jobs/{id}").json["error"] == reason
