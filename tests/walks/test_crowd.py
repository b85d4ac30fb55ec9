"""Two hundred uploads of everything at once: new, known, empty, broken off, of a name that is taken; by form, bare, in goes."""

from __future__ import annotations

import hashlib
import json
import random
import socket
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cas.verify import verify
from tests.views.web.conftest import Server, form, serving
from views.reindex import plan

COUNT, AT_ONCE = 200, 32
KINDS = ["new"] * 8 + ["known"] * 4 + ["empty"] + ["cut"] * 4 + ["alike"] * 3  # alike: one name, another content
DOORS = ["form", "bare", "tus"]
CHUNK = "application/offset+octet-stream"


@dataclass(frozen=True)
class Order:
    """One upload: how it is sent and what of it. `cut`: so many bytes of the request go before the connection breaks."""

    number: int
    kind: str
    door: str
    name: str
    data: bytes
    cut: float


def orders(chance: random.Random) -> list[Order]:
    shared = [chance.randbytes(chance.choice([900, 70_000, 1_500_000])) for _ in range(10)]
    found = []
    for number in range(COUNT):
        kind, door = chance.choice(KINDS), chance.choice(DOORS)
        fresh = b"%d " % number + chance.randbytes(chance.choice([1, 900, 70_000, 1_500_000]))
        data = {"known": chance.choice(shared), "empty": b""}.get(kind, fresh)
        name = f"alike{number % 5}.mov" if kind == "alike" else f"{kind} {number}.mov"
        found.append(Order(number, kind, door, name, data, chance.uniform(0.05, 0.95)))
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "root") as server:
        yield server


class Sender:
    def __init__(self, server: Server, project: str) -> None:
        self._server, self._project = server, project

    def __call__(self, order: Order) -> tuple[str, str]:
        """What was answered: a status and a path; ("cut", "") for what was broken off."""
        verb, target, body, fields = getattr(self, f"_{order.door}")(order)
        if order.kind == "cut":
            self._break_off(verb, target, body, fields, order.cut)
            return "cut", ""
        said = self._server.ask(verb, target, body, **fields)
        assert said.status == 200, said
        return said.json["status"], said.json["path"]

    def _form(self, order: Order) -> tuple[str, str, bytes, dict[str, str]]:
        body, kind = form(("file", order.name, order.data))
        return "POST", f"/api/projects/{self._project}/upload", body, {"Content_Type": kind}

    def _bare(self, order: Order) -> tuple[str, str, bytes, dict[str, str]]:
        return "PUT", f"/api/projects/{self._project}/upload/{order.name.replace(' ', '%20')}", order.data, {}

    def _tus(self, order: Order) -> tuple[str, str, bytes, dict[str, str]]:
        """Begun and, but for the last bytes, sent; they are the request that is left."""
        words = {"filename": order.name, "project": self._project}
        metadata = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in words.items())
        tus, half = {"Tus_Resumable": "1.0.0"}, len(order.data) // 2
        begun = self._server.post("/api/uploads", Upload_Length=str(len(order.data)), Upload_Metadata=metadata, **tus)
        assert begun.status == 201, begun
        place = urlsplit(begun.headers["location"]).path
        if not order.data:
            return "GET", place, b"", {}
        sending = {**tus, "Content_Type": CHUNK, "Accept": "application/json"}
        assert self._server.ask("PATCH", place, order.data[:half], Upload_Offset="0", **sending).status == 204
        return "PATCH", place, order.data[half:], {**sending, "Upload_Offset": str(half)}

    def _break_off(self, verb: str, target: str, body: bytes, fields: dict[str, str], part: float) -> None:
        lines = {"Host": "crowd", "Content-Length": str(len(body)), **fields}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        with socket.create_connection(("127.0.0.1", self._server.port), timeout=60) as client:
            client.sendall(f"{verb} {target} HTTP/1.1\r\n{head}\r\n".encode() + body[: int(len(body) * part)])
            client.shutdown(socket.SHUT_WR)
            assert client.recv(12) == b"HTTP/1.1 400"


def test_two_hundred_uploads_of_everything_at_once_agree_everywhere(server: Server) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    name, asked = server.project("Crowd"), orders(random.Random(seed))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(Sender(server, name), asked))
    kept = [(order, path) for order, (status, path) in zip(asked, said, strict=True) if status != "cut"]
    for order, path in kept:
        assert (server.root / name / path).read_bytes() == order.data, order.name
    contents = {order.data for order, _ in kept}
    counted = Counter(status for status, _ in said)
    assert counted["stored"] == len(contents) and counted["cut"] == sum(order.kind == "cut" for order in asked)
    _agree(server, name, contents, counted)


def _agree(server: Server, name: str, contents: set[bytes], counted: Counter[str]) -> None:
    """Index, disk, manifest and store know these contents and no others, and nothing is left of what was broken off."""
    sums = {hashlib.sha256(data).hexdigest() for data in contents}
    index, names = server.index(name), server.names(name)
    assert index["counts"] == {"videos": len(contents), "duplicates_skipped": counted["duplicate"], "removed_missing_records": 0}
    assert {item["sha256"] for item in index["files"]} == sums and len(names) == len(sums)
    assert {hashlib.sha256((server.root / name / "ingest/originals" / path).read_bytes()).hexdigest() for path in names} == sums
    assert server.libraries.flush()
    told = json.loads((server.root / name / "index.json").read_text())
    assert {item["sha256"] for item in told["files"]} == sums
    library = server.libraries.primary
    assert plan(library, name).steps == () and not list((server.root / ".filmcan/incoming").iterdir())
    assert verify(library.store, full=True).findings == []
    parts = [path.stem for path in (server.root / ".filmcan/uploads").glob("*.part")]
    assert all(server.get(f"/api/uploads/{id}").json["status"] == "receiving" for id in parts), "to be gone on with, or to expire"
