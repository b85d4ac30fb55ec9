"""What bytes are called: digests, and the one pass that computes them. Only this module knows blake3, hashlib and xxhash."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from blake3 import blake3

from cas.errors import DigestInvalid

Buffer = bytes | bytearray | memoryview
DIGEST_BYTES = 32
TAG_BYTES = 16
EXTRA_KINDS = ("sha1", "md5", "adler32", "sha512", "xxh128")  # sha256 is always computed; clients name the first three
C4_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # SMPTE ST 2114: base 58, without 0, I, O, l
C4_CHARS = 90


class Digest:
    """32 bytes of BLAKE3, as a type of its own. Made at the edge (URL, file name, command line), travels as itself."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        if len(raw) != DIGEST_BYTES:
            raise DigestInvalid(raw.hex())
        self.raw = raw

    @classmethod
    def from_hex(cls, text: str) -> Digest:
        """The digest written as 64 hexadecimal digits of either case; DigestInvalid for anything else."""
        if len(text) != 2 * DIGEST_BYTES or not text.isalnum() or not text.isascii():
            raise DigestInvalid(text)
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            raise DigestInvalid(text) from None

    @property
    def hex(self) -> str:
        return self.raw.hex()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and self.raw == other.raw

    def __lt__(self, other: Digest) -> bool:
        return self.raw < other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"Digest({self.raw.hex()[:12]}…)"

    def __str__(self) -> str:
        return self.raw.hex()


@dataclass(frozen=True, slots=True)
class Sums:
    """What one pass over some bytes yielded. `sha256` and the values of `extra` are raw bytes, not hex."""

    digest: Digest
    size_bytes: int
    sha256: bytes
    extra: Mapping[str, bytes] = field(default_factory=dict)


class _Hash(Protocol):
    def update(self, data: Any, /) -> object: ...
    def digest(self) -> bytes: ...


class _Adler32:
    """zlib's running checksum in the shape of a hash."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, data: Buffer, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _xxh128() -> _Hash:
    """XXH3 of 128 bits; its library is loaded when a manifest is first asked for."""
    from xxhash import xxh3_128

    made: _Hash = xxh3_128()
    return made


_MAKERS: dict[str, Any] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "adler32": _Adler32,
    "sha512": hashlib.sha512,
    "xxh128": lambda: _xxh128(),
}


class Hasher:
    """BLAKE3 and SHA-256 (and what else was asked for) in one pass. One thread at a time; large updates free the GIL."""

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self._blake3, self._sha256 = blake3(), hashlib.sha256()
        self._extra: dict[str, _Hash] = {kind: _MAKERS[kind]() for kind in extra}
        self._size_bytes = 0

    def update(self, data: Buffer) -> None:
        self._blake3.update(data)
        self._sha256.update(data)
        for hash_ in self._extra.values():
            hash_.update(data)
        self._size_bytes += len(data)

    def finish(self) -> Sums:
        extra = {kind: hash_.digest() for kind, hash_ in self._extra.items()}
        return Sums(Digest(self._blake3.digest()), self._size_bytes, self._sha256.digest(), extra)


def sums_of(data: Buffer) -> Sums:
    """The sums of bytes that are already in memory."""
    hasher = Hasher()
    hasher.update(data)
    return hasher.finish()


def c4(sha512: bytes) -> str:
    """The C4 id of bytes with this SHA-512: "c4" and 88 digits to the base of 58 (SMPTE ST 2114)."""
    number, digits = int.from_bytes(sha512, "big"), ""
    while number:
        number, digit = divmod(number, len(C4_DIGITS))
        digits = C4_DIGITS[digit] + digits
    return "c4" + digits.rjust(C4_CHARS - 2, C4_DIGITS[0])


def quick_sum(data: Buffer) -> bytes:
    """16 bytes of XXH3: equal sums of small data, such as names and sums in a folder, where nobody attacks (ASC MHL)."""
    made = _xxh128()
    made.update(data)
    return made.digest()


def tag(data: Buffer) -> bytes:
    """TAG_BYTES that stand for `data` where the data itself is too long: the first bytes of its BLAKE3."""
    return blake3(data).digest(TAG_BYTES)


def tag_of_file(path: Path) -> str:
    """What stands for the whole content of a file; all cores read it through a map (3 GB/s)."""
    return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest(TAG_BYTES)


EMPTY = sums_of(b"")
