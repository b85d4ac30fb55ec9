"""Programs that show the server as a folder: davfs2 and `rclone mount`. The story is told with ordinary file calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..needs import missing, need_program
from ..server import DavServer, end
from .base import Refused, run
from .rclone import Rclone

MOUNTED_WITHIN_S = 15
UPLOADED_WITHIN_S = 10
# `buf_size`: newer kernels (6.18 seen) read folders in more than the 16 KiB that davfs2 1.6 offers, and get EINVAL.
DAVFS_SETTINGS = (
    "use_locks 1\ndelay_upload 0\nask_auth 0\ndir_refresh 0\nfile_refresh 0\nbuf_size 128\ncache_dir {cache}\n"
)


class Mounted:
    def __init__(self, server: DavServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def upload(self, local: Path, path: str) -> None:
        """Both programs may still be uploading when `close` has returned: the file counts when the server has it."""
        shutil.copyfile(local, self.folder / path)
        data, deadline = local.read_bytes(), time.monotonic() + UPLOADED_WITHIN_S
        while not self._arrived(path, data):
            if time.monotonic() > deadline:
                raise Refused(f"{path}: not on the server {UPLOADED_WITHIN_S} s after it was closed")
            time.sleep(0.02)

    def download(self, path: str, local: Path) -> None:
        shutil.copyfile(self.folder / path, local)

    def move(self, path: str, target: str) -> None:
        os.rename(self.folder / path, self.folder / target)

    def delete(self, path: str) -> None:
        os.unlink(self.folder / path)

    def make_folder(self, path: str) -> None:
        os.mkdir(self.folder / path)

    def delete_folder(self, path: str) -> None:
        shutil.rmtree(self.folder / path)

    def names(self, path: str) -> list[str]:
        return os.listdir(self.folder / path)

    def _arrived(self, path: str, data: bytes) -> bool:
        answer = self.server.ask("GET", path)
        return answer.status == 200 and answer.body == data


@contextmanager
def davfs2(server: DavServer, scratch: Path) -> Iterator[Mounted]:
    """Locks, a cache on disk and uploads at close.

    It gives up root for its own user, so its cache cannot be in `scratch`.
    """
    need_program("mount.davfs", "davfs2")
    _need_fuse()
    folder, settings = scratch / "davfs2", scratch / "davfs2.conf"
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="filmcan-davfs2-") as cache:
        shutil.chown(cache, "root", "davfs2")
        os.chmod(cache, 0o775)
        settings.write_text(DAVFS_SETTINGS.format(cache=cache))
        settings.chmod(0o600)
        run("mount.davfs", "-o", f"conf={settings},uid=0,gid=0", server.url, str(folder))
        try:
            yield Mounted(server, folder)
        finally:
            run("umount", str(folder))


@contextmanager
def rclone_mount(server: DavServer, scratch: Path) -> Iterator[Mounted]:
    """Without a write cache: each file is one streamed PUT that ends when the file is closed."""
    need_program("rclone", "rclone")
    need_program("fusermount3", "fuse3")
    _need_fuse()
    folder, log = scratch / "rclone", scratch / "rclone.log"
    folder.mkdir()
    options = ["--config", "/dev/null", "--dir-cache-time", "0s", "--attr-timeout", "0s", "--log-file", str(log)]
    process = subprocess.Popen(["rclone", "mount", *options, Rclone(server).remote, str(folder)])
    try:
        _wait_until_mounted(folder, process, log)
        yield Mounted(server, folder)
    finally:
        run("umount", str(folder))
        end(process)


def _wait_until_mounted(folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + MOUNTED_WITHIN_S
    while not folder.is_mount():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Refused(f"not mounted: {log.read_text()}")
        time.sleep(0.05)


def _need_fuse() -> None:
    if os.geteuid() != 0:
        missing("mounting needs root")
    if not Path("/dev/fuse").exists():
        missing("no /dev/fuse here")
