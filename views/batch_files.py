"""What other programs read of a batch of uploads, in its project: outputs, never read back, made again when they change.

    _manifest/upload_batches/
      <batch id>.jsonl        one line a file, in the order they came
      <batch id>.meta.json    whose batch it is, whether it takes more, how many files came to what
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cas.home import Home
from cas.index import ReadTxn
from cas.system import System
from views.audit import timestamp
from views.batches import Batches, BatchItem, BatchRow
from views.entry import Entry

FOLDER = "upload_batches"


def told(item: BatchItem) -> dict[str, Any]:
    """A file of a batch as answers and lines tell it (contract §2.15)."""
    told = {"timestamp": timestamp(item.at_ns), "status": item.status, "filename": item.name}
    if item.status == "error":
        return {**told, "detail": item.why}
    return {
        **told, "relative_path": item.path, "sha256": item.sha256.hex(), "size": item.size_bytes,
        "uploaded_at": timestamp(item.arrived_ns),
    }  # fmt: skip


def counts(row: BatchRow) -> dict[str, int]:
    return {"total": row.total, "stored": row.stored, "duplicate": row.duplicate, "error": row.error}


def meta(batch: str, row: BatchRow, project: str, source: str) -> dict[str, Any]:
    return {
        "batch_id": batch, "project": project, "source": source, "status": "closed" if row.ended_ns else "open",
        "created_at": timestamp(row.started_ns), "closed_at": timestamp(row.ended_ns) if row.ended_ns else None,
        "counts": counts(row),
    }  # fmt: skip


def read(txn: ReadTxn, batches: Batches, ids: Iterable[str], project: Entry, source: str) -> dict[str, bytes]:
    """The files of these batches of a project by name, as they are to be now."""
    files = {}
    for batch in ids:
        row = batches.find(txn, project.id, batch)
        lines = (msgspec.json.encode(told(item)) + b"\n" for item in batches.items(txn, project.id, batch))
        about = msgspec.json.encode(meta(batch, row, project.name, source), order="sorted")
        files[f"{batch}.jsonl"] = b"".join(lines)
        files[f"{batch}.meta.json"] = msgspec.json.format(about, indent=2) + b"\n"
    return files


class BatchFolder:
    """The folder of these files in the `_manifest` of a project, made when it is missing."""

    def __init__(self, home: Home, system: System, manifest: int) -> None:
        """manifest: a descriptor, the caller's."""
        self._home, self._system, self._manifest = home, system, manifest

    def write(self, files: dict[str, bytes]) -> None:
        """Swap each in whole; they last once `sync` was called."""
        if not files:
            return
        try:
            self._system.make_folder(self._manifest, FOLDER)
        except FileExistsError:
            pass  # from the batch before
        with self._system.folder(self._manifest, (FOLDER,)) as folder:
            for name, data in files.items():
                self._home.replace(folder, name, data, 0o644, lasting=False)

    def sync(self, names: Iterable[str]) -> None:
        """Make lasting what was written under these names."""
        with self._system.folder(self._manifest, (FOLDER,)) as folder:
            for name in names:
                fd = self._system.open_read(folder, name)
                try:
                    self._system.sync_file(fd)
                finally:
                    self._system.close(fd)
            self._system.sync_folder(folder)
