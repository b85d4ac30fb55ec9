"""Where each thing lies under a root. Pure path arithmetic; no disk is touched here.

    <root>/                          project folders, loose files: what people and other programs see
      .filmcan/                      0700
        FORMAT                       format number, root id
        session                      "clean" and a sum of the index, or the boot during which it was last open
        lock                         held with flock while a process has the root open
        blobs/<aa>/<62 hex>          0444, the content whose BLAKE3 digest is aa + 62 hex
        incoming/                    staged bytes; empty at rest
        uploads/                     bytes that arrive in several goes, over restarts too
        journal/000001.log           every change, in order
        trash/<day>/<seq>-<name>     names taken away
        quarantine/                  bytes that no longer match their name
        index/                       LMDB; disposable
"""

from __future__ import annotations

from pathlib import Path

from cas.digest import Digest

FORMAT = 1
HOME = ".filmcan"
PLACES = ("blobs", "incoming", "uploads", "journal", "trash", "quarantine")


def blob_parts(digest: Digest) -> tuple[str, str]:
    """Folder and file name of a blob below `blobs/`: 256 folders keep each small up to millions of clips."""
    text = digest.hex
    return text[:2], text[2:]


class Layout:
    """The paths under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / HOME
        self.format = self.home / "FORMAT"
        self.lock = self.home / "lock"
        self.blobs = self.home / "blobs"
        self.incoming = self.home / "incoming"
        self.uploads = self.home / "uploads"
        self.journal = self.home / "journal"
        self.trash = self.home / "trash"
        self.quarantine = self.home / "quarantine"
        self.index = self.home / "index"

    def blob(self, digest: Digest) -> Path:
        folder, name = blob_parts(digest)
        return self.blobs / folder / name
