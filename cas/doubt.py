"""Blobs that look other than they should: read, sealed again when they are good, set aside or renamed when they are not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from cas.blobs import BlobRow
from cas.committer import Acts
from cas.contents import Contents
from cas.digest import EMPTY, Digest, Sums
from cas.found import FileBusy, hash_open
from cas.home import Home
from cas.incoming import Took
from cas.link import Seal, seal_of
from cas.state import State
from cas.system import System

log = logging.getLogger("filmcan.cas")
Commit = Callable[[Callable[[Acts], Any]], Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What reading a whole blob file showed."""

    seal: Seal
    good: bool
    sums: Sums


class Doubt:
    """Looks at blob files and acts on what is seen. Any thread; `commit` is the store's."""

    def __init__(self, system: System, home: Home, contents: Contents, state: State, commit: Commit) -> None:
        self._system, self._home, self._state, self._commit = system, home, state, commit
        self._contents, self._files = contents, contents.files

    def examine(self, digest: Digest, took: Took | None = None, extra: Iterable[str] = ()) -> Verdict | None:
        """Read a whole blob file from the disk, not from memory, and compare; None when there is none. What changes meanwhile
        is not good.

        extra   further sums wanted, of `digest.EXTRA_KINDS`
        """
        try:
            blob = self._files.open(digest)
        except FileNotFoundError:
            return None
        with blob:
            self._system.forget_cached(blob.fd)
            seal = seal_of(self._system, blob.fd)
            sums = hash_open(self._system, blob.fd, extra, took)
            return Verdict(seal, sums.digest == digest and seal == seal_of(self._system, blob.fd), sums)

    def is_being_written(self, digest: Digest) -> bool:
        """Has somebody opened the file of this blob for writing, through one of its names? False where that cannot be told."""
        try:
            blob = self._files.open(digest)
        except FileNotFoundError:
            return False
        with blob:
            return bool(self._system.being_written(blob.fd))

    def settle(self, digest: Digest, verdict: Verdict | None = None) -> bool:
        """Read a blob that looks other than it should. Good bytes are sealed again; bad ones go to quarantine. True if good.

        verdict   of `examine`, when it was asked just now
        """
        verdict = verdict or self.examine(digest)
        if verdict is None:
            return False
        if self._state.reason:
            return verdict.good  # nothing can be written down
        if verdict.good:
            self._commit(lambda acts: self.seal_again(acts, digest, verdict))
        else:
            self._commit(lambda acts: self._set_aside(acts, digest, verdict))
        return verdict.good

    def seal_again(self, acts: Acts, digest: Digest, verdict: Verdict) -> None:
        """Inside a change: the bytes were read and are good; this is how their file looks now."""
        row = self._contents.blobs.get(acts.txn, digest.raw) or self._contents.fresh_row(acts, verdict.sums, verdict.seal)
        row = msgspec.structs.replace(row, seal=verdict.seal, verified_ns=acts.at_ns)
        self._contents.blobs.put(acts.txn, digest.raw, row)
        acts.tell("sealed", {"digest": digest.hex})

    def _set_aside(self, acts: Acts, digest: Digest, verdict: Verdict) -> None:
        """Damaged bytes leave their false name and stay for a person to look at. The row stays: names still want the content."""
        if self._files.seal(digest) != verdict.seal:
            return  # somebody healed it since it was read
        shard, name = self._files.place(digest)
        self._system.rename(shard, name, self._home.quarantine, f"{digest.hex}.{self._system.token()}")
        acts.touch(shard)
        acts.touch(self._home.quarantine)
        acts.tell("damaged", {"digest": digest.hex})
        log.error("the bytes of blob %s are damaged and were moved to quarantine", digest.hex)

    def rename_edited(self, acts: Acts, old: Digest, verdict: Verdict) -> BlobRow:
        """Inside a change: a blob file holds other bytes now, by somebody's hand. It becomes the blob of those bytes.

        The row of those bytes; of another file when they were known (the edited one is kept in quarantine then). The row of
        the old content stays, without a file: a later upload of the same bytes heals it.
        """
        sums, (shard, name) = verdict.sums, self._files.place(old)
        if self._files.seal(old) != verdict.seal:
            raise FileBusy(old.hex)
        to_shard, to_name = self._files.place(sums.digest)
        row = self._contents.blobs.get(acts.txn, sums.digest.raw)
        try:
            if sums.digest == EMPTY.digest:
                raise FileExistsError
            self._system.link(shard, name, to_shard, to_name)
            row = self._contents.fresh_row(acts, sums, verdict.seal)
        except FileExistsError:
            self._system.link(shard, name, self._home.quarantine, f"{old.hex}.{self._system.token()}")
            acts.touch(self._home.quarantine)
            row = row or self._contents.fresh_row(acts, sums, self._files.seal(sums.digest) or Seal(0, 0, 0))
        self._system.unlink(shard, name)
        acts.touch(shard)
        acts.touch(to_shard)
        log.error("blob %s was edited in place; its bytes are kept as %s", old.hex, sums.digest.hex)
        return self._contents.keep_row(acts, row, sums)
