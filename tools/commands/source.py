"""filmcan source list, add, remove, enable, disable"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.desk import Desk, at_desk

if TYPE_CHECKING:
    from views.sources import Source, Sources, SourceType

TYPES = ("local", "smb", "nfs")


@click.group(short_help="List, add, remove, enable, disable further roots")
def command() -> None:
    """Sources are further roots beside the primary one: another disk, a NAS. Each has projects and a store of its own.

    With --source NAME the commands that work on clips and projects work there: filmcan ls --source nas
    """


@command.command("list", short_help="Sources with their roots")
@at_desk
def list_(desk: Desk) -> None:
    """List the sources, the primary one first: name, root, type, and whether each can be used now.

    \b
    Examples:
      filmcan source list
      filmcan source list --json
    """
    found = _sources(desk).list()
    desk.table([(source.name, str(source.root), source.type, _state(source)) for source in found])
    desk.answer([_facts(source) for source in found])


@command.command(short_help="Register a root")
@click.argument("name")
@click.argument("folder", metavar="ROOT", type=click.Path(path_type=Path))
@click.option("--type", "kind", type=click.Choice(TYPES), default=TYPES[0], show_default=True, help="What kind of disk it is on.")
@click.option("--disabled", is_flag=True, help="Register it without letting it be used yet.")
@at_desk
def add(desk: Desk, name: str, folder: Path, kind: SourceType, disabled: bool) -> None:
    """Register the folder ROOT as source NAME. It must exist and may not overlap with another source.

    Nothing is written into ROOT before the first command that works there. Connect a NAS before you register it.

    \b
    Example:
      filmcan source add nas /mnt/nas/footage --type smb
    """
    _tell(desk, _sources(desk).add(name, folder, type=kind, enabled=not disabled))


@command.command(short_help="Forget a source")
@click.argument("name")
@at_desk
def remove(desk: Desk, name: str) -> None:
    """Forget the source NAME. Its folder and its clips stay as they are, and can be added again.

    \b
    Example:
      filmcan source remove nas
    """
    source = _sources(desk).remove(name)
    desk.say(f"{name} is forgotten; everything in {source.root} stays")
    desk.answer(_facts(source))


@command.command(short_help="Let a source be used")
@click.argument("name")
@at_desk
def enable(desk: Desk, name: str) -> None:
    """Let the source NAME be used again.

    \b
    Example:
      filmcan source enable nas
    """
    _tell(desk, _sources(desk).enable(name))


@command.command(short_help="Keep a source from being used")
@click.argument("name")
@at_desk
def disable(desk: Desk, name: str) -> None:
    """Keep the source NAME registered, but refuse to work in it: a disk that is away for long, a NAS being moved.

    \b
    Example:
      filmcan source disable nas
    """
    _tell(desk, _sources(desk).disable(name))


def _sources(desk: Desk) -> Sources:
    from tools.assemble import open_sources

    return open_sources(desk.settings)


def _tell(desk: Desk, source: Source) -> None:
    desk.say(f"{source.name}: {source.root}, {source.type}, {_state(source)}")
    desk.answer(_facts(source))


def _state(source: Source) -> str:
    return ("enabled" if source.enabled else "disabled") + ("" if source.accessible else ", not accessible")


def _facts(source: Source) -> dict[str, object]:
    return {
        "name": source.name,
        "root": str(source.root),
        "type": source.type,
        "enabled": source.enabled,
        "accessible": source.accessible,
    }
