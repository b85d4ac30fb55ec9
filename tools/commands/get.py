"""filmcan get"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.commands.ls import facts
from tools.desk import Desk, Refused, at_library, human_size

if TYPE_CHECKING:
    from cas.blobs import OpenBlob
    from views.entry import Entry

BLOCK_BYTES = 1 << 20


@click.command(short_help="Fetch a file")
@click.argument("path")
@click.argument("dest", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--force", is_flag=True, help="Replace DEST when it is there already.")
@at_library
def command(desk: Desk, path: str, dest: Path | None, force: bool) -> None:
    """Fetch the file at PATH into DEST: a folder, a file name, or - for the pipe. Without DEST, into this folder.

    Whole projects and folders are fetched with `filmcan export`.

    \b
    Examples:
      filmcan get P3-Interview/ingest/originals/A001.mov
      filmcan get P3-Interview/ingest/originals/A001.mov /tmp/first-take.mov
      filmcan get P3-Interview/exports/cut.mp4 - | ffplay -
    """
    path = path.strip("/")
    with desk.library() as library:
        if library.entry(path).is_folder:
            raise Refused(f"{path} is a folder; fetch it with: filmcan export {path} FOLDER")
        entry, blob = library.open(path)
        with blob:
            if dest == Path("-"):
                _pour_out(blob)
                return
            target = _target(entry, dest)
            if target.exists() and not force:
                raise Refused(f"{target} is there already; --force replaces it")
            write_file(blob, entry, target)
    desk.say(f"{target}: {human_size(entry.size_bytes)}")
    desk.answer({**facts(path, entry), "file": str(target)})


def _target(entry: Entry, dest: Path | None) -> Path:
    if dest is None or dest.is_dir():
        return (dest or Path()) / entry.name
    return dest


def _pour_out(blob: OpenBlob) -> None:
    with open(blob.fd, "rb", buffering=0, closefd=False) as source:
        shutil.copyfileobj(source, sys.stdout.buffer, BLOCK_BYTES)


def write_file(blob: OpenBlob, entry: Entry, target: Path) -> bool:
    """Write a file of one's own, whole or not at all, with the time of the name; True when blocks are shared."""
    from cas.system import System

    staged = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with staged.open("xb", buffering=0) as out, open(blob.fd, "rb", buffering=0, closefd=False) as source:
            try:
                System().clone(blob.fd, out.fileno())
                shared = True
            except OSError:  # this file system cannot, or it is another one
                shutil.copyfileobj(source, out, BLOCK_BYTES)
                shared = False
        os.utime(staged, ns=(entry.modified_ns, entry.modified_ns))
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)
    return shared
