"""The media of a project, listed whole or in parts, with what is known of each (contract §2.10, §2.15)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import falcon

from cas.index import ReadTxn
from views import media
from views.entry import Entry
from views.index_json import originals, told
from views.library import Library
from views.previews import Previews
from views.sources import PRIMARY
from views.tags import clean
from views.web import body, urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.projects import index

QUERY_MOST = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHOWN_FACTS = {"duration": "duration_seconds", "width": "width", "height": "height", "created_at": "captured_at"}


class MediaList:
    """What the index says of a project, with the URLs of each file."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        source = req.get_param("source") or PRIMARY
        library, found = self._desk.project(project, source)
        whole, fits = index(library, found.name), wanted(req, self._desk.hide_others)
        files = [item for item in whole["files"] if fits(item["relative_path"], item.get("tags", ()))]
        files.sort(key=lambda item: str(item["relative_path"]))
        resp.media = {
            "project": found.name,
            "source": source,
            "media": dressed(library, found.name, source, files),
            "counts": whole["counts"],
            "instructions": "stream_url plays in place, download_url saves the file.",
        }


class Query:
    """A part of the list: what arrived between two moments, in the order it arrived (contract §2.15)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        source = req.get_param("source") or PRIMARY
        library, found = self._desk.project(project, source)
        after_us, before_us = (_us(body.moment(req, name)) for name in ("created_after", "created_before"))
        offset, limit = body.count(req, "offset", 0), min(body.count(req, "limit", 100), QUERY_MOST)
        fits = wanted(req, self._desk.hide_others)
        with library.store.index.read() as txn:
            files = [
                (path, entry) for path, entry in originals(txn, library.tree, found.entry)
                if after_us <= entry.arrived_ns // 1000 < before_us and fits(path, _tags(library, txn, entry))
            ]  # fmt: skip
            shown = told(txn, library.tree, library.store.blobs, files[offset : offset + limit])
        more = offset + len(shown) < len(files)
        resp.media = {
            "project": found.name,
            "source": source,
            "items": dressed(library, found.name, source, shown),
            "offset": offset,
            "limit": limit,
            "next_offset": offset + len(shown) if more else None,
            "has_more": more,
            "total": len(files),
            "instructions": "Ask again with next_offset while has_more is true.",
        }


def _us(moment: datetime) -> int:
    """Microseconds since 1970, as finely as answers tell a time."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _tags(library: Library, txn: ReadTxn, entry: Entry) -> tuple[str, ...]:
    row = library.tree.tags.get(txn, entry.raw_digest)
    return row.tags if row else ()


def wanted(req: falcon.Request, hide_others: bool) -> Callable[[str, tuple[str, ...]], bool]:
    """Which files a request is about, by path and tags: `?tag=` once or more, all of them; `?origin=` of their names."""
    tags, origin = {clean(tag) for tag in req.get_param_as_list("tag") or ()}, req.get_param("origin")

    def fits(path: str, has: tuple[str, ...]) -> bool:
        if hide_others and not media.is_media(path):
            return False
        return tags.issubset(has) and (not origin or media.origin_of(path) == origin)

    return fits


def dressed(library: Library, project: str, source: str, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of the index with what else is known of them: where they can be had, previews, what a look into them told.
    `preview_url` answers with a picture that is made then, or with a placeholder."""
    previews, links = Previews(library, project), urls.Links(project, source)
    facts = library.facts.by_sums(item["sha256"] for item in files)
    for item in files:
        with_urls(item, links, previews)
        if item["kind"] in ("video", "image"):
            item["preview_url"] = links.preview(item["sha256"])
        known = facts.get(item["sha256"], {})
        for key, fact in SHOWN_FACTS.items():
            if fact in known:
                item[key] = known[fact]
    return files


def with_urls(item: dict[str, Any], links: urls.Links, previews: Previews) -> dict[str, Any]:
    """An entry of the index with where it can be had; `thumb_url` only when there is a preview."""
    path, preview = item["relative_path"], previews.among_all(item["sha256"])
    item["tags"], item["origin"] = item.get("tags", ()), media.origin_of(path)
    item["kind"], item["asset_id"] = media.kind_of(path), f"sha256:{item['sha256']}"
    item["stream_url"], item["download_url"] = links.both(path)
    if preview:
        item["thumb_url"], _ = links.both(preview)
    return item


def routes(desk: Desk) -> Routes:
    return (("/api/projects/{project}/media", MediaList(desk)), ("/api/projects/{project}/media/query", Query(desk)))
