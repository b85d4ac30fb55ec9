"""The clips of a job: where each lies on this workstation, whether it is whole, what became of it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from tools.agents.resolve.places import Places

HASHED_BYTES = 64 << 20  # a larger file is compared by its size alone: reading it over a network takes too long
READ_BYTES = 1 << 20
PATIENCE_S = 6.0  # how long a share may show an old listing: SMB clients keep one for 5 seconds and more

IMPORTED, ALREADY, REVEALED = "imported", "already", "revealed"
MISSING, INCOMPLETE, DAMAGED, REFUSED, LEFT = "missing", "incomplete", "damaged", "refused", "left"
GOOD = (IMPORTED, ALREADY, REVEALED)


@dataclass(frozen=True)
class Clip:
    """A file as the server tells it."""

    relative_path: str
    host_path: str
    size_bytes: int
    sha256: str = ""
    blake3: str = ""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Clip:
        """KeyError, TypeError, ValueError for what is no clip."""
        sums = (str(told.get(kind) or "") for kind in ("sha256", "blake3"))
        return cls(str(told["relative_path"]), str(told["host_path"]), int(told["size"]), *sums)


@dataclass(frozen=True)
class Outcome:
    """What became of one clip."""

    relative_path: str
    outcome: str
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.outcome in GOOD

    def told(self) -> dict[str, str]:
        return {"relative_path": self.relative_path, "outcome": self.outcome, "detail": self.detail}


class Finder:
    """Finds clips by a table of places, and compares them with what the server has."""

    def __init__(
        self, places: Places, *, patience_s: float = PATIENCE_S, sleep: Callable[[float], None] = time.sleep,
        windows: bool = os.name == "nt",
    ) -> None:  # fmt: skip
        self._places, self._patience_s, self._sleep, self._windows = places, patience_s, sleep, windows

    def find(self, clips: Sequence[Clip]) -> list[tuple[Clip, Path | Outcome]]:
        """Each clip with its file, which is whole, or with what is wrong. New files may need a moment to show on a share."""
        found, waited_s = {clip: self._look(clip) for clip in clips}, 0.0
        while waited_s < self._patience_s and (late := [clip for clip, what in found.items() if _may_come(what)]):
            self._sleep(1.0)
            waited_s += 1.0
            found |= {clip: self._look(clip) for clip in late}
        return list(found.items())

    def _look(self, clip: Clip) -> Path | Outcome:
        names = [name for name in self._places.names_of(clip.host_path) if isinstance(name, PureWindowsPath) == self._windows]
        path = next((Path(name) for name in names if Path(name).is_file()), None)
        if path is None:
            shown = " or ".join(map(str, names)) or clip.host_path
            return Outcome(clip.relative_path, MISSING, f"there is no {shown}; is the disk connected, is --map right?")
        return self._compare(clip, path) or path

    def _compare(self, clip: Clip, path: Path) -> Outcome | None:
        try:
            size_bytes = path.stat().st_size
            if size_bytes != clip.size_bytes:
                return Outcome(clip.relative_path, INCOMPLETE, f"{path} has {size_bytes} bytes, the server {clip.size_bytes}")
            if clip.sha256 and size_bytes <= HASHED_BYTES and _sha256(path) != clip.sha256:
                return Outcome(clip.relative_path, DAMAGED, f"{path} holds other bytes than the server")
        except OSError as error:
            return Outcome(clip.relative_path, MISSING, f"{path} cannot be read: {error.strerror or error}")
        return None


def _may_come(what: Path | Outcome) -> bool:
    return isinstance(what, Outcome) and what.outcome in (MISSING, INCOMPLETE)


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            total.update(block)
    return total.hexdigest()
