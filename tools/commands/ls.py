"""filmcan ls"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from tools.desk import Desk, at_library, count, human_size

if TYPE_CHECKING:
    from views.entry import Entry
    from views.library import Library


@click.command(short_help="List projects and files")
@click.argument("path", default="")
@click.option("--recursive", "-r", is_flag=True, help="Everything below PATH too.")
@at_library
def command(desk: Desk, path: str, recursive: bool) -> None:
    """List what lies at PATH: a project, a folder in it, or one file. Without PATH, the projects.

    \b
    Examples:
      filmcan ls
      filmcan ls P3-Interview/ingest/originals
      filmcan ls --recursive --json P3-Interview
    """
    path = path.strip("/")
    with desk.library() as library:
        found = _look(library, path, recursive)
    if found and not desk.wants_json:
        desk.table([_row(name, entry) for name, entry in found], right=(0,))
    files = [entry for _, entry in found if not entry.is_folder]
    if files:
        desk.say(f"{count(len(files), 'file')}, {human_size(sum(entry.size_bytes for entry in files))}")
    desk.answer([facts(name, entry) for name, entry in found])


def _look(library: Library, path: str, recursive: bool) -> list[tuple[str, Entry]]:
    """Full paths and entries, in the order of the tree."""
    if path and not library.entry(path).is_folder:
        return [(path, library.entry(path))]
    if recursive:
        return list(library.walk(path))
    _, children = library.listing(path)
    return [(f"{path}/{entry.name}".lstrip("/"), entry) for entry in children]


def _row(path: str, entry: Entry) -> tuple[str, str, str]:
    size = "" if entry.is_folder else human_size(entry.size_bytes)
    modified = datetime.fromtimestamp(entry.modified_ns / 1e9).strftime("%Y-%m-%d %H:%M")
    return size, modified, path + ("/" if entry.is_folder else "")


def facts(path: str, entry: Entry) -> dict[str, object]:
    """An entry as JSON tells it."""
    return {
        "path": path,
        "kind": entry.kind.name.lower(),
        "size_bytes": entry.size_bytes,
        "blake3": entry.digest.hex if entry.digest else None,
        "modified": datetime.fromtimestamp(entry.modified_ns / 1e9, UTC).isoformat(),
    }
