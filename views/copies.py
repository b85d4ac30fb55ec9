"""Where a content is kept: in which sources, on which disks, and how many disks may fail before it is gone.

Names of one source are links of one file, and two sources on one disk are lost together: neither is a copy of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cas.digest import EMPTY, Digest
from cas.disks import Disk
from cas.index import ReadTxn
from views.library import Library

PAGE = 1000  # rows looked up in one transaction, so that readers stay short


@dataclass(frozen=True, slots=True)
class Copy:
    """A content as one source has it.

    source        name of the source
    disk          what it lies on
    whole         its file is there and looks as it did when its bytes were last known
    read_back     and those were read from the disk after they had arrived
    verified_ns   when they were last read, or arrived
    """

    source: str
    disk: Disk
    whole: bool
    read_back: bool
    verified_ns: int

    @property
    def counts(self) -> bool:
        return self.whole and self.disk.lasting


def independent(copies: Iterable[Copy]) -> int:
    """How many of these lie on disks that have nothing in common. Those that are not whole, or lie in memory, are none."""
    taken: list[Disk] = []
    for copy in copies:
        if copy.counts and not any(copy.disk.shares(other) for other in taken):
            taken.append(copy.disk)
    return len(taken)


class Copies:
    """Looks through the open sources. `first` is told first, as the source that was asked about."""

    def __init__(self, libraries: Mapping[str, Library], first: str) -> None:
        self._libraries = {name: library for name, library in libraries.items() if name != first}
        self._libraries = {first: libraries[first], **self._libraries}
        self.disks = {name: _disk(library) for name, library in self._libraries.items()}

    @property
    def sources(self) -> Mapping[str, Library]:
        return self._libraries

    def of(self, digests: Sequence[Digest]) -> dict[Digest, list[Copy]]:
        """For each content the sources where a name shows it, trash not counted; `first` at the beginning."""
        found: dict[Digest, list[Copy]] = {digest: [] for digest in digests}
        wanted = list(found)
        for source, library in self._libraries.items():
            for start in range(0, len(wanted), PAGE):
                with library.store.index.read() as txn:
                    for digest in wanted[start : start + PAGE]:
                        copy = self._look(txn, source, library, digest)
                        if copy is not None:
                            found[digest].append(copy)
        return found

    def _look(self, txn: ReadTxn, source: str, library: Library, digest: Digest) -> Copy | None:
        row = library.store.blobs.get(txn, digest.raw)
        if row is None or all(library.tree.path_of(txn, key) is None for key in library.tree.uses_of(txn, digest)):
            return None
        empty = digest == EMPTY.digest  # has no file, and nothing to lose
        whole = empty or library.store.blobs_on_disk.seal(digest) == row.seal
        return Copy(source, self.disks[source], whole, empty or (whole and row.read_back), row.verified_ns)


def _disk(library: Library) -> Disk:
    return library.store.system.disk_of(library.store.home.blobs)
