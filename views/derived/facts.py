"""What is known of a content from looking into its bytes, and how looking went: by digest, and by the version of what looked.

    facts   digest (32) → FactsRow     local: lost with the index, and found out again when somebody asks
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cas.digest import Digest
from cas.index import ReadTxn
from cas.store import Store

MAKER = 1  # of the worker: a higher number looks at everything again
TRIES = 3  # of a file that took too long or ended the worker; one that cannot be read is looked at once
PAUSE_NS = 300 * 10**9  # between two of them


class FactsRow(msgspec.Struct, array_like=True, frozen=True):
    """One look.

    status    "ok"; "failed": it cannot be read; "timeout", "died": the worker did not come to an end, `tries` times by now
    facts     duration_seconds, width, height, fps, video_codec, audio_codec, audio_channels, has_audio, make, model, captured_at,
              captured_from: those that were found
    pictured  could a picture be made of it?
    """

    maker: int
    status: str
    tries: int
    at_ns: int
    facts: dict[str, Any] = {}
    pictured: bool = False

    def is_final(self, now_ns: int) -> bool:
        """Would another look at this moment tell no more?"""
        if self.maker != MAKER:
            return False
        return self.status in ("ok", "failed") or self.tries >= TRIES or now_ns - self.at_ns < PAUSE_NS


class Facts:
    """The table. Any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = store.index.table("facts", FactsRow, journaled=False)

    def get(self, txn: ReadTxn, raw_digest: bytes) -> FactsRow | None:
        row = self._rows.get(txn, raw_digest)
        return row if row is not None and row.maker == MAKER else None

    def of(self, digest: Digest) -> FactsRow | None:
        with self._store.index.read() as txn:
            return self.get(txn, digest.raw)

    def by_sums(self, sums: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Facts of the contents with these SHA-256 sums, as far as they are known."""
        found: dict[str, dict[str, Any]] = {}
        with self._store.index.read() as txn:
            for sum_hex in sums if self._rows.count(txn) else ():
                alias = self._store.sha256s.get(txn, bytes.fromhex(sum_hex))
                row = self.get(txn, alias.digest) if alias else None
                if row is not None:
                    found[sum_hex] = row.facts
        return found

    def note(self, digest: Digest, row: FactsRow) -> None:
        self._store.note(lambda txn: self._rows.put(txn, digest.raw, row))
