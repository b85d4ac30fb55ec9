"""Files that are read again and again, as a player does that seeks: the index is asked once, until it changes."""

from __future__ import annotations

from cas.blobs import BlobRow
from cas.store import Store
from views.entry import Entry
from views.tree import Tree

MOST = 1000  # paths that are remembered


class Lookups:
    """What paths of today stand for. Any thread; what was answered is what an own read transaction would have shown then.

    The count of commits is read before the index: what is found may be newer than the count, never older, and is not used any
    more once another commit begins. While one becomes visible nothing is remembered and nothing told from memory.
    """

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store, self._tree = store, tree
        self._found: dict[str, tuple[int, Entry, BlobRow | None]] = {}

    def file(self, path: str) -> tuple[Entry, BlobRow | None]:
        """What has this path, and the row of its content, if it has one. NameNotFound."""
        commits, known = self._store.commits, self._found.get(path)
        if known is not None and known[0] == commits and not commits % 2:
            return known[1], known[2]
        with self._store.index.read() as txn:
            entry = self._tree.found(txn, path)[1]
            row = self._store.blobs.get(txn, entry.raw_digest) if entry.raw_digest else None
        if len(self._found) >= MOST:
            self._found.clear()
        if not commits % 2:
            self._found[path] = commits, entry, row
        return entry, row
