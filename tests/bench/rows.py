"""What is measured. A row prepares each contestant once and then gives one number at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.samples import make_big_file

from .clients import curl_seconds, listing_seconds, put_seconds, wrk_per_second
from .contestants import Contestant

KIB, MIB = 1 << 10, 1 << 20
WRITERS = 8


@dataclass(frozen=True)
class Scale:
    """How much is moved: the full run, or a smoke run that only shows that everything works."""

    upload_bytes: int = 256 * MIB
    download_bytes: int = 1024 * MIB
    names: int = 10_000
    seconds: int = 2
    rounds: int = 5


QUICK = Scale(upload_bytes=8 * MIB, download_bytes=32 * MIB, names=300, seconds=1, rounds=1)


@dataclass
class Bench:
    """What rows share: the scale, a desk for local files, a number that never repeats."""

    scale: Scale
    desk: Path
    counter: int = 0
    files: dict[str, Path] = field(default_factory=dict)

    def next(self) -> int:
        self.counter += 1
        return self.counter

    def big(self, size_bytes: int) -> Path:
        name = f"{size_bytes}.bin"
        if name not in self.files:
            self.files[name] = make_big_file(self.desk / name, size_bytes)
        return self.files[name]

    def fresh_upload(self) -> Path:
        """The same big file with another first word, so that no store has its bytes already."""
        path = self.big(self.scale.upload_bytes)
        with path.open("r+b") as file:
            file.write(b"%-16d" % self.next())
        return path

    def warm_memory(self) -> None:
        """Have the host of a virtual machine give the memory that the next upload is cached in: a page it never gave, or took
        back while it was free, costs 8 µs at its first use, and whoever came upon some was measured at a third of his speed."""
        path, piece = self.desk / "warm", bytes(MIB)
        with path.open("wb", buffering=0) as file:
            for _ in range(2 * self.scale.upload_bytes // MIB):
                file.write(piece)
        path.unlink()


Prepare = Callable[[Bench, Contestant], None]
Measure = Callable[[Bench, Contestant], float]


@dataclass(frozen=True)
class Row:
    """`unit` tells which way is better: MiB/s and /s go up, ms go down.

    `writes` rows also run against the synced stock.
    """

    name: str
    unit: str
    measure: Measure
    prepare: Prepare | None = None
    writes: bool = False

    @property
    def more_is_better(self) -> bool:
        return self.unit != "ms"


def put_big(bench: Bench, one: Contestant) -> float:
    path = bench.fresh_upload()
    bench.warm_memory()
    seconds = put_seconds(one.url(f"upload-{bench.next()}.bin"), path)
    return bench.scale.upload_bytes / MIB / seconds


def put_small(connections: int) -> Measure:
    def measure(bench: Bench, one: Contestant) -> float:
        seconds = bench.scale.seconds
        return wrk_per_second(one.url(), "put", connections, seconds, size=16 * KIB, run=f"r{bench.next()}")

    return measure


def place_big(bench: Bench, one: Contestant) -> None:
    put_seconds(one.url("big.bin"), bench.big(bench.scale.download_bytes))


def get_big(bench: Bench, one: Contestant) -> float:
    return bench.scale.download_bytes / MIB / curl_seconds(one.url("big.bin"))


def get_ranges(bench: Bench, one: Contestant) -> float:
    sizes = {"size": bench.scale.download_bytes, "range": MIB}
    return wrk_per_second(one.url("big.bin"), "ranges", 1, bench.scale.seconds, **sizes)


def place_small(_bench: Bench, one: Contestant) -> None:
    one.project.put("small.bin", b"0123456789abcdef" * (64 * KIB // 16))


def get_small(connections: int) -> Measure:
    def measure(bench: Bench, one: Contestant) -> float:
        return wrk_per_second(one.url("small.bin"), "get", connections, bench.scale.seconds)

    return measure


def place_names(bench: Bench, one: Contestant) -> None:
    """Ten thousand names over a few connections; what is in the files does not matter here."""
    assert one.server.ask("MKCOL", one.project.path("many")).status == 201
    share = [range(first, bench.scale.names, WRITERS) for first in range(WRITERS)]
    writers = [threading.Thread(target=_put_names, args=(one, numbers)) for numbers in share]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    listed = len(one.project.names("many"))
    assert listed == bench.scale.names, f"{one.name} lists {listed} names"


def _put_names(one: Contestant, numbers: range) -> None:
    with one.server.wire() as wire:
        for number in numbers:
            path = quote(f"/dav/{one.project.path(f'many/IMG_{number:05}.MOV')}")
            answer = wire.ask("PUT", path, body=b"clip")
            assert answer.status == 201, answer
            if (answer.header("Connection") or "").lower() == "close":
                wire.reopen()


def list_names(_bench: Bench, one: Contestant) -> float:
    return listing_seconds(one.url("many/")) * 1000


def find_one(bench: Bench, one: Contestant) -> float:
    return wrk_per_second(one.url("small.bin"), "propfind", 1, bench.scale.seconds)


ROWS = [
    Row("PUT 256 MiB", "MiB/s", put_big, writes=True),
    Row("PUT 16 KiB, 1 connection", "/s", put_small(1), writes=True),
    Row("PUT 16 KiB, 8 connections", "/s", put_small(8), writes=True),
    Row("GET 1 GiB", "MiB/s", get_big, place_big),
    Row("GET 1 MiB ranges of it", "/s", get_ranges),
    Row("GET 64 KiB, 1 connection", "/s", get_small(1), place_small),
    Row("GET 64 KiB, 8 connections", "/s", get_small(8)),
    Row("PROPFIND of one file", "/s", find_one),
    Row("PROPFIND of 10,000 names", "ms", list_names, place_names),
]
