"""`Contents`: what is known of each content, and the two things a change does with bytes: make them a blob, show a blob.

The rows are the blobs', and what is derived from them. Whether the bytes are still the bytes is asked in `cas.doubt`.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable

import msgspec

from cas.blobs import BlobRow, Blobs
from cas.calm import INODE_BYTES, Calm, Place, inode_key
from cas.committer import Acts
from cas.digest import EMPTY, Digest, Sums
from cas.errors import BlobDamaged, BlobUnknown
from cas.found import FileBusy, Found
from cas.incoming import Incoming
from cas.index import Index, Meta, ReadTxn, WriteTxn
from cas.link import EDITABLE_WAYS, READ_ONLY, WAYS, WRITABLE, Seal, Way, changed_ns, seal_from, seal_of
from cas.system import System

log = logging.getLogger("filmcan.cas")
TRUSTED_NS = 30 * 86_400 * 10**9  # durability reference §4: the time in which a scrub reads all
USED = b"used"  # meta: bytes of all contents


class Sha256Row(msgspec.Struct, array_like=True, frozen=True):
    """sha256 → digest: derived from the blobs, for clients that know only sha256."""

    digest: bytes


class OrphanRow(msgspec.Struct, array_like=True, frozen=True):
    """Since when a blob was seen without a name, and how often, at least a day apart; see cas/collect.py."""

    since_ns: int
    scans: int
    last_ns: int


class DamagedRow(msgspec.Struct, array_like=True, frozen=True):
    """A content whose bytes are lost, until they come again: since when, and how: "damaged" by the disk, "edited" by somebody,
    "missing". `paths` showed it then: names of what was edited show something else by now."""

    at_ns: int
    kind: str
    paths: tuple[str, ...] = ()


class InodeRow(msgspec.Struct, array_like=True, frozen=True):
    """Nothing: the key says it all."""


def knowing(row: BlobRow, kinds: Iterable[str], at_ns: int) -> BlobRow:
    """The row, with the sums that a sender told (BlobRow.told); the first time of each stays."""
    news = {kind: at_ns for kind in sorted(kinds) if kind not in row.told}
    return msgspec.structs.replace(row, told={**row.told, **news}) if news else row


class Uncertain(Exception):
    """The blob file on disk looks other than it should; its bytes must be read before anything is said about it."""

    def __init__(self, digest: Digest) -> None:
        self.digest = digest
        super().__init__(digest.hex)


class Contents:
    """Rows about contents, and the blob files behind them. Reading with any transaction; changing only inside a change.

    ways         what `cas.link.probe` found of this disk
    trusted_ns   for so long after its bytes were read a blob is believed to be whole when it is to stand for others
    """

    trusted_ns = TRUSTED_NS

    def __init__(self, system: System, index: Index, files: Blobs, ways: dict[str, str]) -> None:
        self._system, self._meta = system, index.meta
        self.files, self._ways = files, ways
        self.blobs = index.table("blobs", BlobRow, derive=self._derive_from_blob)
        self.sha256s = index.table("sha256s", Sha256Row, derived=True)
        self.inodes = index.table("inodes", InodeRow, derived=True)  # inode of a blob file (16) + digest
        self.orphans = index.table("orphans", OrphanRow, journaled=False)
        self.damaged = index.table("damaged", DamagedRow)
        self.calm = Calm(system, index)
        self.read = index.read

    def _derive_from_blob(self, txn: WriteTxn, key: bytes, old: BlobRow | None, new: BlobRow | None) -> None:
        if old is not None and (new is None or new.sha256 != old.sha256):
            self.sha256s.delete(txn, old.sha256)
        if new is not None and new.sha256:
            self.sha256s.put(txn, new.sha256, Sha256Row(key))
        before, after = (row.seal.inode if row else 0 for row in (old, new))
        if before != after:
            if before:
                self.inodes.delete(txn, inode_key(before) + key)
                self.calm.table.delete(txn, inode_key(before))
            if after:
                self.inodes.put(txn, inode_key(after) + key, InodeRow())
        more = (new.size_bytes if new else 0) - (old.size_bytes if old else 0)
        if more:
            used = self._meta.get(txn, USED)
            if total := (used.value if used else 0) + more:
                self._meta.put(txn, USED, Meta(total))
            else:
                self._meta.delete(txn, USED)

    def digest_of(self, txn: ReadTxn, seal: Seal) -> Digest | None:
        """The content of a file that looks like this, if it is a link of a blob; None when it must be read."""
        for key, _ in self.inodes.scan(txn, inode_key(seal.inode)):
            row = self.blobs.get(txn, key[INODE_BYTES:])
            if row is not None and row.seal == seal:
                return Digest(key[INODE_BYTES:])
        return None

    def publish(self, acts: Acts, body: Incoming | Found, folder: int = -1, name: str = "") -> tuple[BlobRow, bool]:
        """Inside a change: make sure the bytes are a blob. Its row, and whether it was here before.

        A body is linked from where it is staged, a Found from its `folder` and `name`. Raises Uncertain when a blob file of
        this digest lies there and is not surely whole (`trusts`).
        """
        assert body.sums is not None
        sums = body.sums
        row = self.blobs.get(acts.txn, sums.digest.raw)
        if sums.digest == EMPTY.digest:
            return self.keep_row(acts, row or self.fresh_row(acts, sums, Seal(0, 0, 0)), sums, body.told), row is not None
        place = self.files.place(sums.digest)
        acts.touch(place[0])
        try:
            if isinstance(body, Found):
                self._link_found(body, folder, name, place)
            else:
                body.link_to(*place)
        except FileExistsError:
            stat = self._system.stat(*place)
            if row is None or not self.trusts(acts, row, stat):
                raise Uncertain(sums.digest) from None
            self.calm.about_to(acts.txn, place, stat)
            return self.keep_row(acts, row, sums, body.told), True
        assert body.fd is not None
        self.calm.fresh(place)
        fresh = self.fresh_row(acts, sums, seal_of(self._system, body.fd))
        if row is not None:  # its file was lost, and is back
            self.damaged.delete(acts.txn, sums.digest.raw)
            fresh = msgspec.structs.replace(fresh, sums=row.sums, told=row.told, spares=row.spares)
        return self.keep_row(acts, fresh, sums, body.told), False

    def trusts(self, acts: Acts, row: BlobRow, stat: os.stat_result) -> bool:
        """Is the blob file that looks like this whole, as surely as can be said without reading it? Nobody has touched it since
        its bytes were known, and they were read within the time in which a scrub reads all."""
        fresh = abs(acts.at_ns - row.verified_ns) < self.trusted_ns
        return fresh and seal_from(stat) == row.seal and bool(self.calm.is_calm(acts.txn, stat))

    def require_calm(self, acts: Acts, digest: Digest) -> None:
        """Inside a change, before its first act: Uncertain when somebody touched the file of this blob."""
        row, stat = self.blobs.get(acts.txn, digest.raw), self.files.stat(digest)
        if row is None or stat is None or digest == EMPTY.digest:
            return
        if seal_from(stat) != row.seal or self.calm.is_calm(acts.txn, stat) is False:
            raise Uncertain(digest)

    def _link_found(self, found: Found, folder: int, name: str, place: Place) -> None:
        """Link the very file that was hashed. FileBusy when another has its name by now, or its bytes may have changed."""
        before = changed_ns(self._system.stat(folder, name))
        self._system.link(folder, name, *place)
        if before != found.changed_ns or seal_from(self._system.stat(*place)) != found.seal:
            self._system.unlink(*place)
            raise FileBusy(name)
        self._system.set_mode(found.fd, 0o444)

    def stays(self, acts: Acts, found: Found) -> Seal:
        """Inside a change: a file that was found stays the file of its name. Its seal."""
        stat = self._system.fstat(found.fd)
        if changed_ns(stat) == found.changed_ns:
            self.calm.note(acts.txn, stat)
        return found.seal

    def fresh_row(self, acts: Acts, sums: Sums, seal: Seal) -> BlobRow:
        return BlobRow(sums.size_bytes, sums.sha256, acts.at_ns, acts.at_ns, seal)

    def wanted(self, acts: Acts, digest: Digest) -> None:
        """Inside a change: a name shows this content from now on; if it had none for a while, that while is over."""
        self.orphans.delete(acts.txn, digest.raw)

    def keep_row(self, acts: Acts, row: BlobRow, sums: Sums, told: Iterable[str] = ()) -> BlobRow:
        self.wanted(acts, sums.digest)
        if sums.extra and not sums.extra.items() <= row.sums.items():
            row = msgspec.structs.replace(row, sums={**row.sums, **sums.extra})
        row = knowing(row, told, acts.at_ns)
        self.blobs.put(acts.txn, sums.digest.raw, row)
        return row

    def forget(self, acts: Acts, digest: Digest) -> None:
        """Inside a change: nobody wants this content any more, or nobody has it."""
        self.blobs.delete(acts.txn, digest.raw)
        self.damaged.delete(acts.txn, digest.raw)
        self.orphans.delete(acts.txn, digest.raw)

    def losing_name(self, acts: Acts, digest: Digest | None, own: Seal | None = None) -> None:
        """Inside a change, before a name of this content goes, or goes elsewhere: that is our act, no edit.

        own   of the name, where its file is no link of the blob (Entry.own)
        """
        if digest is not None and digest != EMPTY.digest and own is None:
            self.calm.about_to(acts.txn, self.files.place(digest))

    def link(self, acts: Acts, digest: Digest, to_folder: int, name: str, *, editable: bool = False) -> Seal | None:
        """Inside a change: show a blob as `name` in `to_folder`. None for a link of the blob file; else the seal of what lies
        there. `editable`: a file of its own that people may write to.

        The best way that works is taken: hard link, of the blob or a spare; else reflink; else copy. FileExistsError when taken,
        BlobDamaged when the blob file is gone.
        """
        row = self.blobs.get(acts.txn, digest.raw)
        if row is None:
            raise BlobUnknown(digest.hex)
        if digest == EMPTY.digest:
            self._system.close(self._system.create(to_folder, name, WRITABLE if editable else READ_ONLY))
            return self.own_seal(acts, to_folder, name)
        if editable:
            return self._own_file(acts, digest, EDITABLE_WAYS, to_folder, name)
        try:
            place = self._linkable(acts, digest, row)
            WAYS[0].place(self._system, *place, to_folder, name)
            return self.own_seal(acts, to_folder, name) if place != self.files.place(digest) else None
        except FileNotFoundError:
            if self.files.stat(digest) is None:
                raise BlobDamaged(digest.hex, "its file is gone") from None
            raise
        except OSError as error:
            if error.errno == errno.EMLINK:
                return self._link_to_spare(acts, digest, row, to_folder, name)
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP):
                raise
        return self._own_file(acts, digest, WAYS[1:], to_folder, name)

    def own_seal(self, acts: Acts, folder: int, name: str) -> Seal:
        """Inside a change: the seal of a file of our own making where it lies."""
        stat = self._system.stat(folder, name)
        self.calm.note(acts.txn, stat)
        return seal_from(stat)

    def _linkable(self, acts: Acts, digest: Digest, row: BlobRow) -> Place:
        """The physical copy to link to: the last spare nobody touched, else the blob file itself."""
        place = self.files.place(digest)
        for number in range(row.spares, 0, -1):
            spare = self.files.place(digest, number)
            if self._is_calm_at(acts, spare):
                place = spare
                break
        self.calm.about_to(acts.txn, place)
        return place

    def _is_calm_at(self, acts: Acts, place: Place) -> bool:
        try:
            return bool(self.calm.is_calm(acts.txn, self._system.stat(*place)))
        except FileNotFoundError:
            return False

    def _own_file(self, acts: Acts, digest: Digest, ways: tuple[Way, ...], to_folder: int, name: str) -> Seal:
        folder, source = self.files.place(digest)
        for way in ways:
            try:
                way.place(self._system, folder, source, to_folder, name)
            except FileExistsError:
                raise
            except OSError as error:
                last = error
                continue
            if way is not EDITABLE_WAYS[0]:
                log.warning("%s is shown by a %s: its folder cannot link to the store, nor share its blocks", name, way.name)
            return self.own_seal(acts, to_folder, name)
        if isinstance(last, FileNotFoundError) and self.files.stat(digest) is None:
            raise BlobDamaged(digest.hex, "its file is gone") from None
        raise last

    def _link_to_spare(self, acts: Acts, digest: Digest, row: BlobRow, to_folder: int, name: str) -> Seal | None:
        """The file system allows no more links of this inode: make another physical copy and link to that."""
        shard, source = self.files.place(digest)
        spare = row.spares + 1
        way = WAYS[2] if self._ways[WAYS[1].name] else WAYS[1]
        place = self.files.place(digest, spare)
        self._system.unlink(*place)  # no row knows it: a crash left it, perhaps half copied
        way.place(self._system, shard, source, *place)
        acts.touch(shard)
        self.own_seal(acts, *place)
        self.calm.fresh(place)
        self.blobs.put(acts.txn, digest.raw, msgspec.structs.replace(row, spares=spare))
        return self.link(acts, digest, to_folder, name)
