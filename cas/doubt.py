"""Blobs that look other than they should: read, sealed again when they are good, set aside or renamed when they are not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec.structs import replace

from cas.blobs import BlobRow
from cas.calm import Place, ReadThrough
from cas.committer import Acts
from cas.contents import Contents, DamagedRow
from cas.digest import EMPTY, Digest, Sums
from cas.found import FileBusy, hash_open
from cas.home import Home
from cas.incoming import Incoming, Took
from cas.index import ReadTxn
from cas.link import Seal, changed_ns, seal_from, seal_of
from cas.state import State
from cas.system import System

T = TypeVar("T")
log = logging.getLogger("filmcan.cas")
LOST = {
    "damaged": "its bytes are damaged and were moved to quarantine",
    "edited": "it was edited in place, and its old bytes are lost",
    "missing": "its file is gone",
}
Commit = Callable[[Callable[[Acts], Any]], Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What reading a whole blob file showed."""

    seal: Seal
    good: bool
    sums: Sums
    reading: ReadThrough

    @property
    def changed_ns(self) -> int:
        """The change time of its inode before it was read, moved on by what we did ourselves since."""
        return self.reading.changed_ns


class Doubt:
    """Looks at blob files and acts on what is seen. Any thread; `commit` is the store's.

    names   every path that shows a content, for events and logs
    mend    names that show a content through a file which looked like this are to show it whole (Editor.mend)
    accept  a blob was edited: its names get the digest of what they hold now (ByHand.accept_edit); without, it is set aside

    All are set by the owner of names.
    """

    def __init__(self, system: System, home: Home, contents: Contents, state: State, commit: Commit) -> None:
        self._system, self._home, self._state, self._commit = system, home, state, commit
        self._contents, self._files = contents, contents.files
        self.names: Callable[[ReadTxn, Digest], list[str]] = lambda txn, digest: []
        self.mend: Callable[[Acts, Digest, Seal], list[str]] = lambda acts, digest, damaged: []
        self.accept: Callable[[Acts, Digest, Verdict], object] = self._set_aside

    # looking

    def is_sure(self, digest: Digest) -> bool:
        """As `looks_sure`, asked alone: between an act and its row there is a moment in which they differ."""

        def ask(txn: ReadTxn) -> bool:
            row = self._contents.blobs.get(txn, digest.raw)
            return row is not None and self.looks_sure(txn, digest, row)

        if self._state.reason:
            with self._contents.read() as txn:
                return ask(txn)
        return bool(self._commit(lambda acts: ask(acts.txn)))

    def looks_sure(self, txn: ReadTxn, digest: Digest, row: BlobRow) -> bool:
        """Does the blob file look as it was sealed, its spares too, and has nobody but us touched them, as far as is known?"""
        if digest == EMPTY.digest:
            return True
        calm, stat = self._contents.calm, self._files.stat(digest)
        if stat is None or seal_from(stat) != row.seal or calm.is_calm(txn, stat) is False:
            return False
        spares = [self._files.stat(digest, spare) for spare in range(1, row.spares + 1)]
        return all(spare is not None and calm.is_calm(txn, spare) is not False for spare in spares)

    def was_edited(self, digest: Digest, verdict: Verdict) -> bool:
        """The blob holds other bytes: did somebody write them, rather than the disk lose some?"""
        with self._contents.read() as txn:
            row, stat = self._contents.blobs.get(txn, digest.raw), self._files.stat(digest)
            if row is None or stat is None:
                return False
            return verdict.seal != row.seal or self._contents.calm.is_calm(txn, stat) is False

    def examine(self, digest: Digest, took: Took | None = None, extra: Iterable[str] = (), *, spare: int = 0) -> Verdict | None:
        """Read a whole blob file, or one of its spares, from the disk, not from memory, and compare; None when there is none.
        What changes meanwhile is not good.

        extra   further sums wanted, of `digest.EXTRA_KINDS`
        """
        try:
            fd = self._system.open_read(*self._files.place(digest, spare))
        except FileNotFoundError:
            return None
        try:
            self._system.forget_cached(fd)
            before = self._system.fstat(fd)
            reading = self._contents.calm.reading(before)
            sums = hash_open(self._system, fd, extra, took)
            same = seal_of(self._system, fd) == seal_from(before)
            return Verdict(seal_from(before), sums.digest == digest and same, sums, reading)
        finally:
            self._system.close(fd)

    def is_being_written(self, digest: Digest) -> bool:
        """Has somebody opened the file of this blob for writing, through one of its names? False where that cannot be told."""
        try:
            blob = self._files.open(digest)
        except FileNotFoundError:
            return False
        with blob:
            return bool(self._system.being_written(blob.fd))

    # acting

    def settle(self, digest: Digest, verdict: Verdict | None = None) -> bool:
        """Read a blob that looks other than it should. True if good: then it is sealed again. What somebody edited becomes the
        blob of what it holds now, what the disk damaged goes to quarantine.

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
            act = self.accept if self.was_edited(digest, verdict) else self._set_aside
            with suppress(FileBusy):  # it changed again: the next look tells
                self._commit(lambda acts: act(acts, digest, verdict))
        return verdict.good

    def seal_again(self, acts: Acts, digest: Digest, verdict: Verdict) -> None:
        """Inside a change: the bytes were read and are good; this is how their file looks now."""
        if self.note_good(acts, digest, verdict, self._contents.fresh_row(acts, verdict.sums, verdict.seal)):
            acts.tell("sealed", {"digest": digest.hex})

    def note_good(self, acts: Acts, digest: Digest, verdict: Verdict, unknown: BlobRow | None = None) -> bool:
        """Inside a change: remember that a blob was read and found whole. False when its file looks other by now.

        unknown   the row it gets when it has none; without, it gets none
        """
        row, stat = self._contents.blobs.get(acts.txn, digest.raw) or unknown, self._files.stat(digest)
        if row is None or stat is None or seal_from(stat) != verdict.seal:
            return False
        if changed_ns(stat) == verdict.changed_ns:
            self._contents.calm.note(acts.txn, stat)
        self._contents.damaged.delete(acts.txn, digest.raw)
        sums = {**row.sums, **verdict.sums.extra}
        self._contents.blobs.put(acts.txn, digest.raw, replace(row, seal=verdict.seal, verified_ns=acts.at_ns, sums=sums))
        return True

    def _set_aside(self, acts: Acts, digest: Digest, verdict: Verdict) -> None:
        """Damaged bytes leave their false name and stay for a person to look at. The row stays: names still want the content."""
        if self._files.seal(digest) != verdict.seal:
            return  # somebody healed it since it was read
        place, aside = self._files.place(digest), (self._home.quarantine, f"{digest.hex}.{self._system.token()}")
        before = self._system.stat(*place)
        self._system.rename(*place, *aside)
        self._contents.calm.follow(acts.txn, before, self._system.stat(*aside))  # rot, no edit: its names wait for healing
        acts.touch(place[0])
        acts.touch(self._home.quarantine)
        self.note_lost(acts, digest, "damaged")

    def note_missing(self, digest: Digest) -> None:
        """The file of a blob is gone: told once, until it is back."""
        if not self._state.reason:
            self._commit(lambda acts: None if self._files.stat(digest) else self.note_lost(acts, digest, "missing"))

    def note_lost(self, acts: Acts, digest: Digest, kind: str) -> None:
        """Inside a change: the bytes of a content are not here any more. Told with every name it has, once."""
        known = self._contents.damaged.get(acts.txn, digest.raw)
        if known is not None or self._contents.blobs.get(acts.txn, digest.raw) is None:
            return
        paths = self.names(acts.txn, digest)
        self._contents.damaged.put(acts.txn, digest.raw, DamagedRow(acts.at_ns, kind, tuple(paths)))
        acts.tell("damaged", {"digest": digest.hex, "kind": kind, "paths": paths})
        log.error("%s: %s; names: %s", digest.hex, LOST[kind], ", ".join(paths) or "none")

    def settle_spare(self, digest: Digest, spare: int, verdict: Verdict | None) -> bool:
        """What `examine` said of a spare: a good one is noted, any other made anew from the blob, which is whole; its names show
        the new one. True if it was good.

        raises   NoSpace
        crash    the old spare, the new one, or none: then links are made to the blob, and the next look makes the spare
        """
        place = self._files.place(digest, spare)
        if verdict is not None and verdict.good:
            self._commit(lambda acts: self._contents.calm.note(acts.txn, self._system.stat(*place)))
            return True
        if not self._state.reason:
            with self._files.open(digest) as blob, self._stage(blob.size_bytes) as body:
                body.take_file(blob.fd)
                if body.finish().digest == digest:
                    self._commit(lambda acts: self._renew_spare(acts, digest, place, body, verdict))
        return False

    def _stage(self, size_bytes: int) -> Incoming:
        return Incoming(self._system, self._home.incoming, self._home.mark, self._state, expected_bytes=size_bytes)

    def _renew_spare(self, acts: Acts, digest: Digest, place: Place, body: Incoming, verdict: Verdict | None) -> None:
        acts.touch(place[0])
        if verdict is not None:
            self._system.rename(*place, self._home.quarantine, f"{digest.hex}.{self._system.token()}")
            acts.touch(self._home.quarantine)
        body.link_to(*place)
        self._contents.calm.fresh(place)
        self._contents.calm.note(acts.txn, self._system.stat(*place))
        paths = [] if verdict is None else self.mend(acts, digest, verdict.seal)
        acts.tell("healed", {"digest": digest.hex, "paths": paths, "from": "copy"})
        log.warning("a copy of %s was damaged and is made anew; names: %s", digest.hex, ", ".join(paths) or "none")

    def rename_edited(self, acts: Acts, old: Digest, verdict: Verdict) -> BlobRow:
        """Inside a change: a blob file holds other bytes now, by somebody's hand. It becomes the blob of those bytes.

        The row of those bytes; of another file when they were known (the edited one is kept in quarantine then). The row of
        the old content stays, without a file: a later upload of the same bytes heals it.
        """
        sums, place = verdict.sums, self._files.place(old)
        stat = self._files.stat(old)
        if stat is None or (seal_from(stat), changed_ns(stat)) != (verdict.seal, verdict.changed_ns):
            raise FileBusy(old.hex)
        to = self._files.place(sums.digest)
        row = self._contents.blobs.get(acts.txn, sums.digest.raw)
        try:
            if sums.digest == EMPTY.digest:
                raise FileExistsError
            self._system.link(*place, *to)
            row = self._contents.fresh_row(acts, sums, verdict.seal)
            self._contents.calm.fresh(to)
        except FileExistsError:
            aside = self._home.quarantine, f"{old.hex}.{self._system.token()}"
            self._system.link(*place, *aside)
            self._contents.calm.fresh(aside)  # its names may stay the files they are
            acts.touch(self._home.quarantine)
            row = row or self._contents.fresh_row(acts, sums, self._files.seal(sums.digest) or Seal(0, 0, 0))
        self._system.unlink(*place)
        acts.touch(place[0])
        acts.touch(to[0])
        log.error("blob %s was edited in place; its bytes are kept as %s", old.hex, sums.digest.hex)
        return self._contents.keep_row(acts, row, sums)
