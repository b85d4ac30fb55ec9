"""Clients that cannot run here say what they were recorded to say; each script stands in `recorded/` for people to
read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .replay import Replay
from .script import read_script
from .server import DavServer

SCRIPTS = sorted((Path(__file__).parent / "recorded").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_this_client_gets_what_it_needs(script: Path, server: DavServer) -> None:
    Replay(script, server.project(script.stem)).run()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_request_in_this_script_wants_something(script: Path) -> None:
    for step in read_script(script):
        assert step.verb in ("DISK", "CONNECTION") or step.statuses, f"line {step.line}"
