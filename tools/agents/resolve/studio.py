"""What is done inside Resolve: a project opened or made, a bin, clips brought into it.

Resolve's objects stand for things in another process. They have every name anybody asks for, as None (so `hasattr` lies); they
answer None or False without a reason; and `ImportMedia` knows only the folder that is current at that moment, which a person
may change with a click.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.agents.resolve.clips import ALREADY, IMPORTED, REFUSED, Clip, Outcome

if TYPE_CHECKING:
    from fusionscript import Folder, MediaPool, MediaPoolItem, Project, Resolve

SUMS = {"blake3": "filmcan blake3", "sha256": "filmcan sha256"}  # names of third-party metadata


class Unwilling(Exception):
    """Resolve would not do it. The sentence says what, and what may be the cause."""


@contextmanager
def _speaking() -> Iterator[None]:
    """A Resolve that ended leaves objects whose methods are None."""
    try:
        yield
    except (TypeError, AttributeError) as error:
        raise Unwilling(f"Resolve does not answer any more; was it closed? ({error})") from error


class Studio:
    """A running Resolve."""

    def __init__(self, resolve: Resolve) -> None:
        self._manager = resolve.GetProjectManager()

    def current(self) -> str:
        """The name of the open project; "" when none is."""
        with _speaking():
            project = self._manager.GetCurrentProject()
            return project.GetName() if project else ""

    def names(self) -> list[str]:
        """Projects that could be opened."""
        with _speaking():
            return list(self._manager.GetProjectListInCurrentFolder() or ())

    def open(self, name: str) -> Project:
        """The project of that name: the one that is open, or opened, or made. Unwilling."""
        with _speaking():
            current = self._manager.GetCurrentProject()
            if current and current.GetName() == name:
                return current
            if current:
                self._manager.SaveProject()  # opening another would ask, and nobody may sit there
            if name not in self.names():
                self._manager.GotoRootFolder()
            project = self._manager.LoadProject(name) or self._make(name)
        if not project:
            raise Unwilling(f"Resolve neither opens nor makes the project {name}; is it open on another workstation?")
        return project

    def _make(self, name: str) -> Project | None:
        if name in self.names():
            return None
        return self._manager.CreateProject(name)  # type: ignore[call-arg]  # the second argument came with Resolve 20

    def save(self) -> None:
        with _speaking():
            self._manager.SaveProject()


class Bin:
    """A folder of a project's media pool, and which files are in it."""

    def __init__(self, project: Project, name: str) -> None:
        """The bin of that name below the top, made when it is missing. Unwilling."""
        with _speaking():
            self._pool: MediaPool = project.GetMediaPool()
            self._before = self._pool.GetCurrentFolder()
            self._folder = self._find(name) or self._pool.AddSubFolder(self._pool.GetRootFolder(), name)
            if not self._folder:
                raise Unwilling(f"Resolve makes no bin {name}")
            self._has = self._files()

    def _find(self, name: str) -> Folder | None:
        folders = self._pool.GetRootFolder().GetSubFolderList() or []
        return next((folder for folder in folders if folder.GetName() == name), None)

    def _files(self) -> dict[str, MediaPoolItem]:
        items = self._folder.GetClipList() or []
        return {_key(str(item.GetClipProperty("File Path"))): item for item in items}

    def bring(self, clip: Clip, path: Path) -> Outcome:
        """Have a file in the bin, once."""
        with _speaking():
            if _key(str(path)) in self._has:
                return Outcome(clip.relative_path, ALREADY)
            item = self._import(path)
            if item is None:
                return Outcome(clip.relative_path, REFUSED, f"Resolve does not import {path}; can it read this kind of file?")
            self._has[_key(str(path))] = item
            _label(item, clip)
            return Outcome(clip.relative_path, IMPORTED)

    def _import(self, path: Path) -> MediaPoolItem | None:
        """The new clip. What Resolve answers is not trusted: the bin tells."""
        if not self._pool.SetCurrentFolder(self._folder):
            raise Unwilling("Resolve does not go to the bin; was it deleted?")
        items = self._pool.ImportMedia([str(path)])
        return items[0] if items else self._files().get(_key(str(path)))

    def leave(self) -> None:
        """Show the bin that was shown before."""
        with _speaking():
            if self._before:
                self._pool.SetCurrentFolder(self._before)


def _label(item: MediaPoolItem, clip: Clip) -> None:
    """Which content it is, for whoever asks later. Resolve before 18.6 has no third-party metadata: there it is a comment."""
    sums = {SUMS[kind]: value for kind, value in (("blake3", clip.blake3), ("sha256", clip.sha256)) if value}
    if not sums:
        return
    if callable(getattr(item, "SetThirdPartyMetadata", None)) and item.SetThirdPartyMetadata(sums):
        return
    item.SetMetadata("Comments", " ".join(f"{name}:{value}" for name, value in sums.items()))


def _key(path: str) -> str:
    """One spelling of a path: a Mac may answer letters taken apart, Windows another case."""
    return unicodedata.normalize("NFC", os.path.normcase(os.path.normpath(path)))
