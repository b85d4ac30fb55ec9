"""Lost bytes come back by themselves, from wherever a whole copy is: a spare, a file of its own, another source.

Every byte is hashed on its way. What is not the content that was lost is not taken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from cas.blobs import OpenBlob
from cas.committer import Acts
from cas.digest import EMPTY, Digest
from cas.errors import BlobDamaged, BlobUnknown
from cas.incoming import Incoming
from cas.link import seal_of
from cas.store import Store
from cas.system import System
from views.edit import Editor
from views.tree import Tree

log = logging.getLogger("filmcan.heal")
Replicas = Callable[[], Iterable[tuple[str, Store]]]  # names of other sources, and their stores


class Healer:
    """Finds whole copies and puts them in the place of what was lost. Any thread.

    replicas   other sources that may have a content; whoever opens sources sets it
    """

    def __init__(self, store: Store, tree: Tree, edit: Editor) -> None:
        self._store, self._tree, self._edit = store, tree, edit
        self.replicas: Replicas = lambda: ()

    def heal(self, digest: Digest) -> str:
        """Bring a lost content back: all its names show it whole again. Where it came from, "" when it is nowhere, or not lost.

        raises   NoSpace, Degraded
        crash    lost or whole, never between
        """
        found = self.copy_of(digest)
        if found is None:
            return ""
        body, origin = found
        with body:
            return origin if self._store.commit(lambda acts: self.put_back(acts, digest, body, origin)) else ""

    def put_back(self, acts: Acts, digest: Digest, body: Incoming, origin: str) -> bool:
        """Inside a change: False when the content is not wanted any more, or is whole again already."""
        before = self._store.blobs.get(acts.txn, digest.raw)
        if before is None:
            return False
        _, known = self._store.contents.publish(acts, body)
        if known:
            return False
        paths = self._edit.mend(acts, digest, before.seal)
        acts.tell("healed", {"digest": digest.hex, "paths": paths, "from": origin})
        log.warning("%s is whole again, from %s; names: %s", digest.hex, origin, ", ".join(paths) or "none")
        return True

    def copy_of(self, digest: Digest) -> tuple[Incoming, str] | None:
        """A whole copy of a content, on this disk and synced, but not yet placed: the caller ends it. And where it came from."""
        if digest == EMPTY.digest:
            return None
        for origin, opened in self._places(digest):
            try:
                with opened() as source:
                    body = self._take(digest, source.fd)
            except (OSError, BlobDamaged, BlobUnknown) as error:
                log.info("%s cannot be taken from %s: %s", digest.hex, origin, error)
                continue
            if body is not None:
                return body, origin
        return None

    def _take(self, digest: Digest, fd: int) -> Incoming | None:
        """The bytes of an open file, if they are this content."""
        body = self._store.receive(self._store.system.fstat(fd).st_size)
        try:
            body.take_file(fd)
            if body.finish().digest == digest:
                return body
        except BaseException:
            body.abandon()
            raise
        body.abandon()
        return None

    def _places(self, digest: Digest) -> Iterator[tuple[str, Callable[[], OpenBlob]]]:
        """Where there may be a copy: what people call it, and a way to open it."""
        system, row = self._store.system, self._store.blob(digest)
        for spare in range(1, row.spares + 1 if row else 1):
            place = self._store.blobs_on_disk.place(digest, spare)
            yield "a copy in the store", partial(open_file, system, *place)
        for path in self._own_files(digest):
            yield path, partial(self._open_path, path)
        for name, store in self.replicas():
            if store is not self._store and store.blob(digest) is not None:
                yield f"the source {name}", partial(store.open, digest)

    def _own_files(self, digest: Digest) -> list[str]:
        """Paths that show this content by a file of their own."""
        with self._store.index.read() as txn:
            keys = [key for key in self._tree.uses_of(txn, digest) if (entry := self._tree.entries.get(txn, key)) and entry.own]
            return [path for key in keys if (path := self._tree.path_of(txn, key)) is not None]

    def _open_path(self, path: str) -> OpenBlob:
        *folders, name = path.split("/")
        with self._store.system.folder(self._store.home.root, folders) as fd:
            return open_file(self._store.system, fd, name)


def open_file(system: System, folder: int, name: str) -> OpenBlob:
    fd = system.open_read(folder, name)
    return OpenBlob(system, fd, seal_of(system, fd))
