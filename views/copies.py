"""Where a content is kept: in which sources, on which disks, and how many disks may fail before it is gone.

Names of one source are links of one file, and two sources on one disk are lost together: neither is a copy of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cas.blobs import BlobRow
from cas.digest import EMPTY, Digest
from cas.disks import Disk
from views.library import Library

PAGE = 1000  # rows looked up in one transaction, so that readers stay short


@dataclass(frozen=True, slots=True)
class Copy:
    """A content as one source has it.

    source        name of the source
    disk          what it lies on
    whole         its file is there, looks as it did when its bytes were last known, and nobody touched it since
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
        names = [name for name in libraries if name != first]
        others = {name: library for name in names if (library := libraries.get(name)) is not None}  # it may go away meanwhile
        self._libraries = {first: libraries[first], **others}
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
                for digest, row, whole in self._look(library, wanted[start : start + PAGE]):
                    whole = whole or library.store.doubt.is_sure(digest)  # somebody may be linking to it at this moment
                    read_back = whole and (row.read_back or digest == EMPTY.digest)  # nothing has no file to be read
                    found[digest].append(Copy(source, self.disks[source], whole, read_back, row.verified_ns))
        return found

    @staticmethod
    def _look(library: Library, digests: Sequence[Digest]) -> list[tuple[Digest, BlobRow, bool]]:
        """Of these contents those that a name shows: do they look whole?"""
        found, store, tree = [], library.store, library.tree
        with store.index.read() as txn:
            for digest in digests:
                row = store.blobs.get(txn, digest.raw)
                if row is not None and any(tree.path_of(txn, key) is not None for key in tree.uses_of(txn, digest)):
                    found.append((digest, row, store.doubt.looks_sure(txn, digest, row)))
        return found


def _disk(library: Library) -> Disk:
    return library.store.system.disk_of(library.store.home.blobs)
