"""filmcan export"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.commands.get import write_file
from tools.desk import DONE, FAILED, Desk, Refused, at_library, count, human_size

if TYPE_CHECKING:
    from views.entry import Entry
    from views.library import Library


@click.command(name="export", short_help="Write a project into an ordinary folder")
@click.argument("path")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@at_library
def command(desk: Desk, path: str, folder: Path) -> int:
    """Write the project or folder PATH into FOLDER, as files of their own that can be edited or carried away.

    What is in FOLDER already with the same size and time is skipped, so an interrupted export goes on where it stopped.
    Other files there that would have to be replaced are left, and named at the end.

    \b
    Example:
      filmcan export P3-Interview /media/usb/P3-Interview
    """
    path = path.strip("/")
    done = {"written": 0, "shared": 0, "unchanged": 0, "size_bytes": 0}
    left: list[str] = []
    with desk.library() as library, desk.progress("exporting") as progress:
        entries = _below(library, path)
        progress.expect(len(entries), sum(entry.size_bytes for _, entry in entries))
        for name, entry in entries:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if _same(target, entry):
                done["unchanged"] += 1
            elif target.exists():
                left.append(name)
            else:
                _, blob = library.open(f"{path}/{name}".lstrip("/"))
                with blob:
                    done["shared"] += write_file(blob, entry, target)
                done["written"] += 1
                done["size_bytes"] += entry.size_bytes
            progress.advance(1, entry.size_bytes)
    desk.say(
        f"{folder}: {count(done['written'], 'file')} written, {human_size(done['size_bytes'])}"
        + (f", {done['unchanged']:,} there already" if done["unchanged"] else "")
        + (f", {done['shared']:,} sharing the blocks of the store" if done["shared"] else "")
    )
    desk.answer({"path": path, "folder": str(folder), **done, "left": left})
    if left:
        shown = ", ".join(left[:5]) + (" …" if len(left) > 5 else "")
        desk.warn(f"{count(len(left), 'file')} in {folder} would have been replaced and stayed as they were: {shown}")
        return FAILED
    return DONE


def _below(library: Library, path: str) -> list[tuple[str, Entry]]:
    """Every file below `path`, its name relative to it."""
    if not library.entry(path).is_folder:
        raise Refused(f"{path} is a file; fetch it with: filmcan get {path}")
    skip = len(path.split("/")) if path else 0
    return [("/".join(name.split("/")[skip:]), entry) for name, entry in library.walk(path) if not entry.is_folder]


def _same(target: Path, entry: Entry) -> bool:
    try:
        stat = target.stat()
    except FileNotFoundError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (entry.size_bytes, entry.modified_ns)
