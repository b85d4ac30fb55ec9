"""Is the file of an index whole? It is read as LMDB 0.9 lays it out, without LMDB, which believes every page: a damaged one ends
its process, or gives wrong answers.

    page     number u64 | 0 u16 | kind u16 | lower u16 | upper u16 | offsets of its nodes, u16 each | … | nodes
    page     number u64 | 0 u16 | 4    u16 | count u32 | bytes over `count` pages: a value too large for a page
    node     low u16 | high u16 | flags u16 | size of key u16 | key | value; in a branch the first three are the number of a page
    tree     0 u32 | flags u16 | depth u16 | pages: branches u64, leaves u64, large u64 | rows u64 | page of the root u64
    meta     magic u32 | version u32 | address u64 | size of the map u64 | tree of free pages | tree of tables | last page u64 |
             transaction u64; pages 0 and 1, the one with the greater transaction counts

Looked at: every page of every tree is where its number says, belongs to one tree only and is not free; keys rise, and lie between
those of the branch above; the counts agree; every row has the checksum that its table gave it (cas/index.py). 10⁶ rows take 2 s.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

PAGE = struct.Struct("<QHHHH")
NODE = struct.Struct("<HHHH")
TREE = struct.Struct("<IHHQQQQQ")
META = struct.Struct("<IIQQ")
TAIL = struct.Struct("<QQ")
MAGIC, VERSION = 0xBEEFC0DE, 1
BRANCH, LEAF, LARGE, META_PAGE = 1, 2, 4, 8
VALUE_IS_LARGE, VALUE_IS_TREE = 1, 2
NO_PAGE = (1 << 64) - 1
MOST_DEPTH = 32  # of LMDB's cursors
MOST_BYTES = 64 << 30  # of a map (durability reference §6)
CRC_BYTES = 4


class Harm(Exception):
    """What is wrong with the file."""


class Tree(NamedTuple):
    page_bytes: int
    flags: int
    depth: int
    branches: int
    leaves: int
    large: int
    rows: int
    root: int


def harm(path: Path) -> str:
    """What is wrong with the index whose file is at `path`, "" when it is whole. Never raises for what is in the file; OSError
    when it cannot be read."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        _Check(fd).run()
    except (Harm, struct.error) as error:
        return str(error)
    finally:
        os.close(fd)
    return ""


