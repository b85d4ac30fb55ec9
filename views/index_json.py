"""What is below the originals of a project, as index.json tells it (contract §2.2.1), at one moment of the tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cas.blobs import BlobRow
from cas.index import ReadTxn, Table
from views.audit import index_entry, timestamp
from views.entry import Entry
from views.tree import ProjectRow, Tree


def index_of(txn: ReadTxn, tree: Tree, blobs: Table[BlobRow], project: Entry, row: ProjectRow) -> dict[str, Any]:
    """A project as index.json tells it."""
    entries = told(txn, tree, blobs, originals(txn, tree, project))
    return {
        "project": project.name,
        "notes": row.notes,
        "created_at": timestamp(row.created_ns),
        "files": entries,
        "counts": {
            "videos": len(entries),  # every entry, whatever its kind: the name is older than the stills
            "duplicates_skipped": row.duplicates_skipped,
            "removed_missing_records": row.removed_missing,
        },
    }


def originals(txn: ReadTxn, tree: Tree, project: Entry) -> list[tuple[str, Entry]]:
    """The visible files below `ingest/originals` with their paths inside the project, in the order they came."""
    return sorted(_below(txn, tree, project), key=lambda found: (found[1].arrived_ns, found[1].id))


def _below(txn: ReadTxn, tree: Tree, project: Entry) -> Iterator[tuple[str, Entry]]:
    ingest = tree.child(txn, project.id, "ingest")
    folder = ingest and tree.child(txn, ingest.id, "originals")
    if ingest is None or folder is None:
        return
    for path, entry in tree.walk(txn, folder, f"{ingest.name}/{folder.name}"):
        if not (entry.hidden or entry.is_folder):
            yield path, entry


def told(txn: ReadTxn, tree: Tree, blobs: Table[BlobRow], files: list[tuple[str, Entry]]) -> list[dict[str, Any]]:
    """These files as entries of the index."""
    entries, has_tags = [], tree.tags.count(txn) > 0
    for path, entry in files:
        blob = blobs.get(txn, entry.raw_digest)
        sha256 = blob.sha256.hex() if blob else ""
        tagged = tree.tags.get(txn, entry.raw_digest) if has_tags else None
        tags = tagged.tags if tagged else ()
        entries.append(index_entry(path, sha256, entry.size_bytes, entry.arrived_ns, entry.via, tags))
    return entries


def render(index: dict[str, Any]) -> bytes:
    """The bytes of index.json: keys sorted, indented by two, UTF-8, letters as they are."""
    return msgspec.json.format(msgspec.json.encode(index, order="sorted"), indent=2) + b"\n"
