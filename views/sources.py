"""The registry of sources: named roots beside the primary one, each on its own file system with a store of its own.

    <primary root>/_sources/sources.json    [{"enabled": true, "name": "primary", "root": "/footage", "type": "local"}, …]

The file is read at every question and written only by a change, whole, one writer at a time. `primary` is always there and is the
root the file lies in, whatever the file says: the disk may have moved. A file that cannot be understood is never replaced.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from cas.home import replace_file
from cas.layout import HOME, Layout
from cas.state import State
from cas.system import System
from views.errors import SourceAway, SourceRefused, SourcesUnreadable, SourceUnknown

PRIMARY = "primary"
FOLDER, FILE = "_sources", "sources.json"
STAGED = ".sources.json.new"  # what a crash leaves is written over by the next change
NAME = re.compile(r"[A-Za-z0-9-][A-Za-z0-9._-]{0,99}")  # contract §2.9; nothing that looks hidden or reserved
WAIT_S = 5.0

SourceType = Literal["local", "smb", "nfs"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One root. `type` is a hint for people; `enabled` says whether the name can be used."""

    name: str
    root: Path
    type: SourceType = "local"
    enabled: bool = True

    @property
    def accessible(self) -> bool:
        """Is the root there, with a store in it or fit to hold one?"""
        home = Layout(self.root).home
        return self.root.is_dir() and os.access(home if home.is_dir() else self.root, os.R_OK | os.W_OK | os.X_OK)


Registered = list[Source]  # all but the primary one, in the order they came


class _Row(msgspec.Struct, kw_only=True):
    """A source as the file has it."""

    name: str
    root: str
    type: SourceType = "local"
    enabled: bool = True


Rows = list[_Row]


