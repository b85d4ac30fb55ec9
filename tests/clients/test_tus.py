"""tus as its clients speak it: every extension that the server says it has, asked for by tus-js-client or tuspy."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from .needs import missing
from .programs.base import Refused
from .programs.tus import Sent, TusJs, tus_js
from .server import DavServer, Project
from .wire import Answer

pytestmark = pytest.mark.client

TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}
ORIGINALS = "ingest/originals"


@dataclass(frozen=True)
class Desk:
    """A project, a client and a folder with what it sends."""

    project: Project
    js: TusJs
    folder: Path

    @property
    def endpoint(self) -> str:
        server = self.project.server
        return f"http://{server.host}:{server.port}/api/uploads"

    def file(self, seed: str, size: int = 1_000_000) -> Path:
        path = self.folder / f"{seed}.mov"
        path.write_bytes(Random(f"tus {seed}").randbytes(size))
        return path

    def words(self, file: Path) -> dict[str, str]:
        return {"filename": file.name, "project": self.project.name}

    def send(self, file: Path, **more: Any) -> Sent:
        return self.js.upload(self.endpoint, file, self.words(file), **more)

    def ask(self, verb: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        with self.project.server.wire() as wire:
            return wire.ask(verb, urlsplit(url).path, headers or TUS, body)

    def holds(self, file: Path) -> bool:
        return self.project.holds(f"{ORIGINALS}/{file.name}") == file.read_bytes()

    def shows(self, file: Path) -> bool:
        return self.project.on_disk(f"{ORIGINALS}/{file.name}") is not None

    def kept(self, url: str) -> list[str]:
        """What lies on disk of an upload."""
        uploads = self.project.server.root / ".filmcan/uploads"
        return sorted(path.suffix for path in uploads.glob(f"{url.rpartition('/')[2]}*"))


@pytest.fixture(scope="module")
def project(server: DavServer) -> Project:
    if not server.shares_blobs:
        pytest.skip("another server does not speak tus")
    return server.project("tus-desk")


@pytest.fixture(scope="module")
def js(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TusJs]:
    with tus_js(tmp_path_factory.mktemp("tus")) as client:
        yield client


@pytest.fixture
def desk(project: Project, js: TusJs, tmp_path: Path) -> Desk:
    return Desk(project, js, tmp_path)


@pytest.fixture
def tuspy(desk: Desk) -> Any:
    try:
        client = importlib.import_module("tusclient.client")
    except ModuleNotFoundError:
        missing("tuspy is not installed: pip install '.[test]'")
    return client.TusClient(desk.endpoint)


@pytest.mark.parametrize("kind", ["buffer", "file"])
def test_a_file_arrives_whole_and_is_seen_by_nobody_before(desk: Desk, kind: str) -> None:
    file = desk.file(f"plain {kind} ü🎬")
    half = desk.send(file, kind=kind, chunkSize=300_000, stopAfter=600_000)
    assert not desk.shows(file) and desk.kept(half.url) == [".notes", ".part"]
    sent = desk.send(file, kind=kind, chunkSize=300_000, uploadUrl=half.url)
    assert sent.methods == ["HEAD", "PATCH", "PATCH"] and sent.said("Upload-Offset") == [None, "600000", "900000"]
    assert desk.holds(file) and desk.kept(sent.url) == [".notes"]


def test_the_upload_tells_what_it_became_and_the_same_bytes_again_are_a_duplicate(desk: Desk) -> None:
    file, words = desk.file("told"), []
    for _ in range(2):
        answer = desk.ask("GET", desk.send(file).url)
        told = json.loads(answer.body)
        assert (told["sha256"], told["size"]) == (hashlib.sha256(file.read_bytes()).hexdigest(), 1_000_000)
        words.append((told["status"], told["path"]))
    assert words == [("stored", f"{ORIGINALS}/{file.name}"), ("duplicate", f"{ORIGINALS}/{file.name}")]


def test_creation_with_upload_needs_one_request(desk: Desk) -> None:
    file = desk.file("at once")
    sent = desk.send(file, uploadDataDuringCreation=True)
    assert sent.methods == ["POST"] and sent.log[0]["told"]["Upload-Offset"] == "1000000" and desk.holds(file)


def test_creation_with_a_first_chunk_goes_on_with_patch(desk: Desk) -> None:
    file = desk.file("first chunk")
    sent = desk.send(file, uploadDataDuringCreation=True, chunkSize=400_000)
    assert sent.methods == ["POST", "PATCH", "PATCH"] and desk.holds(file)


def test_an_empty_file_is_complete_when_it_is_created(desk: Desk) -> None:
    file = desk.file("nothing", 0)
    assert desk.send(file).methods == ["POST"] and desk.holds(file)


@pytest.mark.parametrize("kind", ["buffer", "stream"])
def test_the_length_may_be_told_with_the_last_bytes(desk: Desk, kind: str) -> None:
    file = desk.file(f"deferred {kind}")
    sent = desk.send(file, kind=kind, chunkSize=300_000, uploadLengthDeferred=True)
    assert sent.log[0]["said"] == {"Upload-Defer-Length": "1"}
    assert sent.said("Upload-Length") == [None, None, None, None, "1000000"] and desk.holds(file)


def test_a_length_may_be_told_after_the_last_byte(desk: Desk) -> None:
    """tus-js-client 4.3.1 stops dead when a stream ends on the edge of a chunk (`readChunk` waits for bytes of a stream that
    ended): nothing is lost by that, and whoever tells the length completes the upload."""
    file = desk.file("edge", 900_000)
    half = desk.send(file, kind="stream", chunkSize=300_000, uploadLengthDeferred=True, stopAfter=900_000)
    assert desk.ask("HEAD", half.url).header("Upload-Defer-Length") == "1" and not desk.shows(file)
    done = desk.ask("PATCH", half.url, {**CHUNK, "Upload-Offset": "900000", "Upload-Length": "900000"})
    assert done.status == 204 and desk.holds(file)


def test_a_client_that_announces_more_than_it_has_loses_nothing(desk: Desk) -> None:
    """tus-js-client 4.3.1 with a file and a deferred length announces a whole chunk for the last bytes, and waits for ever
    (`FileSource.slice`): against every server. Once it is cut off, all that it sent is here."""
    file = desk.file("announced")
    begun = desk.send(file, kind="stream", chunkSize=300_000, uploadLengthDeferred=True, stopAfter=900_000)
    with desk.project.server.wire() as wire:
        fields = {**CHUNK, "Upload-Offset": "900000", "Content-Length": "300000", "Host": "any"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        wire.send(f"PATCH {urlsplit(begun.url).path} HTTP/1.1\r\n{head}\r\n".encode() + file.read_bytes()[900_000:])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.answer("PATCH").status == 400
    assert desk.ask("HEAD", begun.url).header("Upload-Offset") == "1000000"
    done = desk.ask("PATCH", begun.url, {**CHUNK, "Upload-Offset": "1000000", "Upload-Length": "1000000"})
    assert done.status == 204 and desk.holds(file)


def test_pieces_sent_in_parallel_become_one_file_and_go(desk: Desk) -> None:
    file = desk.file("parallel")
    sent = desk.send(file, parallelUploads=4)
    *pieces, last = [request for request in sent.log if request["method"] == "POST"]
    assert [piece["said"]["Upload-Concat"] for piece in pieces] == ["partial"] * 4
    assert last["said"]["Upload-Concat"].startswith("final;") and last["status"] == 201
    assert desk.holds(file) and desk.kept(sent.url) == [".notes"]
    for url in last["said"]["Upload-Concat"].removeprefix("final;").split():
        assert desk.ask("HEAD", url).status == 404 and desk.kept(url) == []


def test_a_client_that_was_cut_off_goes_on_where_it_stopped(desk: Desk) -> None:
    """Another process with the same storage: what a phone does after it was restarted."""
    file, storage = desk.file("resumed"), str(desk.folder / "urls.json")
    half = desk.send(file, kind="file", storage=storage, chunkSize=200_000, stopAfter=400_000)
    with tus_js(desk.folder) as other:
        sent = other.upload(desk.endpoint, file, desk.words(file), kind="file", storage=storage)
    assert sent.url == half.url and sent.methods == ["HEAD", "PATCH"] and sent.said("Upload-Offset")[1] == "400000"
    assert desk.holds(file)


def test_every_answer_tells_when_the_upload_expires(desk: Desk) -> None:
    sent = desk.send(desk.file("expires"), chunkSize=500_000)
    for request in sent.log:
        left = parsedate_to_datetime(request["told"]["Upload-Expires"]) - datetime.now(UTC)
        assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


def test_a_terminated_upload_is_gone_and_a_finished_file_stays(desk: Desk) -> None:
    file, whole = desk.file("ended"), desk.file("kept")
    half, done = desk.send(file, chunkSize=300_000, stopAfter=300_000), desk.send(whole)
    for url in (half.url, done.url):
        desk.js.end(url)
        assert desk.ask("HEAD", url).status == 404 and desk.kept(url) == []
    assert not desk.shows(file) and desk.holds(whole)


def test_clients_that_cannot_patch_say_so_in_a_post(desk: Desk) -> None:
    file = desk.file("overridden")
    assert desk.send(file, overridePatchMethod=True).methods == ["POST", "POST"] and desk.holds(file)


@pytest.mark.parametrize("protocol", ["ietf-draft-03", "ietf-draft-05"])
def test_the_same_client_speaks_the_drafts_of_the_ietf(desk: Desk, protocol: str) -> None:
    file = desk.file(protocol)
    where = f"{desk.endpoint}?project={desk.project.name}&filename={file.name}"
    sent = desk.js.upload(where, file, {}, protocol=protocol, chunkSize=400_000)
    assert sent.said("Upload-Complete") == ["?0", "?0", "?0", "?1"]
    assert [request["status"] for request in sent.log] == [201, 201, 201, 200] and desk.holds(file)


def test_what_cannot_be_kept_is_refused_before_a_byte(desk: Desk) -> None:
    here, named = {"project": desk.project.name}, {"filename": "a.mov"}
    wrong = [(here, 400), ({**here, "filename": "../a.mov"}, 400), (named, 400), ({**named, "project": "P9-None"}, 404)]
    for words, status in wrong:
        with pytest.raises(Refused, match=f"response code: {status}"):
            desk.js.upload(desk.endpoint, desk.file("refused"), words)


def test_tuspy_sends_in_chunks_with_a_checksum_each(desk: Desk, tuspy: Any) -> None:
    file = desk.file("checked")
    uploader = tuspy.uploader(str(file), chunk_size=300_000, metadata=desk.words(file), upload_checksum=True)
    uploader.upload()
    assert desk.holds(file)


def test_tuspy_goes_on_where_it_stopped(desk: Desk, tuspy: Any) -> None:
    file = desk.file("tuspy resumed")
    first = tuspy.uploader(str(file), chunk_size=250_000, metadata=desk.words(file))
    first.upload(stop_at=500_000)
    second = tuspy.uploader(str(file), url=first.url, chunk_size=250_000)
    assert second.offset == 500_000 and not desk.shows(file)
    second.upload()
    assert desk.holds(file)


@pytest.mark.parametrize("kind", ["sha1", "sha256", "md5"])
def test_a_chunk_whose_checksum_is_another_is_not_kept(desk: Desk, tuspy: Any, kind: str) -> None:
    file = desk.file(f"damaged {kind}")
    uploader = tuspy.uploader(str(file), chunk_size=500_000, metadata=desk.words(file))
    uploader.upload_chunk()
    good = file.read_bytes()[500_000:]
    sum_of = base64.b64encode(hashlib.new(kind, good).digest()).decode()
    fields = {**CHUNK, "Upload-Offset": "500000", "Upload-Checksum": f"{kind} {sum_of}"}
    assert desk.ask("PATCH", uploader.url, fields, good[::-1]).status == 460
    assert desk.ask("HEAD", uploader.url).header("Upload-Offset") == "500000" and not desk.shows(file)
    assert desk.ask("PATCH", uploader.url, fields, good).status == 204 and desk.holds(file)


def test_a_sum_that_nobody_offered_is_400(desk: Desk, tuspy: Any) -> None:
    file = desk.file("unknown sum")
    url = tuspy.uploader(str(file), metadata=desk.words(file)).create_url()
    for said in ("crc32 AAAAAA==", "sha1 AAAA", "sha1"):
        fields = {**CHUNK, "Upload-Offset": "0", "Upload-Checksum": said}
        assert desk.ask("PATCH", url, fields, b"x").status == 400
    assert desk.ask("HEAD", url).header("Upload-Offset") == "0"


def test_what_the_server_offers_is_what_it_says(desk: Desk) -> None:
    told = desk.ask("OPTIONS", desk.endpoint)
    offered = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,concatenation"
    assert told.status == 204 and told.header("Tus-Extension") == offered
    assert told.header("Tus-Version") == "1.0.0" and told.header("Tus-Checksum-Algorithm") == "sha1,sha256,md5"
    assert desk.ask("POST", desk.endpoint, {"Tus-Resumable": "0.2.2"}).status == 412
