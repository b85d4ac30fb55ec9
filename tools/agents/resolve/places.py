r"""Where the server's files lie on this workstation. Pure.

A table tells which folders are one and the same: `/volumes/footage` on the server, `/Volumes/Footage` on a Mac, `B:\Footage` on
Windows. Each may stand for each other, so one table serves every desk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath, PurePosixPath, PureWindowsPath

WINDOWS = re.compile(r"[A-Za-z]:[\\/]|[A-Za-z]:$|\\\\")


def pure(path: str) -> PurePath:
    """A path of whatever system it is written for."""
    if not WINDOWS.match(path):
        return PurePosixPath(path)
    return PureWindowsPath(path + "\\" if path.endswith(":") else path)


class Places:
    """Folders that are the same, in groups."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._groups: list[list[PurePath]] = []
        for pair in pairs:
            self._join([pure(path) for path in pair])

    @classmethod
    def read(cls, lines: Iterable[str]) -> Places:
        """From lines `FROM=TO`; ValueError with the remedy."""
        pairs = []
        for line in lines:
            source, _, target = (part.strip() for part in line.partition("="))
            if not (pure(source).is_absolute() and pure(target).is_absolute()):
                raise ValueError(f"{line!r} is no pair of whole paths; write FROM=TO, such as /volumes/footage=/Volumes/Footage")
            pairs.append((source, target))
        return cls(pairs)

    def _join(self, same: list[PurePath]) -> None:
        for group in [group for group in self._groups if not set(group).isdisjoint(same)]:
            self._groups.remove(group)
            same = group + [path for path in same if path not in group]
        self._groups.append(same)

    def names_of(self, path: str) -> list[PurePath]:
        """Every name a file may have: by the longest folder of the table that holds it first; its own last.

        Folders are compared step by step, on Windows without regard to case. None for a path that climbs.
        """
        whole = pure(path)
        if ".." in whole.parts:
            return []
        holding = [(root, group) for group in self._groups for root in group if whole.is_relative_to(root)]
        holding.sort(key=lambda found: -len(found[0].parts))
        found = [other.joinpath(*whole.relative_to(root).parts) for root, group in holding for other in group if other != root]
        return [*found, whole]
