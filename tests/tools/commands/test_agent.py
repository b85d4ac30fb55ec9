"""filmcan agent resolve, as a person at a workstation runs it."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.agents.resolve.conftest import INSTALL
from tests.tools.conftest import Filmcan
from tests.views.web.conftest import Server, serving, until
from tools.agents.resolve import script


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "served") as server:
        yield server


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RESOLVE_SCRIPT_API", str(INSTALL))
    monkeypatch.setattr(sys, "path", list(sys.path))
    world = script.load({script.API: str(INSTALL)}).world
    world.__init__()
    return world


def queue(running: Server, name: str = "a.mov", **more: Any) -> tuple[str, str]:
    """A clip in a new project, sent to Resolve: the project, the job."""
    project = running.project("Cut")
    path = running.stored(project, name, name.encode())
    said = running.post("/api/resolve/open", {"project": project, "media_rel_paths": [path], **more})
    return project, said.json["job_id"]


def url(running: Server) -> str:
    return f"http://127.0.0.1:{running.port}"


def test_one_job_is_done_through_a_mapped_folder(filmcan: Filmcan, running: Server, world: Any, tmp_path: Path) -> None:
    project, job = queue(running)
    (tmp_path / "share").symlink_to(running.root)
    maps = f"{running.root}={tmp_path / 'share'}"
    said = filmcan("agent", "resolve", "--server", url(running), "--map", maps, "--name", "edit-1", "--once")
    assert said.code == 0 and "1 imported" in said.out
    assert world.paths(project, project) == [f"{tmp_path}/share/{project}/ingest/originals/a.mov"]
    assert running.get(f"/api/resolve/jobs/{job}").json["claimed_by"] == "edit-1"
    said = filmcan("agent", "resolve", "--server", url(running), "--once", "--json")
    assert (said.code, said.json) == (0, {"done": 0, "failed": 0})


def test_a_job_that_fails_is_the_exit_code(filmcan: Filmcan, running: Server, world: Any) -> None:
    queue(running, "a.mkv")
    said = filmcan("agent", "resolve", "--server", url(running), "--once", "--json")
    assert (said.code, said.json) == (1, {"done": 0, "failed": 1})


def test_nobody_at_the_console_can_choose(filmcan: Filmcan, running: Server, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))
    project = running.project("Cut")
    path = running.stored(project, "a.mov", b"a")
    running.post("/api/resolve/open", {"project": "__select__", "media_rel_paths": [path]})
    assert filmcan("agent", "resolve", "--server", url(running), "--once").code == 1


def test_what_cannot_work_is_told_with_its_remedy(
    filmcan: Filmcan, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert filmcan("agent", "resolve", "--map", "nonsense").code == 2
    assert filmcan("agent", "resolve", "--server", "ftp://x").code == 2
    assert filmcan("agent", "resolve", "--server", "http://127.0.0.1:1", "--once").code == 3
    world.running = False
    said = filmcan("agent", "resolve", "--server", "http://127.0.0.1:1", "--once")
    assert said.code == 3 and "External scripting" in said.err
    monkeypatch.delitem(sys.modules, script.MODULE)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "Modules" not in path])
    monkeypatch.setenv("RESOLVE_SCRIPT_API", str(tmp_path))
    said = filmcan("agent", "resolve", "--once")
    assert said.code == 3 and "RESOLVE_SCRIPT_LIB" in said.err


def test_the_menu_script_does_what_waits_with_nothing_but_python(
    filmcan: Filmcan, running: Server, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    (tmp_path / "share").symlink_to(running.root)
    maps = f"{running.root}={tmp_path / 'share'}"
    said = filmcan("agent", "resolve", "--install-menu-script", "--server", url(running), "--json", "--map", maps)
    menu = Path(said.json["script"])
    assert menu.is_file() and menu.name == "filmcan.py"
    queue(running)
    queue(running, "b.mov")
    module = sys.modules[script.MODULE]
    runpy.run_path(str(menu), {"resolve": module.scriptapp("Resolve")})
    assert "2 done, 0 failed" in capfd.readouterr().out and len(world.imports) == 2
    assert all(path.startswith(str(tmp_path / "share")) for path in world.imports)


def test_the_agent_needs_nothing_compiled() -> None:
    code = (
        "import sys; import tools.agents.resolve.menu\n"
        "print(sorted({'msgspec', 'blake3', 'lmdb', 'click', 'msgpack', 'falcon'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert said.stdout.strip() == "[]"


def test_it_works_until_it_is_stopped(running: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "RESOLVE_SCRIPT_API": str(INSTALL)}
    command = [sys.executable, "-m", "tools", "agent", "resolve", "--server", url(running)]
    agent = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[3], stdout=subprocess.DEVNULL)
    try:
        jobs = [queue(running, f"{n}.mov")[1] for n in range(3)]
        until(lambda: all(running.get(f"/api/resolve/jobs/{job}").json["status"] == "done" for job in jobs), 60)
        agent.send_signal(signal.SIGINT)
        assert agent.wait(20) == 0
    finally:
        agent.kill()
        agent.wait()
