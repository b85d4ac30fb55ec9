"""The folder `ascmhl` of one project on disk: read whole, and added to.

Nothing that stands there is ever written over but the chain, which is swapped in whole. The first generation comes with its
chain and its folder in one rename. After a crash between a later generation and the chain, the generation is there and counts;
the next one writes the chain with both.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException

from cas.digest import Hasher, c4
from cas.home import Home
from cas.system import System
from views.errors import HistoryUnfit
from views.mhl.history import History, read_chain
from views.mhl.words import CHAIN, ENDING, FOLDER, Generation, file_name, render, render_chain

NAME = re.compile(r"(\d{4,})(?:_.+)?" + re.escape(ENDING), re.DOTALL)
READ_BYTES = 1 << 20
Chain = list[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Held:
    """What the folder holds: all generations folded, and the chain as it should be."""

    history: History
    chain: Chain


class Shelf:
    """`ascmhl` in the project folder `project`, an open descriptor. One thread at a time.

    raises   HistoryUnfit when what stands there is not what the chain says, or cannot be read
    """

    def __init__(self, home: Home, system: System, project: int) -> None:
        self._home, self._system, self._project = home, system, project

    def read(self) -> Held:
        """All that is there; nothing when there is no folder yet."""
        with self._folder() as folder:
            return Held(History(), []) if folder is None else self._read(folder)

    @contextmanager
    def _folder(self) -> Iterator[int | None]:
        try:
            fd = self._system.open_folder(self._project, FOLDER)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            raise HistoryUnfit(FOLDER, why="it is no folder; move it away") from None
        try:
            yield fd
        finally:
            self._system.close(fd)

    def _read(self, folder: int) -> Held:
        names = {entry.name for entry in self._system.scan(folder)}
        manifests = sorted((int(match[1]), name) for name in names if (match := NAME.fullmatch(name)))
        said = self._read_chain(folder) if CHAIN in names else []
        if missing := [name for _, name, _ in said if name not in names]:
            raise HistoryUnfit(f"{FOLDER}/{missing[0]}", why="the chain names it, and it is gone")
        sums, history = {name: sum for _, name, sum in said}, History()
        chain = list(said)
        for number, name in manifests:
            data = self._content(folder, name)
            found = c4(_sha512(data))
            if sums.get(name, found) != found:
                raise HistoryUnfit(f"{FOLDER}/{name}", why="it was changed since it was written; bring back the file as it was")
            if name not in sums:  # a crash came before the chain, or another program keeps none
                chain.append((number, name, found))
            self._take(history, number, name, data)
        return Held(history, sorted(chain))

    def _read_chain(self, folder: int) -> Chain:
        try:
            return read_chain(self._content(folder, CHAIN))
        except (ParseError, DefusedXmlException) as error:
            raise HistoryUnfit(f"{FOLDER}/{CHAIN}", why=f"it cannot be read: {error}") from None

    @staticmethod
    def _take(history: History, number: int, name: str, data: bytes) -> None:
        try:
            history.take(number, data)
        except (ParseError, DefusedXmlException) as error:
            raise HistoryUnfit(f"{FOLDER}/{name}", why=f"it cannot be read: {error}") from None

    def _content(self, folder: int, name: str) -> bytes:
        fd, pieces = self._system.open_read(folder, name), []
        try:
            while piece := self._system.read(fd, READ_BYTES):
                pieces.append(piece)
        finally:
            self._system.close(fd)
        return b"".join(pieces)

    # writing

    def add(self, held: Held, project: str, generation: Generation) -> str:
        """Write the next generation after what was read; the name of its file. Lasting when it returns."""
        number = held.history.last + 1
        name = file_name(number, project, generation.made_ns)
        with self._folder() as folder:
            if folder is None:
                self._begin(number, name, generation)
            else:
                staged = (self._home.incoming, self._system.token())
                sum = self._write(*staged, generation)
                self._put(staged, folder, name)
                self._home.replace(folder, CHAIN, render_chain([*held.chain, (number, name, sum)]), 0o644, lasting=True)
        return name

    def _write(self, folder: int, name: str, generation: Generation) -> str:
        """A new file with the manifest, synced; its C4 id."""
        hasher, fd = Hasher(["sha512"]), self._system.create(folder, name, 0o444)
        try:
            for piece in render(generation):
                hasher.update(piece)
                self._system.write(fd, piece)
            self._system.sync_file(fd)
        except BaseException:
            self._system.unlink(folder, name)
            raise
        finally:
            self._system.close(fd)
        return c4(hasher.finish().extra["sha512"])

    def _put(self, staged: tuple[int, str], folder: int, name: str) -> None:
        """Under its name, which nobody has: link, not rename, so that nothing is ever written over."""
        try:
            self._system.link(*staged, folder, name)
        finally:
            self._system.unlink(*staged)
        self._system.sync_folder(folder)

    def _begin(self, number: int, name: str, generation: Generation) -> None:
        """The folder with its first generation and chain, in one step."""
        token = self._system.token()
        self._system.make_folder(self._home.incoming, token)
        with self._system.folder(self._home.incoming, (token,)) as folder:
            sum = self._write(folder, name, generation)
            self._home.replace(folder, CHAIN, render_chain([(number, name, sum)]), 0o644, lasting=True)
        self._system.rename(self._home.incoming, token, self._project, FOLDER)
        self._system.sync_folder(self._project)


def _sha512(data: bytes) -> bytes:
    hasher = Hasher(["sha512"])
    hasher.update(data)
    return hasher.finish().extra["sha512"]
