"""Receipts and manifests of a project: may the card or phone it came from be wiped?

`GET …/receipt`    what is known of each file, and the verdict; `?copies=2` asks for two disks, `?files=false` for counts alone
`POST …/receipt`   read everything back from the disk first, write a generation of the manifest; a job that can be followed
`GET …/mhl`        the generations of the ASC MHL manifest; `POST` writes the next one, of what is new, as a job
"""

from __future__ import annotations

import os
from typing import Any

import falcon

from views.confirm import confirm
from views.mhl.manifests import Manifests
from views.mhl.words import FOLDER
from views.receipt import COPIES_MOST, Receipts, told
from views.sources import PRIMARY
from views.web import urls
from views.web.app import Routes
from views.web.body import flag
from views.web.desk import Desk
from views.web.errors import ApiError, shape
from views.web.works import begun
from views.work import Progress, Work

LANE = "reading"  # beside moves and reindex: a card of 512 GB is read for an hour
NEXT = "SAFE: what this project's files came from may be wiped. NOT YET: POST here reads everything back from the disk first."


def copies_of(desk: Desk, req: falcon.Request) -> int:
    """How many disks are asked for; the setting, when nothing is said."""
    text = req.get_param("copies")
    if not text:
        return desk.safe_copies
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= COPIES_MOST):
        raise shape("query", "copies", f"a number from 1 to {COPIES_MOST}", text)
    return int(text)


def begin(desk: Desk, source: str, project: str, copies: int, only: frozenset[bytes] | None = None) -> Work:
    """Read back behind; see views/confirm.py."""
    library, libraries = desk.library(source), desk.libraries

    def run(progress: Progress) -> dict[str, Any]:
        found = confirm(libraries, source, project, progress, copies=copies, left_alone=desk.left_alone, only=only)
        return found.as_json(library, files=False)

    asked = f"{source}/{project}, {copies} disks" if copies > 1 else f"{source}/{project}"
    return desk.works.begin("receipt", asked, run, repeats=only is None, lane=LANE)


class ReceiptOf:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """How sure each file of a project is, and whether what it came from may be wiped."""
        source, copies = req.get_param("source") or PRIMARY, copies_of(self._desk, req)
        _, found = self._desk.project(project, source)
        receipt = told(Receipts(self._desk.libraries, source, copies).of(found.name))
        if not flag(req, "files", True):
            del receipt["files"]
        resp.media = {**receipt, "instructions": NEXT}

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """Read all files of a project back from the disk, write a generation of its manifest, and tell the verdict, as a job."""
        source, copies = req.get_param("source") or PRIMARY, copies_of(self._desk, req)
        _, found = self._desk.project(project, source)
        begun(resp, begin(self._desk, source, found.name, copies))


class ManifestOf:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """The generations of a project's ASC MHL manifest, with the C4 id of each."""
        source = req.get_param("source") or PRIMARY
        library, found = self._desk.project(project, source)
        chain = Manifests(library, self._desk.left_alone).held(found.name).chain
        resp.media = {
            "project": found.name,
            "folder": FOLDER,
            "generations": [
                {
                    "generation": number,
                    "name": name,
                    "c4": c4,
                    "url": urls.project(found.name, source, f"/mhl/{urls.escape(name)}"),
                }
                for number, name, c4 in chain
            ],
            "instructions": f"On the disk, `ascmhl diff` checks the project against its folder {FOLDER}.",
        }

    def on_post(self, req: falcon.Request, resp: falcon.Response, project: str) -> None:
        """Write the next generation of a project's ASC MHL manifest: what is new, renamed or gone. A job."""
        source = req.get_param("source") or PRIMARY
        library, found = self._desk.project(project, source)
        manifests = Manifests(library, self._desk.left_alone)

        def run(progress: Progress) -> dict[str, Any]:
            return manifests.write(found.name, progress).as_json()

        begun(resp, self._desk.works.begin("manifest", f"{source}/{found.name}", run, lane=LANE))


class GenerationOf:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str, name: str) -> None:
        """A generation of the manifest, or the chain: XML as it lies on the disk."""
        library, found = self._desk.project(project, req.get_param("source"))
        file = library.generated(f"{found.name}/{FOLDER}/{name}")
        if file is None:
            raise ApiError(404, f"{found.name} has no {FOLDER}/{name}")
        resp.content_type = "application/xml"
        resp.set_stream(os.fdopen(file.fd, "rb"), file.size_bytes)


def routes(desk: Desk) -> Routes:
    return (
        ("/api/projects/{project}/receipt", ReceiptOf(desk)),
        ("/api/projects/{project}/mhl", ManifestOf(desk)),
        ("/api/projects/{project}/mhl/{name}", GenerationOf(desk)),
    )
