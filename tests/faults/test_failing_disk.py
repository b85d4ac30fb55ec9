"""A disk that fails under load: writes or flushes answer EIO, some or all from a moment on, below a real ext4 or xfs.

Four clients upload while it happens. Then nothing is acknowledged that is not there, the server only reads and says why, what it
has can be read, and when the disk is well again everything that was acknowledged is there. FILMCAN_FAULTS_DEVICE says how many.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.failing_disk import failing
from tests.faults.figures import SEED, count, tell
from tests.faults.operations import Wire
from tests.faults.power.disks import EXT4, FILE_SYSTEMS, MIB, FileSystem, copy_sparse, make_image, missing, mounted
from tests.faults.servers import Nursery
from tests.faulty import QuickSystem
from tests.state import rows, without_index
from views.library import Library
from views.reindex import apply, plan

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "never")
FILM = "P1-Film"
KINDS = (FileSystem("small ext4", "ext4", 48 * MIB, EXT4), FILE_SYSTEMS["xfs"])
LOAD_S, NOTICED_S = 0.15, 20.0
ONLY = os.environ.get("FILMCAN_DEVICE", "")


class Client(threading.Thread):
    """Uploads new files and over old ones, until the server does not take them or it is told to stop."""

    def __init__(self, port: int, number: int, chance: random.Random) -> None:
        super().__init__()
        self._port, self._number, self._chance = port, number, chance
        self.kept: dict[str, bytes] = {}
        self.maybe: dict[str, bytes] = {}
        self.stopped, self.refused = threading.Event(), 0

    def run(self) -> None:
        with closing(Wire(self._port)) as wire:
            for turn in range(10**6):
                if self.stopped.is_set() or self.refused:
                    return
                name = f"c{self._number}-{turn % 7}"
                data = self._chance.randbytes(self._chance.choice((100, 5_000, 60_000, 300_000)))
                status = wire.ask("PUT", f"/dav/{FILM}/{name}", data)
                if status in (201, 204):
                    self.kept[name] = data
                else:
                    self.maybe[name], self.refused = data, status or -1


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with closing(Nursery(tmp_path_factory.mktemp("nursery"))) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of each kind a disk with a library on it."""
    folder, found = tmp_path_factory.mktemp("images"), {}
    for kind in KINDS:
        found[kind.name] = folder / f"{kind.kind}.img"
        make_image(kind, found[kind.name])
        (folder / kind.kind).mkdir()
        with mounted(kind, found[kind.name], folder / kind.kind) as disk, closing(Library(disk / "root")) as library:
            library.make_project("Film")
    return found


@pytest.mark.timeout(3600)
def test_a_disk_that_fails_loses_nothing_that_was_acknowledged(images: dict[str, Path], nursery: Nursery, tmp_path: Path) -> None:
    for number in range(count("DEVICE")):
        seed = ONLY or f"{SEED} {number}"
        chance = random.Random(seed)
        kind = KINDS[chance.random() < 0.25]
        image = tmp_path / f"disk{number}.img"
        copy_sparse(images[kind.name], image)
        try:
            came = fail(kind, image, nursery, chance)
        except Exception as error:
            raise AssertionError(f'{error}; FILMCAN_DEVICE="{seed}" FILMCAN_FAULTS_DEVICE=1 repeats it') from error
        image.unlink()
        tell("devices that fail under load", 1, f"0 violations ({came})")


def fail(kind: FileSystem, image: Path, nursery: Nursery, chance: random.Random) -> str:
    what, many = chance.choice(("write", "flush")), chance.choice((0, 0, 1, 3))
    with failing(kind, image) as (folder, order):
        server = nursery.start(folder / "root")
        try:
            port = server.port()
            clients = [Client(port, number, random.Random(chance.random())) for number in range(4)]
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0, LOAD_S))
            order(f"{what} {chance.randrange(1, 12)} {many}")
            came = look(port, clients, folder, lasting=not many)
        finally:
            server.end()
            order("well")
    with mounted(kind, image, image.with_suffix(".used")) as folder:
        check(folder / "root", clients)
    return f"{kind.kind}, {what}, {'for good' if not many else 'some'}: {came}"


def look(port: int, clients: list[Client], folder: Path, *, lasting: bool) -> str:
    """The server while its disk fails: what it does in the end."""
    until = time.monotonic() + (NOTICED_S if lasting else 0.5)
    while not any(client.refused for client in clients) and time.monotonic() < until:
        time.sleep(0.01)
    for client in clients:
        client.stopped.set()
        client.join(30)
        assert not client.is_alive(), "a request hangs for 30 s"
    refused = [client.refused for client in clients if client.refused]
    assert not lasting or refused, "the disk takes nothing, and nobody is told"
    with closing(Wire(port)) as wire:
        if refused:
            assert set(refused) <= {403}, f"refused with {refused}"
            assert wire.ask("GET", "/health") and (b"degraded" in wire.said or b"only reads" in wire.said), wire.said
            assert wire.ask("PUT", f"/dav/{FILM}/later", b"later") == 403, "it takes more after a failure"
        if given_up(folder):
            return "the kernel gave the file system up"
        for client in clients:
            for name, data in client.kept.items():
                assert wire.ask("GET", f"/dav/{FILM}/{name}") == 200 and wire.said in (data, client.maybe.get(name)), name
    return "reads only" if refused else "goes on"


def given_up(folder: Path) -> bool:
    """XFS lets nobody in once its log could not be written."""
    try:
        os.listdir(folder)
    except OSError:
        return True
    return False


def check(root: Path, clients: list[Client]) -> None:
    """With a disk that is well again. The journal may tell of what the disk did not take: one reindex goes by the disk then."""
    with closing(Library(root, QuickSystem())) as library:
        apply(library, plan(library))
        assert not plan(library).steps
        for client in clients:
            for name, data in client.kept.items():
                path = f"{FILM}/{name}"
                _, blob = library.open(path)
                with blob:
                    found = os.pread(blob.fd, blob.size_bytes + 1, 0)
                assert found in (data, client.maybe.get(name)), f"{name} was acknowledged and is lost"
        assert not list(library.store.layout.incoming.iterdir())
        kept = rows(library)
    with closing(without_index(root)) as library:
        assert rows(library) == kept
