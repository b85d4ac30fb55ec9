"""Tags: words that people give a content.

A tag is a fact about bytes, so it belongs to the digest: every name of a clip has the tags of the clip, in all projects of a
source. A rename, a move, a copy, a delete and the same bytes sent again keep them; a name that gets other bytes has the tags of
those. Bytes that were edited in place are still that clip, and keep them too (`by_hand.accept_edit`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cas.committer import Acts
from cas.digest import Digest
from cas.index import ReadTxn
from views import naming
from views.entry import Entry
from views.errors import TagInvalid
from views.tree import TagRow, Tree

MOST_TAGS = 100  # of one content
TAG_CHARS = 100


@dataclass(frozen=True, slots=True)
class Tagged:
    """A path with the tags its content has now; without an entry, nothing has that path."""

    path: str
    entry: Entry | None
    tags: tuple[str, ...] = ()


def clean(tag: str) -> str:
    """A tag as it is kept: trimmed, lower case, NFC, with single blanks. TagInvalid."""
    kept = " ".join(naming.nfc(tag).lower().split())
    if not kept:
        raise TagInvalid(tag, "it is empty")
    if len(kept) > TAG_CHARS:
        raise TagInvalid(tag, f"it is longer than {TAG_CHARS} letters")
    if not kept.isprintable():
        raise TagInvalid(tag, "it holds control characters, or no text at all")
    return kept


class Tags:
    """Reading with any transaction, changing inside a change of the store."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def of(self, txn: ReadTxn, digest: Digest) -> tuple[str, ...]:
        """In the order of letters."""
        row = self._tree.tags.get(txn, digest.raw)
        return row.tags if row else ()

    def change(self, acts: Acts, paths: Iterable[str], add: Sequence[str], remove: Sequence[str]) -> list[Tagged]:
        """Add and remove tags of what has these paths. What is in both is removed. One event for all."""
        told, changed = list[Tagged](), dict[str, list[str]]()
        for path in paths:
            entry = self._tree.find(acts.txn, path)
            digest = entry.digest if entry is not None and not entry.hidden else None
            if digest is None:
                told.append(Tagged(path, None))
                continue
            before = self.of(acts.txn, digest)
            after = self._set(acts, digest, {*before, *add} - {*remove})
            if after != before:
                changed[digest.hex] = self._paths(acts, digest)
            told.append(Tagged(path, entry, after))
        if changed:
            paths_of_all = [path for found in changed.values() for path in found]
            acts.tell("tags", {"add": list(add), "remove": list(remove), "digests": list(changed), "paths": paths_of_all})
        return told

    def keep(self, acts: Acts, digest: Digest, tags: Iterable[str]) -> None:
        """Tags from an older record, or of the content that this one was before; those past the limit are left out."""
        known = self.of(acts.txn, digest)
        fresh = [tag for tag in tags if tag not in known]
        if fresh:
            self._set(acts, digest, {*known, *fresh[: MOST_TAGS - len(known)]})

    def _set(self, acts: Acts, digest: Digest, tags: set[str]) -> tuple[str, ...]:
        kept = tuple(sorted(tags))
        if len(kept) > MOST_TAGS:
            raise TagInvalid(kept[-1], f"a content has at most {MOST_TAGS} tags")
        if kept:
            self._tree.tags.put(acts.txn, digest.raw, TagRow(kept))
        else:
            self._tree.tags.delete(acts.txn, digest.raw)
        return kept

    def _paths(self, acts: Acts, digest: Digest) -> list[str]:
        """Every name that shows a content: the tags of all of them changed."""
        paths = (self._tree.path_of(acts.txn, key) for key in self._tree.uses_of(acts.txn, digest))
        return [path for path in paths if path is not None]
