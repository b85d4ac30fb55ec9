"""Is what lies on a card here, and safe? Every file of the card is read and looked up by its content, whatever it is called."""

from __future__ import annotations

import stat as modes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cas.digest import Digest
from cas.found import hash_open
from views.library import Library
from views.media import kind_of
from views.receipt import Line, Receipts, line_of, not_yet

PAGE = 500  # contents looked up together


@dataclass
class Result:
    """The verdict on a card.

    safe      paths of media that may be wiped
    left      path and reason of media that may not
    beside    paths of other files that are not stored here: sidecars, settings of the camera
    """

    safe: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    @property
    def is_safe(self) -> bool:
        return bool(self.safe) and not self.left

    @property
    def verdict(self) -> str:
        total = len(self.safe) + len(self.left)
        if self.is_safe:
            return f"SAFE: {len(self.safe):,} of {total:,}"
        return not_yet(self.left, total)

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "safe": self.is_safe,
            "counts": {"media": len(self.safe) + len(self.left), "safe": len(self.safe), "not_yet": len(self.left)},
            "not_yet": [{"path": path, "why": why} for path, why in self.left],
            "may_be_wiped": self.safe,
            "other_files_not_stored": self.beside,
        }


class Card:
    """One card, file by file, then `result`. One thread.

    project   only names in it count; None: any name of the source
    copies    as Receipts
    """

    def __init__(self, libraries: Mapping[str, Library], source: str, project: str | None, copies: int) -> None:
        self._library = libraries[source]
        self._receipts = Receipts(libraries, source, copies)
        self._copies = copies
        self._project = self._library.project(project.strip("/")).name if project is not None else None
        self._read: list[tuple[str, Digest, int]] = []
        self._result = Result()

    def look(self, file: Path, inner: str, took: Callable[[int], None]) -> None:
        """Read a file of the card, from the card and not from memory. What cannot be read is not safe."""
        system = self._library.store.system
        try:
            folder = system.open_root(file.parent)
            try:
                fd = system.open_read(folder, file.name)
            finally:
                system.close(folder)
            try:
                system.forget_cached(fd)
                before = system.fstat(fd)
                sums = hash_open(system, fd, (), took)
                if not modes.S_ISREG(before.st_mode) or sums.size_bytes != before.st_size:
                    self.cannot_read(inner, "it changed while it was read")
                    return
            finally:
                system.close(fd)
        except OSError as error:
            self.cannot_read(inner, error.strerror or str(error))
            return
        self._read.append((inner, sums.digest, sums.size_bytes))

    def cannot_read(self, inner: str, why: str) -> None:
        """A file whose bytes are not known: it counts as media whatever it is called."""
        self._result.left.append((inner, f"cannot be read: {why}"))

    def result(self) -> Result:
        """The verdict on what was looked at. What is here was read from its card now: that is remembered as told."""
        for start in range(0, len(self._read), PAGE):
            page = self._read[start : start + PAGE]
            known = self._receipts.contents([digest for _, digest, _ in page])
            self._library.store.hear([digest for digest, (row, _) in known.items() if row is not None], "source")
            for inner, digest, size_bytes in page:
                self._judge(line_of(inner, size_bytes, digest, 0, *known[digest], self._copies))
        self._read.clear()
        return self._result

    def _judge(self, line: Line) -> None:
        is_media = kind_of(line.path) != "other"
        why = self._elsewhere(line) or line.why
        if not is_media:
            if why:
                self._result.beside.append(line.path)
        elif why:
            self._result.left.append((line.path, why))
        else:
            self._result.safe.append(line.path)

    def _elsewhere(self, line: Line) -> str:
        """Why a content is not where it is looked for; "" when it is."""
        if not line.copies or line.copies[0].source != self._receipts.source:
            return "not stored here"
        if self._project is None:
            return ""
        below = f"{self._project}/"
        return "" if any(path.startswith(below) for path in self._library.paths_of(line.digest)) else f"not in {self._project}"
