"""filmcan restore"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tools.desk import USAGE, Desk, Refused, at_library, count, human_size

if TYPE_CHECKING:
    from views.edit import Placed
    from views.library import Library
    from views.past import Trashed

LISTED_MOST = 1000


@dataclass(frozen=True)
class Restoring:
    """What a run would do: from where to where, how much that is, and the way to do it. `to` "" is found while it is done."""

    source: str
    to: str
    files: int
    size_bytes: int
    do: Callable[[], Placed]


@click.command(short_help="Bring back what was deleted, replaced, or a whole project as it was")
@click.argument("what", required=False)
@click.option("--at", "at", metavar="MOMENT", help="As it was then: 2026-11-25T18-00-00Z (UTC), 2026-11-25, seq-1234.")
@click.option("--as", "to", metavar="NAME", help="Under this path; of a project, the label of the new one.")
@click.option("--list", "lists", is_flag=True, help="Only list: the trash; versions of a file; moments of a project.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be restored.")
@at_library
def command(desk: Desk, what: str | None, at: str | None, to: str | None, lists: bool, dry_run: bool) -> int | None:
    """Bring something back: out of the trash, an earlier version of a file, or a whole project as it was.

    WHAT is a name in the trash, the path that something had, or a project with --at. No bytes are written: what comes back are
    links. A project of the past becomes a new project.

    \b
    Examples:
      filmcan restore --list
      filmcan restore P1-Wedding/ingest/originals/A001.mov
      filmcan restore P1-Wedding/ingest/originals/A001.mov --at 2026-11-25T18-00-00Z
      filmcan restore P1-Wedding --at 2026-11-25 --as "Wedding before the cut" --dry-run
    """
    with desk.library() as library:
        if lists:
            _list(desk, library, what)
            return None
        if what is None:
            click.echo("filmcan: name what to restore; --list shows what there is", err=True)
            return USAGE
        found = _find(library, what.strip("/"), at, to)
        placed = None if dry_run else found.do()
        path, lost = (found.to, ()) if placed is None else (placed.path, placed.lost)
    size = f"{count(found.files, 'file')}, {human_size(found.size_bytes)}"
    desk.say(f"{found.source} {'would come back' if dry_run else 'is back'} as {path or 'what it was'} ({size})")
    for inner in lost:
        desk.say(f"  left out, as its content is lost: {inner}")
    told = {"dry_run": dry_run, "from": found.source, "path": path, "files": found.files, "size_bytes": found.size_bytes}
    desk.answer({**told, "lost": list(lost)})
    return None


def _find(library: Library, what: str, at: str | None, to: str | None) -> Restoring:
    """What is meant. Refused, NameNotFound."""
    from views.past import HISTORY_NAME, TRASH_NAME

    if at is not None:
        project, _, inner = what.partition("/")
        source = f"{HISTORY_NAME}/{project}/{at}/{inner}".rstrip("/")
        return _of_history(library, source, to or (what if inner else f"{project.partition('-')[2] or project} {at}"), what)
    name = _in_trash(library, what.removeprefix(f"{TRASH_NAME}/"))
    if name is None:
        raise Refused(
            f"nothing in the trash has {what!r} as its name there or its whole path{_meant(library, what)}; "
            "--list shows it, --at goes to another time"
        )
    source = f"{TRASH_NAME}/{name.name}"
    files, size_bytes = _much(library, source)
    if to is None:
        return Restoring(source, name.path, files, size_bytes, lambda: library.put_back(source))
    return Restoring(source, to, files, size_bytes, lambda: library.move(source, to, overwrite=False))


def _of_history(library: Library, source: str, target: str, what: str) -> Restoring:
    entry = library.entry(source)
    over = target == what and not entry.is_folder  # a version goes over the file of today
    if library.find(target) is not None and not over:
        raise Refused(f"{target} exists; say with --as under which name it should come back")
    files, size_bytes = _much(library, source)
    return Restoring(source, target, files, size_bytes, lambda: library.copy(source, target, overwrite=over))


def _in_trash(library: Library, what: str) -> Trashed | None:
    """By its name in the trash, else what was deleted last under this path."""
    after = ""
    while True:
        items, after = library.past.newest(after, LISTED_MOST)
        found = next((item for item in items if what in (item.name, item.path)), None)
        if found is not None or not after:
            return found


def _meant(library: Library, what: str) -> str:
    """Of what was deleted lately, the last that ends like this."""
    items, _ = library.past.newest("", LISTED_MOST)
    found = next((item for item in items if item.path.rpartition("/")[2] == what.rpartition("/")[2]), None)
    return f"; did you mean {found.name} ({found.path})?" if found else ""


def _much(library: Library, source: str) -> tuple[int, int]:
    entry = library.entry(source)
    if not entry.is_folder:
        return 1, entry.size_bytes
    files = [inner for _, inner in library.walk(source) if not inner.is_folder]
    return len(files), sum(inner.size_bytes for inner in files)


# listing


def _list(desk: Desk, library: Library, what: str | None) -> None:
    if what is None:
        _list_trash(desk, library)
    elif "/" in what.strip("/"):
        _list_versions(desk, library, what.strip("/"))
    else:
        _list_moments(desk, library, what.strip("/"))


def _shown(desk: Desk, rows: Sequence[tuple[str, ...]], none: str, told: list[dict[str, Any]]) -> None:
    if rows:
        desk.table(rows)
    else:
        desk.say(none)
    desk.answer(told)


def _list_trash(desk: Desk, library: Library) -> None:
    from views.audit import timestamp

    items, more = library.past.newest("", LISTED_MOST)
    told = [{"name": item.name, "path": item.path, "deleted_at": timestamp(item.at_ns)} for item in items]
    rows = [(one["name"], _minute(one["deleted_at"]), one["path"]) for one in told]
    _shown(desk, rows, "The trash is empty.", told)
    if more:
        desk.say(f"… and older things; the pages show all. These are the last {LISTED_MOST:,}.")


def _list_versions(desk: Desk, library: Library, path: str) -> None:
    from views.audit import timestamp

    versions = library.past.versions(path)
    told = [
        {"at": f"seq-{one.seq}", "since": timestamp(one.at_ns), "size_bytes": one.entry.size_bytes if one.entry else None}
        for one in versions
    ]
    rows = [
        (f"seq-{one.seq}", _minute(timestamp(one.at_ns)), human_size(one.entry.size_bytes) if one.entry else "deleted")
        for one in versions
    ]
    _shown(desk, rows, f"Nothing is known of {path}.", told)


def _list_moments(desk: Desk, library: Library, project: str) -> None:
    from views.errors import NameNotFound

    library.history.catch_up()
    with library.store.index.read() as txn:
        found = library.past.project_id(txn, project)
        if found is None:
            raise NameNotFound(project)
        moments = library.past.moments(txn, found)
    told = [{"at": entry.name, "seq": moment.seq, "op": moment.op, "path": moment.path} for moment, entry in moments]
    _shown(desk, [(str(one["at"]), str(one["op"]), str(one["path"])) for one in told], "Nothing is kept of its past.", told)


def _minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
