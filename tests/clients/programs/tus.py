"""Real tus clients: tus-js-client, which browsers and phone apps use, behind one Node process; and tuspy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..needs import missing, need_program
from .base import Refused

FOLDER = Path(__file__).parent.parent / "node"


@dataclass(frozen=True)
class Sent:
    """What became of one upload by tus-js-client.

    log  a request each: its `method`, `status`, and of the header fields those that were `said` and `told`
    """

    url: str
    log: list[dict[str, Any]]

    @property
    def methods(self) -> list[str]:
        return [request["method"] for request in self.log]

    def said(self, name: str) -> list[str | None]:
        return [request["said"].get(name) for request in self.log]


class TusJs:
    """One line of JSON out, one line back."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def upload(self, endpoint: str, file: Path, metadata: dict[str, str], **more: Any) -> Sent:
        """`kind`, `storage` and `stopAfter` as tests/clients/node/tus.js has them; everything else is an option of the client."""
        leash = {name: more.pop(name) for name in ("kind", "storage", "stopAfter") if name in more}
        options = {"endpoint": endpoint, "metadata": metadata, "retryDelays": None, **more}
        return Sent(**self._ask({"verb": "upload", "file": str(file), "options": options, **leash}))

    def end(self, url: str) -> None:
        self._ask({"verb": "end", "url": url})

    def _ask(self, asked: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Refused(f"{answer['error']}\n{answer['log']}")
        return answer["result"]


@contextmanager
def tus_js(scratch: Path) -> Iterator[TusJs]:
    node = need_program("node", "nodejs")
    if not (FOLDER / "node_modules" / "tus-js-client").exists():
        missing("the npm package tus-js-client is not there: npm ci --ignore-scripts in tests/clients/node")
    with (scratch / "tus.log").open("wb") as log:
        process = subprocess.Popen(
            [node, str(FOLDER / "tus.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield TusJs(process)
    finally:
        process.communicate(timeout=10)
