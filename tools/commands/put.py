"""filmcan put"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from tools.commands.ls import facts
from tools.desk import Desk, Refused, at_library, human_size

if TYPE_CHECKING:
    from cas.incoming import Incoming
    from tools.progress import Progress
    from views.edit import Placed
    from views.library import Library

BLOCK_BYTES = 1 << 20
STDIN = Path("-")
A_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


@click.command(short_help="Store files")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
)
@click.argument("dest")
@at_library
def command(desk: Desk, files: tuple[Path, ...], dest: str) -> None:
    """Store FILES under DEST: a folder in a project, or for one file its new name.

    DEST is a folder when it is one already, when it ends with a slash, or when there are several FILES. Missing folders
    are made, and the first name of DEST becomes a project. FILE may be - for what comes in through a pipe.

    \b
    Examples:
      filmcan put interview.mov P3-Interview/ingest/originals/
      filmcan put *.wav P3-Interview/ingest/originals/sound/
      ffmpeg -i in.mov -f mp4 - | filmcan put - P3-Interview/exports/cut.mp4
    """
    placed = []
    with desk.library(makes=True) as library, desk.progress("storing") as progress:
        progress.expect(len(files), sum(file.stat().st_size for file in files if file != STDIN))
        into_folder = len(files) > 1 or dest.endswith("/") or _is_folder(library, dest)
        if into_folder and STDIN in files:
            raise Refused("what comes in through the pipe needs a name: give a whole path as DEST")
        folder, _, name = dest.strip("/").rpartition("/")
        folder = ensure_folder(library, dest.strip("/") if into_folder else folder)
        for file in files:
            path = "/".join(filter(None, (folder, file.name if into_folder else name)))
            placed.append((path, _store(library, file, path, progress)))
            progress.advance(files=1, known=int(placed[-1][1].known))
    for path, result in placed:
        how = "known already" if result.known else "stored"
        desk.say(f"{path}: {how}, {human_size(result.entry.size_bytes)}")
    desk.answer(
        [{**facts(path, result.entry), "created": result.created, "known": result.known} for path, result in placed]
    )


def _is_folder(library: Library, path: str) -> bool:
    entry = library.find(path.strip("/"))
    return entry is not None and entry.is_folder


def ensure_folder(library: Library, path: str) -> str:
    """Make the folders of `path` that are missing; the path as the tree spells it (a new project gets its number)."""
    from views.errors import AlreadyThere

    spelt = ""
    for part in filter(None, path.split("/")):
        here = f"{spelt}/{part}".lstrip("/")
        try:
            entry = library.find(here) or library.make_folder(here).entry
        except AlreadyThere:  # another thread was quicker
            entry = library.entry(here)
        if not entry.is_folder:
            raise Refused(f"{here} is a file, so nothing can be put into it")
        spelt = f"{spelt}/{entry.name}".lstrip("/")
    return spelt


@contextmanager
def read_in(library: Library, file: Path, took: Callable[[int], None]) -> Iterator[tuple[Incoming, int]]:
    """The whole of `file` as a finished body, and its time; `took` hears of every block.

    Ended at the end of the block unless a put ended it before. Refused when the file changes meanwhile.
    """
    with file.open("rb", buffering=0) as source:
        before = os.fstat(source.fileno())
        with library.receive(before.st_size) as body:
            body.take_file(source.fileno(), took)
            after = os.fstat(source.fileno())
            if (before.st_mtime_ns, body.size_bytes) != (after.st_mtime_ns, after.st_size):
                raise Refused(f"{file} changed while it was read; try again when it is finished")
            body.finish(modified_ns=before.st_mtime_ns)
            body.told.add("source")
            yield body, before.st_mtime_ns


def _pour(source: BinaryIO, body: Incoming, took: Callable[[int], None]) -> None:
    buffer = memoryview(bytearray(BLOCK_BYTES))
    while count := source.readinto(buffer):  # type: ignore[attr-defined]
        body.write(buffer[:count])
        took(count)


def _store(library: Library, file: Path, path: str, progress: Progress) -> Placed:
    def took(size_bytes: int) -> None:
        progress.advance(size_bytes=size_bytes)

    if file == STDIN:
        with library.receive() as body:
            _pour(sys.stdin.buffer, body, took)
            return library.put(path, body, via="import")
    with read_in(library, file, took) as (body, modified_ns):
        return library.put(path, body, modified_ns=modified_ns, via="import")
