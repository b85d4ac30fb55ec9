"""Are the stored bytes still the bytes? Quick: every blob looks as it was sealed. Full: every blob is read and hashed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from cas.blobs import BlobRow
from cas.committer import Acts
from cas.digest import EMPTY, Digest
from cas.doubt import Verdict
from cas.index import ReadTxn
from cas.link import Seal
from cas.store import Store, batches

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One blob that is not as it should be. The kinds:

    damaged   looks as it did when it was whole, but is not: the disk lost bits, and it lies in quarantine now; or cannot be read
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
    """Look at every blob; with `full` read every byte.

    The times of good looks are kept. Blobs that rotted go to quarantine: nobody is given wrong bytes any more, and whoever
    sends the right ones again makes all names whole (Editor.mend).

    threads   beside uploads, deletes and collections; what came, went or was healed meanwhile is no finding
    """
    done = Verified()
    good: list[tuple[Digest, Verdict]] = []
    doubts: list[_Doubt] = []
    for page in store.pages():
        for digest, row in page:
            doubt = None if digest == EMPTY.digest else _look(store, digest, row, full, good)
            if doubt is not None:
                doubts.append(doubt)
            done.blobs += 1
            done.size_bytes += row.size_bytes
            if progress is not None:
                progress(done.blobs, done.size_bytes)
        _note_good(store, good)  # durability reference §4: a checkpoint every 1,000 files
    done.findings = [finding for doubt in doubts if (finding := _confirm(store, doubt)) is not None]
    done.findings += [Finding("unknown", digest, "no row knows it") for digest in _unknown(store)]
    return done


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A finding, and how the file looked then: it may be healed or gone before the end."""

    finding: Finding
    seal: Seal | None


def _look(store: Store, digest: Digest, row: BlobRow, full: bool, good: list[tuple[Digest, Verdict]]) -> _Doubt | None:
    """What is wrong with a blob; one that was read and is right is added to `good`."""
    seal = store.blobs_on_disk.seal(digest)
    if seal == row.seal and not full:
        return None
    try:
        verdict = None if seal is None else store.doubt.examine(digest)
    except OSError as error:
        return _Doubt(Finding("damaged", digest, f"it cannot be read: {error.strerror}"), seal)
    if verdict is None:
        return _Doubt(Finding("missing", digest, "its file is gone"), None)
    if verdict.good:
        good.append((digest, verdict))
        return None
    why = f"its bytes are those of {verdict.sums.digest.hex}"
    if verdict.seal != row.seal:
        return _Doubt(Finding("edited", digest, why), verdict.seal)
    store.doubt.settle(digest, verdict)
    return _Doubt(Finding("damaged", digest, why), store.blobs_on_disk.seal(digest))


def _confirm(store: Store, doubt: _Doubt) -> Finding | None:
    """The finding as it is now: what came, went or was healed meanwhile is none."""
    digest = doubt.finding.digest
    row = store.blob(digest)
    if row is None:
        return None
    if store.blobs_on_disk.seal(digest) == doubt.seal:
        return doubt.finding
    again = _look(store, digest, row, False, [])
    return None if again is None else again.finding


def _unknown(store: Store) -> list[Digest]:
    """Blob files no row knows. For one that is being stored at this moment the index is asked again, alone with it."""

    def without_row(txn: ReadTxn, digests: list[Digest]) -> list[Digest]:
        return [digest for digest in digests if store.blobs.get(txn, digest.raw) is None]

    found: list[Digest] = []
    for page in batches(store.blobs_on_disk, BATCH):
        with store.index.read() as txn:
            found += without_row(txn, page)
    if not found or store.state.reason:
        return found
    return store.commit(lambda acts: without_row(acts.txn, found))


def _note_good(store: Store, good: list[tuple[Digest, Verdict]]) -> None:
    """Remember when these were last read and found right."""
    found, good[:] = list(good), []
    if not found or store.state.reason:
        return

    def change(acts: Acts) -> None:
        for digest, verdict in found:
            row = store.blobs.get(acts.txn, digest.raw)
            if row is not None and store.blobs_on_disk.seal(digest) == verdict.seal:
                store.blobs.put(acts.txn, digest.raw, replace(row, seal=verdict.seal, verified_ns=acts.at_ns))
        acts.tell("verified", {"blobs": len(found)})

    store.commit(change)
