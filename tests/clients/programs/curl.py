"""curl: says exactly what it is told. `-f` turns every 4xx and 5xx into an exit code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from ..needs import need_program
from ..server import DavServer
from .base import run


class Curl:
    def __init__(self, server: DavServer) -> None:
        self.server = server

    def upload(self, local: Path, path: str) -> None:
        self("-T", str(local), path=path)

    def download(self, path: str, local: Path) -> None:
        self("-o", str(local), path=path)

    def move(self, path: str, target: str) -> None:
        self("-X", "MOVE", "-H", f"Destination: {self.server.url_of(target)}", path=path)

    def delete(self, path: str) -> None:
        self("-X", "DELETE", path=path)

    def make_folder(self, path: str) -> None:
        self("-X", "MKCOL", path=path)

    def delete_folder(self, path: str) -> None:
        self("-X", "DELETE", path=f"{path}/")

    def names(self, path: str) -> list[str]:
        listing = self("-X", "PROPFIND", "-H", "Depth: 1", path=f"{path}/")
        hrefs = re.findall(r"<(?:\w+:)?href>([^<]*)</", listing)
        return [unquote(href.removesuffix("/").rsplit("/", 1)[1]) for href in hrefs][1:]

    def __call__(self, *options: str, path: str) -> str:
        return run("curl", "-fsS", "--noproxy", "*", *options, self.server.url_of(path))


@contextmanager
def curl(server: DavServer, _scratch: Path) -> Iterator[Curl]:
    need_program("curl", "curl")
    yield Curl(server)
