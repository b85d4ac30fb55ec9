"""A disk that begins to fail when it is told to: `python -m tests.faults.failing_disk <folder> <image>` serves it by FUSE.

Below `folder` are `disk`, whose bytes are those of `image`, and `orders`. What is written there, "write 3 5", lets five writes
fail from the third on from now; "flush 1 0" every flush; "well" ends it. A failing write changes nothing. Linux only, as root.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.power.disks import FileSystem, mounted
from tests.faults.power.fuse import Served
from tests.faults.power.kernel import detach, die_with_parent, unmount

DISK, ORDERS = "disk", "orders"
Order = Callable[[str], None]


class Disk:
    def __init__(self, image: Path) -> None:
        self._fd = os.open(image, os.O_RDWR)
        self.size_bytes = os.fstat(self._fd).st_size
        self.order("well")

    def order(self, text: str) -> None:
        self._fails, *numbers = text.split()
        self._wait, self._left = map(int, numbers) if numbers else (0, 0)
        self._endless = bool(numbers) and not self._left

    def read(self, offset: int, count: int) -> bytes:
        return os.pread(self._fd, count, offset)

    def write(self, batch: int, offset: int, data: memoryview) -> None:
        self._may_fail("write")
        os.pwrite(self._fd, data, offset)

    def sync(self, batch: int) -> None:
        self._may_fail("flush")

    def _may_fail(self, what: str) -> None:
        if what != self._fails:
            return
        self._wait -= 1
        if self._wait <= 0 and (self._endless or self._left > 0):
            self._left -= 1
            raise OSError(errno.EIO, "as it was told to")


class Orders:
    size_bytes = 4096

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def read(self, offset: int, count: int) -> bytes:
        return b""

    def write(self, batch: int, offset: int, data: memoryview) -> None:
        self._disk.order(bytes(data).decode())

    def sync(self, batch: int) -> None:
        return


@contextmanager
def failing(kind: FileSystem, image: Path) -> Iterator[tuple[Path, Order]]:
    """The file system in `image`, mounted from such a disk; and how to give it orders."""
    served, folder = image.with_suffix(".served"), image.with_suffix(".used")
    served.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.failing_disk", served, image], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n", "the disk does not start"
    orders = os.open(served / ORDERS, os.O_WRONLY)
    try:
        with mounted(kind, served / DISK, folder, direct=True):
            yield folder, lambda text: bool(os.pwrite(orders, text.encode(), 0)) and None
    finally:
        os.close(orders)
        try:
            unmount(served)
        except OSError:  # another mount namespace still has it; without its process it changes nothing any more
            detach(served)
            process.kill()
        process.wait(30)
        process.stdout.close()


def main(folder: str, image: str) -> None:
    die_with_parent()
    disk = Disk(Path(image))
    served = Served(Path(folder), [(DISK, disk), (ORDERS, Orders(disk))])
    print("ready", flush=True)
    served.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
