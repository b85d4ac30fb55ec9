"""One server for the whole session, and a look at what it did that does not go through the client under test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from .wire import Answer, Wire

START_WITHIN_S = 20
FILMCAN = [sys.executable, "-m", "tools", "serve", "{root}", "--port", "0"]
STOCK = [sys.executable, "-m", "tests.bench.stock", "{root}", "--properties"]
LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class DavServer:
    """A running server. `url` ends with /dav/, `root` is the folder that it keeps, `shares_blobs` says it is ours."""

    url: str
    root: Path
    pid: int | None = None
    shares_blobs: bool = True

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    def wire(self) -> Wire:
        return Wire(self.host, self.port)

    def url_of(self, path: str) -> str:
        return self.url + quote(path)

    def ask(self, verb: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request on a fresh connection; `path` is below /dav/ and not escaped."""
        with self.wire() as wire:
            return wire.ask(verb, "/dav/" + quote(path), headers, body)

    def project(self, label: str) -> Project:
        """A new project as any client makes one: a folder at the top. Its real name is looked up on disk."""
        answer = self.ask("MKCOL", label)
        assert answer.status == 201, f"MKCOL {label}: {answer.status} {answer.body!r}"
        cleaned = re.sub(r"[^\w.-]+", "-", label)
        wanted = re.compile(rf"(P\d+-)?({re.escape(label)}|{re.escape(cleaned)})")
        [name] = [entry.name for entry in self.root.iterdir() if wanted.fullmatch(entry.name)]
        return Project(self, name)


@dataclass(frozen=True)
class Project:
    server: DavServer = field(repr=False)
    name: str

    @property
    def folder(self) -> Path:
        return self.server.root / self.name

    def path(self, name: str) -> str:
        return f"{self.name}/{name}"

    def put(self, name: str, data: bytes) -> None:
        answer = self.server.ask("PUT", self.path(name), body=data)
        assert answer.status in (201, 204), (answer.status, answer.body)

    def on_disk(self, name: str) -> Path | None:
        """The file of that name in the folder, whichever way its umlauts are composed."""
        place = self.folder
        for part in name.split("/"):
            key = unicodedata.normalize("NFC", part)
            found = [entry for entry in place.iterdir() if unicodedata.normalize("NFC", entry.name) == key]
            assert len(found) <= 1, f"{part!r} lies there twice: {found}"
            if not found:
                return None
            place = found[0]
        return place

    def over_dav(self, name: str) -> bytes | None:
        answer = self.server.ask("GET", self.path(name))
        assert answer.status in (200, 404), (answer.status, answer.body)
        return answer.body if answer.status == 200 else None

    def holds(self, name: str) -> bytes | None:
        """The bytes under `name`, the same on disk and over WebDAV; None where both have nothing."""
        file = self.on_disk(name)
        local = file.read_bytes() if file else None
        assert self.over_dav(name) == local
        return local

    def names(self, folder: str = "") -> set[str]:
        """What PROPFIND lists, in NFC."""
        answer = self.server.ask("PROPFIND", self.path(folder), {"Depth": "1"})
        assert answer.status == 207, (answer.status, answer.body)
        hrefs = re.findall(rb"<(?:\w+:)?href>([^<]*)</", answer.body)
        paths = [unquote(href.decode()).removesuffix("/") for href in hrefs]
        own = f"/dav/{self.path(folder)}".removesuffix("/")
        return {unicodedata.normalize("NFC", path.rsplit("/", 1)[1]) for path in paths if path != own}


@contextmanager
def running(command: list[str], root: Path, log: Path, shares_blobs: bool) -> Iterator[DavServer]:
    """Start `command` on `root`, wait until it names its port, and end it by its own pid afterwards."""
    process = start(command, root, log)
    try:
        yield DavServer(f"http://127.0.0.1:{port_of(process, log)}/dav/", root, process.pid, shares_blobs)
    finally:
        end(process)


def start(command: list[str], root: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as out:
        words = [word.format(root=root) for word in command]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)


def end(process: subprocess.Popen[bytes], within_s: float = 10) -> None:
    """Ask it to stop; insist when it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port is in the first lines that the server says; the log is read, so a talkative server never blocks on a
    pipe.
    """
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := LISTENING.search(log.read_text(errors="replace")):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(f"no server after {START_WITHIN_S} s:\n{log.read_text(errors='replace')[-2000:]}")
