"""filmcan project list, create, rename, note, delete"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

import click

from tools.desk import Desk, at_library, count, human_size

if TYPE_CHECKING:
    from views.catalogue import Project
    from views.library import Library


class Facts(TypedDict):
    """A project as JSON tells it."""

    name: str
    files: int
    size_bytes: int
    notes: str
    created: str
    editable: bool


@click.group(short_help="List, create, rename, note, delete projects")
def command() -> None:
    """Projects are the folders at the top of the root: P1-Wedding, P2-Interview, …"""


@command.command("list", short_help="Projects with their files and sizes")
@at_library
def list_(desk: Desk) -> None:
    """List the projects: number of files, their size, notes.

    \b
    Examples:
      filmcan project list
      filmcan project list --json
    """
    with desk.library() as library:
        projects = [_facts(library, project) for project in library.projects()]
    rows = [
        (facts["name"], count(facts["files"], "file"), human_size(facts["size_bytes"]), facts["notes"])
        for facts in projects
    ]
    if rows:
        desk.table(rows, right=(1, 2))
    else:
        desk.say(f"No projects in {desk.settings.root} yet. Make one: filmcan project create Wedding")
    desk.answer(projects)


@command.command(short_help="Make a project")
@click.argument("label")
@click.option("--notes", default="", help="What you want to remember of it.")
@click.option("--editable", is_flag=True, help="Programs write into its files in place; needs btrfs, XFS or the like.")
@at_library
def create(desk: Desk, label: str, notes: str, editable: bool) -> None:
    """Make a project. It gets the next number: Wedding becomes P4-Wedding.

    A label that begins with a number of its own, such as P7-Wedding, is kept; if that project exists, nothing changes.

    The files of an editable project are files of their own, which share their blocks with what is stored: a program may
    write into them, and no other project sees that. What it wrote is taken in as a new clip.

    \b
    Examples:
      filmcan project create "Wedding Anna" --notes "two cameras, drone"
      filmcan project create Grading --editable
    """
    with desk.library(makes=True) as library:
        placed = library.make_project(label, notes, editable=editable)
        facts = _facts(library, library.project(placed.entry.name))
    desk.say(f"{facts['name']}: {'made' if placed.created else 'exists already'}")
    desk.answer({**facts, "created": placed.created})


@command.command(short_help="Give a project another label")
@click.argument("project")
@click.argument("label")
@at_library
def rename(desk: Desk, project: str, label: str) -> None:
    """Give a project another label; it keeps its number, and no file is copied.

    \b
    Example:
      filmcan project rename P4-Wedding "Wedding Anna and Ben"
    """
    with desk.library() as library:
        placed = library.move(library.project(project).name, label, overwrite=False)
        facts = _facts(library, library.project(placed.entry.name))
    desk.say(f"{project} is {facts['name']} now")
    desk.answer(facts)


@command.command(short_help="Write down what you want to remember")
@click.argument("project")
@click.argument("text")
@at_library
def note(desk: Desk, project: str, text: str) -> None:
    """Replace the notes of a project. They are in its index.json too. An empty text removes them.

    \b
    Example:
      filmcan project note P4-Wedding "second card is still missing"
    """
    with desk.library() as library:
        facts = _facts(library, library.set_notes(project, text))
    desk.say(f"{facts['name']}: {text or 'no notes'}")
    desk.answer(facts)


@command.command(short_help="Take a project away into the trash")
@click.argument("project")
@at_library
def delete(desk: Desk, project: str) -> None:
    """Take a project and all its names away, into the trash. No bytes are removed.

    \b
    Example:
      filmcan project delete P4-Wedding
    """
    with desk.library() as library:
        facts = _facts(library, library.project(project))
        library.delete(facts["name"])
    desk.say(f"{facts['name']} is in the trash, {count(int(facts['files']), 'file')}")
    desk.answer(facts)


def _facts(library: Library, project: Project) -> Facts:
    files = [entry for _, entry in library.walk(project.name) if not entry.is_folder]
    created = datetime.fromtimestamp(project.row.created_ns / 1e9, UTC)
    return {
        "name": project.name,
        "files": len(files),
        "size_bytes": sum(entry.size_bytes for entry in files),
        "notes": project.row.notes,
        "created": created.isoformat(),
        "editable": project.row.editable,
    }