class _Check:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._page_bytes = 4096
        self._seen = bytearray()  # of each page: is it somebody's?

    def run(self) -> None:
        if os.fstat(self._fd).st_size == 0:
            return  # LMDB makes it anew
        metas = [self._meta(number) for number in (0, 1)]
        free, tables, last, _ = max(metas, key=lambda meta: meta[3])
        self._seen = bytearray(last + 1)
        self._seen[0] = self._seen[1] = 1
        self._walk(free, None)
        for name, tree in self._walk(tables, None):
            if self._walk(tree, zlib.crc32(name)):
                raise Harm("a table inside a table")

    def _meta(self, number: int) -> tuple[Tree, Tree, int, int]:
        data = self._read(number, 1)
        page, _, kind, _, _ = PAGE.unpack_from(data)
        magic, version, _, _ = META.unpack_from(data, PAGE.size)
        if (page, kind & META_PAGE, magic, version) != (number, META_PAGE, MAGIC, VERSION):
            raise Harm(f"page {number} is no meta page")
        place = PAGE.size + META.size
        free, tables = (Tree(*TREE.unpack_from(data, place + TREE.size * which)) for which in (0, 1))
        self._page_bytes = free.page_bytes
        if self._page_bytes not in (1 << bits for bits in range(9, 17)):
            raise Harm(f"pages of {self._page_bytes} bytes")
        last, transaction = TAIL.unpack_from(data, place + TREE.size * 2)
        if last * self._page_bytes > os.fstat(self._fd).st_size + MOST_BYTES:  # free pages at its end may be unwritten
            raise Harm(f"{last} pages in a file that has fewer")
        return free, tables, last, transaction

    def _read(self, number: int, count: int) -> bytes:
        size = count * self._page_bytes
        data = os.pread(self._fd, size, number * self._page_bytes)
        if len(data) != size:
            raise Harm(f"the file ends before page {number}")
        return data

    def _claim(self, number: int, count: int = 1) -> None:
        """These pages are somebody's, and nobody else's."""
        if number < 2 or number + count > len(self._seen) or any(self._seen[number : number + count]):
            raise Harm(f"page {number} is beyond the end, or belongs to two")
        self._seen[number : number + count] = b"\1" * count

    def _walk(self, tree: Tree, seed: int | None) -> list[tuple[bytes, Tree]]:
        """A whole tree. seed: of a table; None for the tree of free pages and for the one of tables, which are returned."""
        counts, found = [0, 0, 0, 0], list[tuple[bytes, Tree]]()
        if tree.root != NO_PAGE:
            if not 0 < tree.depth <= MOST_DEPTH:
                raise Harm(f"a tree {tree.depth} pages deep")
            self._page(tree.root, tree.depth, b"", None, seed, bool(tree.flags & 8), counts, found)
        if counts != [tree.branches, tree.leaves, tree.large, tree.rows]:
            raise Harm(f"a tree has {counts} branches, leaves, large pages and rows, and tells others")
        return found

    def _page(
        self, number: int, depth: int, low: bytes, high: bytes | None, seed: int | None, free: bool, counts: list[int],
        found: list[tuple[bytes, Tree]],
    ) -> None:  # fmt: skip
        """One page of a tree and all below it, whose keys lie in low ≤ key < high."""
        self._claim(number)
        data = self._read(number, 1)
        told, _, kind, lower, upper = PAGE.unpack_from(data)
        if told != number or kind != (LEAF if depth == 1 else BRANCH) or not PAGE.size <= lower <= upper <= len(data):
            raise Harm(f"page {number} is something else")
        if lower == PAGE.size:
            raise Harm(f"page {number} is empty")
        offsets = struct.unpack_from(f"<{(lower - PAGE.size) // 2}H", data, PAGE.size)
        if depth == 1:
            counts[1] += 1
            counts[3] += len(offsets)
            self._leaf(data, offsets, low, high, seed, free, counts, found)
            return
        counts[0] += 1
        nodes = [NODE.unpack_from(data, offset) for offset in offsets]
        keys = [low, *(_key(data, offset, node[3]) for offset, node in zip(offsets[1:], nodes[1:], strict=True))]
        for (one, two, three, _), key, end in zip(nodes, keys, [*keys[1:], high], strict=True):
            if free:
                key, end = b"", None
            self._page(one | two << 16 | three << 32, depth - 1, key, end, seed, free, counts, found)

    def _leaf(
        self, data: bytes, offsets: tuple[int, ...], low: bytes, high: bytes | None, seed: int | None, free: bool,
        counts: list[int], found: list[tuple[bytes, Tree]],
    ) -> None:  # fmt: skip
        before, first = low, True
        for offset in offsets:
            one, two, flags, size = NODE.unpack_from(data, offset)
            start = offset + NODE.size + size
            key, count = data[offset + NODE.size : start], one | two << 16
            if not free and (key < before or (key == before and not first) or (high is not None and key >= high)):
                raise Harm("keys out of order")
            before, first = key, False
            value = self._large(data, start, count, counts) if flags & VALUE_IS_LARGE else data[start : start + count]
            if len(value) != count:
                raise Harm("a value beyond the end of its page")
            if seed is not None and not flags & VALUE_IS_TREE:
                if zlib.crc32(value[CRC_BYTES:], zlib.crc32(key, seed)) != int.from_bytes(value[:CRC_BYTES], "big"):
                    raise Harm("a row fails its checksum")
            elif free:
                self._free(value)
            else:
                found.append((key, Tree(*TREE.unpack(value))))

    def _large(self, data: bytes, start: int, count: int, counts: list[int]) -> bytes:
        """A value on pages of its own."""
        (number,) = struct.unpack_from("<Q", data, start)
        pages = (PAGE.size + count + self._page_bytes - 1) // self._page_bytes
        counts[2] += pages
        self._claim(number, pages)
        value = self._read(number, pages)
        told, _, kind, low, high = PAGE.unpack_from(value)
        if (told, kind, low | high << 16) != (number, LARGE, pages):
            raise Harm(f"page {number} is something else")
        return value[PAGE.size : PAGE.size + count]

    def _free(self, value: bytes) -> None:
        count, *pages = struct.unpack(f"<{len(value) // 8}Q", value)
        if count != len(pages):
            raise Harm("a list of free pages is cut")
        for number in pages:
            self._claim(number)


def _key(data: bytes, offset: int, size: int) -> bytes:
    return data[offset + NODE.size : offset + NODE.size + size]
