"""Two hundred real clips, one of 5 GiB, and the same clip under three names from two clients at once, over real connections.

FILMCAN_BIG_GIB sets the size of the large file (5).
"""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from cas.verify import verify
from tests.clients.server import FILMCAN, DavServer, running
from tests.samples.big import GIB, big_pieces
from tests.samples.make import Sample, make_samples
from views.library import Library
from views.reindex import plan

BIG_BYTES = int(float(os.environ.get("FILMCAN_BIG_GIB", "5")) * GIB)
MEMORY_KIB = 150 << 10
ORIGINALS = "ingest/originals"


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sample]]:
    folder = tmp_path_factory.mktemp("card")
    return folder, make_samples(folder, 200)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder = tmp_path_factory.mktemp("footage")
    (folder / "root").mkdir()
    with running(FILMCAN, folder / "root", folder / "server.log", True) as server:
        yield server


class Sender:
    """A client with one kept connection."""

    def __init__(self, server: DavServer) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=120)

    def ask(self, verb: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(verb, "/dav/" + quote(path), body, named)  # type: ignore[arg-type]
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def put(self, path: str, body: object, **headers: str) -> None:
        status, text = self.ask("PUT", path, body, **headers)
        assert status == 201, (path, status, text)

    def digest(self, path: str) -> str:
        """SHA-256 of what GET brings, piece by piece."""
        self._connection.request("GET", "/dav/" + quote(path))
        answer, seen = self._connection.getresponse(), hashlib.sha256()
        while piece := answer.read(1 << 20):
            seen.update(piece)
        return seen.hexdigest()


def test_a_card_of_clips_is_kept_once_and_read_back_byte_for_byte(server: DavServer, card: tuple[Path, list[Sample]]) -> None:
    """Everything the issue wants to be seen of real input, in one story; the server is stopped before its root is opened here."""
    folder, samples = card
    day = server.project("Card")
    send_the_card(server, day.name, folder, samples)
    send_one_clip_twice_at_once(server, day.name)
    send_the_big_one(server, day.name)
    peak = memory_kib(server.pid)
    assert peak < MEMORY_KIB, f"the server needed {peak >> 10} MiB"
    names = read_back(server, day.name, folder, samples)
    check_disk(server.root, names)


def send_the_card(server: DavServer, project: str, folder: Path, samples: list[Sample]) -> None:
    """Names of one card collide across its folders, so each folder of the card becomes one in the project."""
    sender, made = Sender(server), set[str]()
    for sample in samples:
        parts = sample.name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            inner = "/".join(parts[:depth])
            if inner not in made:
                assert sender.ask("MKCOL", f"{project}/{ORIGINALS}/{inner}")[0] == 201
                made.add(inner)
        sender.put(f"{project}/{ORIGINALS}/{sample.name}", (folder / sample.name).read_bytes())


def send_one_clip_twice_at_once(server: DavServer, project: str) -> None:
    """The same 40 MB to two projects under three names from two clients at one moment."""
    other = server.project("Other")
    clip = b"".join(big_pieces(40_000_000, seed=7))
    start = threading.Barrier(2)

    def send(paths: list[str]) -> None:
        sender = Sender(server)
        start.wait()
        for path in paths:
            sender.put(path, clip)

    first = threading.Thread(target=send, args=([f"{project}/one.mov", f"{project}/two.mov"],))
    second = threading.Thread(target=send, args=([f"{other.name}/three.mov"],))
    for thread in (first, second):
        thread.start()
    for thread in (first, second):
        thread.join()
    paths = [server.root / project / "one.mov", server.root / project / "two.mov", server.root / other.name / "three.mov"]
    assert len({path.stat().st_ino for path in paths}) == 1, "three names, one file"
    assert paths[0].stat().st_nlink == 4, "three names and the blob"
    assert all(path.read_bytes() == clip for path in paths)


def send_the_big_one(server: DavServer, project: str) -> None:
    """As Finder streams it: chunked, with the size in a header of its own."""
    Sender(server).put(f"{project}/{ORIGINALS}/night.mov", big_pieces(BIG_BYTES), X_Expected_Entity_Length=str(BIG_BYTES))


def memory_kib(pid: int | None) -> int:
    """The most memory the process ever had resident (VmHWM, proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def read_back(server: DavServer, project: str, folder: Path, samples: list[Sample]) -> dict[str, str]:
    """Every name over WebDAV and on disk; path → SHA-256."""
    sender, found = Sender(server), {}
    for sample in samples:
        path, data = f"{project}/{ORIGINALS}/{sample.name}", (folder / sample.name).read_bytes()
        assert sender.ask("GET", path) == (200, data), path
        assert (server.root / path).read_bytes() == data, path
        found[path] = hashlib.sha256(data).hexdigest()
    big = hashlib.sha256()
    for piece in big_pieces(BIG_BYTES):
        big.update(piece)
    path = f"{project}/{ORIGINALS}/night.mov"
    assert sender.digest(path) == big.hexdigest()
    assert sha256_of(server.root / path) == big.hexdigest()
    return {**found, path: big.hexdigest()}


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_disk(root: Path, names: dict[str, str]) -> None:
    """`du` counts each content once; links are one more than names."""
    sizes = {digest: (root / path).stat().st_size for path, digest in names.items()}
    once = sum(sizes.values()) + 40_000_000
    said = int(subprocess.run(["du", "-s", "-B1", str(root)], capture_output=True, check=True).stdout.split()[0])
    assert said < once * 1.01 + (64 << 20), f"du says {said}, all contents once are {once}"
    by_content: dict[str, list[str]] = {}
    for path, digest in names.items():
        by_content.setdefault(digest, []).append(path)
    for paths in by_content.values():
        assert len({(root / path).stat().st_ino for path in paths}) == 1, paths
        assert (root / paths[0]).stat().st_nlink == len(paths) + 1, paths


def test_afterwards_every_blob_verifies_and_the_index_equals_the_folders(server: DavServer) -> None:
    os.kill(server.pid or 0, 15)
    wait_for_end(server.pid or 0)
    library = Library(server.root)
    try:
        checked = verify(library.store, full=True)
        assert checked.findings == [] and checked.blobs > 150
        assert plan(library).steps == ()
    finally:
        library.close()


def wait_for_end(pid: int) -> None:
    """The server is a child of ours; /proc says Z for one that has ended."""
    for _ in range(300):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            return
        threading.Event().wait(0.1)
    raise AssertionError("the server did not stop")
