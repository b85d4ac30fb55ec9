"""filmcan agent resolve"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.desk import DONE, PROBLEMS, Desk, Refused, at_desk

if TYPE_CHECKING:
    from tools.agents.resolve.agent import Agent
    from tools.agents.resolve.clips import Finder
    from tools.agents.resolve.server import Server


@click.group(short_help="Work for a server on a workstation")
def command() -> None:
    """Agents run on the machine where people work, and do there what a server cannot do from afar."""


@command.command(short_help="Bring clips into DaVinci Resolve")
@click.option("--server", metavar="URL", help="Address of the server; this machine, when it is not given.")
@click.option("--map", "maps", metavar="FROM=TO", multiple=True, help="FROM on the server is TO here. As often as needed.")
@click.option("--name", metavar="NAME", help="What the queue calls this agent; else the name of this machine.")
@click.option("--once", is_flag=True, help="Do one job, if one waits, and end.")
@click.option("--install-menu-script", "install", is_flag=True, help="Put a script into Resolve's menu, and end.")
@at_desk
def resolve(desk: Desk, server: str | None, maps: tuple[str, ...], name: str | None, once: bool, install: bool) -> int:
    """Take jobs from the server's queue and do them in the DaVinci Resolve that runs here, until Ctrl-C.

    The clips must lie on a disk or share that this workstation sees. --map tells under which name: it may be given in both
    directions and for several systems, so the same line serves every workstation.

    Resolve Studio lets the agent in when Preferences, System, General, External scripting is Local. The free edition does not:
    there, --install-menu-script adds Workspace, Scripts, filmcan, which does every job that waits.

    \b
    Examples:
      filmcan agent resolve --server http://studio.local:8787 --map /volumes/footage=/Volumes/Footage
      filmcan agent resolve --server http://studio.local:8787 --map "/volumes/footage=B:\\Footage" --once
      filmcan agent resolve --server http://studio.local:8787 --install-menu-script
    """
    settings = desk.settings
    url = server or f"{settings.scheme}://127.0.0.1:{settings.port}"
    name = name or socket.gethostname().partition(".")[0] or "resolve-agent"
    if install:
        return _install(desk, url, name, maps)
    agent, stopping = _make(desk, url, name, maps)
    if once and not agent.step() and agent.trouble:
        raise Refused(agent.trouble)
    if not once:
        desk.say(f"{name} works for {url}. Stop with Ctrl-C.")
        _stop_at_signals(stopping)
        agent.run()
    desk.answer({"done": agent.done, "failed": agent.failed})
    return PROBLEMS if agent.failed and once else DONE


def _install(desk: Desk, url: str, name: str, maps: Sequence[str]) -> int:
    from tools.agents.resolve import menu, script
    from tools.config import resolve_folders

    _read(url, name, maps)
    written = menu.install(script.menu_folder(resolve_folders(), Path.home()), server=url, name=name, maps=maps)
    desk.say(f"{written} is written; in Resolve it is Workspace, Scripts, filmcan")
    desk.answer({"script": str(written)})
    return DONE


def _make(desk: Desk, url: str, name: str, maps: Sequence[str]) -> tuple[Agent, threading.Event]:
    from tools.agents.resolve import reveal, script
    from tools.agents.resolve.agent import Agent, Hands
    from tools.agents.resolve.studio import Studio
    from tools.config import resolve_folders

    server, finder = _read(url, name, maps)
    try:
        module = script.load(resolve_folders())
    except script.NoResolve as error:
        raise Refused(str(error)) from None

    def connect() -> Studio | None:
        running = script.connect(module)
        return None if running is None else Studio(running)

    hands = Hands(connect=connect, choose=_choose, show=reveal.show, say=desk.say)
    stopping = threading.Event()
    return Agent(server, finder, hands, stopping), stopping


def _read(url: str, name: str, maps: Sequence[str]) -> tuple[Server, Finder]:
    from tools.agents.resolve.clips import Finder
    from tools.agents.resolve.places import Places
    from tools.agents.resolve.server import Server

    try:
        return Server(url, name), Finder(Places.read(maps))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _choose(names: Sequence[str], current: str) -> str | None:
    """Ask the person at the console for a project; None when there is none, or it is left open."""
    if not sys.stdin.isatty():
        return None
    shown: list[str] = list(dict.fromkeys(([current] if current else []) + list(names)))
    for number, project in enumerate(shown, 1):
        click.echo(f"  {number}  {project}" + ("  (open now)" if project == current else ""), err=True)
    answer = click.prompt("Into which project? Number, or a new name", default="1" if shown else "", err=True)
    answer = str(answer).strip()
    if answer.isdecimal() and 1 <= int(answer) <= len(shown):
        return shown[int(answer) - 1]
    return answer or None


def _stop_at_signals(stopping: threading.Event) -> None:
    """The first Ctrl-C ends after the job at hand; the second at once."""

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
