"""The npm package `webdav`, which web and Electron applications use, behind one Node process for the whole session."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..needs import missing, need_program
from ..server import DavServer
from .base import Refused

FOLDER = Path(__file__).parent.parent / "node"


class NodeWebdav:
    """One line of JSON out, one line back."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def upload(self, local: Path, path: str) -> None:
        self("upload", str(local), path)

    def download(self, path: str, local: Path) -> None:
        self("download", path, str(local))

    def move(self, path: str, target: str) -> None:
        self("move", path, target)

    def delete(self, path: str) -> None:
        self("delete", path)

    def make_folder(self, path: str) -> None:
        self("makeFolder", path)

    def delete_folder(self, path: str) -> None:
        self("delete", path)

    def names(self, path: str) -> list[str]:
        return self("names", path)

    def __call__(self, verb: str, *arguments: str) -> list[str]:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps([verb, *arguments]), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Refused(f"{verb} {arguments}: {answer['error']}")
        return list(answer["result"])


@contextmanager
def node_webdav(server: DavServer, scratch: Path) -> Iterator[NodeWebdav]:
    node = need_program("node", "nodejs")
    if not (FOLDER / "node_modules" / "webdav").exists():
        missing("the npm package webdav is not there: npm ci --ignore-scripts in tests/clients/node")
    with (scratch / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [node, str(FOLDER / "client.js"), server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield NodeWebdav(process)
    finally:
        process.communicate(timeout=10)
