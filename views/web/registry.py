"""What is known of a content: by SHA-256 or BLAKE3, over all sources. Each question is a few looks into indexes, never a scan."""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import falcon

from cas.blobs import BlobRow
from cas.digest import Digest
from cas.errors import DigestInvalid
from views import media
from views.audit import timestamp
from views.entry import Entry
from views.library import Library
from views.sources import PRIMARY
from views.web import body, urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError
from views.web.thumbnails import timeline

NOBODY = "the content is stored, but no project shows it"


class Name:
    """One name of a content: where it is, and how it can be had."""

    def __init__(self, source: str, path: str, entry: Entry, tags: tuple[str, ...]) -> None:
        self.source, self.entry, self.tags = source, entry, tags
        self.project, _, self.inner = path.partition("/")

    def told(self) -> dict[str, Any]:
        place = (self.project, self.inner, self.source)
        return {
            "source": self.source,
            "project": self.project,
            "relative_path": self.inner,
            "arrived_at": timestamp(self.entry.arrived_ns),
            "stream_url": urls.stream(*place),
            "download_url": urls.download(*place),
        }


class Registry:
    """The contents of all sources."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def find(self, sum_hex: str) -> tuple[Digest, BlobRow, list[Name]] | None:
        """A content with every name that shows it, those of the primary source first, in each source the oldest first."""
        found, names = None, list[Name]()
        for source, library in self._desk.libraries.items():
            known = library.known(sum_hex)
            if known is not None:
                found = found or known
                names += self._names(source, library, known[0])
        return (*found, names) if found else None

    @staticmethod
    def _names(source: str, library: Library, digest: Digest) -> list[Name]:
        tags = library.tags_of(digest)
        return [Name(source, path, entry, tags) for path, entry in library.names_of(digest) if "/" in path]

    def _facts(self, digest: Digest) -> dict[str, Any]:
        """What was found out about a content up to now: nothing is looked at for this."""
        found = (library.facts.of(digest) for library in self._desk.libraries.values())
        return next((row.facts for row in found if row is not None), {})

    def asked(self, sum_hex: str) -> tuple[Digest, BlobRow, list[Name]]:
        """As find; 400 for what is no digest, 404 for a content nobody knows."""
        try:
            found = self.find(sum_hex.removeprefix("sha256:").lower())
        except DigestInvalid:
            raise ApiError(400, "a SHA-256 or BLAKE3 of 64 hexadecimal digits is needed") from None
        if found is None:
            raise ApiError(404, f"no content {sum_hex} is stored here")
        return found

    def record(self, sum_hex: str) -> dict[str, Any]:
        """A content as clients of the replaced system know it (contract §2.15)."""
        digest, row, names = self.asked(sum_hex)
        if not names:
            raise ApiError(404, NOBODY)
        first, sha256, facts = names[0], row.sha256.hex(), self._facts(digest)
        return {
            "sha256": sha256,
            "blake3": digest.hex,
            "size": row.size_bytes,
            "asset_id": f"sha256:{sha256}",
            "asset_uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"media-sync-api:{sha256}")),
            "project": first.project,
            "source": first.source,
            "canonical_name": PurePosixPath(first.inner).name,
            "relative_path": first.inner,
            "ext": media.extension_of(first.inner),
            "kind": media.kind_of(first.inner),
            "origin": media.origin_of(first.inner),
            "tags": {"manual": sorted({tag for name in names for tag in name.tags}), "derived": []},
            "timestamps": {"arrived_at": timestamp(first.entry.arrived_ns), "modified_at": timestamp(first.entry.modified_ns)},
            "timeline": timeline(facts, first.entry.modified_ns),
            "facts": {"duration_seconds": None, **facts},
            "urls": {
                "stream": urls.stream(first.project, first.inner, first.source),
                "download": urls.download(first.project, first.inner, first.source),
            },
            "aliases": [{"source": name.source, "project": name.project, "relative_path": name.inner} for name in names[1:]],
        }


class OneRecord:
    """One content by SHA-256 or BLAKE3: where it is shown, its tags, what is known of it."""

    def __init__(self, desk: Desk) -> None:
        self._registry = Registry(desk)

    def on_get(self, _req: falcon.Request, resp: falcon.Response, digest: str) -> None:
        resp.media = {**self._registry.record(digest), "instructions": "The oldest name stands first, others are aliases."}


class OneBlob:
    """Where a content is used: every project and path that shows it."""

    def __init__(self, desk: Desk) -> None:
        self._registry = Registry(desk)

    def on_get(self, _req: falcon.Request, resp: falcon.Response, digest: str) -> None:
        found, row, names = self._registry.asked(digest)
        resp.media = {
            "blake3": found.hex,
            "sha256": row.sha256.hex(),
            "size": row.size_bytes,
            "sums": {kind: value.hex() for kind, value in row.sums.items()},
            "names": [name.told() for name in names],
            "instructions": "Each name shows the same bytes, which are stored once in each source." if names else NOBODY,
        }


class Resolve:
    """Many at once: contents by `asset_ids`, and by where they were last seen (`fallback_paths`)."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._registry = desk, Registry(desk)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        said = body.json_object(req)
        fallback = said.get("fallback_paths") or {}
        if not isinstance(fallback, dict):
            raise ApiError(400, "fallback_paths must be an object: key, and URL or project/path")
        keys = dict.fromkeys([*body.texts({"asset_ids": said.get("asset_ids") or []}, "asset_ids"), *fallback])
        results = {key: record for key in keys if (record := self._either(key, fallback.get(key))) is not None}
        missing = [key for key in keys if key not in results]
        resp.media = {"results": results, "missing": missing, "instructions": "Records by key."}

    def _either(self, key: str, place: object) -> dict[str, Any] | None:
        return self._record(key) or (self._record(self._sum_at(place)) if isinstance(place, str) else None)

    def _record(self, asked: str) -> dict[str, Any] | None:
        try:
            return self._registry.record(asked)
        except ApiError:
            return None  # it is told as missing

    def _sum_at(self, place: str) -> str:
        """SHA-256 of the file at `project/path` or at one of our URLs; "" when there is none."""
        url = urlsplit(place)
        path = unquote(url.path).removeprefix("/").removeprefix("media/")
        project, _, inner = path.partition("/")
        source = dict(pair.partition("=")[::2] for pair in url.query.split("&")).get("source", PRIMARY)
        library = self._desk.libraries.get(source)
        entry = library.find(f"{project}/{inner.removeprefix('download/')}") if library else None
        return library.sha256_of(entry) if library and entry else ""


def routes(desk: Desk) -> Routes:
    return (
        ("/api/registry/{digest}", OneRecord(desk)),
        ("/api/registry/resolve", Resolve(desk)),
        ("/api/blobs/{digest}", OneBlob(desk)),
    )
