"""The agent against a real server and a Resolve that is as awkward as the real one."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cas.digest import sums_of
from tests.tools.agents.resolve.conftest import Desk
from tests.views.web.conftest import serving, until
from tools.agents.resolve import agent as agents
from tools.agents.resolve.agent import Agent, Hands
from tools.agents.resolve.clips import Finder
from tools.agents.resolve.places import Places
from tools.agents.resolve.server import Server, ServerAway
from tools.agents.resolve.studio import Studio


def test_clips_come_into_a_bin_of_a_project_made_for_them(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    paths = [desk.clip(project, name, name.encode()) for name in ("a.mov", "ü b.mov")]
    id = desk.queue(project, *paths)
    assert desk.agent.step() and not desk.agent.step()
    job = desk.job(id)
    assert (job["status"], job["claimed_by"]) == ("done", "edit-1")
    assert desk.outcomes(id) == {"a.mov": "imported", "ü b.mov": "imported"}
    assert world.current.name == project and world.paths(project, project) == [desk.path(project, path) for path in paths]
    assert world.saved == [project]


def test_each_clip_carries_its_digests(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    desk.queue(project, desk.clip(project, "a.mov", b"clip"))
    desk.agent.step()
    sums = sums_of(b"clip")
    [item] = world.folder(project, project).items
    assert item.third_party == {"filmcan blake3": sums.digest.hex, "filmcan sha256": sums.sha256.hex()} and item.metadata == {}


def test_an_older_resolve_gets_them_as_a_comment(desk: Desk, world: Any) -> None:
    world.third_party = False
    project = desk.running.project("Cut")
    desk.queue(project, desk.clip(project, "a.mov", b"clip"))
    desk.agent.step()
    [item] = world.folder(project, project).items
    assert sums_of(b"clip").digest.hex in item.metadata["Comments"]


def test_a_person_who_clicks_on_another_bin_meanwhile_does_not_matter(desk: Desk, world: Any, module: Any) -> None:
    project = desk.running.project("Cut")
    paths = [desk.clip(project, f"{n}.mov", b"%d" % n) for n in range(4)]
    world.projects[project] = module.Project(project)
    pool = world.projects[project].pool
    other = pool.AddSubFolder(pool.root, "Sound")
    pool.SetCurrentFolder(other)
    world.before_import = lambda: pool.SetCurrentFolder(pool.root)
    desk.queue(project, *paths)
    desk.agent.step()
    assert len(world.paths(project, project)) == 4 and other.items == [] and pool.root.items == []
    assert pool.shown is other


def test_a_project_that_is_open_is_used_and_another_is_saved_first(desk: Desk, world: Any, module: Any) -> None:
    project = desk.running.project("Cut")
    world.projects = {"Other": module.Project("Other"), project: module.Project(project)}
    world.current = world.projects["Other"]
    path = desk.clip(project, "a.mov", b"clip")
    desk.queue(project, path)
    desk.agent.step()
    assert world.saved == ["Other", project] and world.current.name == project
    desk.queue(project, desk.clip(project, "b.mov", b"more"))
    desk.agent.step()
    assert world.saved == ["Other", project, project]


def test_a_clip_is_never_brought_twice(desk: Desk, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project = desk.running.project("Cut")
    path = desk.clip(project, "a.mov", b"clip")
    id = desk.queue(project, path, path)
    with monkeypatch.context() as patch:  # it dies between import and report
        patch.setattr(desk.agent, "_report", lambda *_: None)
        desk.agent.step()
    assert desk.job(id)["status"] == "claimed" and len(world.imports) == 1
    job = desk.job(id)
    desk.agent._do(desk.agent._hands.connect(), job)  # type: ignore[arg-type]
    assert len(world.imports) == 1 and desk.outcomes(id) == {"a.mov": "already"} and desk.job(id)["status"] == "done"


def test_an_import_without_an_answer_is_looked_for_in_the_bin(desk: Desk, world: Any) -> None:
    world.mute = {"a.mov"}
    project = desk.running.project("Cut")
    id = desk.queue(project, desk.clip(project, "a.mov", b"clip"))
    desk.agent.step()
    assert desk.outcomes(id) == {"a.mov": "imported"} and world.folder(project, project).items[0].third_party


def test_what_resolve_cannot_read_fails_by_itself(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    paths = [desk.clip(project, name, name.encode()) for name in ("a.mov", "b.mkv", "c.mov")]
    id = desk.queue(project, *paths)
    desk.agent.step()
    assert desk.outcomes(id) == {"a.mov": "imported", "b.mkv": "refused", "c.mov": "imported"}
    assert desk.job(id)["status"] == "failed" and desk.job(id)["error"].startswith("1 of 3 files: ")
    assert desk.agent.failed == 1


def test_files_that_are_not_there_or_not_whole_are_not_imported(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    paths = {name: desk.clip(project, name, name.encode()) for name in ("gone.mov", "short.mov", "other.mov", "good.mov")}
    for name, data in (("gone.mov", None), ("short.mov", b"s"), ("other.mov", b"OTHER.mov")):
        file = desk.share / project / paths[name]
        file.unlink()
        if data is not None:
            file.write_bytes(data)
    id = desk.queue(project, *paths.values())
    desk.agent.step()
    assert desk.outcomes(id) == {"gone.mov": "missing", "short.mov": "incomplete", "other.mov": "damaged", "good.mov": "imported"}
    assert world.imports == [desk.path(project, paths["good.mov"])]


def test_a_person_chooses_the_project(desk: Desk, world: Any, module: Any) -> None:
    project = desk.running.project("Cut")
    path = desk.clip(project, "a.mov", b"clip")
    world.projects = {"Feature": module.Project("Feature"), "Trailer": module.Project("Trailer")}
    world.current, desk.chosen = world.projects["Trailer"], "Feature"
    id = desk.queue("__select__", path)
    desk.agent.step()
    assert desk.asked == [(["Feature", "Trailer"], "Trailer")]
    assert desk.job(id)["status"] == "done" and world.paths("Feature", project) == [desk.path(project, path)]


def test_a_job_fails_when_nobody_chooses(desk: Desk) -> None:
    project = desk.running.project("Cut")
    id = desk.queue("__select__", desk.clip(project, "a.mov", b"clip"))
    desk.agent.step()
    assert desk.job(id)["error"] == "nobody chose a project for it"


def test_a_new_project_is_made(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    desk.queue("__new__", desk.clip(project, "a.mov", b"clip"), new_project_name="Spot-30s")
    desk.agent.step()
    assert world.current.name == "Spot-30s" and len(world.paths("Spot-30s", project)) == 1


def test_files_nobody_can_place_fail_with_the_remedy(desk: Desk) -> None:
    id = desk.queue("__new__", "nobody/has.mov", new_project_name="Spot")
    desk.agent.step()
    assert "in which project these files are" in desk.job(id)["error"]


def test_a_project_open_elsewhere_fails_with_a_hint(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    world.locked = {project}
    id = desk.queue(project, desk.clip(project, "a.mov", b"clip"))
    desk.agent.step()
    assert "open on another workstation" in desk.job(id)["error"]


def test_a_resolve_that_is_closed_amid_a_job_fails_it_and_the_agent_waits(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    id = desk.queue(project, *[desk.clip(project, f"{n}.mov", b"%d" % n) for n in range(3)])
    world.before_import = lambda: setattr(world, "gone", True)
    desk.agent.step()
    assert "was it closed" in desk.job(id)["error"]
    assert not desk.agent.step() and "does not run" in desk.agent.trouble


def test_nothing_is_claimed_while_resolve_does_not_run(desk: Desk, world: Any) -> None:
    world.running = False
    project = desk.running.project("Cut")
    id = desk.queue(project, desk.clip(project, "a.mov", b"clip"))
    assert not desk.agent.step() and not desk.agent.step()
    assert desk.job(id)["status"] == "pending" and len(desk.said) == 1
    world.running = True
    assert desk.agent.step() and desk.job(id)["status"] == "done"


def test_reveal_shows_the_files_and_touches_no_project(desk: Desk, world: Any) -> None:
    project = desk.running.project("Cut")
    path = desk.clip(project, "a.mov", b"clip")
    id = desk.queue(project, path, mode="reveal")
    desk.agent.step()
    assert [str(shown) for shown in desk.shown] == [desk.path(project, path)] and desk.outcomes(id) == {"a.mov": "revealed"}
    assert world.projects == {} and world.imports == []


def test_a_file_manager_that_does_not_open_fails_the_job(desk: Desk) -> None:
    desk.shows = False
    project = desk.running.project("Cut")
    id = desk.queue(project, desk.clip(project, "a.mov", b"clip"), mode="reveal")
    desk.agent.step()
    assert desk.job(id)["error"] == "the file manager could not be opened"


def test_a_cancelled_job_stops_between_two_clips(desk: Desk, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "BEATS", 90_000)  # a heartbeat every hundredth of a second
    project = desk.running.project("Cut")
    id = desk.queue(project, *[desk.clip(project, f"{n}.mov", b"%d" % n) for n in range(3)])
    lost, heartbeat = threading.Event(), desk.agent._server.heartbeat

    def beat(job_id: str) -> bool:
        alive = heartbeat(job_id)
        if not alive:
            lost.set()
        return alive

    def cancel() -> None:
        if not lost.is_set():
            desk.running.post(f"/api/resolve/jobs/{id}/cancel")
            assert lost.wait(10)

    monkeypatch.setattr(desk.agent._server, "heartbeat", beat)
    world.before_import = cancel
    desk.agent.step()
    assert desk.job(id)["cancelled"] is True and desk.job(id)["error"] == "cancelled"
    assert len(world.imports) <= 2  # the flag is seen a moment after the server's answer


def test_an_outcome_is_told_until_the_server_is_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "PAUSE_S", 0.01)
    project = desk.running.project("Cut")
    id = desk.queue(project, desk.clip(project, "a.mov", b"clip"))
    complete, tries = desk.agent._server.complete, list[str]()

    def away(*said: Any) -> None:
        tries.append("")
        if len(tries) < 4:
            raise ServerAway("it is starting")
        complete(*said)

    monkeypatch.setattr(desk.agent._server, "complete", away)
    desk.agent.step()
    assert desk.job(id)["status"] == "done" and desk.said.count("Waiting: it is starting") == 1


def test_a_server_that_restarts_amid_a_job_hears_of_it_and_nothing_is_done_twice(
    tmp_path: Path, module: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "PAUSE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # asked for by number, a port may be had again at once
    first = ExitStack()
    running = first.enter_context(serving(tmp_path / "root", port=port))
    project = running.project("Cut")
    paths = [running.stored(project, f"{n}.mov", b"%d" % n) for n in range(2)]
    id = running.post("/api/resolve/open", {"project": project, "media_rel_paths": paths}).json["job_id"]
    said: list[str] = []
    hands = Hands(lambda: Studio(module.Resolve()), lambda names, current: None, lambda paths: True, said.append)
    agent = Agent(Server(f"http://127.0.0.1:{port}", "edit-1"), Finder(Places(), patience_s=0), hands)
    world.before_import = first.close  # it goes when the first clip is in
    working = threading.Thread(target=agent.step)
    working.start()
    until(lambda: any("does not answer" in line for line in said), 30)
    with serving(tmp_path / "root", port=port) as again:
        working.join(60)
        job = again.get(f"/api/resolve/jobs/{id}").json
        assert (job["status"], job["attempts"], len(world.imports)) == ("done", 1, 2)
        assert again.post("/api/resolve/jobs/next").json["jobs"] == []


def test_it_goes_on_when_the_server_was_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAUSE_S", "IDLE_S"):
        monkeypatch.setattr(agents, name, 0.01)
    project, stopping = desk.running.project("Cut"), threading.Event()
    next_job, calls = desk.agent._server.next, list[str]()

    def away() -> Any:
        calls.append("")
        if len(calls) < 4:
            raise ServerAway("no answer")
        return next_job()

    monkeypatch.setattr(desk.agent._server, "next", away)
    desk.agent._stopping = stopping
    working = threading.Thread(target=desk.agent.run)
    working.start()
    id = desk.queue(project, desk.clip(project, "a.mov", b"clip"))
    until(lambda: desk.job(id)["status"] == "done")
    stopping.set()
    working.join(10)
    assert not working.is_alive() and desk.said.count("Waiting: no answer") == 1


@pytest.mark.parametrize(
    ("status", "detail", "alive"), [(404, "Not Found", True), (405, "no", True), (404, "job not found", False), (409, "x", False)]
)
def test_a_server_that_knows_no_heartbeat_is_worked_for_all_the_same(
    monkeypatch: pytest.MonkeyPatch, status: int, detail: str, alive: bool
) -> None:
    server = Server("http://127.0.0.1:1", "a")

    def refuse(*_: Any) -> Any:
        raise agents.Refused(status, detail)

    monkeypatch.setattr(server, "_post", refuse)
    assert server.heartbeat("id") is alive


def test_a_server_that_is_not_there_is_away_and_a_wrong_address_is_told() -> None:
    with pytest.raises(ServerAway):
        Server("127.0.0.1:1", "a").next()
    for url in ("", "ftp://studio", "http://", "http://[x"):
        with pytest.raises(ValueError):
            Server(url, "a")


def test_a_name_and_password_are_sent_and_never_shown() -> None:
    server = Server("http://anna:secret@studio.local:8787/", "a")
    assert server.url == "http://studio.local:8787" and "authorization" in server._pool.headers
