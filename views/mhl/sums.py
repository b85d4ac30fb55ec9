"""Sums of many contents: looked up, and read from the disk where they are not known yet, once for each content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from cas.digest import EMPTY, Digest, Hasher
from cas.readback import read_back
from cas.store import Store
from cas.verify import Finding
from views.mhl.words import Sums

KINDS = ("xxh128", "sha512")
PAGE = 1000  # rows looked up in one transaction, so that readers stay short


@dataclass(frozen=True, slots=True)
class Summed:
    """The sums of a content, and when its bytes were last read and right."""

    sums: Sums
    read_ns: int


Gathered = dict[Digest, Summed]


def gather(
    store: Store, digests: Iterable[Digest], tell: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Gathered, list[Finding]]:
    """The sums of all contents that are whole, and what is wrong with the others.

    tell   hears how many of those that are read are done, and how many they are; may raise to end the reading
    """
    wanted = list(dict.fromkeys(digests))
    known = _known(store, wanted)
    lacking = [digest for digest in wanted if digest not in known]
    if not lacking:
        return known, []
    findings = read_back(store, lacking, extra=KINDS, progress=lambda done, _: tell(done, len(lacking)))
    return known | _known(store, lacking), findings


def _known(store: Store, digests: Sequence[Digest]) -> Gathered:
    """Those whose sums are known and whose file is as it was when they were computed."""
    found = {EMPTY.digest: Summed(_of_nothing(), store.system.now_ns())} if EMPTY.digest in digests else Gathered()
    for start in range(0, len(digests), PAGE):
        unsure = []
        with store.index.read() as txn:
            for digest in digests[start : start + PAGE]:
                row = store.blobs.get(txn, digest.raw)
                if row is None or not set(KINDS) <= row.sums.keys():
                    continue
                found[digest] = Summed(Sums(digest, row.sums["xxh128"], row.sums["sha512"]), row.verified_ns)
                if not store.doubt.looks_sure(txn, digest, row):
                    unsure.append(digest)
        for digest in unsure:  # somebody may be linking to it at this moment
            if not store.doubt.is_sure(digest):
                del found[digest]
    return found


@cache
def _of_nothing() -> Sums:
    """The sums of an empty file."""
    extra = Hasher(KINDS).finish().extra
    return Sums(EMPTY.digest, extra["xxh128"], extra["sha512"])
