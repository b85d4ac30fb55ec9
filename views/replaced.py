"""What a power cut may leave of a change that put one thing in the place of another: the journal reached the disk, and the
names did not.

The old one lies in the trash, the new one never came: its row is right in the journal, and nobody was answered for it. Reindex
sees that it is missing and takes the row away; then the old one can have its place again.
"""

from __future__ import annotations

from cas.home import Ending
from cas.store import Store
from views.past import Past, Trashed
from views.tree import Tree

MOST = 256  # changes that share a group (cas/committer.py), and so a time


def half_replaced(store: Store, tree: Tree, past: Past) -> list[Trashed]:
    """What the last group before a power cut took away to make room for something that is not on the disk. Looks at the disk, so
    ask before people can change it."""
    if store.ending is not Ending.LOST:
        return []
    last_ns = store.last_change_ns()
    return [item for item in past.newest(most=MOST)[0] if item.at_ns == last_ns and _is_missing(store, tree, item.path)]


def _is_missing(store: Store, tree: Tree, path: str) -> bool:
    """Does a row say that something is there, and the disk has nothing?"""
    with store.index.read() as txn:
        if tree.find(txn, path) is None:
            return False  # it was deleted, nothing came instead
    *folders, name = path.split("/")
    try:
        with store.system.folder(store.home.root, tuple(folders)) as fd:
            store.system.stat(fd, name)
    except (FileNotFoundError, NotADirectoryError):
        return True
    return False
