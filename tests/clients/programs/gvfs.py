"""GNOME's gvfs through `gio`, in a session bus of its own, so that a desktop session around the tests is left alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ..needs import missing, need_program
from ..server import DavServer
from .base import run

BACKENDS = (Path("/usr/libexec/gvfsd-dav"), Path("/usr/lib/gvfs/gvfsd-dav"))


class Gvfs:
    def __init__(self, server: DavServer, bus: str) -> None:
        self.base = server.url.replace("http://", "dav://", 1)
        self.bus = bus

    def upload(self, local: Path, path: str) -> None:
        self("copy", str(local), self._at(path))

    def download(self, path: str, local: Path) -> None:
        self("copy", self._at(path), str(local))

    def move(self, path: str, target: str) -> None:
        self("move", self._at(path), self._at(target))

    def rename(self, path: str, name: str) -> None:
        self("rename", self._at(path), name)

    def delete(self, path: str) -> None:
        self("remove", self._at(path))

    def make_folder(self, path: str) -> None:
        self("mkdir", self._at(path))

    def delete_folder(self, path: str) -> None:
        """gio removes empty folders only; a file manager walks down first, and so do we."""
        for name in self.names(path):
            self.delete(f"{path}/{name}")
        self.delete(path)

    def names(self, path: str) -> list[str]:
        return self("list", "--hidden", self._at(path)).splitlines()

    def __call__(self, *arguments: str, input: str = "") -> str:
        return run("gio", *arguments, input=input, environment={"DBUS_SESSION_BUS_ADDRESS": self.bus})

    def _at(self, path: str) -> str:
        return self.base + quote(path)


@contextmanager
def gvfs(server: DavServer, scratch: Path) -> Iterator[Gvfs]:
    """The bus and everything on it end when our end of the pipe closes."""
    need_program("gio", "libglib2.0-bin")
    need_program("dbus-run-session", "dbus-daemon")
    if not any(backend.exists() for backend in BACKENDS):
        missing("gvfs cannot speak WebDAV here: apt install gvfs gvfs-backends")
    command = ["dbus-run-session", "--", "sh", "-c", 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat']
    with (scratch / "dbus.log").open("wb") as log:
        session = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    assert session.stdin is not None and session.stdout is not None
    try:
        program = Gvfs(server, session.stdout.readline().decode().strip())
        program("mount", program.base)
        yield program
        program("mount", "--unmount", program.base)
    finally:
        session.stdin.close()
        session.wait(10)
        session.stdout.close()
