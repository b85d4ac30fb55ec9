"""A workstation: a fake Resolve, a real server, and the server's root under another name, as a mounted share has."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.views.web.conftest import Server as Running
from tests.views.web.conftest import serving
from tools.agents.resolve import script
from tools.agents.resolve.agent import Agent, Hands
from tools.agents.resolve.clips import Finder
from tools.agents.resolve.places import Places
from tools.agents.resolve.server import Server
from tools.agents.resolve.studio import Studio

INSTALL = Path(__file__).parent / "install"


@pytest.fixture
def module() -> Iterator[Any]:
    """The fake scripting module, loaded as the agent loads the real one; a new world each time."""
    path = list(sys.path)
    module = script.load({script.API: str(INSTALL)})
    module.world.__init__()
    yield module
    sys.path[:] = path


@pytest.fixture
def world(module: Any) -> Any:
    return module.world


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "root") as server:
        yield server


@dataclass
class Desk:
    """An agent at work, and what it said, showed and asked."""

    running: Running
    share: Path
    agent: Agent
    said: list[str] = field(default_factory=list)
    shown: list[Path] = field(default_factory=list)
    asked: list[tuple[list[str], str]] = field(default_factory=list)
    chosen: str | None = None
    shows: bool = True

    def clip(self, project: str, name: str, data: bytes) -> str:
        """Upload a clip; its path in the project."""
        return self.running.stored(project, name, data)

    def queue(self, project: str, *paths: str, **more: Any) -> str:
        said = self.running.post("/api/resolve/open", {"project": project, "media_rel_paths": list(paths), **more})
        assert said.status == 200, said
        return str(said.json["job_id"])

    def job(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.running.get(f"/api/resolve/jobs/{id}").json
        return found

    def outcomes(self, id: str) -> dict[str, str]:
        return {clip["relative_path"].rpartition("/")[2]: clip["outcome"] for clip in self.job(id)["clips"]}

    def path(self, project: str, inner: str) -> str:
        return str(self.share / project / inner)


@pytest.fixture
def desk(running: Running, module: Any, tmp_path: Path) -> Desk:
    share = tmp_path / "share"
    share.symlink_to(running.root)
    desk = Desk(running, share, None)  # type: ignore[arg-type]

    def choose(names: Sequence[str], current: str) -> str | None:
        desk.asked.append((list(names), current))
        return desk.chosen

    def show(paths: Sequence[Path]) -> bool:
        desk.shown += paths
        return desk.shows

    def connect() -> Studio | None:
        resolve = script.connect(module)
        return Studio(resolve) if resolve else None

    hands = Hands(connect=connect, choose=choose, show=show, say=desk.said.append)
    server = Server(f"http://127.0.0.1:{running.port}", "edit-1")
    desk.agent = Agent(server, Finder(Places([(str(running.root), str(share))]), patience_s=0), hands)
    return desk
