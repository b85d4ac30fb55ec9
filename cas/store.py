"""`Store`: everything about bytes on one file system. Receive, commit, adopt, open, verify; the one door of `cas`."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import shutil
import stat as stat_modes
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from cas.blobs import BlobRow, Blobs, OpenBlob
from cas.committer import APPLIED, Acts, Committer, Position
from cas.digest import EMPTY, Digest, Hasher, Sums
from cas.errors import BlobDamaged, BlobUnknown, NoSpace
from cas.home import Home
from cas.incoming import Incoming, Took
from cas.index import MAP_BYTES, Index, IndexDamaged, Meta, ReadTxn, WriteTxn
from cas.journal import Damage, Event, Journal
from cas.link import WAYS, Seal, changed_ns, probe, seal_of
from cas.parts import Parts
from cas.state import State
from cas.system import System

T = TypeVar("T")
log = logging.getLogger("filmcan.cas")
READ_BYTES = 1 << 20
USED = b"used"  # meta: bytes of all contents
RESERVE_BYTES = 2 << 30  # durability reference §5: the smaller of 2 GiB and 1 % stays free
REPLAY_EVENTS = 5_000
PAGE_ROWS = 1000
SNAPSHOT = "snapshot"  # op of events that hold all rows there are; the first of them takes all others away
SNAPSHOT_ROWS = 5_000
INODE_BYTES = 16  # ReFS numbers files with 128 bits
MANY_LINKS = 60_000  # ext4 allows 65,000 links of one inode, btrfs 65,535; spares begin before


class Sha256Row(msgspec.Struct, array_like=True, frozen=True):
    """sha256 → digest: derived from the blobs, for clients that know only sha256."""

    digest: bytes


class OrphanRow(msgspec.Struct, array_like=True, frozen=True):
    """Since when a blob was seen without a name, and how often, at least a day apart; see cas/collect.py."""

    since_ns: int
    scans: int
    last_ns: int


class InodeRow(msgspec.Struct, array_like=True, frozen=True):
    """Nothing: the key says it all."""


class Found:
    """A file that lies on disk already, hashed where it lies and held open; end it with `close` or `with`."""

    def __init__(self, system: System, fd: int, sums: Sums, seal: Seal) -> None:
        self._system = system
        self.fd, self.sums, self.seal = fd, sums, seal

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            self._system.close(fd)

    def __enter__(self) -> Found:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileBusy(Exception):
    """The file is being written, or changed while it was read. Look again later."""


class Uncertain(Exception):
    """The blob file on disk looks other than it should; its bytes must be read before anything is said about it."""

    def __init__(self, digest: Digest) -> None:
        self.digest = digest
        super().__init__(digest.hex)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What reading a whole blob file showed."""

    seal: Seal
    good: bool
    sums: Sums


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
        self.state = State()
        self._closed, self._map_bytes = False, map_bytes
        self.home = Home(root, self.system)
        try:
            self._open_all(reserve_bytes)
        except BaseException:
            self._give_up()
            raise

    # opening

    def _open_all(self, reserve_bytes: int | None) -> None:
        self.layout = self.home.layout
        self.swept = self.home.sweep()
        self.ways = probe(self.system, self.home.incoming)
        self.blobs_on_disk = Blobs(self.system, self.home.blobs)
        self.parts = Parts(self.system, self.home.uploads, self.home.mark, self.state)
        self.journal = Journal(self.system, self.home.journal)
        self.index = self._open_index()
        self._define_tables()
        share = self.system.total_bytes(self.home.root) // 100
        self._reserve = min(RESERVE_BYTES, share) if reserve_bytes is None else reserve_bytes
        self._committer = Committer(self.system, self.home, self.index, self.journal, self.state)
        self.replayed = 0

    def _open_index(self) -> Index:
        """The index, if it can be believed; else an empty one, which `catch_up` fills from the journal."""
        if not self.home.index_survived() and self.layout.index.exists():
            log.warning("the index is not as filmcan left it (the machine went down, or the disk lost it) and is made anew")
            self._discard_index()
        try:
            index = Index(self.layout.index, map_bytes=self._map_bytes)
        except IndexDamaged as error:
            log.warning("the index cannot be opened (%s) and is made anew from the journal", error)
            self._discard_index()
            index = Index(self.layout.index, map_bytes=self._map_bytes)
        self.home.begin_session()
        return index

    def _discard_index(self) -> None:
        if self.layout.index.is_dir():
            shutil.rmtree(self.layout.index)
        else:
            self.layout.index.unlink()

    def _define_tables(self) -> None:
        self.blobs = self.index.table("blobs", BlobRow, derive=self._derive_from_blob)
        self.sha256s = self.index.table("sha256s", Sha256Row, derived=True)
        self.inodes = self.index.table("inodes", InodeRow, derived=True)  # inode of a blob file (16) + digest
        self.positions = self.index.table("positions", Position, journaled=False)
        self.orphans = self.index.table("orphans", OrphanRow, journaled=False)

    def _derive_from_blob(self, txn: WriteTxn, key: bytes, old: BlobRow | None, new: BlobRow | None) -> None:
        if old is not None and (new is None or new.sha256 != old.sha256):
            self.sha256s.delete(txn, old.sha256)
        if new is not None and new.sha256:
            self.sha256s.put(txn, new.sha256, Sha256Row(key))
        before, after = (row.seal.inode if row else 0 for row in (old, new))
        if before != after:
            if before:
                self.inodes.delete(txn, _inode_key(before) + key)
            if after:
                self.inodes.put(txn, _inode_key(after) + key, InodeRow())
        more = (new.size_bytes if new else 0) - (old.size_bytes if old else 0)
        if more:
            used = self.index.meta.get(txn, USED)
            if total := (used.value if used else 0) + more:
                self.index.meta.put(txn, USED, Meta(total))
            else:
                self.index.meta.delete(txn, USED)

    def catch_up(self) -> int:
        """Bring the index to the end of the journal: what a crash or a deleted index left out. How many events it took."""
        with self.index.read() as txn:
            applied = self.index.meta.get(txn, APPLIED)
        position = applied.value if applied else 0
        if position > self.journal.last_seq:
            self._write_down(position)
        latest: dict[tuple[str, bytes], bytes | None] = {}  # of a batch, the last word on each row, in the order they were said
        for batch in batches(self.journal.after(position), REPLAY_EVENTS):
            txn = self.index.write()
            for event in batch:
                if event.op == SNAPSHOT and event.facts["begins"]:
                    latest.clear()
                    txn.clear()
                elif event.seq != position + 1:
                    lost = (position + 1, event.seq - 1)
                    log.warning("events %d to %d are missing in the journal; reindex finds what is on disk", *lost)
                for table, key, packed in event.rows:
                    latest.pop((table, key), None)
                    latest[table, key] = packed
                position = event.seq
            for (table, key), packed in latest.items():
                txn.apply(self.index.tables[table], key, packed)
            latest.clear()
            self.index.meta.put(txn, APPLIED, Meta(position))
            txn.commit()
            self.replayed += len(batch)
        return self.replayed

    def _write_down(self, position: int) -> None:
        """The journal lost events that the index has: what they said is written down again, as a snapshot of all rows.

        All of it is in the journal or nothing. Its first event takes away what older events set, so that replaying all gives
        this index again.
        """
        log.warning(
            "the journal ends at event %d, but the index knows %d; all that the index has is written to the journal now",
            self.journal.last_seq, position,
        )  # fmt: skip
        pages, at_ns = batches(self.index.journaled_rows(), SNAPSHOT_ROWS), self.system.now_ns()
        events = (
            Event(position + 1 + number, at_ns, SNAPSHOT, {"begins": not number}, rows)
            for number, rows in enumerate(itertools.chain([next(pages, [])], pages))
        )
        self.journal.begin_anew(events, self.home.incoming)

    def note_address(self, url: str) -> None:
        """Tell whoever finds the root locked where it can be reached."""
        self.home.note_address(url)

    @property
    def damage(self) -> list[Damage]:
        """Stretches of the journal that could not be read."""
        return self.journal.damage

    # receiving

    def available_bytes(self) -> int:
        """What may still be written: the free space of the disk without the reserve, never below 0."""
        return max(0, self.system.available_bytes(self.home.root) - self._reserve)

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
        self.state.check()
        if (available := self.available_bytes()) < (expected_bytes or 1):
            raise NoSpace(expected_bytes or 1, available)
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
        """Hash a file where it lies, for adoption. FileBusy when somebody writes to it; close what is returned.

        took              hears of every block that is read; what it raises ends the reading
        unknown_quiet_s   where the system cannot tell who writes: FileBusy when it changed within this time
        """
        fd = self.system.open_read(folder, name)
        try:
            before = self.system.fstat(fd)
            if not stat_modes.S_ISREG(before.st_mode) or self._is_being_written(fd, before, unknown_quiet_s):
                raise FileBusy(name)
            sums = self._hash(fd, extra, took)
            after = self.system.fstat(fd)
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or sums.size_bytes != after.st_size:
                raise FileBusy(name)
            if self.system.being_written(fd):
                raise FileBusy(name)
            self.system.sync_file(fd)
            return Found(self.system, fd, sums, Seal(after.st_ino, after.st_size, after.st_mtime_ns))
        except BaseException:
            self.system.close(fd)
            raise

    def _is_being_written(self, fd: int, stat: os.stat_result, unknown_quiet_s: float) -> bool:
        written = self.system.being_written(fd)
        if written is None:
            return 0 <= self.system.now_ns() - changed_ns(stat) < unknown_quiet_s * 1e9
        return written

    def _hash(self, fd: int, extra: Iterable[str] = (), took: Took | None = None) -> Sums:
        hasher, buffer, offset = Hasher(extra), memoryview(bytearray(READ_BYTES)), 0
        while count := self.system.readinto(fd, buffer, offset):
            hasher.update(buffer[:count])
            offset += count
            if took is not None:
                took(count)
        return hasher.finish()

    # committing

    def commit(self, change: Callable[[Acts], T]) -> T:
        """Run a change and make it last (cas/committer.py). When it meets a blob it must read first, that is done outside."""
        while True:
            try:
                return self._committer.commit(change)
            except Uncertain as doubt:
                self.settle(doubt.digest)

    def note(self, write: Callable[[WriteTxn], T]) -> T:
        """Set rows of tables that are not journaled (locks, positions), lastingly."""
        return self.commit(lambda acts: write(acts.txn))

    def publish(self, acts: Acts, body: Incoming | Found, folder: int = -1, name: str = "") -> tuple[BlobRow, bool]:
        """Inside a change: make sure the bytes are a blob. Its row, and whether it was here before.

        A body is linked from where it is staged, a Found from its `folder` and `name`. Raises Uncertain when a blob file of
        this digest lies there and does not look as it should.
        """
        assert body.sums is not None
        sums = body.sums
        row = self.blobs.get(acts.txn, sums.digest.raw)
        if sums.digest == EMPTY.digest:
            return self._keep_row(acts, row or self._fresh_row(acts, sums, Seal(0, 0, 0)), sums), row is not None
        shard, blob_name = self.blobs_on_disk.place(sums.digest)
        acts.touch(shard)
        try:
            if isinstance(body, Found):
                self._link_found(body, folder, name, shard, blob_name)
            else:
                body.link_to(shard, blob_name)
        except FileExistsError:
            if row is None or self.blobs_on_disk.seal(sums.digest) != row.seal:
                raise Uncertain(sums.digest) from None
            return self._keep_row(acts, row, sums), True
        assert body.fd is not None
        return self._keep_row(acts, self._fresh_row(acts, sums, seal_of(self.system, body.fd)), sums), False

    def _link_found(self, found: Found, folder: int, name: str, shard: int, blob_name: str) -> None:
        """Link the very file that was hashed. FileBusy when another has its name by now, or its bytes may have changed."""
        self.system.link(folder, name, shard, blob_name)
        if self._seal_at(shard, blob_name) != found.seal:
            self.system.unlink(shard, blob_name)
            raise FileBusy(name)
        self.system.set_mode(found.fd, 0o444)

    def _fresh_row(self, acts: Acts, sums: Sums, seal: Seal) -> BlobRow:
        return BlobRow(sums.size_bytes, sums.sha256, acts.at_ns, acts.at_ns, seal)

    def wanted(self, acts: Acts, digest: Digest) -> None:
        """Inside a change: a name shows this content from now on; if it had none for a while, that while is over."""
        self.orphans.delete(acts.txn, digest.raw)

    def _keep_row(self, acts: Acts, row: BlobRow, sums: Sums) -> BlobRow:
        self.wanted(acts, sums.digest)
        if sums.extra and not sums.extra.items() <= row.sums.items():
            row = msgspec.structs.replace(row, sums={**row.sums, **sums.extra})
        self.blobs.put(acts.txn, sums.digest.raw, row)
        return row

    def link(self, acts: Acts, digest: Digest, to_folder: int, name: str) -> Seal | None:
        """Inside a change: show a blob as `name` in `to_folder`. None for a link of the blob file; else the seal of what lies
        there.

        The best way that works is taken: hard link, of the blob or a spare; else reflink; else copy. FileExistsError when taken.
        """
        row = self.blobs.get(acts.txn, digest.raw)
        if row is None:
            raise BlobUnknown(digest.hex)
        if digest == EMPTY.digest:
            return self._own_empty(to_folder, name)
        try:
            WAYS[0].place(self.system, *self.blobs_on_disk.place(digest, row.spares), to_folder, name)
            return self._seal_at(to_folder, name) if row.spares else None
        except OSError as error:
            if error.errno == errno.EMLINK:
                return self._link_to_spare(acts, digest, row, to_folder, name)
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP):
                raise
        return self._own_file(digest, to_folder, name)

    def _own_empty(self, to_folder: int, name: str) -> Seal:
        fd = self.system.create(to_folder, name, 0o444)
        try:
            return seal_of(self.system, fd)
        finally:
            self.system.close(fd)

    def _own_file(self, digest: Digest, to_folder: int, name: str) -> Seal:
        folder, source = self.blobs_on_disk.place(digest)
        for way in WAYS[1:]:
            try:
                way.place(self.system, folder, source, to_folder, name)
            except FileExistsError:
                raise
            except OSError as error:
                last = error
                continue
            log.warning("%s is shown by a %s, not a hard link: its folder cannot link to the store", name, way.name)
            return self._seal_at(to_folder, name)
        raise last

    def _seal_at(self, folder: int, name: str) -> Seal:
        stat = self.system.stat(folder, name)
        return Seal(stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def _link_to_spare(self, acts: Acts, digest: Digest, row: BlobRow, to_folder: int, name: str) -> Seal | None:
        """The file system allows no more links of this inode: make another physical copy and link to that."""
        shard, source = self.blobs_on_disk.place(digest)
        spare = row.spares + 1
        way = WAYS[2] if self.ways[WAYS[1].name] else WAYS[1]
        place = self.blobs_on_disk.place(digest, spare)
        self.system.unlink(*place)  # no row knows it: a crash left it, perhaps half copied
        way.place(self.system, shard, source, *place)
        acts.touch(shard)
        self.blobs.put(acts.txn, digest.raw, msgspec.structs.replace(row, spares=spare))
        return self.link(acts, digest, to_folder, name)

    # doubt

    def examine(self, digest: Digest, took: Took | None = None) -> Verdict | None:
        """Read a whole blob file and compare; None when there is none. What changes meanwhile is not good."""
        try:
            blob = self.blobs_on_disk.open(digest)
        except FileNotFoundError:
            return None
        with blob:
            seal = seal_of(self.system, blob.fd)
            sums = self._hash(blob.fd, took=took)
            return Verdict(seal, sums.digest == digest and seal == seal_of(self.system, blob.fd), sums)

    def is_being_written(self, digest: Digest) -> bool:
        """Has somebody opened the file of this blob for writing, through one of its names? False where that cannot be told."""
        try:
            blob = self.blobs_on_disk.open(digest)
        except FileNotFoundError:
            return False
        with blob:
            return bool(self.system.being_written(blob.fd))

    def settle(self, digest: Digest, verdict: Verdict | None = None) -> bool:
        """Read a blob that looks other than it should. Good bytes are sealed again; bad ones go to quarantine. True if good.

        verdict   of `examine`, when it was asked just now
        """
        verdict = verdict or self.examine(digest)
        if verdict is None:
            return False
        if self.state.reason:
            return verdict.good  # nothing can be written down
        if verdict.good:
            self.commit(lambda acts: self.seal_again(acts, digest, verdict))
        else:
            self.commit(lambda acts: self._set_aside(acts, digest, verdict))
        return verdict.good

    def seal_again(self, acts: Acts, digest: Digest, verdict: Verdict) -> None:
        """Inside a change: the bytes were read and are good; this is how their file looks now."""
        row = self.blobs.get(acts.txn, digest.raw) or self._fresh_row(acts, verdict.sums, verdict.seal)
        row = msgspec.structs.replace(row, seal=verdict.seal, verified_ns=acts.at_ns)
        self.blobs.put(acts.txn, digest.raw, row)
        acts.tell("sealed", {"digest": digest.hex})

    def _set_aside(self, acts: Acts, digest: Digest, verdict: Verdict) -> None:
        """Damaged bytes leave their false name and stay for a person to look at. The row stays: names still want the content."""
        if self.blobs_on_disk.seal(digest) != verdict.seal:
            return  # somebody healed it since it was read
        shard, name = self.blobs_on_disk.place(digest)
        self.system.rename(shard, name, self.home.quarantine, f"{digest.hex}.{self.system.token()}")
        acts.touch(shard)
        acts.touch(self.home.quarantine)
        acts.tell("damaged", {"digest": digest.hex})
        log.error("the bytes of blob %s are damaged and were moved to quarantine", digest.hex)

    def rename_edited(self, acts: Acts, old: Digest, verdict: Verdict) -> BlobRow:
        """Inside a change: a blob file holds other bytes now, by somebody's hand. It becomes the blob of those bytes.

        The row of those bytes; of another file when they were known (the edited one is kept in quarantine then). The row of
        the old content stays, without a file: a later upload of the same bytes heals it.
        """
        sums, (shard, name) = verdict.sums, self.blobs_on_disk.place(old)
        if self.blobs_on_disk.seal(old) != verdict.seal:
            raise FileBusy(old.hex)
        to_shard, to_name = self.blobs_on_disk.place(sums.digest)
        row = self.blobs.get(acts.txn, sums.digest.raw)
        try:
            if sums.digest == EMPTY.digest:
                raise FileExistsError
            self.system.link(shard, name, to_shard, to_name)
            row = self._fresh_row(acts, sums, verdict.seal)
        except FileExistsError:
            self.system.link(shard, name, self.home.quarantine, f"{old.hex}.{self.system.token()}")
            acts.touch(self.home.quarantine)
            row = row or self._fresh_row(acts, sums, self.blobs_on_disk.seal(sums.digest) or Seal(0, 0, 0))
        self.system.unlink(shard, name)
        acts.touch(shard)
        acts.touch(to_shard)
        log.error("blob %s was edited in place; its bytes are kept as %s", old.hex, sums.digest.hex)
        return self._keep_row(acts, row, sums)

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
                blob = self.blobs_on_disk.open(digest)
            except FileNotFoundError:
                raise BlobDamaged(digest.hex, "its file is gone") from None
            if blob.seal == row.seal:
                return blob
            blob.close()
            if not self.settle(digest):
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

    def digest_of(self, txn: ReadTxn, seal: Seal) -> Digest | None:
        """The content of a file that looks like this, if it is a link of a blob; None when it must be read."""
        for key, _ in self.inodes.scan(txn, _inode_key(seal.inode)):
            row = self.blobs.get(txn, key[INODE_BYTES:])
            if row is not None and row.seal == seal:
                return Digest(key[INODE_BYTES:])
        return None

    def digests(self, txn: ReadTxn, after: bytes = b"") -> Iterator[tuple[Digest, BlobRow]]:
        return ((Digest(key), row) for key, row in self.blobs.scan(txn, after=after))

    def pages(self) -> Iterator[list[tuple[Digest, BlobRow]]]:
        """Every row of a blob, a page at a time: a read transaction must not last as long as all blobs take."""
        after: bytes | None = b""
        while after is not None:
            with self.index.read() as txn:
                page = list(itertools.islice(self.digests(txn, after), PAGE_ROWS))
            yield page
            after = page[-1][0].raw if len(page) == PAGE_ROWS else None

    def add_sums(self, digest: Digest, kinds: Iterable[str], took: Took | None = None) -> BlobRow:
        """Compute further sums of a blob (reads all of it) and keep them; the row with them."""
        with self.open(digest) as blob:
            sums = self._hash(blob.fd, kinds, took)

        def change(acts: Acts) -> BlobRow:
            row = self.blobs.get(acts.txn, digest.raw)
            if row is None:
                raise BlobUnknown(digest.hex)
            acts.tell("sums", {"digest": digest.hex})
            return self._keep_row(acts, row, sums)

        return self.commit(change)

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
        finally:
            self._give_up()

    def _give_up(self) -> None:
        """Close what is open, also when the opening ended half-way. A store that is never closed well is looked at anew."""
        for part in ("index", "journal", "blobs_on_disk", "home"):
            if (opened := getattr(self, part, None)) is not None:
                opened.close()


def _inode_key(inode: int) -> bytes:
    return inode.to_bytes(INODE_BYTES, "big")


def batches(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """itertools.batched, which Python 3.11 lacks."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == count:
            yield batch
            batch = []
    if batch:
        yield batch
