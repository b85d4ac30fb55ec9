"""What every command has at hand: its settings, a way to speak to people or programs, the library, progress.

`at_desk` gives a command the options that all of them share and calls it with a `Desk` in front; `at_library` adds `--source`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.config import load
from tools.settings import Settings

if TYPE_CHECKING:
    from tools.progress import Progress
    from views.library import Library

DONE, PROBLEMS, USAGE, FAILED, STOPPED = 0, 1, 2, 3, 130  # exit codes; 130 is what shells expect after Ctrl-C
UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


class Refused(Exception):
    """A command cannot do what was asked; exit code 3. The sentence says why and what to do instead."""


class Desk:
    """One run of one command."""

    def __init__(
        self, flags: Mapping[str, object], config_file: Path | None, wants_json: bool, source: str | None = None
    ) -> None:
        """source: the name of the source to work in, None for the primary one."""
        self._flags, self.config_file, self._source = flags, config_file, source
        self.wants_json = wants_json

    @cached_property
    def settings(self) -> Settings:
        """What holds in the root that is worked in. SourceUnknown, SourceAway."""
        settings = load(self._flags, self.config_file)
        if self._source is None:
            return settings
        from tools.assemble import open_sources

        root = open_sources(settings).get(self._source).root
        return load({**self._flags, "root": root}, self.config_file)

    def say(self, text: str = "") -> None:
        """A line for people; nothing when a program listens."""
        if not self.wants_json:
            click.echo(text)

    def warn(self, text: str) -> None:
        """A line that has to be seen even when a program listens: it goes to standard error."""
        click.echo(f"filmcan: {text}", err=True)

    def answer(self, value: object) -> None:
        """The result for programs: one JSON value on standard output."""
        if self.wants_json:
            print_json(value)

    def table(self, rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        """Columns for people, two spaces apart; `right` are the numbers of columns that hold numbers."""
        widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [
                " " * (width - _width(cell)) + cell if number in right else cell + " " * (width - _width(cell))
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.say("  ".join(cells).rstrip())

    def seek_root(self) -> None:
        """For commands that work with what is there. Refused where no root is: of a disk that is not connected, or under a name
        mistyped, nothing must be called whole or safe, and no empty store be left behind."""
        root = self.settings.root
        if root.is_file() or (root.is_dir() and holds_a_root(root)):
            return  # a file is refused by make_root
        what = "holds nothing of filmcan" if root.exists() else "is not there"
        begin = "serve, put, import and project create begin one"
        raise Refused(f"{root} {what}; connect its disk, or name another root with --root ({begin})")

    @contextmanager
    def library(self, *, makes: bool = False) -> Iterator[Library]:
        """The library of the root, opened for this command alone; LockHeld when a server has it open.

        The limit on uploads is for those who send, not for the person at the machine.

        makes   the command brings something: a root is made where none is
        """
        from tools.assemble import open_library

        if not makes:
            self.seek_root()
        make_root(self.settings.root)
        with open_library(dataclasses.replace(self.settings, max_upload_mb=0)) as library:
            yield library

    @contextmanager
    def libraries(self, *, alone: bool = False) -> Iterator[tuple[Mapping[str, Library], str]]:
        """Every source that can be opened, and the name of the one that is worked in; that one `alone` where others do not count.
        LockHeld for the primary one, and for the one that is worked in."""
        from tools.assemble import open_all
        from views.sources import PRIMARY

        source = self._source or PRIMARY
        if alone:
            with self.library(makes=True) as library:
                yield {source: library}, source
            return
        make_root(self.settings.root)
        with open_all(dataclasses.replace(load(self._flags, self.config_file), max_upload_mb=0)) as libraries:
            libraries.get_open(source)
            yield libraries, source

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Progress of a long command, drawn when a person watches the terminal."""
        from tools.progress import drawn, silent

        watched = sys.stderr.isatty() and not self.wants_json
        with (drawn if watched else silent)(what) as progress:
            yield progress


def holds_a_root(root: Path) -> bool:
    """Is there a store, a list of sources, or projects that a store was lost from, or that an older system kept?"""
    from cas.layout import HOME
    from views.naming import is_project_name
    from views.sources import FOLDER

    marked = (root / HOME).exists() or (root / FOLDER).exists()
    return marked or any(is_project_name(entry.name) and entry.is_dir() for entry in root.iterdir())


def make_root(root: Path) -> None:
    """Make the folder when it is not there. Refused when it cannot be one."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise Refused(f"{root} is a file; name the folder that holds the projects") from None
    except OSError as error:
        raise Refused(f"the folder {root} cannot be made: {error.strerror}") from error


def at_desk(run: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give `run` the shared options and a Desk as its first argument. What it returns is the exit code."""

    @click.option("--root", type=click.Path(path_type=Path), help="Folder that holds the projects.")
    @click.option("--config", type=click.Path(path_type=Path), help="Settings file to read instead of the usual ones.")
    @click.option("--json", "wants_json", is_flag=True, help="Answer with JSON, for programs.")
    @click.option("--debug", is_flag=True, expose_value=False, help="Show where in the code an error arose.")
    @functools.wraps(run)
    def command(root: Path | None, config: Path | None, wants_json: bool, **rest: Any) -> int | None:
        flags = {"root": root, **rest.pop("flags", {})}
        return run(Desk(flags, config, wants_json, rest.pop("source", None)), **rest)

    return command


def at_library(run: Callable[..., int | None]) -> Callable[..., int | None]:
    """As at_desk, for commands that open a library: they can work in any source."""
    said = "Work in this source instead of the primary one; `filmcan source list` tells them."
    return click.option("--source", metavar="NAME", help=said)(at_desk(run))


def print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def human_size(size_bytes: float) -> str:
    """1.2 GB: decimal units, as Finder and drives count."""
    number, unit = float(size_bytes), 0
    while number >= 999.5 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 or number >= 99.95 else f"{number:.1f} {UNITS[unit]}"


def count(number: int, noun: str) -> str:
    """1 file, 2 files."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def sentence(error: Exception) -> str:
    """An error in words; the operating system's own carry their file beside them."""
    if isinstance(error, OSError) and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return f"{' and '.join(names)}: {error.strerror}" if names else error.strerror
    return str(error)


def _width(text: str) -> int:
    """Columns a terminal needs for `text`; names in Chinese or Japanese take two for each sign."""
    import unicodedata

    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )
