"""The process below the recorded disk: `python -m tests.faults.power.recorder <folder> <image> <record>`.

It serves two files in `folder`: `disk`, whose bytes are those of `image`, and `marks`. Each write to the disk, each flush and
each text written to `marks` is appended to `record` before it is answered. It ends when `folder` is unmounted, or with
its parent.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.faults.power.fuse import Served
from tests.faults.power.kernel import die_with_parent
from tests.faults.power.record import HEAD, Kind

DISK, MARKS = "disk", "marks"


class Record:
    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", buffering=0)

    def add(self, kind: Kind, batch: int, offset: int = 0, data: bytes | memoryview = b"") -> None:
        self._file.write(HEAD.pack(kind, batch, offset, len(data)) + data)


class Disk:
    def __init__(self, image: Path, record: Record) -> None:
        self._fd, self._record = os.open(image, os.O_RDWR), record
        self.size_bytes = os.fstat(self._fd).st_size

    def read(self, offset: int, count: int) -> bytes:
        return os.pread(self._fd, count, offset)

    def write(self, batch: int, offset: int, data: memoryview) -> None:
        self._record.add(Kind.WRITE, batch, offset, data)
        os.pwrite(self._fd, data, offset)

    def sync(self, batch: int) -> None:
        self._record.add(Kind.FLUSH, batch)


class Marks:
    size_bytes = 1 << 20

    def __init__(self, record: Record) -> None:
        self._record = record

    def read(self, offset: int, count: int) -> bytes:
        return b""

    def write(self, batch: int, offset: int, data: memoryview) -> None:
        self._record.add(Kind.MARK, batch, 0, data)

    def sync(self, batch: int) -> None:
        return


def main(folder: str, image: str, record: str) -> None:
    die_with_parent()
    kept = Record(Path(record))
    served = Served(Path(folder), [(DISK, Disk(Path(image), kept)), (MARKS, Marks(kept))])
    print("ready", flush=True)
    served.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
