"""A whole server of the API, shared by the tests of one module, and a client that speaks plain HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from cas.system import System
from tests.faulty import QuickSystem
from tools.assemble import make_server, open_libraries
from tools.config import load
from views.libraries import Libraries

BOUNDARY = "--------filmcan-test"


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def form(*files: tuple[str, str, bytes]) -> tuple[bytes, str]:
    """multipart/form-data of (field, file name, bytes), and its content type."""
    out = b""
    for field, name, data in files:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        out += head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Server:
    """A running server, its root, and what is open in it."""

    port: int
    root: Path
    libraries: Libraries

    def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> Said:
        """One request; a dict or list goes as JSON. Underscores in names of headers become dashes."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict | list):
            body, named["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            connection.request(verb, path, body, named)
            answer = connection.getresponse()
            return Said(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Said:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Said:
        return self.ask("POST", path, body, **headers)

    def project(self, label: str, source: str = "primary") -> str:
        """A new project's name."""
        said = self.post(f"/api/projects?source={source}", {"name": label})
        assert said.status == 201, said
        return str(said.json["name"])

    def upload(self, project: str, name: str, data: bytes, source: str = "primary", field: str = "file") -> Said:
        body, kind = form((field, name, data))
        return self.post(f"/api/projects/{project}/upload?source={source}", body, Content_Type=kind)

    def stored(self, project: str, name: str, data: bytes) -> str:
        """Upload something new; its path in the project."""
        said = self.upload(project, name, data)
        assert (said.status, said.json["status"]) == (200, "stored"), said
        return str(said.json["path"])

    def index(self, project: str) -> Any:
        return self.get(f"/api/projects/{project}").json

    def events(self, project: str) -> list[Any]:
        """Lines of events.jsonl, once all that happened was written."""
        assert self.libraries.flush()
        lines = (self.root / project / "_manifest/events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def names(self, project: str) -> list[str]:
        """Files below ingest/originals on disk."""
        folder = self.root / project / "ingest/originals"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@contextmanager
def serving(root: Path, system: System | None = None, **settings: Any) -> Iterator[Server]:
    """Nothing is taken in behind: tests say when. Syncs do not wait for the disk, unless `system` does."""
    given = {"root": root, "port": 0, "auto_reindex": "no", "quiet_s": "0", **settings}
    loaded = load(given, environ={})
    with open_libraries(loaded, system or QuickSystem()) as libraries:
        server = make_server(libraries, loaded)
        server.start()
        try:
            yield Server(server.port, root, libraries)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("footage")
    (folder / "disks").mkdir()
    with serving(folder / "root", max_upload_mb=1, cors_origins="http://studio.local:8790",
                 source_parents=str(folder / "disks")) as server:  # fmt: skip
        yield server


def until(true: Callable[[], bool], within_s: float = 10) -> None:
    """Wait for what happens behind."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
