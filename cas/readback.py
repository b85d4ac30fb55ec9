"""Reading chosen blobs back from the disk: are they what arrived? And in the same read, the sums that somebody will need."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from cas.committer import Acts
from cas.digest import EMPTY, Digest
from cas.doubt import Verdict
from cas.store import Store
from cas.verify import Finding

NOTE_BLOBS, NOTE_BYTES = 200, 1 << 30  # so much is read again at most after an end in the middle

Progress = Callable[[int, int], None]  # blobs done, bytes read; may raise to end the work


def read_back(
    store: Store, digests: Iterable[Digest], *, extra: Iterable[str] = (), progress: Progress | None = None
) -> list[Finding]:
    """Read every byte of these blobs from the disk, past the page cache, and compare; what is not as it should be.

    The times of good looks are kept (`BlobRow.read_back`), with sums of the kinds in `extra`. Rotten blobs go to quarantine, as
    in `verify`. The drive's own cache lies beyond our reach.

    threads   any; beside uploads and deletes
    crash     what was noted stays; asking again reads the rest, and that once more
    """
    extra, found = tuple(extra), list[Finding]()
    good: dict[Digest, Verdict] = {}
    done = read = 0

    def took(size_bytes: int) -> None:
        nonlocal read
        read += size_bytes
        if progress is not None:
            progress(done, read)

    for digest in dict.fromkeys(digests):
        if digest != EMPTY.digest:
            finding = _look(store, digest, extra, good, took)
            if finding is not None:
                found.append(finding)
        done += 1
        took(0)
        if len(good) >= NOTE_BLOBS or sum(verdict.sums.size_bytes for verdict in good.values()) >= NOTE_BYTES:
            _note(store, good)
    _note(store, good)
    return found


def _look(
    store: Store, digest: Digest, extra: tuple[str, ...], good: dict[Digest, Verdict], took: Callable[[int], None]
) -> Finding | None:
    row = store.blob(digest)
    try:
        verdict = store.doubt.examine(digest, took, extra)
    except OSError as error:
        return Finding("damaged", digest, f"it cannot be read: {error.strerror}")
    if verdict is None or row is None:
        return Finding("missing", digest, "its file is gone")
    if verdict.good:
        good[digest] = verdict
        return None
    why = f"its bytes are those of {verdict.sums.digest.hex}"
    if verdict.seal != row.seal:
        return Finding("edited", digest, why)
    store.doubt.settle(digest, verdict)
    return Finding("damaged", digest, why)


def _note(store: Store, good: dict[Digest, Verdict]) -> None:
    """Remember when these were read and found right, and their sums."""
    found = dict(good)
    good.clear()
    if not found or store.state.reason:
        return

    def change(acts: Acts) -> None:
        for digest, verdict in found.items():
            row = store.blobs.get(acts.txn, digest.raw)
            if row is not None and store.blobs_on_disk.seal(digest) == verdict.seal:
                sums = {**row.sums, **verdict.sums.extra}
                row = replace(row, seal=verdict.seal, verified_ns=acts.at_ns, sums=sums)
                store.blobs.put(acts.txn, digest.raw, row)
        acts.tell("verified", {"blobs": len(found)})

    store.commit(change)
