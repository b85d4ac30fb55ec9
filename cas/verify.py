"""Are the stored bytes still the bytes? Quick: every blob looks as it was sealed, and nobody touched it. Full: every blob is read
and hashed, its spares too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cas.blobs import BlobRow
from cas.committer import Acts
from cas.digest import EMPTY, Digest
from cas.doubt import Verdict
from cas.incoming import Took
from cas.index import ReadTxn
from cas.link import Seal
from cas.replay import batches
from cas.store import Store

BATCH = 1000
KINDS = ("damaged", "edited", "missing", "unknown")


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
Good = dict[Digest, Verdict]  # blobs that were read and are right, to be noted together


def verify(store: Store, *, full: bool, progress: Progress | None = None) -> Verified:
    """Look at every blob; with `full` read every byte.

    The times of good looks are kept. Blobs that rotted go to quarantine: nobody is given wrong bytes any more, and whoever
    sends the right ones again makes all names whole (Editor.mend).

    threads   beside uploads, deletes and collections; what came, went or was healed meanwhile is no finding
    """
    done = Verified()
    good: Good = {}
    doubts: list[_Doubt] = []
    for page in store.pages():
        touched = {digest for digest, _ in page} if full else _touched(store, page)
        for digest, row in page:
            finding = look(store, digest, row, good) if digest in touched else None
            if finding is not None:
                doubts.append(_Doubt(finding, store.blobs_on_disk.seal(digest)))
            done.blobs += 1
            done.size_bytes += row.size_bytes
            if progress is not None:
                progress(done.blobs, done.size_bytes)
        note_good(store, good)  # durability reference §4: a checkpoint every 1,000 files
    done.findings = [finding for doubt in doubts if (finding := _confirm(store, doubt)) is not None]
    done.findings += [Finding("unknown", digest, "no row knows it") for digest in _unknown(store)]
    return done


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A finding, and how the file looked then: it may be healed or gone before the end."""

    finding: Finding
    seal: Seal | None


def _touched(store: Store, page: list[tuple[Digest, BlobRow]]) -> set[Digest]:
    """Which of these look other than they should, or were touched by somebody."""
    with store.index.read() as txn:
        return {digest for digest, row in page if not store.doubt.looks_sure(txn, digest, row)}


def look(
    store: Store, digest: Digest, row: BlobRow, good: Good, *, extra: Iterable[str] = (), took: Took | None = None
) -> Finding | None:
    """Read a blob and its spares, and say what is wrong; one that is right is added to `good`, for `note_good`.

    What the disk damaged is set aside. What somebody edited is left to reindex, which knows the names.
    """
    if digest == EMPTY.digest:
        return None
    try:
        verdict = store.doubt.examine(digest, took, extra)
    except OSError as error:
        return Finding("damaged", digest, f"it cannot be read: {error.strerror}")
    if verdict is None:
        store.doubt.note_missing(digest)
        return Finding("missing", digest, "its file is gone")
    if verdict.good:
        good[digest] = verdict
        return _look_at_spares(store, digest, row, took)
    why = f"its bytes are those of {verdict.sums.digest.hex}"
    if store.doubt.was_edited(digest, verdict):
        return Finding("edited", digest, why)
    store.doubt.settle(digest, verdict)
    return Finding("damaged", digest, why)


def _look_at_spares(store: Store, digest: Digest, row: BlobRow, took: Took | None) -> Finding | None:
    """Spares that are not whole are set aside and made anew from the blob, which is."""
    found = None
    for spare in range(1, row.spares + 1):
        try:
            verdict = store.doubt.examine(digest, took, spare=spare)
        except OSError as error:
            found = Finding("damaged", digest, f"its copy {spare} cannot be read: {error.strerror}")
            continue
        if not store.doubt.settle_spare(digest, spare, verdict):
            found = Finding("damaged", digest, f"its copy {spare} {'held other bytes' if verdict else 'was gone'}")
    return found


def _confirm(store: Store, doubt: _Doubt) -> Finding | None:
    """The finding as it is now: what came, went or was healed meanwhile is none."""
    digest = doubt.finding.digest
    row = store.blob(digest)
    if row is None:
        return None
    if store.blobs_on_disk.seal(digest) == doubt.seal:
        return doubt.finding
    return None if store.doubt.is_sure(digest) else look(store, digest, row, {})


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


def note_good(store: Store, good: Good) -> None:
    """Remember when these were last read and found right, and their sums; `good` is empty then."""
    found = dict(good)
    good.clear()
    if not found or store.state.reason:
        return

    def change(acts: Acts) -> None:
        noted = sum(store.doubt.note_good(acts, digest, verdict) for digest, verdict in found.items())
        acts.tell("verified", {"blobs": noted})

    store.commit(change)
