"""Batches of uploads (contract §2.15): begin one, send files into it, end it, ask what came of each file.

Everything is reached in two ways that the field uses: `POST …/upload?op=start`, and `POST …/upload-batch/start`.
"""

from __future__ import annotations

from typing import Any

import falcon

from cas.committer import Acts
from cas.index import ReadTxn
from views.arrivals import ORIGINALS
from views.batch_files import FOLDER, counts, meta, told
from views.batches import BatchItem, BatchRow
from views.catalogue import Project
from views.library import Library
from views.sources import PRIMARY
from views.web import body, receipt, urls, works
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import shape


class Batch:
    """One batch of one project, as a request names it. BatchUnknown when it is read and is not there."""

    def __init__(self, library: Library, project: Project, source: str, prefix: str, id: str) -> None:
        """prefix: scheme and host, for absolute URLs."""
        self._library, self._batches, self._project = library, library.tree.batches, project
        self._source, self._prefix, self.id = source, prefix, id

    def check_open(self) -> None:
        """BatchUnknown, BatchClosed, before a byte is taken in."""
        with self._library.store.index.read() as txn:
            self._batches.check_open(txn, self._project.entry.id, self.id)

    def note_error(self, name: str, why: str) -> None:
        """A file that was not taken."""

        def change(acts: Acts) -> None:
            self._batches.note(acts, self._project.entry.id, self.id, BatchItem(acts.at_ns, "error", name, why=why))

        self._library.store.commit(change)

    def end(self) -> None:
        self._library.store.commit(lambda acts: self._batches.end(acts, self._project.entry.id, self.id))

    def state(self) -> dict[str, Any]:
        """Whether it takes more, and how many files came to what: the same small answer however many there are."""
        with self._library.store.index.read() as txn:
            return self._meta(self._batches.find(txn, self._project.entry.id, self.id))

    def _meta(self, row: BatchRow) -> dict[str, Any]:
        return meta(self.id, row, self._project.name, self._source)

    def _items(self, txn: ReadTxn) -> list[dict[str, Any]]:
        return [self._served(told(item)) for item in self._batches.items(txn, self._project.entry.id, self.id)]

    def _served(self, item: dict[str, Any]) -> dict[str, Any]:
        if "relative_path" in item:
            place = self._project.name, item["relative_path"], self._source
            item["served"] = {
                "stream_url": self._prefix + urls.stream(*place), "download_url": self._prefix + urls.download(*place),
            }  # fmt: skip
        return item

    def begun(self) -> dict[str, Any]:
        """The answer to a start: where files go, and where the batch is ended."""
        upload = self._prefix + urls.project(self._project.name, self._source, "/upload")
        return {
            **self._whose(), "batch_id": self.id,
            "upload_url": f"{upload}&op=upload&batch_id={self.id}", "finalize_url": f"{upload}&op=finalize&batch_id={self.id}",
            "batch_path": f"_manifest/{FOLDER}/{self.id}.jsonl",
            "instructions": f"POST files to upload_url, then POST to finalize_url. They go to {ORIGINALS}.",
        }  # fmt: skip

    def ended(self) -> dict[str, Any]:
        """The answer to a finalize."""
        with self._library.store.index.read() as txn:
            row, items = self._batches.find(txn, self._project.entry.id, self.id), self._items(txn)
        return {
            **self._whose(), "batch_id": self.id, "counts": counts(row), "items": items,
            "served_urls": list(dict.fromkeys(item["served"]["stream_url"] for item in items if "served" in item)),
            "instructions": "The batch is closed. Send again what has the status error.",
        }  # fmt: skip

    def confirmed(self, desk: Desk) -> dict[str, Any]:
        """What came is read back from the disk behind, and goes into the project's manifest: where that is told."""
        with self._library.store.index.read() as txn:
            came = frozenset(item.sha256 for item in self._batches.items(txn, self._project.entry.id, self.id) if item.sha256)
        if not came:
            return {}
        work = receipt.begin(desk, self._source, self._project.name, desk.safe_copies, came)
        return {"receipt_url": urls.project(self._project.name, self._source, "/receipt"), "receipt_job": works.url_of(work)}

    def snapshot(self) -> dict[str, Any]:
        """What came of each file so far."""
        with self._library.store.index.read() as txn:
            row, items = self._batches.find(txn, self._project.entry.id, self.id), self._items(txn)
        return {
            **self._whose(), "meta": self._meta(row), "count": len(items), "items": items,
            "instructions": "One item for each file that was sent, in the order they came.",
        }  # fmt: skip

    def _whose(self) -> dict[str, Any]:
        return {"ok": True, "project": self._project.name, "source": self._source}


def named(desk: Desk, req: falcon.Request, project: str, id: str) -> Batch:
    """The batch of this id in the project of a URL."""
    source = req.get_param("source") or PRIMARY
    library, found = desk.project(project, source)
    return Batch(library, found, source, req.prefix, id.lower())


def start(desk: Desk, req: falcon.Request, project: str) -> dict[str, Any]:
    library, found = desk.project(project, req.get_param("source"))
    id = library.store.commit(lambda acts: library.tree.batches.start(acts, found.entry.id))
    return named(desk, req, project, id).begun()


def finalize(desk: Desk, req: falcon.Request, project: str) -> dict[str, Any]:
    """The id stands in the query, or in a JSON body as `batch_id`."""
    id = req.get_param("batch_id")
    if not id:
        said = body.json_value(req)
        id = body.text(said, "batch_id", needed=True) if isinstance(said, dict) else None
    batch = named(desk, req, project, needed(id))
    batch.end()
    return {**batch.ended(), **batch.confirmed(desk)}


def snapshot(desk: Desk, req: falcon.Request, project: str) -> dict[str, Any]:
    return named(desk, req, project, needed(req.get_param("batch_id"))).snapshot()


def needed(id: str | None) -> str:
    if not id:
        raise shape("query", "batch_id", "which batch? op=start tells its id")
    return id


OPERATIONS = {"start": start, "finalize": finalize, "snapshot": snapshot}


class Start:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """Begin a batch of uploads."""
        resp.media = start(self._desk, req, project)


class Finalize:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """End a batch: what came of each file."""
        resp.media = finalize(self._desk, req, project)


class Snapshot:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str, batch_id: str) -> None:
        """What came of each file of a batch so far."""
        resp.media = named(self._desk, req, project, batch_id).snapshot()


def routes(desk: Desk) -> Routes:
    return (
        ("/api/projects/{project}/upload-batch/start", Start(desk)),
        ("/api/projects/{project}/upload-batch/finalize", Finalize(desk)),
        ("/api/projects/{project}/upload-batch/{batch_id}", Snapshot(desk)),
    )
