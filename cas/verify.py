"""Are the stored bytes still the bytes? Quick: every blob looks as it was sealed. Full: every blob is read and hashed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from cas.blobs import BlobRow
from cas.committer import Acts
from cas.digest import EMPTY, Digest
from cas.store import Store, Verdict

BATCH = 1000  # durability reference §4: a checkpoint every 1,000 files


@dataclass(frozen=True, slots=True)
class Finding:
    """One blob that is not as it should be. The kinds:

    damaged   looks as it did when it was whole, but is not: the disk lost bits; it lies in quarantine now
    edited    holds other bytes by somebody's hand; reindex takes them as what they are
    missing   a row without a file
    unknown   a file without a row
    """

    kind: str
    digest: Digest
    why: str


@dataclass
class Verified:
    blobs: int = 0
    size_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)


Progress = Callable[[int, int], None]  # blobs done, bytes read


def verify(store: Store, *, full: bool, progress: Progress | None = None) -> Verified:
    """Look at every blob; with `full` read every byte. Safe beside uploads.

    The times of good looks are kept. Blobs that rotted go to quarantine: nobody is given wrong bytes any more, and whoever
    sends the right ones again makes all names whole (Editor.mend).
    """
    done, seen = Verified(), set[bytes]()
    good: list[tuple[Digest, Verdict]] = []
    for digest, row in _rows(store):
        seen.add(digest.raw)
        if digest != EMPTY.digest:
            finding, verdict = _look(store, digest, row, full)
            if finding is not None:
                done.findings.append(finding)
            elif verdict is not None:
                good.append((digest, verdict))
        done.blobs += 1
        done.size_bytes += row.size_bytes
        if len(good) >= BATCH:
            _note_good(store, good)
        if progress is not None:
            progress(done.blobs, done.size_bytes)
    _note_good(store, good)
    done.findings += [Finding("unknown", digest, "no row knows it") for digest in store.blobs_on_disk if digest.raw not in seen]
    return done


def _rows(store: Store) -> Iterator[tuple[Digest, BlobRow]]:
    """Every row, a page at a time: a read transaction must not last as long as reading all bytes does."""
    after = b""
    while True:
        with store.index.read() as txn:
            page = []
            for key, row in store.blobs.scan(txn, after=after):
                page.append((Digest(key), row))
                if len(page) == BATCH:
                    break
        yield from page
        if len(page) < BATCH:
            return
        after = page[-1][0].raw


def _look(store: Store, digest: Digest, row: BlobRow, full: bool) -> tuple[Finding | None, Verdict | None]:
    seal = store.blobs_on_disk.seal(digest)
    if seal is None:
        return Finding("missing", digest, "its file is gone"), None
    if seal == row.seal and not full:
        return None, None
    verdict = store.examine(digest)
    if verdict is None:
        return Finding("missing", digest, "its file is gone"), None
    if verdict.good:
        return None, verdict
    why = f"its bytes are those of {verdict.sums.digest.hex}"
    if verdict.seal != row.seal:
        return Finding("edited", digest, why), None
    store.settle(digest, verdict)
    return Finding("damaged", digest, why), None


def _note_good(store: Store, good: list[tuple[Digest, Verdict]]) -> None:
    """Remember when these were last read and found right."""
    found, good[:] = list(good), []
    if not found or store.state.reason:
        return

    def change(acts: Acts) -> None:
        for digest, verdict in found:
            row = store.blobs.get(acts.txn, digest.raw)
            if row is not None:
                store.blobs.put(acts.txn, digest.raw, replace(row, seal=verdict.seal, verified_ns=acts.at_ns))
        acts.tell("verified", {"blobs": len(found)})

    store.commit(change)
