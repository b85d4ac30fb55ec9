"""What every room of the API needs: libraries by the name of their source, settings, ways to wait for what runs behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from cas.state import State
from views.catalogue import Project
from views.derived.darkroom import Darkroom
from views.errors import NameNotFound, NotAFolder, SourceUnknown
from views.libraries import Libraries
from views.library import Library
from views.sources import PRIMARY, Sources
from views.web.errors import ApiError
from views.work import Works


@dataclass(frozen=True)
class Desk:
    """
    libraries          sources that can be used, open, by name; "primary" is always there
    sources            the registry
    flush              all that happened up to now is in the manifests; False when something hinders it
    max_upload_bytes   0 for no limit
    cors_origins       exact origins, or "*"
    left_alone         folders of a project that reindex never enters
    quiet_s            loose files that changed within this time are left to whoever writes them
    hide_others        lists of media leave out what is no media by its name
    works              long work that nobody waits for
    darkroom           looks at footage
    safe_copies        on how many disks a file has to be to be called safe, when nobody says otherwise
    """

    libraries: Mapping[str, Library]
    sources: Sources
    flush: Callable[[], bool] = lambda: True
    max_upload_bytes: int = 0
    cors_origins: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()
    quiet_s: float = 1.0
    hide_others: bool = False
    works: Works = field(default_factory=Works)
    darkroom: Darkroom = field(default_factory=Darkroom)
    safe_copies: int = 1
    extras: dict[str, object] = field(default_factory=dict)

    @property
    def primary(self) -> Library:
        return self.libraries[PRIMARY]

    def states(self) -> dict[str, State]:
        """ok, full or degraded, of every source that is open; the primary one first."""
        return {PRIMARY: self.primary.store.state} | {name: library.store.state for name, library in self.libraries.items()}

    def library(self, source: str | None, *, unknown: int = 404) -> Library:
        """The library of a source; `unknown` is the status the contract wants for one that is not there (400 or 404, §2.5)."""
        name = source or PRIMARY
        try:
            found = self.libraries.get_open(name) if isinstance(self.libraries, Libraries) else self.libraries.get(name)
        except SourceUnknown as error:
            raise ApiError(unknown, f"{error}; GET /api/sources lists them") from None
        if found is None:
            raise ApiError(unknown, f"there is no source {name!r}; GET /api/sources lists them")
        return found

    def project(self, name: str, source: str | None) -> tuple[Library, Project]:
        """A project by its name in a URL. 400 for a name that cannot be one, 404 for one that is not there.

        Two dots in a row cannot be in a name (contract §2.3); but a folder that people called so is a project all the same.
        """
        if not name or name[0] in "._" or "/" in name or "\\" in name:
            raise ApiError(400, f"{name!r} is not the name of a project")
        library, found = self.library(source), None
        with suppress(NameNotFound, NotAFolder):
            found = library.project(name)
        if ".." in name and (found is None or found.name != name):
            raise ApiError(400, f"{name!r} is not the name of a project")
        if found is None:
            raise ApiError(404, f"Project index missing: there is no project {name}")
        return library, found
