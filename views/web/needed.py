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

KINDS = "blake3", "sha256"
ITEMS = 10_000
AT_ONCE = 200  # contents looked at in one change: others commit in between
HOW = "Send what is needed, and what is maybe there; what you have here may be left out or deleted at your end."


class Fingerprint:
    """What a client knows of one file: name, size, sums; its time says nothing about bytes and is not looked at."""

    def __init__(self, item: Any) -> None:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise shape("body", "items", "each item is an object with a name", item)
        size = item.get("size")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise shape("body", "items", "a size is a whole number of bytes", size)
        self.name: str = item["name"]
        self.size: int | None = size
        self.sums = {kind: _digits(item[kind]) for kind in KINDS if item.get(kind) not in (None, "")}

    def content(self, library: Library) -> Digest | None:
        """The content of this source that all agrees with: a client whose own words contradict each other has to send it, as it
        may delete its copy of what is told to be here."""
        for sum_hex in self.sums.values():
            known = library.known(sum_hex)
            if known is None:
                return None
            digest, row = known
            if self.sums.items() <= {"blake3": digest.hex, "sha256": row.sha256.hex()}.items():
                return digest if self.size in (None, row.size_bytes) else None
        return None


def _digits(sum_hex: object) -> str:
    try:
        return Digest.from_hex(sum_hex.lower() if isinstance(sum_hex, str) else "").hex
    except DigestInvalid:
        raise shape("body", "items", "a sum has 64 hexadecimal digits", sum_hex) from None


class Needed:
    """`have`: this project shows these bytes, and their file is there. `maybe`: a file of this name and size is there, but
    nobody told a sum. Else `needed`; `placeable` when another name of the source shows the bytes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        library, found = self._desk.project(project, req.get_param("source"))
        said = body.json_object(req)
        items = said.get("items", said.get("files"))
        if not isinstance(items, list) or len(items) > ITEMS:
            raise shape("body", "items", f"a list of at most {ITEMS} files is needed")
        asked = [Fingerprint(item) for item in items]
        contents = [one.content(library) for one in asked]
        shown = _shown(library, found.name, [digest for digest in contents if digest is not None])
        _hear(library, asked, contents)
        sizes = _sizes(library, found.name, {one.name for one in asked if not one.sums and one.size is not None})
        told = [_told(one, digest, shown, sizes) for one, digest in zip(asked, contents, strict=True)]
        counts = {word: sum(item["status"] == word for item in told) for word in ("have", "needed", "maybe")}
        resp.media = {"project": found.name, "items": told, "counts": counts, "instructions": HOW}


def _hear(library: Library, asked: list[Fingerprint], contents: list[Digest | None]) -> None:
    """Who asks by a sum that is known here has those very bytes: as good as if they had been sent with it."""
    for kind in KINDS:
        pairs = zip(asked, contents, strict=True)
        library.store.hear([digest for one, digest in pairs if digest is not None and kind in one.sums], kind)


def _shown(library: Library, project: str, digests: list[Digest]) -> dict[Digest, str]:
    """Of these contents, those the project really has, with the path; and with "" those that only others have."""
    parts = [digests[start : start + AT_ONCE] for start in range(0, len(digests), AT_ONCE)]
    return {digest: path for part in parts for digest, path in library.shown(project, part).items()}


def _sizes(library: Library, project: str, names: set[str]) -> dict[tuple[str, int], str]:
    """Files of the originals by name and size, of those that are asked for by nothing better."""
    below = f"{project}/{ORIGINALS}"
    inside = library.walk(below) if names and library.find(below) is not None else ()
    return {(entry.name, entry.size_bytes): path.partition("/")[2]
            for path, entry in inside if entry.name in names and not entry.is_folder}  # fmt: skip


def _told(
    one: Fingerprint, digest: Digest | None, shown: dict[Digest, str], sizes: dict[tuple[str, int], str]
) -> dict[str, Any]:
    path = shown.get(digest) if digest is not None else None
    if path:
        return {"name": one.name, "status": "have", "path": path}
    alike = sizes.get((one.name, one.size)) if one.size is not None and not one.sums else None
    if alike is not None:
        return {"name": one.name, "status": "maybe", "path": alike}
    return {"name": one.name, "status": "needed", "placeable": path is not None}


class Place:
    """A name for a content that is here already. Who can ask this can read every project of the source (see the settings)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        counter, said = counter_of(self._desk, req, project), body.json_object(req)
        one = Fingerprint(said)
        if not one.sums:
            raise shape("body", "sha256", "say which content: sha256 or blake3")
        known = one.content(counter.library)
        if known is None or not counter.library.names_of(known):
            raise ApiError(404, "no name of this source shows such a content; send the bytes")
        resp.media = self._placed(counter, one.name, known)
        _hear(counter.library, [one], [known])

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
