"""A small disk that gets full, by bytes and by inodes, seen over HTTP: what fits is kept, what does not is refused and leaves
nothing, taking away works, and when there is room again so does everything else."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figures import tell
from tests.faults.operations import CHUNK, FORM, PROPERTY, Wire
from tests.faults.servers import Nursery, Server
from tests.faults.small_disks import MIB, fill, missing, mounted
from tests.faulty import QuickSystem
from tests.state import check_links, rows, without_index
from views.library import Library

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "never")
FILM = "P1-Film"
AGAIN_S = 5.0  # durability reference §9: it recovers within this of freeing space
chance = random.Random(1)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with closing(Nursery(tmp_path_factory.mktemp("nursery"))) as nursery:
        yield nursery


@dataclass
class Disk:
    """A server on a disk of its own, and what it was given."""

    folder: Path
    wire: Wire
    kept: dict[str, bytes]

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def put(self, name: str, data: bytes) -> int:
        status = self.wire.ask("PUT", f"/dav/{FILM}/{name}", data)
        if status in (201, 204):
            self.kept[name] = data
        return status

    def fill_up(self, size_bytes: int, most: int) -> None:
        """Upload until no more is taken."""
        for number in range(most):
            if (status := self.put(f"clip{number}", chance.randbytes(size_bytes))) != 201:
                assert status == 507 and number > 3
                return
        raise AssertionError("the disk does not get full")

    def check(self) -> None:
        """All that was answered is there, and nothing else."""
        for name, data in self.kept.items():
            assert self.wire.ask("GET", f"/dav/{FILM}/{name}") == 200 and self.wire.said == data, name
        names = {path.name for path in (self.root / FILM).iterdir() if path.is_file() and path.name != "index.json"}
        assert names == set(self.kept)
        self.check_nothing_staged()

    def check_nothing_staged(self) -> None:
        assert not list((self.root / ".filmcan/incoming").iterdir())
        assert not list((self.root / ".filmcan/uploads").iterdir())

    def works_again(self) -> float:
        """Seconds until an upload is taken."""
        began = time.monotonic()
        while self.put("again", b"again" * 1000) != 201:
            assert time.monotonic() - began < AGAIN_S, self.wire.said
            time.sleep(0.05)
        return time.monotonic() - began


def serve(nursery: Nursery, folder: Path) -> Iterator[Disk]:
    root = folder / "root"
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")
    server: Server = nursery.start(root)
    wire = Wire(server.port())
    disk = Disk(folder, wire, {})
    try:
        yield disk
        disk.check()
    finally:
        wire.close()
        server.end()
    with closing(Library(root, QuickSystem())) as library:
        check_links(library)
        kept = rows(library)
    with closing(without_index(root)) as library:
        assert rows(library) == kept


@pytest.fixture
def small(tmp_path: Path, nursery: Nursery) -> Iterator[Disk]:
    with mounted(tmp_path / "small", 64) as folder:
        yield from serve(nursery, folder)


@pytest.fixture
def few_inodes(tmp_path: Path, nursery: Nursery) -> Iterator[Disk]:
    with mounted(tmp_path / "few", 64, 900) as folder:
        yield from serve(nursery, folder)


def test_a_full_disk_refuses_uploads_keeps_what_it_has_and_takes_them_again(small: Disk) -> None:
    other = small.folder / "other program"
    other.write_bytes(bytes(16 * MIB))
    small.fill_up(3 * MIB, 40)
    assert small.put("clip0", chance.randbytes(6 * MIB)) == 507, "over an old file"
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="up.mov"\r\n\r\n' + chance.randbytes(6 * MIB)
    assert small.wire.ask("POST", f"/api/projects/{FILM}/upload", form + b"\r\n--x--\r\n", FORM) == 507
    begin = {**CHUNK, "Upload-Length": str(40 * MIB)}
    del begin["Content-Type"]
    assert small.wire.ask("POST", f"/api/uploads?project={FILM}&filename=up.mov", b"", begin) == 507
    small.check()
    other.unlink()
    tell("full disks", 1, f"uploads are taken again after {small.works_again():.1f} s, 5 are allowed")


def test_a_disk_without_inodes_refuses_uploads_and_takes_them_again(few_inodes: Disk) -> None:
    other = few_inodes.folder / "others"
    other.mkdir()
    for number in range(100):
        (other / str(number)).write_bytes(b"")
    few_inodes.fill_up(1000, 900)
    assert few_inodes.put("clip0", b"over an old file" * 100) == 507
    few_inodes.check()
    shutil.rmtree(other)
    tell("full disks", 1, f"uploads are taken again after {few_inodes.works_again():.1f} s, 5 are allowed")


def test_a_body_nobody_announced_the_length_of_is_refused_when_the_disk_is_full_and_leaves_nothing(small: Disk) -> None:
    assert small.put("clip", chance.randbytes(3 * MIB)) == 201
    other = small.folder / "other program"
    fill(other, 12 * MIB)
    piece = chance.randbytes(MIB)
    said = small.wire.ask("PUT", f"/dav/{FILM}/clip", (piece for _ in range(40)))
    assert said in (507, 0), "it answers, and may close before all was sent"
    small.check()
    other.unlink()
    small.works_again()


def ask_for_more(disk: Disk) -> None:
    """What takes room may be refused, and nothing else may come of it."""
    assert disk.put("more", b"more" * 1000) == 507
    for method, body in (("PROPPATCH", PROPERTY), ("MOVE", b""), ("MKCOL", b""), ("COPY", b"")):
        target = {"Destination": f"/dav/{FILM}/moved{method}"} if method in ("MOVE", "COPY") else {}
        name = {"MKCOL": "folder", "COPY": "clip4"}.get(method, "clip5")
        status = disk.wire.ask(method, f"/dav/{FILM}/{name}", body, target)
        assert status in (200, 201, 204, 507), (method, status)
        if method == "MOVE" and status == 201:
            disk.kept["movedMOVE"] = disk.kept.pop("clip5")
        if method == "COPY" and status == 201:
            disk.kept["movedCOPY"] = disk.kept["clip4"]


def test_taking_away_works_on_a_disk_that_another_program_filled_below_the_reserve(small: Disk) -> None:
    for number in range(6):
        assert small.put(f"clip{number}", chance.randbytes(MIB)) == 201
    fill(small.folder / "other program", 300 << 10)
    ask_for_more(small)
    for number in range(3):
        assert small.wire.ask("DELETE", f"/dav/{FILM}/clip{number}") == 204, small.wire.said
        del small.kept[f"clip{number}"]
    small.check()
    (small.folder / "other program").unlink()
    tell("full disks", 1, f"uploads are taken again after {small.works_again():.1f} s, 5 are allowed")


def test_a_disk_without_a_single_free_byte_harms_nothing(small: Disk) -> None:
    """The index may need room even to take something away: then that is refused too, and works when there is room again."""
    for number in range(6):
        assert small.put(f"clip{number}", chance.randbytes(MIB)) == 201
    fill(small.folder / "other program")
    ask_for_more(small)
    for number in range(3):
        status = small.wire.ask("DELETE", f"/dav/{FILM}/clip{number}")
        assert status in (204, 507), small.wire.said
        if status == 204:
            del small.kept[f"clip{number}"]
    small.check()
    (small.folder / "other program").unlink()
    small.works_again()
    for name in [name for name in small.kept if name.startswith("clip")]:
        assert small.wire.ask("DELETE", f"/dav/{FILM}/{name}") == 204
        del small.kept[name]
