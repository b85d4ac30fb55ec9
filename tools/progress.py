"""How far a long command has come: counted always, drawn only for a person at a terminal (only then comes rich)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """Counts files and bytes. Any thread. This kind draws nothing: it is what runs in a pipe."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self.files, self.size_bytes, self.known = 0, 0, 0
        self.total_files, self.total_bytes = 0, 0

    def expect(self, files: int, size_bytes: int) -> None:
        """The whole work, as soon as it is known."""
        with self._turn:
            self.total_files, self.total_bytes = files, size_bytes
            self._draw()

    def advance(self, files: int = 0, size_bytes: int = 0, known: int = 0) -> None:
        """Some of it is done; `known` counts the files whose bytes were here before."""
        with self._turn:
            self.files, self.size_bytes, self.known = (
                self.files + files,
                self.size_bytes + size_bytes,
                self.known + known,
            )
            self._draw()

    def _draw(self) -> None:
        """Nobody watches."""


class _Drawn(Progress):
    """The same, with a bar, a rate and the time that is left."""

    def __init__(self, bar: Any, task: Any) -> None:
        super().__init__()
        self._bar, self._task = bar, task

    def _draw(self) -> None:
        known = f", {self.known:,} known" if self.known else ""
        self._bar.update(
            self._task,
            total=self.total_bytes or None,
            completed=self.size_bytes,
            files=f"{self.files:,} of {self.total_files:,} files{known}",
        )


@contextmanager
def silent(what: str) -> Iterator[Progress]:
    yield Progress()


@contextmanager
def drawn(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]}"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        yield _Drawn(bar, bar.add_task(what, total=None, files=""))
