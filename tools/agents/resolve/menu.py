"""The agent as a script in Resolve's own menu, for the free edition: it lets no program in, but runs scripts of its menu.

    Workspace, Scripts, filmcan      does every job that waits, then ends
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from tools.agents.resolve import reveal
from tools.agents.resolve.agent import Agent, Hands
from tools.agents.resolve.clips import Finder
from tools.agents.resolve.places import Places
from tools.agents.resolve.server import Server
from tools.agents.resolve.studio import Studio

if TYPE_CHECKING:
    from fusionscript import Resolve

NAME = "filmcan.py"
SCRIPT = '''\
# Written by `filmcan agent resolve --install-menu-script`. In Resolve: Workspace, Scripts, filmcan.
import sys

sys.path[:0] = {paths!r}

from tools.agents.resolve.menu import run

run(resolve, server={server!r}, name={name!r}, maps={maps!r})  # noqa: F821: Resolve puts itself there
'''


def install(folder: Path, *, server: str, name: str, maps: Sequence[str]) -> Path:
    """Write the script; where it is."""
    paths = [str(Path(__file__).parents[3]), str(Path(urllib3.__file__).parents[1])]
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / NAME
    text = SCRIPT.format(paths=list(dict.fromkeys(paths)), server=server, name=name, maps=list(maps))
    script.write_text(text, encoding="utf-8")
    return script


def run(resolve: Resolve, *, server: str, name: str, maps: Sequence[str]) -> None:
    """Do every job that waits. Nobody can be asked here: `__select__` means the project that is open."""
    studio = Studio(resolve)
    hands = Hands(connect=lambda: studio, choose=lambda names, current: current or None, show=reveal.show, say=_say)
    agent = Agent(Server(server, name), Finder(Places.read(maps)), hands)
    while agent.step():
        pass
    _say(f"filmcan: {agent.done} done, {agent.failed} failed")


def _say(text: str) -> None:
    """To the console of Resolve."""
    sys.stdout.write(f"{text}\n")
