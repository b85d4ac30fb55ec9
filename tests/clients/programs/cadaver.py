"""cadaver: commands on standard input, results in words.

Escapes in lower case, `MOVE` and `DELETE` with their own ideas of `If`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..needs import need_program
from ..server import DavServer
from .base import Refused, run

ENTRY = re.compile(r"^(?:Coll:|Ref:|Error:|    {4}| {4})\s*(\S.*?)\s+\d+\s{2}\w{3} .*$")


class Cadaver:
    def __init__(self, server: DavServer) -> None:
        self.server = server

    def upload(self, local: Path, path: str) -> None:
        self(f"put {_quoted(str(local))} {_quoted(path)}")

    def download(self, path: str, local: Path) -> None:
        self(f"get {_quoted(path)} {_quoted(str(local))}")

    def move(self, path: str, target: str) -> None:
        self(f"move {_quoted(path)} {_quoted(target)}")

    def delete(self, path: str) -> None:
        self(f"delete {_quoted(path)}")

    def make_folder(self, path: str) -> None:
        self(f"mkcol {_quoted(path)}")

    def delete_folder(self, path: str) -> None:
        self(f"rmcol {_quoted(path)}")

    def names(self, path: str) -> list[str]:
        found = (ENTRY.match(line) for line in self(f"ls {_quoted(path)}").splitlines())
        return [entry[1] for entry in found if entry]

    def __call__(self, *commands: str) -> str:
        """cadaver exits with 0 whatever happens: its words decide."""
        said = run("cadaver", self.server.url, input="\n".join([*commands, "quit", ""]))
        if " failed" in said or "Could not" in said or "Unrecognised" in said:
            raise Refused(f"{commands}: {said}")
        return said


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextmanager
def cadaver(server: DavServer, _scratch: Path) -> Iterator[Cadaver]:
    need_program("cadaver", "cadaver")
    yield Cadaver(server)
