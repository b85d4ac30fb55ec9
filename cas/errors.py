"""What can go wrong with bytes. Errors carry fields; the sentence is made from them.

CasError
├── DigestInvalid        text that is not a digest
├── BodyIncomplete       fewer or more bytes arrived than were promised
├── ChecksumWrong        the bytes are not the ones the sender meant
├── BlobUnknown          no such content here
├── BlobDamaged          the bytes on disk no longer match their name
├── TooLarge             more bytes than are taken at once
├── NoSpace              the disk is full, or would be
├── Degraded             the store lost its faith in the disk; reads go on
│   └── IndexDamaged     what the index says cannot be believed (cas/index.py)
├── PartLost             the bytes of a resumable upload are not all there any more
├── LockHeld             another process has this root open
├── RootUnfit            this place cannot hold a store, and why
└── FormatUnknown        written by a newer filmcan
"""

from __future__ import annotations

from pathlib import Path


class CasError(Exception):
    """Every error of this package."""


class DigestInvalid(CasError):
    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{text[:80]!r} is not a BLAKE3 digest: 64 hexadecimal digits are needed")


class BodyIncomplete(CasError):
    def __init__(self, expected_bytes: int, received_bytes: int) -> None:
        self.expected_bytes, self.received_bytes = expected_bytes, received_bytes
        super().__init__(f"{received_bytes} of {expected_bytes} bytes arrived, so nothing was stored; send the file again")


class ChecksumWrong(CasError):
    def __init__(self, kind: str, expected: str, found: str) -> None:
        self.kind, self.expected, self.found = kind, expected, found
        super().__init__(f"the {kind} of the bytes is {found}, the sender said {expected}; nothing was stored, send again")


class BlobUnknown(CasError):
    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"no content with digest {digest} is stored here")


class BlobDamaged(CasError):
    def __init__(self, digest: str, why: str) -> None:
        self.digest, self.why = digest, why
        super().__init__(f"the stored bytes of {digest} are not whole ({why}); upload the file again to heal it")


class TooLarge(CasError):
    def __init__(self, size_bytes: int, most_bytes: int) -> None:
        self.size_bytes, self.most_bytes = size_bytes, most_bytes
        most = f"{most_bytes >> 20} MiB" if most_bytes and most_bytes % (1 << 20) == 0 else f"{most_bytes} bytes"
        super().__init__(f"the file is larger than {most}, the most that is taken here; nothing was stored")


class NoSpace(CasError):
    """`why`: what the disk lacks, in words, when it is more than that these bytes do not fit."""

    def __init__(self, needed_bytes: int, available_bytes: int, why: str = "") -> None:
        self.needed_bytes, self.available_bytes, self.why = needed_bytes, available_bytes, why
        what = why or f"{needed_bytes} bytes are needed, {available_bytes} can be used"
        super().__init__(f"the disk is full: {what}; free some space")


class Degraded(CasError):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the store only reads ({reason}); check the disk, then restart filmcan")


class PartLost(CasError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__("the bytes of this upload are not all on the disk any more; begin again")


class LockHeld(CasError):
    def __init__(self, root: Path, holder: str) -> None:
        self.root, self.holder = root, holder
        super().__init__(f"{root} is already open in another filmcan ({holder}); use that one, or stop it first")


class RootUnfit(CasError):
    def __init__(self, root: Path, why: str) -> None:
        self.root, self.why = root, why
        super().__init__(f"{root} cannot hold a store: {why}")


class FormatUnknown(CasError):
    def __init__(self, what: str, found: object, known: object) -> None:
        self.what, self.found, self.known = what, found, known
        super().__init__(f"{what} has format {found}, this filmcan knows {known}; use the filmcan that wrote it")
