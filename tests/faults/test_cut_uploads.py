"""Uploads over connections that break at random places, to a server that is killed with kill -9 in between.

An upload goes on where the server said it was; at no moment is anything seen that is not whole; at the end bytes and digests are
equal and nothing is left lying about. FILMCAN_CUTS sets how many breaks (default 6), FILMCAN_SEED repeats a run.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib
import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cas.verify import verify
from tests.clients.frail import Break, Frail
from tests.clients.needs import missing
from tests.clients.phone import Phone
from tests.clients.programs.tus import tus_js
from tests.clients.server import DavServer, Project
from tests.clients.wire import BadAnswer
from views.library import Library
from views.reindex import plan

CUTS = int(os.environ.get("FILMCAN_CUTS", "6"))
SEED = int(os.environ.get("FILMCAN_SEED", str(random.SystemRandom().randrange(10**9))))
NAME = "P1-Film"
ORIGINALS = f"{NAME}/ingest/originals"
LARGE, SMALL = 40 << 20, 6 << 20  # large: more than is sent again after a kill (views/resumable.py NOTE_BYTES)
RETRIES = [50, 100, 200, 400, 800, 1600]


@dataclass
class Ground:
    """A root with one project, what is sent to it, and what was visible at each break."""

    root: Path
    chance: random.Random
    seen: list[dict[str, int]] = field(default_factory=list)

    def visible(self) -> dict[str, int]:
        """Names below the originals and beside them with their sizes, as they lie on disk."""
        folder = self.root / NAME
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix == ".mov"]
        return {str(path.relative_to(self.root)): path.stat().st_size for path in files}

    def look(self) -> None:
        self.seen.append(self.visible())

    @contextmanager
    def frail(self, most_bytes: int) -> Iterator[Frail]:
        frail = Frail(self.root, Break.some(self.chance, CUTS, most_bytes), self.look)
        try:
            yield frail
        finally:
            frail.close()

    def file(self, name: str, size: int) -> Path:
        path = self.root.with_name(name)
        path.write_bytes(self.chance.randbytes(size))
        return path

    def settle(self, expected: dict[str, bytes]) -> None:
        """Exactly these files are there, whole; nothing is left of how they came."""
        assert not list((self.root / ".filmcan/incoming").iterdir()), "incoming is empty"
        assert {path.suffix for path in (self.root / ".filmcan/uploads").iterdir()} <= {".notes"}
        assert self.visible() == {path: len(data) for path, data in expected.items()}
        library = Library(self.root)
        try:
            assert not plan(library).steps, "index and folders agree"
            assert [finding for finding in verify(library.store, full=True).findings if finding.kind != "unknown"] == []
            for path, data in expected.items():
                found, blob = library.open(path)
                with blob, open(blob.fd, "rb", closefd=False) as file:
                    assert file.read() == data == (self.root / path).read_bytes()
                row = library.store.blob(found.digest)
                assert row is not None and row.sha256 == hashlib.sha256(data).digest()
        finally:
            library.close()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    print(f"seed {SEED}, {CUTS} breaks")
    library = Library(tmp_path / "root")
    assert library.make_project("Film").path == NAME
    library.close()
    return Ground(tmp_path / "root", random.Random(SEED))


def went_on(log: list[dict[str, Any]]) -> None:
    """Never did the server go back behind an offset it had told, and every append began at the last one it told."""
    told = 0
    for request in log:
        if request["method"] == "PATCH":
            assert int(request["said"]["Upload-Offset"]) == told, log
        if "Upload-Offset" in request.get("told", {}):
            offset = int(request["told"]["Upload-Offset"])
            assert offset >= told, log
            told = offset


def test_tus_js_client_goes_on_where_the_server_says(ground: Ground) -> None:
    file = ground.file("clip.mov", LARGE)
    with ground.frail(LARGE // CUTS) as frail, tus_js(ground.root.parent) as client:
        endpoint = f"http://{frail.door[0]}:{frail.door[1]}/api/uploads"
        words = {"filename": "clip.mov", "project": NAME}
        sent = client.upload(endpoint, file, words, kind="file", retryDelays=RETRIES)
    went_on(sent.log)
    asked = [int(request["told"]["Upload-Offset"]) for request in sent.log if request["method"] == "HEAD"]
    assert len(asked) >= CUTS - 1 and max(asked) > 0, "it never had to begin again"
    assert frail.starts == 1 + CUTS // 2 and ground.seen == [{}] * CUTS, "nothing is seen before it is whole"
    ground.settle({f"{ORIGINALS}/clip.mov": file.read_bytes()})


def test_tuspy_goes_on_where_the_server_says(ground: Ground) -> None:
    try:
        tus = importlib.import_module("tusclient.client")
    except ModuleNotFoundError:
        missing("tuspy is not installed: pip install '.[test]'")
    file = ground.file("clip.mov", LARGE)
    with ground.frail(LARGE // CUTS) as frail:
        client = tus.TusClient(f"http://{frail.door[0]}:{frail.door[1]}/api/uploads")
        words = {"filename": "clip.mov", "project": NAME}
        client.uploader(str(file), chunk_size=3 << 20, metadata=words, retries=50, retry_delay=0.1, upload_checksum=True).upload()
    assert ground.seen == [{}] * CUTS
    ground.settle({f"{ORIGINALS}/clip.mov": file.read_bytes()})


@pytest.mark.parametrize(("interop", "way"), [(3, Phone.way), (6, "/api/projects/{project}/upload?filename={name}")])
def test_a_phone_goes_on_where_the_server_says(ground: Ground, interop: int, way: str) -> None:
    data = ground.file("clip.mov", LARGE).read_bytes()
    with ground.frail(LARGE // CUTS) as frail:
        server = DavServer(f"http://{frail.door[0]}:{frail.door[1]}/dav/", ground.root)
        phone = Phone(Project(server, NAME), interop, way=way)
        offsets = _send(phone, data)
        assert len(offsets) >= CUTS - 1 and offsets == sorted(offsets) and max(offsets) > 0
    assert ground.seen == [{}] * CUTS
    ground.settle({f"{ORIGINALS}/clip.mov": data})


def _send(phone: Phone, data: bytes) -> list[int]:
    """As URLSession does it: after a cut ask for the offset, then send the rest. The offsets that were told."""
    place, offsets = "", list[int]()
    while True:
        try:
            with phone.wire() as wire:
                if not place:
                    place = phone.begin(wire, "clip.mov", len(data))
                    wire.send(data)
                    answer = wire.answer("POST")
                else:
                    state = phone.head(place)
                    assert state.status == 204, state
                    offsets.append(int(state.header("Upload-Offset") or ""))
                    if state.header("Upload-Complete") == "?1" or state.header("Upload-Incomplete") == "?0":
                        return offsets  # all that was lost is the answer
                    answer = phone.patch(place, offsets[-1], data[offsets[-1] :])
        except (OSError, BadAnswer):
            continue
        assert answer.status == 200, answer
        return offsets


@pytest.mark.parametrize("target", [f"/dav/{ORIGINALS}/clip.mov", f"/api/projects/{NAME}/upload/clip.mov"])
def test_a_plain_put_is_sent_again_until_it_is_answered(ground: Ground, target: str) -> None:
    data = ground.file("clip.mov", SMALL).read_bytes()
    with ground.frail(SMALL) as frail:
        _put(frail, target, data)
    assert ground.seen == [{}] * CUTS
    ground.settle({f"{ORIGINALS}/clip.mov": data})


def test_a_file_that_is_replaced_is_the_old_one_until_it_is_the_new_one(ground: Ground) -> None:
    old, new = (ground.chance.randbytes(size) for size in (1000, SMALL))
    path = f"{NAME}/clip.mov"
    library = Library(ground.root)
    with library.receive() as body:
        body.write(old)
        library.put(path, body)
    library.close()
    with ground.frail(SMALL) as frail:
        _put(frail, f"/dav/{path}", new)
    assert ground.seen == [{path: len(old)}] * CUTS
    ground.settle({path: new})


def _put(frail: Frail, target: str, data: bytes) -> None:
    while True:
        connection = http.client.HTTPConnection(*frail.door, timeout=60)
        try:
            connection.request("PUT", target, data, {"Content-Type": "video/quicktime"})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
        assert answer.status in (200, 201, 204), said
        if answer.status == 200:
            assert json.loads(said)["sha256"] == hashlib.sha256(data).hexdigest()
        return
