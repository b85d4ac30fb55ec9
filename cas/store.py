"""`Store`: everything about bytes on one file system. Receive, commit, adopt, open; the one door of `cas`.

What is known of contents is in `contents`, what is done about bytes that look wrong in `doubt`.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from cas.blobs import BlobRow, Blobs, OpenBlob
from cas.clock import Clock
from cas.committer import Acts, Committer, Position
from cas.contents import USED, Contents, Uncertain, knowing
from cas.digest import EMPTY, Digest
from cas.doubt import Doubt
from cas.errors import BlobDamaged, BlobUnknown
from cas.fold import Folded, fold
from cas.found import Found, find_on_disk, hash_open
from cas.home import Ending, Home
from cas.incoming import Incoming, Took
from cas.index import MAP_BYTES, IndexDamaged, ReadTxn, WriteTxn
from cas.journal import Damage, Journal
from cas.link import Seal, probe
from cas.parts import Parts
from cas.replay import applied_ns, catch_up, open_index
from cas.state import State
from cas.system import System

T = TypeVar("T")
log = logging.getLogger("filmcan.cas")
PAGE_ROWS = 1000
MOST_DOUBTS = 8


class Store:
    """The blobs, journal and index of one root.

    threads   everything from any thread; changes run one at a time inside `commit`
    crash     at worst a blob without a name, or a name without a row; opening replays the journal, reindex does the rest
    """

    def __init__(
        self,
        root: Path,
        system: System | None = None,
        *,
        map_bytes: int = MAP_BYTES,
        reserve_bytes: int | None = None,
    ) -> None:
        """Open (and if need be make) the store of `root`. Call `catch_up` once every table has its owner.

        reserve_bytes   free space that uploads leave alone; None is the smaller of 2 GiB and 1 % of the disk
        raises          LockHeld, RootUnfit, FormatUnknown
        """
        self.system = system or System()
        self._closed, self._map_bytes = False, map_bytes
        self._folding = threading.Lock()
        self.home = Home(root, self.system)
        try:
            self.state = State(self.system, self.home.incoming, reserve_bytes)
            self.state.listener = self._degraded
            self._open_all()
        except BaseException:
            self._give_up()
            raise

    # opening

    def _open_all(self) -> None:
        self.layout = self.home.layout
        self.swept = self.home.sweep()
        self.ways = probe(self.system, self.home.incoming)
        self.blobs_on_disk = Blobs(self.system, self.home.blobs)
        self.parts = Parts(self.system, self.home.uploads, self.home.mark, self.state)
        self.ending = ending = self.home.last_ending()
        self.journal = Journal(self.system, self.home.journal, doubted=ending is not Ending.CLEAN)
        self.index = open_index(self.home, self.journal, self.system, ending, self._map_bytes)
        self.index.listener = self._index_damaged
        self.home.begin_session()
        self._define_tables()
        self._committer = Committer(self.system, self.home, self.index, self.journal, self.state)
        self.doubt = Doubt(self.system, self.home, self.contents, self.state, self.commit)
        self.replayed = 0

    def _define_tables(self) -> None:
        self.contents = Contents(self.system, self.index, self.blobs_on_disk, self.ways)
        self.blobs, self.sha256s, self.orphans = self.contents.blobs, self.contents.sha256s, self.contents.orphans
        self.clock = Clock(self.system, self.index)
        self.positions = self.index.table("positions", Position, journaled=False)

    def catch_up(self) -> int:
        """Bring the index to the end of the journal: what a crash or a deleted index left out. How many events it took."""
        self.replayed += catch_up(self.index, self.journal, self.home, self.system)
        return self.replayed

    def last_change_ns(self) -> int:
        """The time of the last event in the index, which all changes of its group share; 0 when there is none."""
        return applied_ns(self.index)

    def note_address(self, url: str) -> None:
        """Tell whoever finds the root locked where it can be reached."""
        self.home.note_address(url)

    @property
    def damage(self) -> list[Damage]:
        """Stretches of the journal that could not be read."""
        return self.journal.damage

    def look_after(self) -> None:
        """Now and then, from any thread: is the index still the file that was written here? Degraded when it is not."""
        self.commit(lambda acts: None)

    def fold(self, upto_seq: int, *, small: bool = False) -> Folded:
        """Keep the journal short (cas/fold.py): events up to `upto_seq` are asked for by nobody any more, but by followers that
        have not read them yet. One at a time. OSError, Degraded.

        small   also when it is hardly worth it
        """
        self.state.check()
        with self.index.read() as txn:
            read = min((row.seq for _, row in self.positions.scan(txn)), default=upto_seq)
        with self._folding, self.state.told():
            return fold(self.journal, self.home, self.system, min(upto_seq, read), self.available_bytes(), small=small)

    def _index_damaged(self, damage: IndexDamaged) -> None:
        """Reading may go on, where rows have their checksums; nothing more is built on it, and the next start makes it anew."""
        if self._closed or self.state.reason:
            return
        self.state.degrade(damage.reason)
        self._doubt_session()

    def _doubt_session(self) -> None:
        try:
            self.home.doubt_session()
        except OSError as error:
            log.error("the next start will have to find that out by itself: %s", error)

    def _degraded(self, reason: str) -> None:
        """Whoever asks who holds the root is told. The failing disk itself may hinder that; the log has it in any case."""
        try:
            self.home.note_trouble(reason)
        except OSError as error:
            log.error("the lock file cannot tell it: %s", error)

    # receiving

    def available_bytes(self) -> int:
        """What may still be written: the free space of the disk without the reserve, never below 0."""
        return self.state.available_bytes()

    def used_bytes(self) -> int:
        """Bytes of all stored contents, each counted once."""
        with self.index.read() as txn:
            used = self.index.meta.get(txn, USED)
        return used.value if used else 0

    def receive(
        self, expected_bytes: int | None = None, extra: Iterable[str] = (), *, most_bytes: int | None = None
    ) -> Incoming:
        """A new Incoming. Degraded when the store only reads, NoSpace when `expected_bytes` cannot fit.

        most_bytes   of this body; TooLarge at once when more is announced, else as soon as more arrives
        """
        self.state.admit(expected_bytes or 1)
        return Incoming(
            self.system, self.home.incoming, self.home.mark, self.state,
            expected_bytes=expected_bytes, most_bytes=most_bytes, extra=extra,
        )  # fmt: skip

    def near(self, folder: int) -> bool:
        """May files in `folder` be linked to, as far as the system tells: is it on the same file system?"""
        return self.system.fstat(folder).st_dev == self.system.fstat(self.home.blobs).st_dev

    def find_on_disk(
        self, folder: int, name: str, extra: Iterable[str] = (), took: Took | None = None, *, unknown_quiet_s: float = 0.0
    ) -> Found:
        """A file where it lies, hashed, for adoption: see `cas.found`."""
        return find_on_disk(self.system, folder, name, extra, took, unknown_quiet_s=unknown_quiet_s)

    # committing

    def commit(self, change: Callable[[Acts], T]) -> T:
        """Run a change and make it last (cas/committer.py). When it meets a blob it must read first, that is done outside.

        BlobDamaged for one that is touched again whenever it was read.
        """
        for _ in range(MOST_DOUBTS):
            try:
                return self._committer.commit(partial(self._watched, change))
            except Uncertain as doubt:
                digest = doubt.digest
                self.doubt.settle(digest)
        raise BlobDamaged(digest.hex, "somebody changes it all the time")

    @property
    def commits(self) -> int:
        """Another number after every change of the index; odd while one becomes visible."""
        return self._committer.commits

    def _watched(self, change: Callable[[Acts], T], acts: Acts) -> T:
        """A change, with the files it acts on kept calm (cas/calm.py)."""
        calm = self.contents.calm
        try:
            result = change(acts)
            calm.settle(acts.txn)
            return result
        finally:
            calm.give_up()

    def without_name(self, digest: Digest, take_away: Callable[[], None]) -> None:
        """Take a further name of a blob's file away that no entry stands for (a part of an upload), as an act of ours."""

        def change(acts: Acts) -> None:
            self.contents.losing_name(acts, digest)
            take_away()

        self.commit(change)

    def note(self, write: Callable[[WriteTxn], T]) -> T:
        """Set rows of tables that are not journaled (locks, positions). They survive a kill; a power cut takes them with the
        index."""
        return self.commit(lambda acts: write(acts.txn))

    # reading

    def open(self, digest: Digest, row: BlobRow | None = None) -> OpenBlob:
        """The bytes of a blob, whole. BlobUnknown; BlobDamaged when the file is gone or holds other bytes.

        row   of this blob, if it is at hand
        """
        row = row or self.blob(digest)
        if row is None:
            raise BlobUnknown(digest.hex)
        if digest == EMPTY.digest:
            return OpenBlob(self.system, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), Seal(0, 0, 0))
        for _ in range(2):
            try:
                with self.state.told():
                    blob = self.blobs_on_disk.open(digest)
            except FileNotFoundError:
                raise BlobDamaged(digest.hex, "its file is gone") from None
            if blob.seal == row.seal:
                return blob
            blob.close()
            if not self.doubt.settle(digest):
                break
            if self.state.reason:
                return self.blobs_on_disk.open(digest)
            row = self.blob(digest) or row
        raise BlobDamaged(digest.hex, "it was changed on disk")

    def blob(self, digest: Digest) -> BlobRow | None:
        with self.index.read() as txn:
            return self.blobs.get(txn, digest.raw)

    def find_sha256(self, raw: bytes) -> Digest | None:
        with self.index.read() as txn:
            row = self.sha256s.get(txn, raw)
        return None if row is None else Digest(row.digest)

    def digests(self, txn: ReadTxn, after: bytes = b"") -> Iterator[tuple[Digest, BlobRow]]:
        return ((Digest(key), row) for key, row in self.blobs.scan(txn, after=after))

    def page(self, after: bytes = b"", count: int = PAGE_ROWS) -> list[tuple[Digest, BlobRow]]:
        """The rows of the next blobs behind a digest: a read transaction must not last as long as all blobs take."""
        with self.index.read() as txn:
            return list(itertools.islice(self.digests(txn, after), count))

    def pages(self) -> Iterator[list[tuple[Digest, BlobRow]]]:
        """Every row of a blob, a page at a time."""
        after: bytes | None = b""
        while after is not None:
            page = self.page(after)
            yield page
            after = page[-1][0].raw if len(page) == PAGE_ROWS else None

    def add_sums(self, digest: Digest, kinds: Iterable[str], took: Took | None = None) -> BlobRow:
        """Compute further sums of a blob (reads all of it) and keep them; the row with them. BlobUnknown, BlobDamaged."""
        with self.open(digest) as blob:
            sums = hash_open(self.system, blob.fd, kinds, took)
        if sums.digest != digest:
            self.doubt.settle(digest)
            raise BlobDamaged(digest.hex, "its bytes are others")

        def change(acts: Acts) -> BlobRow:
            row = self.blobs.get(acts.txn, digest.raw)
            if row is None:
                raise BlobUnknown(digest.hex)
            acts.tell("sums", {"digest": digest.hex})
            return self.contents.keep_row(acts, row, sums)

        return self.commit(change)

    def hear(self, digests: Iterable[Digest], kind: str) -> None:
        """Somebody who has these contents told their sums of `kind`; remembered (BlobRow.told) where it was not yet. Contents
        nobody knows are left out."""
        with self.index.read() as txn:
            rows = {digest: self.blobs.get(txn, digest.raw) for digest in digests}
        news = [digest for digest, row in rows.items() if row is not None and kind not in row.told]
        if not news or self.state.reason:
            return

        def change(acts: Acts) -> None:
            for digest in news:
                if (row := self.blobs.get(acts.txn, digest.raw)) is not None:
                    self.blobs.put(acts.txn, digest.raw, knowing(row, (kind,), acts.at_ns))

        self.commit(change)

    def close(self) -> None:
        """After the last change. Closes everything and gives the lock back. Twice is once."""
        if self._closed:
            return
        self._closed = True
        try:
            self.index.sync()
            self.index.close()
            if not self.state.reason:
                self.home.end_session()
        except (IndexDamaged, OSError) as error:
            log.error("the next start looks at the index anew: %s", error)
            self._doubt_session()
        finally:
            self._give_up()

    def _give_up(self) -> None:
        """Close what is open, also when the opening ended half-way. A store that is never closed well is looked at anew."""
        for part in ("index", "journal", "blobs_on_disk", "home"):
            if (opened := getattr(self, part, None)) is not None:
                opened.close()