class Sources:
    """The sources of one primary root. Any thread, any process: changes wait for each other.

    allowed_parents   new roots must lie below one of these; empty: anywhere
    raises            SourcesUnreadable, from every method
    crash             the old list or the new one
    """

    def __init__(self, primary_root: Path, allowed_parents: Iterable[Path] = (), system: System | None = None) -> None:
        self._primary = Source(name=PRIMARY, root=primary_root.resolve())
        self._parents = [parent.resolve() for parent in allowed_parents]
        self._system = system or System()
        self.file = self._primary.root / FOLDER / FILE
        self.state: State | None = None  # of the primary root, while this process has it open

    # asking

    def list(self) -> list[Source]:
        """Every source, disabled ones too: `primary`, then the others in the order they came."""
        return [self._primary, *self._others()]

    def get(self, name: str) -> Source:
        """The source of that name. SourceUnknown when there is none or it is disabled; SourceAway when its root is not there."""
        source = self._find(name)
        if not source.enabled:
            raise SourceUnknown(name, disabled=True)
        if name != PRIMARY and not source.root.is_dir():
            raise SourceAway(name, source.root)
        return source

    def _find(self, name: str) -> Source:
        for source in self.list():
            if source.name == name:
                return source
        raise SourceUnknown(name)

    def _others(self) -> Registered:
        try:
            rows = msgspec.json.decode(self.file.read_bytes(), type=Rows)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SourcesUnreadable(self.file, getattr(error, "strerror", None) or str(error)) from None
        rows = [row for row in rows if row.name != PRIMARY]
        for row in rows:
            if problem := self._problem(row, rows):
                raise SourcesUnreadable(self.file, problem)
        return [Source(name=row.name, root=Path(row.root), type=row.type, enabled=row.enabled) for row in rows]

    @staticmethod
    def _problem(row: _Row, rows: Rows) -> str:
        if not NAME.fullmatch(row.name):
            return f"{row.name!r} is no name for a source"
        if not os.path.isabs(row.root):
            return f"the root of {row.name} is no whole path: {row.root!r}"
        return f"{row.name} is there twice" if sum(other.name == row.name for other in rows) > 1 else ""

    # changing

    def add(self, name: str, root: Path, *, type: SourceType = "local", enabled: bool = True, replacing: bool = False) -> Source:
        """Register a root that exists. `replacing`: a source of this name is changed, otherwise it is refused."""
        source = Source(name=name, root=self._whole(name, root), type=type, enabled=enabled)

        def change(others: Registered) -> Source:
            rest = [other for other in others if other.name != name]
            if rest != others and not replacing and source not in others:
                raise SourceRefused(name, "the name is taken; remove that source first")
            self._admit(source, rest)
            others[:] = [source if other.name == name else other for other in others] if rest != others else [*others, source]
            return source

        return self._change(change)

    def remove(self, name: str) -> Source:
        """Forget a source. What lies in its root stays as it is."""

        def change(others: Registered) -> Source:
            source = self._registered(others, name)
            others.remove(source)
            return source

        return self._change(change)

    def enable(self, name: str) -> Source:
        """Let the name be used again."""
        return self._switch(name, True)

    def disable(self, name: str) -> Source:
        """The source stays registered, but its name cannot be used."""
        return self._switch(name, False)

    def _switch(self, name: str, enabled: bool) -> Source:
        def change(others: Registered) -> Source:
            source = self._registered(others, name)
            switched = replace(source, enabled=enabled)
            if enabled and not source.enabled:
                self._admit(switched, [other for other in others if other is not source])
            others[others.index(source)] = switched
            return switched

        return self._change(change)

    @staticmethod
    def _registered(others: Registered, name: str) -> Source:
        if name == PRIMARY:
            raise SourceRefused(name, "the primary source stays as it is")
        for source in others:
            if source.name == name:
                return source
        raise SourceUnknown(name)

    # what may be a source

    @staticmethod
    def _whole(name: str, root: Path) -> Path:
        if not root.is_dir():
            raise SourceRefused(name, f"{root} is no folder that exists")
        try:
            str(root.resolve()).encode()
        except UnicodeEncodeError:
            raise SourceRefused(name, "the path of its root is not UTF-8") from None
        return root.resolve()

    def _admit(self, source: Source, others: Registered) -> None:
        """SourceRefused unless this can be a source beside the others."""
        name, root = source.name, source.root
        if not NAME.fullmatch(name) or name.lower() == PRIMARY:
            raise SourceRefused(name, f"a name has letters, digits, `-`, and behind these `.` and `_`, but is not {PRIMARY}")
        if self._parents and not any(_within(root, parent) and root != parent for parent in self._parents):
            raise SourceRefused(name, f"{root} is not below {' or '.join(map(str, self._parents))} (setting source_parents)")
        for other in (self._primary, *others):
            if _within(root, other.root) or _within(other.root, root):
                raise SourceRefused(name, f"{root} overlaps with {other.root}, the root of {other.name}")
        for folder in (root, *root.parents):
            if folder.name.lower() == HOME or (folder != root and Layout(folder).home.is_dir()):
                raise SourceRefused(name, f"{root} lies inside a store of filmcan: {folder}")
        if not source.accessible:
            raise SourceRefused(name, f"you may not write into {root}")

    # the file

    def _change(self, change: Callable[[Registered], Source]) -> Source:
        """Read, change, and write when something is different; lasting when it returns. NoSpace, Degraded."""
        if self.state is not None:
            self.state.admit()
        with self._told(), self._alone() as folder:
            others = self._others()
            before = others.copy()
            result = change(others)
            if others != before:
                self._system.unlink(folder, STAGED)
                data = _render([self._primary, *others])
                replace_file(self._system, (folder, STAGED), folder, FILE, data, 0o644, lasting=True)
        return result

    def _told(self) -> AbstractContextManager[None]:
        return self.state.told() if self.state is not None else nullcontext()

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The folder of the file, locked: no other process changes it meanwhile. It is made when it is missing."""
        system = self._system
        self._primary.root.mkdir(parents=True, exist_ok=True)
        root = system.open_root(self._primary.root)
        try:
            try:
                system.make_folder(root, FOLDER, 0o755)
                system.sync_folder(root)
            except FileExistsError:
                pass  # made by an earlier change
            folder = system.open_folder(root, FOLDER)
        finally:
            system.close(root)
        try:
            until = system.monotonic_s() + WAIT_S
            while not system.lock(folder):
                if system.monotonic_s() > until:
                    raise TimeoutError(errno.ETIMEDOUT, "another program is changing it; try again", str(self.file))
                time.sleep(0.01)
            yield folder
        finally:
            system.close(folder)


def _render(sources: Iterable[Source]) -> bytes:
    """The bytes of the file. The root of the primary source is only for people, and may be no UTF-8."""
    rows = [_Row(name=one.name, root=str(one.root).encode(errors="replace").decode(), type=one.type, enabled=one.enabled)
            for one in sources]  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(rows, order="sorted"), indent=2) + b"\n"


def _within(inner: Path, outer: Path) -> bool:
    """Is `inner` the folder `outer` or below it? Asked by identity, so that other mounts of it and other spellings count too."""
    if inner == outer or outer in inner.parents:
        return True
    there = _identity(outer)
    return there is not None and any(_identity(folder) == there for folder in (inner, *inner.parents))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
