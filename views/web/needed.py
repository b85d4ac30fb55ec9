"""Do you have this? What a phone asks before it sends anything, and a way to place what is here already without sending it."""

from __future__ import annotations

from typing import Any

import falcon

from cas.digest import Digest
from cas.errors import DigestInvalid
from views.arrivals import ORIGINALS
from views.library import Library
from views.web import body, urls
from views.web.app import Routes
from views.web.desk import Desk
from views.web.errors import ApiError, shape
from views.web.upload import Counter, counter_of

ITEMS = 10_000
AT_ONCE = 200  # contents looked at in one change: others commit in between
HOW = "Send what is needed, and what is maybe there; what you have here may be left out or deleted at your end."


class Fingerprint:
    """What a client knows of one file: name and size, perhaps a sum."""

    def __init__(self, item: Any) -> None:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise shape("body", "items", "each item is an object with a name", item)
        size = item.get("size")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise shape("body", "items", "a size is a whole number of bytes", size)
        self.name: str = item["name"]
        self.size: int | None = size
        self.kind = next((kind for kind in ("blake3", "sha256") if isinstance(item.get(kind), str)), "")
        self.sum_hex: str = item[self.kind].lower() if self.kind else ""


class Needed:
    """`have`: this project shows these bytes, and their file is there. `maybe`: a file of this name and size is there, but
    nobody told a sum. Else `needed`; `placeable` when another project of the source has the bytes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        library, found = self._desk.project(project, req.get_param("source"))
        said = body.json_object(req)
        items = said.get("items", said.get("files"))
        if not isinstance(items, list) or len(items) > ITEMS:
            raise shape("body", "items", f"a list of at most {ITEMS} files is needed")
        asked = [Fingerprint(item) for item in items]
        known = _known(library, asked)
        had = _had(library, found.name, list(known.values()))
        _hear(library, asked, known)
        sizes = _sizes(library, found.name)
        told = [_told(one, known.get(one.sum_hex), had, sizes) for one in asked]
        counts = {word: sum(item["status"] == word for item in told) for word in ("have", "needed", "maybe")}
        resp.media = {"project": found.name, "items": told, "counts": counts, "instructions": HOW}


def _known(library: Library, asked: list[Fingerprint]) -> dict[str, Digest]:
    """Contents of this source by the sums that were told."""
    found = {}
    for one in asked:
        if one.sum_hex and one.sum_hex not in found:
            try:
                known = library.known(one.sum_hex)
            except DigestInvalid:
                raise shape("body", "items", "a sum has 64 hexadecimal digits", one.sum_hex) from None
            if known is not None:
                found[one.sum_hex] = known[0]
    return found


def _hear(library: Library, asked: list[Fingerprint], known: dict[str, Digest]) -> None:
    """Who asks by a sum that is known here has those very bytes: as good as if they had been sent with it."""
    for kind in sorted({one.kind for one in asked if one.kind}):
        library.store.hear([known[one.sum_hex] for one in asked if one.kind == kind and one.sum_hex in known], kind)


def _had(library: Library, project: str, digests: list[Digest]) -> dict[Digest, str]:
    """Of these contents, those the project really has."""
    parts = [digests[start : start + AT_ONCE] for start in range(0, len(digests), AT_ONCE)]
    return {digest: path for part in parts for digest, path in library.has(project, part).items()}


def _sizes(library: Library, project: str) -> dict[tuple[str, int], str]:
    """Files of the originals by name and size."""
    below = f"{project}/{ORIGINALS}"
    inside = library.walk(below) if library.find(below) is not None else ()
    return {(entry.name, entry.size_bytes): path.partition("/")[2] for path, entry in inside if not entry.is_folder}


def _told(
    one: Fingerprint, digest: Digest | None, had: dict[Digest, str], sizes: dict[tuple[str, int], str]
) -> dict[str, Any]:
    if digest is not None and digest in had:
        return {"name": one.name, "status": "have", "path": had[digest]}
    if one.sum_hex:
        return {"name": one.name, "status": "needed", "placeable": digest is not None}
    path = sizes.get((one.name, one.size)) if one.size is not None else None
    if path is not None:
        return {"name": one.name, "status": "maybe", "path": path}
    return {"name": one.name, "status": "needed", "placeable": False}


class Place:
    """A name for a content that is here already. Who can ask this can read every project of the source (see the settings)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        counter, said = counter_of(self._desk, req, project), body.json_object(req)
        one = Fingerprint(said)
        known = _known(counter.library, [one]).get(one.sum_hex)
        if known is None or not counter.library.names_of(known):
            raise ApiError(404, "no name of this source shows such a content; send the bytes")
        resp.media = self._placed(counter, one.name, known)
        _hear(counter.library, [one], {one.sum_hex: known})

    @staticmethod
    def _placed(counter: Counter, name: str, digest: Digest) -> dict[str, Any]:
        brought, row = counter.library.place(digest, name, counter.project), counter.library.store.blob(digest)
        place = (counter.project, brought.path, counter.source)
        return {
            "status": "duplicate" if brought.duplicate else "stored",
            "path": brought.path,
            "sha256": row.sha256.hex() if row else "",
            "blake3": digest.hex,
            "size": row.size_bytes if row else 0,
            "served": {
                "stream_url": counter.prefix + urls.stream(*place),
                "download_url": counter.prefix + urls.download(*place),
            },
            "instructions": "No bytes were sent: another project had them.",
        }


def routes(desk: Desk) -> Routes:
    return (
        ("/api/projects/{project}/upload-needed", Needed(desk)),
        ("/api/projects/{project}/place", Place(desk)),
    )
