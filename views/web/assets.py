"""The files that pages need: style, scripts, icon. Read once and held, so a request can name nothing else.

    /public/static/<version>/<name>      <version> changes with any of the files, so browsers may keep them for ever

Scripts import each other by `./name.js`, and so stay within one version.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cas.digest import Hasher

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PLACE = "/public/static"


@dataclass(frozen=True, slots=True)
class Asset:
    data: bytes
    media_type: str


@dataclass(frozen=True)
class Assets:
    """All of them by name, and what to call this very set."""

    held: dict[str, Asset]
    version: str

    def url(self, name: str) -> str:
        """Where a page finds a file. KeyError for one that is not there: a page must not be sent with a hole."""
        self.held[name]
        return f"{PLACE}/{self.version}/{name}"


@cache
def load() -> Assets:
    held: dict[str, Asset] = {}
    for file in sorted(files("views.web").joinpath("static").iterdir(), key=lambda file: file.name):
        ending = file.name.rpartition(".")[2]
        if file.is_file() and ending in TYPES:
            held[file.name] = Asset(file.read_bytes(), TYPES[ending])
    return Assets(held, _version(held))


def _version(held: dict[str, Asset]) -> str:
    hasher = Hasher()
    for name, asset in held.items():
        hasher.update(f"{name}\0{len(asset.data)}\0".encode())
        hasher.update(asset.data)
    return hasher.finish().digest.hex[:16]
