"""rclone with `vendor=owncloud`, the only vendor that carries checksums and times to a server that is not one of the
named ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..needs import need_program
from ..server import DavServer
from .base import run


class Rclone:
    """Every command is a fresh process without a configuration file; the remote is spelt out."""

    def __init__(self, server: DavServer, vendor: str = "owncloud") -> None:
        self.remote = f":webdav,url='{server.url}',vendor={vendor}:"

    def upload(self, local: Path, path: str) -> None:
        self("copyto", "--ignore-times", str(local), self.remote + path)

    def download(self, path: str, local: Path) -> None:
        self("copyto", "--ignore-times", self.remote + path, str(local))

    def move(self, path: str, target: str) -> None:
        self("moveto", self.remote + path, self.remote + target)

    def delete(self, path: str) -> None:
        self("deletefile", self.remote + path)

    def make_folder(self, path: str) -> None:
        self("mkdir", self.remote + path)

    def delete_folder(self, path: str) -> None:
        self("purge", self.remote + path)

    def names(self, path: str) -> list[str]:
        return [line.removesuffix("/") for line in self("lsf", self.remote + path).splitlines()]

    def __call__(self, *arguments: str) -> str:
        return run(
            "rclone",
            "--config",
            "/dev/null",
            "--retries",
            "1",
            "--low-level-retries",
            "2",
            "--no-check-dest",
            *arguments,
        )


@contextmanager
def rclone(server: DavServer, _scratch: Path) -> Iterator[Rclone]:
    need_program("rclone", "rclone")
    yield Rclone(server)
