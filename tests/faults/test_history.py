"""Sixteen clients, fifty paths, a server that is killed every moment: the history each path has had could be that of a register.

Every client writes contents of its own to paths that all share, by PUT, and by MOVE and COPY of what it put elsewhere first, and
reads them over WebDAV and as players do. What was answered is read afterwards until something newer is written, what nobody was
answered for may come or not but does not go again, and no read ever gives a mixture. Uploads of the API get names of their own
and stay. FILMCAN_FAULTS_HISTORY and FILMCAN_FAULTS_HISTORY_KILLS say how long; FILMCAN_SEED repeats what clients wanted.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.verify import verify
from tests.faults.figures import SEED, count, tell
from tests.faults.linear import NEVER, Act, violation
from tests.faults.operations import FORM
from tests.faults.servers import Nursery
from tests.faulty import QuickSystem
from tests.state import rows, without_index
from views.library import Library
from views.reindex import apply, plan

CLIENTS, PATHS, OWN = 16, 50, 20
SIZES = (30, 30, 30, 4_000, 4_000, 70_000, 900_000)
FILM = "P1-Film"


def content(value: int) -> bytes:
    """What stands for a value: it tells itself, and any mixture with another is seen."""
    word = f"value {value};".encode()
    size = random.Random(value).choice(SIZES)
    return (word * (size // len(word) + 1))[: max(size, len(word))]


def value_of(data: bytes) -> int:
    """0 for what is not there; AssertionError for a torn content."""
    value = int(data.partition(b";")[0].removeprefix(b"value "))
    assert data == content(value), f"a torn content: {len(data)} bytes that begin as value {value}"
    return value


class World:
    """What clients share: where the server is now, the next value, when to end."""

    def __init__(self) -> None:
        self.port, self.over = 0, threading.Event()
        self._values = itertools.count(1)
        self._lock = threading.Lock()

    def next_value(self) -> int:
        with self._lock:
            return next(self._values)


class Client:
    """One thread, one request at a time; `acts` is what it did to each path."""

    def __init__(self, world: World, number: int) -> None:
        self._world, self._number, self._chance = world, number, random.Random(f"{SEED} {number}")
        self._names = itertools.count()
        self._connection: http.client.HTTPConnection | None = None
        self.acts: list[tuple[str, Act]] = []
        self.uploaded: dict[str, int] = {}
        self.asked = 0
        self.trouble = ""

    def run(self) -> None:
        try:
            while not self._world.over.is_set():
                self._one()
        except Exception as error:
            self.trouble = f"client {self._number}: {type(error).__name__}: {error}"
        finally:
            self._close()

    def _one(self) -> None:
        path = f"ingest/originals/r{self._chance.randrange(PATHS)}.mov"
        match self._chance.choices(("read", "play", "put", "move", "copy", "upload"), (5, 3, 4, 2, 2, 0.3))[0]:
            case "read":
                self._read(path, f"/dav/{FILM}/{path}")
            case "play":
                self._read(path, f"/media/{FILM}/download/{path}")
            case "put":
                value = self._world.next_value()
                self._write(path, value, "PUT", path, content(value))
            case "upload":
                self._upload()
            case by:
                self._put_elsewhere(by.upper(), path)

    def _ask(self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """(0, b"") when the server died in it."""
        self.asked += 1
        port = self._world.port
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            self._connection.request(method, url, body, headers or {})
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, ConnectionError):
            self._close()
            while port == self._world.port and not self._world.over.is_set():
                time.sleep(0.005)
            return 0, b""

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, path: str, url: str) -> None:
        start = time.monotonic()
        status, data = self._ask("GET", url)
        end = time.monotonic()
        if status:
            assert status in (200, 404), (url, status, data[:200])
            self.acts.append((path, Act(False, value_of(data) if status == 200 else 0, start, end)))

    def _write(self, path: str, value: int, method: str, source: str, body: bytes = b"") -> None:
        to = {"Destination": f"/dav/{FILM}/{path}"} if method != "PUT" else {}
        start = time.monotonic()
        status, said = self._ask(method, f"/dav/{FILM}/{source}", body, to)
        assert status in (0, 201, 204), (method, path, status, said[:200])
        self.acts.append((path, Act(True, value, start, time.monotonic() if status else NEVER)))

    def _put_elsewhere(self, method: str, path: str) -> None:
        own, value = f"own{self._number}-{next(self._names) % OWN}.mov", self._world.next_value()
        if self._ask("PUT", f"/dav/{FILM}/{own}", content(value))[0]:
            self._write(path, value, method, own)

    def _upload(self) -> None:
        value = self._world.next_value()
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="up.mov"\r\n\r\n' + content(value)
        status, said = self._ask("POST", f"/api/projects/{FILM}/upload", form + b"\r\n--x--\r\n", FORM)
        if status:
            assert status == 200, (status, said)
            self.uploaded[json.loads(said)["path"]] = value


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    with closing(Nursery(tmp_path)) as nursery:
        yield nursery


@pytest.mark.timeout(3600)
def test_each_path_is_a_register_whatever_kills_the_server(tmp_path: Path, nursery: Nursery) -> None:
    root, world = tmp_path / "root", World()
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")
    clients = [Client(world, number) for number in range(CLIENTS)]
    kills = run(root, world, clients, nursery)
    assert not [client.trouble for client in clients if client.trouble]
    acts = look(root, clients)
    for path, found in sorted(acts.items()):
        assert not (why := violation(found)), f"{path}: {why} (seed {SEED})\n{said(found)}"
    asked = sum(client.asked for client in clients)
    unanswered = sum(act.end == NEVER for found in acts.values() for act in found)
    tell("history: requests", asked, f"{kills} kills, {unanswered} writes without an answer, {len(acts)} registers, 0 violations")


def run(root: Path, world: World, clients: list[Client], nursery: Nursery) -> int:
    """Let them work until enough was asked and enough servers were killed; how many were."""
    chance, kills = random.Random(SEED), 0
    threads = [threading.Thread(target=client.run) for client in clients]
    while not world.over.is_set():
        server = nursery.start(root, watch=True)
        world.port = server.port()
        assert world.port, "a server does not start after a kill"
        for thread in threads if not kills else ():
            thread.start()
        server.gone(chance.uniform(0.2, 2.0))
        if sum(client.asked for client in clients) >= count("HISTORY") and kills + 1 >= count("HISTORY_KILLS"):
            world.over.set()
        server.end()
        kills += 1
        if any(client.trouble for client in clients):
            world.over.set()
    for thread in threads:
        thread.join(120)
    return kills


def look(root: Path, clients: list[Client]) -> dict[str, list[Act]]:
    """What was done to each path, and at the end one more read of each; names, bytes and journal agree."""
    acts: dict[str, list[Act]] = defaultdict(list)
    for client in clients:
        for path, act in client.acts:
            acts[path].append(act)
    with closing(Library(root, QuickSystem())) as library:
        apply(library, plan(library))
        assert not plan(library).steps
        for path, found in acts.items():
            value = _on_disk(root / FILM / path) if library.find(f"{FILM}/{path}") else 0
            now = time.monotonic()
            found.append(Act(False, value, now, now))
        for client in clients:
            for path, value in client.uploaded.items():
                assert _on_disk(root / FILM / path) == value, f"the upload {path} is lost"
        assert [finding for finding in verify(library.store, full=True).findings if finding.kind != "unknown"] == []
        kept = rows(library)
    with closing(without_index(root)) as library:
        assert rows(library) == kept
    return acts


def said(acts: list[Act]) -> str:
    """A history for people, in order of its beginnings."""
    zero = min(act.start for act in acts)
    return "\n".join(f"{act.start - zero:9.4f} {act.end - zero:9.4f} {'writes' if act.writes else 'reads'} {act.value}"
                     for act in sorted(acts, key=lambda act: act.start))  # fmt: skip


def _on_disk(path: Path) -> int:
    return value_of(path.read_bytes())
