"""One name in a view: what it is called, what it stands for, when it changed."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from cas.digest import Digest
from cas.link import Seal


class Kind(IntEnum):
    FILE = 0
    FOLDER = 1
    PROJECT = 2


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row of the tree. Frozen: safe to keep and to hand to other threads.

    id            the same for the life of the entry, through renames and new content; a copy gets its own
    name          the spelling the client chose (compared by NFC)
    raw_digest    32 bytes of BLAKE3; empty for folders
    modified_ns   the name's own time: two names on one inode share the time on disk, not this one
    arrived_ns    when this content came under this name, and `via` what: "dav", "upload", "import", "reindex", "move", "copy"
    hidden        client junk: a row without a name on disk, shown only to the family of clients in `writer`
    own           seal of the file on disk where it is not a hard link of its blob (empty files, reflinks, copies)
    props         dead properties: "{namespace}local" → the XML element as text
    """

    id: int
    kind: Kind
    name: str
    modified_ns: int
    created_ns: int
    size_bytes: int = 0
    raw_digest: bytes = b""
    arrived_ns: int = 0
    via: str = ""
    hidden: bool = False
    writer: str = ""
    own: Seal | None = None
    props: dict[str, str] = {}

    @property
    def is_folder(self) -> bool:
        return self.kind is not Kind.FILE

    @property
    def digest(self) -> Digest | None:
        return Digest(self.raw_digest) if self.raw_digest else None

    @property
    def etag(self) -> str | None:
        """Strong, quoted, from the content alone (RFC 9110 §8.8.1 allows one tag for many resources); None for folders."""
        return f'"{self.raw_digest.hex()}"' if self.raw_digest else None
