"""Blobs on disk: one read-only file for each content, `blobs/<aa>/<62 hex>`, never renamed over, never opened for writing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import msgspec

from cas.digest import Digest
from cas.layout import blob_parts
from cas.link import Seal, seal_from, seal_of
from cas.system import System

SHARDS = [f"{number:02x}" for number in range(256)]
BLOB_NAME = re.compile(r"[0-9a-f]{62}")


class BlobRow(msgspec.Struct, array_like=True, frozen=True):
    """What is known of a content; key: the 32 bytes of its digest.

    sums          further sums that were asked for once: "sha1", "md5" → raw bytes
    verified_ns   when the bytes were last read whole and found right (their arrival counts), 0 for never
    seal          inode, size, mtime_ns of the blob file at that time
    spares        further physical copies, `<62 hex>~1` …: made when the file system allowed no more links
    told          which sums a sender told of these bytes, found equal at their arrival, each with the time it first was so:
                  "sha256", "md5" …; "parts": sums of all pieces; "source": filmcan read the sender's file itself. A fact about
                  the content: bytes that were hurt on the way do not become bytes that another sender named
    """

    size_bytes: int
    sha256: bytes
    added_ns: int
    verified_ns: int
    seal: Seal
    sums: dict[str, bytes] = {}
    spares: int = 0
    told: dict[str, int] = {}

    @property
    def read_back(self) -> bool:
        """Were the bytes read from the disk again and found right, since they arrived?"""
        return self.verified_ns > self.added_ns


class OpenBlob:
    """Bytes to be read: a descriptor that is the caller's to close. Replacing a name or collecting never cuts it short."""

    __slots__ = ("_system", "fd", "seal", "size_bytes")

    def __init__(self, system: System, fd: int, seal: Seal) -> None:
        self._system, self.fd, self.seal, self.size_bytes = system, fd, seal, seal.size_bytes

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            self._system.close(fd)

    def __enter__(self) -> OpenBlob:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Blobs:
    """The folder of blobs. Its 256 shards are opened once; descriptors are shared by all threads and never move."""

    def __init__(self, system: System, folder: int) -> None:
        self._system = system
        self.folder = folder
        made = False
        present = {entry.name for entry in system.scan(folder)}
        for shard in SHARDS:
            if shard not in present:
                system.make_folder(folder, shard, 0o755)
                made = True
        if made:
            system.sync_folder(folder)
        self._shards = {shard: system.open_folder(folder, shard) for shard in SHARDS}

    def place(self, digest: Digest, spare: int = 0) -> tuple[int, str]:
        """Folder descriptor and file name of a blob, or of one of its spares."""
        shard, name = blob_parts(digest)
        return self._shards[shard], f"{name}~{spare}" if spare else name

    def stat(self, digest: Digest, spare: int = 0) -> os.stat_result | None:
        try:
            return self._system.stat(*self.place(digest, spare))
        except FileNotFoundError:
            return None

    def seal(self, digest: Digest) -> Seal | None:
        """How the blob file looks now; None when it is not there."""
        stat = self.stat(digest)
        return None if stat is None else seal_from(stat)

    def open(self, digest: Digest) -> OpenBlob:
        """FileNotFoundError when it is not there."""
        fd = self._system.open_read(*self.place(digest))
        return OpenBlob(self._system, fd, seal_of(self._system, fd))

    def __iter__(self) -> Iterator[Digest]:
        """Every blob on disk, in order of digest."""
        for shard in SHARDS:
            for name in sorted(entry.name for entry in self._system.scan(self._shards[shard])):
                if BLOB_NAME.fullmatch(name):
                    yield Digest.from_hex(shard + name)

    def close(self) -> None:
        while self._shards:
            self._system.close(self._shards.popitem()[1])
