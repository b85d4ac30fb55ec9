"""Reading chosen blobs back from the disk: are they what arrived? And in the same read, the sums that somebody will need."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cas.digest import Digest
from cas.store import Store
from cas.verify import Finding, Good, look, note_good

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
    good: Good = {}
    done = read = 0

    def took(size_bytes: int) -> None:
        nonlocal read
        read += size_bytes
        if progress is not None:
            progress(done, read)

    for digest in dict.fromkeys(digests):
        row = store.blob(digest)
        if row is not None:
            finding = look(store, digest, row, good, extra=extra, took=took)
        else:
            finding = Finding("missing", digest, "its file is gone")
        if finding is not None:
            found.append(finding)
        done += 1
        took(0)
        if len(good) >= NOTE_BLOBS or sum(verdict.sums.size_bytes for verdict in good.values()) >= NOTE_BYTES:
            note_good(store, good)
    note_good(store, good)
    return found
