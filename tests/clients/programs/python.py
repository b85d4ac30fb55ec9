"""Two Python libraries that scripts are written with: webdav4 (httpx) and webdavclient3 (requests, lxml)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..needs import missing
from ..server import DavServer


class Webdav4:
    """Does not escape `%`, `#` and `?` in a path, and does not know its own URL again when the caller does."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def upload(self, local: Path, path: str) -> None:
        self.client.upload_file(str(local), path, overwrite=True)

    def download(self, path: str, local: Path) -> None:
        self.client.download_file(path, str(local))

    def move(self, path: str, target: str) -> None:
        self.client.move(path, target, overwrite=True)

    def delete(self, path: str) -> None:
        self.client.remove(path)

    def make_folder(self, path: str) -> None:
        self.client.mkdir(path)

    def delete_folder(self, path: str) -> None:
        self.client.remove(path)

    def names(self, path: str) -> list[str]:
        return [name.rsplit("/", 1)[1] for name in self.client.ls(path, detail=False)]


class Webdavclient3:
    """Asks HEAD for the parent folder before each upload and takes anything but 200 for "not there"."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def upload(self, local: Path, path: str) -> None:
        self.client.upload_sync(remote_path=path, local_path=str(local))

    def download(self, path: str, local: Path) -> None:
        self.client.download_sync(remote_path=path, local_path=str(local))

    def move(self, path: str, target: str) -> None:
        self.client.move(path, target, overwrite=True)

    def delete(self, path: str) -> None:
        self.client.clean(path)

    def make_folder(self, path: str) -> None:
        self.client.mkdir(path)

    def delete_folder(self, path: str) -> None:
        self.client.clean(path)

    def names(self, path: str) -> list[str]:
        return [name.removesuffix("/") for name in self.client.list(path)]


@contextmanager
def webdav4(server: DavServer, _scratch: Path) -> Iterator[Webdav4]:
    yield Webdav4(_imported("webdav4.client", "webdav4").Client(server.url))


@contextmanager
def webdavclient3(server: DavServer, _scratch: Path) -> Iterator[Webdavclient3]:
    module = _imported("webdav3.client", "webdavclient3")
    settings = {"webdav_hostname": server.url.removesuffix("/dav/"), "webdav_root": "/dav/"}
    yield Webdavclient3(module.Client({**settings, "webdav_disable_check": not server.shares_blobs}))


def _imported(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(f"{package} is not installed: pip install {package}")
