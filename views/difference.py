"""What can be different between a folder and the index: values, each one enough for `reindex` to act on, and to print."""

from __future__ import annotations

from dataclasses import dataclass

from cas.digest import Digest
from cas.link import Seal
from views.entry import Entry


@dataclass(frozen=True, slots=True)
class NewProject:
    """A folder `P<n>-…` at the top that no row knows."""

    path: str
    verb = "project"


@dataclass(frozen=True, slots=True)
class NewFolder:
    path: str
    verb = "folder"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file nobody told us of, or one that took the place of what the index believes (`over`).

    digest   known without reading when the file is a link of a blob that looks as it should
    calm     nobody but us has touched it, as far as is known (cas/calm.py)
    """

    path: str
    seal: Seal
    changed_ns: int
    over: Entry | None = None
    digest: Digest | None = None
    calm: bool = True
    verb = "adopt"


@dataclass(frozen=True, slots=True)
class Edited:
    """The blob itself looks changed, seen through one of its names: the bytes must be read.

    told   the file system told of a change under this very name, not just of one that all names show
    """

    path: str
    entry: Entry
    changed_ns: int
    told: bool = False
    verb = "edited"


@dataclass(frozen=True, slots=True)
class Gone:
    """A row whose name is not on disk any more; with `taken`, something of another kind has the name now."""

    path: str
    entry: Entry
    taken: bool = False
    verb = "missing"


@dataclass(frozen=True, slots=True)
class HalfGone:
    """A row whose name is gone from disk because a request that takes it away ended before it was written down: by a crash,
    it was never answered. It lies in the trash of `day` under `trash_name`, where no row knows of it."""

    path: str
    entry: Entry
    day: str
    trash_name: str
    verb = "put back"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file or folder that lies under another name now, or under another spelling of the same name."""

    path: str
    to: str
    entry: Entry
    verb = "rename"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that cannot have a row, or cannot be read: why, and the path as it can be printed. Left where it is."""

    path: str
    why: str
    verb = "left alone"


Difference = NewProject | NewFolder | NewFile | Edited | Gone | HalfGone | Renamed | Conflict


def place(difference: Difference) -> tuple[int, str]:
    """What made room first; folders, new or renamed, from the top down; files that moved, new files, edits; what is missing."""
    match difference:
        case NewProject() | NewFolder():
            return 1, difference.path
        case Renamed():
            return (1 if difference.entry.is_folder else 2), difference.to
        case HalfGone():
            return 1, difference.path
        case NewFile():
            return 3, difference.path
        case Edited():
            return 4, difference.path
        case Gone():
            return (0 if difference.taken else 5), difference.path
    return 6, difference.path
