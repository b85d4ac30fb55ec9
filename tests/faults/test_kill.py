"""kill -9 at random moments of concurrent changes over real connections: what was answered stays, nothing half is seen.

FILMCAN_KILLS sets how many moments (default 20; `make faults` takes many more), FILMCAN_SEED repeats a run.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cas.verify import verify
from views.difference import Edited
from views.library import Library
from views.reindex import apply, plan

KILLS = int(os.environ.get("FILMCAN_KILLS", "20"))
SEED = int(os.environ.get("FILMCAN_SEED", str(random.SystemRandom().randrange(10**9))))
CLIENTS = 6
SHARED = [random.Random(n).randbytes(50_000) for n in range(4)]  # contents that several clients send at once


@dataclass
class Client:
    """One client with a folder of its own: what it was told, and what it was asking for when the server died."""

    folder: str
    chance: random.Random
    known: dict[str, bytes] = field(default_factory=dict)
    asking: dict[str, bytes | None] | None = None  # names the request in flight may have changed, and to what
    uploaded: dict[str, bytes] = field(default_factory=dict)  # path in the project, as the API answered it
    sending: bytes | None = None  # what is being uploaded through the API

    def run(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while self._one(connection) and self._upload(connection):
            pass
        connection.close()

    def _upload(self, connection: http.client.HTTPConnection) -> bool:
        """As a Shortcut sends it, now and then; the answer tells the path."""
        if self.chance.random() < 0.7:
            return True
        self.sending = self.chance.randbytes(self.chance.choice([900, 70_000, 2_000_000]))
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="up.mov"\r\n\r\n' + self.sending + b"\r\n--x--\r\n"
        try:
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            connection.request("POST", f"/api/projects/{self.folder}/upload", form, headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        assert (answer.status, said["status"]) == (200, "stored"), said
        self.uploaded[said["path"]] = self.sending
        self.sending = None
        return True

    def _one(self, connection: http.client.HTTPConnection) -> bool:
        act = self.chance.choice(["PUT", "PUT", "PUT", "PUT", "MOVE", "COPY", "DELETE"] if self.known else ["PUT"])
        name = f"f{self.chance.randrange(30)}.mov"
        source = self.chance.choice(sorted(self.known)) if self.known else ""
        headers, body = {}, None
        if act == "PUT":
            body = self._content()
            self.asking = {name: body}
        elif act == "DELETE":
            name, self.asking = source, {source: None}
        else:
            if name == source:
                return True
            headers = {"Destination": f"/dav/{self.folder}/{name}"}
            self.asking = {name: self.known[source], **({source: None} if act == "MOVE" else {})}
            name = source
        try:
            connection.request(act, f"/dav/{self.folder}/{name}", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        assert answer.status in (201, 204), (act, name, answer.status)
        for changed, data in self.asking.items():
            self.known.pop(changed, None)
            if data is not None:
                self.known[changed] = data
        self.asking = None
        return True

    def _content(self) -> bytes:
        if self.chance.random() < 0.3:
            return self.chance.choice(SHARED)
        return self.chance.randbytes(self.chance.choice([0, 900, 70_000, 3_000_000]))

    def settle(self, library: Library) -> None:
        """Compare with what is there; the request in flight may have been done or not, but only wholly."""
        there = {path.rpartition("/")[2]: _bytes(library, path) for path, _ in library.walk(self.folder)
                 if path.count("/") == 1 and path.endswith(".mov")}  # fmt: skip
        done = dict(self.known)
        for name, data in (self.asking or {}).items():
            done.pop(name, None)
            if data is not None:
                done[name] = data
        assert there in (self.known, done), f"{self.folder}: {self._differences(there, done)}"
        self._settle_uploads(library)
        self.known, self.asking = there, None

    def _settle_uploads(self, library: Library) -> None:
        """Everything the API answered `stored` for is there; beside it at most the one in flight, whole."""
        below = f"{self.folder}/ingest/originals"
        there = {path.partition("/")[2]: _bytes(library, path) for path, entry in library.walk(below) if not entry.is_folder}
        missing = {path for path, data in self.uploaded.items() if there.get(path) != data}
        assert not missing, f"{self.folder}: acknowledged uploads are gone: {missing}"
        more = [data for path, data in there.items() if path not in self.uploaded]
        assert more in ([], [self.sending]), f"{self.folder}: {len(more)} files nobody was answered for"
        self.uploaded, self.sending = there, None

    def _differences(self, there: dict[str, bytes], done: dict[str, bytes]) -> list[str]:
        names = sorted({*there, *self.known, *done})
        return [f"{name}: there {_say(there.get(name))}, before {_say(self.known.get(name))}, asked {_say(done.get(name))}"
                for name in names if there.get(name) != self.known.get(name)]  # fmt: skip


def _say(data: bytes | None) -> str:
    return "nothing" if data is None else f"{len(data)} bytes {data[:4].hex()}"


def _bytes(library: Library, path: str) -> bytes:
    """What the library reads; the file on disk must be the same."""
    _, blob = library.open(path)
    with blob, open(blob.fd, "rb", closefd=False) as file:
        data = file.read()
    assert (library.root / path).read_bytes() == data
    return data


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[list[Client]]:
    chance = random.Random(SEED)
    library = Library(tmp_path / "root")
    found = [Client(library.make_project(f"Client{n}").path, random.Random(chance.random())) for n in range(CLIENTS)]
    library.close()
    yield found


def test_after_kill_9_everything_acknowledged_is_there_and_nothing_half_is_visible(tmp_path: Path, clients: list[Client]) -> None:
    """Stock wsgidav writes in place: a kill leaves half a file under its final name."""
    print(f"seed {SEED}, {KILLS} kills")
    chance, root = random.Random(SEED + 1), tmp_path / "root"
    acknowledged = 0
    for _ in range(KILLS):
        _kill_during_changes(root, clients, chance.uniform(0.05, 0.6))
        acknowledged += _check(root, clients)
    print(f"{acknowledged} files compared over {KILLS} kills")
    _check_blobs(root)


def _kill_during_changes(root: Path, clients: list[Client], after_s: float) -> None:
    command = [sys.executable, "-m", "tools", "serve", str(root), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = _port(process)
    threads = [threading.Thread(target=client.run, args=(port,)) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for thread in threads:
        thread.join()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if "127.0.0.1:" in line:
            return int(line.split("127.0.0.1:")[1].split("/")[0])
    raise AssertionError("the server ended without naming its port")


def _check(root: Path, clients: list[Client]) -> int:
    """Open what the kill left, compare, look for leftovers. How many files were compared."""
    library = Library(root)
    try:
        in_flight = {f"{client.folder}/{name}" for client in clients for name in client.asking or {}}
        sending = tuple(f"{client.folder}/ingest/originals/up" for client in clients if client.sending is not None)
        found = plan(library)
        unexpected = [line for step, line in zip(found.steps, found.lines(), strict=True) if step.path not in in_flight
                      and getattr(step, "to", "") not in in_flight and not step.path.startswith(sending or "/")
                      and not isinstance(step, Edited)]  # fmt: skip
        assert not unexpected, f"index and folders differ beyond the requests in flight: {unexpected}"
        # links that were made, and not noted before the kill, touched their blobs: those are read again, and are whole
        assert apply(library, found).edited == []
        assert not plan(library).steps, "a second reindex finds nothing"
        assert not list((root / ".filmcan/incoming").iterdir()), "incoming is empty"
        for client in clients:
            client.settle(library)
        _check_manifests(root, clients)
        return sum(len(client.known) + len(client.uploaded) for client in clients)
    finally:
        library.close()


def _check_manifests(root: Path, clients: list[Client]) -> None:
    """What followers wrote is whole JSON whenever they were killed; a last line may be torn, and is cut at the next start."""
    for client in clients:
        index = root / client.folder / "index.json"
        if index.exists():
            json.loads(index.read_text())
        for name in ("files.jsonl", "events.jsonl"):
            lines = root / client.folder / "_manifest" / name
            for line in lines.read_text().split("\n")[:-1] if lines.exists() else ():
                json.loads(line)


def _check_blobs(root: Path) -> None:
    """Every blob a row knows is whole; a kill may leave blobs that no row knows, never one under a false name."""
    library = Library(root)
    try:
        findings = verify(library.store, full=True).findings
        assert [finding for finding in findings if finding.kind != "unknown"] == []
        for finding in findings:
            verdict = library.store.doubt.examine(finding.digest)
            assert verdict is not None and verdict.good, f"{finding.digest} is not what it is called"
    finally:
        library.close()
