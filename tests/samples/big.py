"""A film of any length for tests of size: bytes that no disk can store as holes and no link can compress away."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

PIECE_BYTES = 1 << 20
GIB = 1 << 30


def big_pieces(size_bytes: int, seed: int = 1) -> Iterator[bytes]:
    """The content in pieces of 1 MiB: one random piece, turned by a different amount each time, its number in front.

    Cheap (a copy, no random numbers per piece), and still no two pieces of one file are alike, so a store that
    swaps, drops or repeats a piece is found out.
    """
    base = random.Random(seed).randbytes(PIECE_BYTES)
    for number in range(-(-size_bytes // PIECE_BYTES)):
        turn = number * 4099 % PIECE_BYTES
        piece = number.to_bytes(8, "big") + base[turn + 8 :] + base[:turn] + b"filmcan!"
        yield piece[: min(PIECE_BYTES, size_bytes - number * PIECE_BYTES)]


def make_big_file(path: Path, size_bytes: int = 5 * GIB, seed: int = 1) -> Path:
    """Stream the content to `path`; never more than a few MiB in memory."""
    with path.open("wb") as out:
        for piece in big_pieces(size_bytes, seed):
            out.write(piece)
    return path
