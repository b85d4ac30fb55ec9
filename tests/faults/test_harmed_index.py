"""The file of the index is harmed between two starts, at random: a real server starts, answers rightly, and has everything.

FILMCAN_FAULTS_INDEX says how often; FILMCAN_HARM="<seed>" repeats one harm.
"""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.faults.figures import SEED, count, tell
from tests.faults.operations import Wire
from tests.faults.servers import Nursery
from tests.faulty import QuickSystem
from tests.state import put, rows
from views.library import Library

ONLY = os.environ.get("FILMCAN_HARM", "")
FILM, NAMES, PAGE = "P1-Film", 250, 4096
LAST_PAGE, LAST_TXN = 136, 144  # in a meta page of LMDB 0.9 (mdb.c, MDB_meta)


@dataclass
class Ended:
    """A root as a session left it: what can be harmed, and what must be there afterwards."""

    root: Path
    data: bytes
    session: bytes
    expected: list[tuple[str, bytes, bytes]]

    def restore(self, harmed: bytes) -> None:
        """In place, as a disk rots: the file stays the same file."""
        self.file.parent.mkdir(exist_ok=True)
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(harmed)
            file.truncate()
        (self.root / ".filmcan/session").write_bytes(self.session)

    @property
    def file(self) -> Path:
        return self.root / ".filmcan/index/data.mdb"


def content(number: int) -> bytes:
    return b"content of %d" % number


@pytest.fixture(scope="module", params=["well", "killed"])
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    root = tmp_path_factory.mktemp(request.param) / "root"
    library = Library(root, QuickSystem())
    library.make_project("Film")
    for number in range(NAMES):
        put(library, f"{FILM}/{number}", content(number))
    library.delete(f"{FILM}/0")
    library.move(f"{FILM}/1", f"{FILM}/moved")
    expected = rows(library)
    if request.param == "well":
        library.close()
    else:
        library.store._give_up()
    return Ended(root, (root / ".filmcan/index/data.mdb").read_bytes(), (root / ".filmcan/session").read_bytes(), expected)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with closing(Nursery(tmp_path_factory.mktemp("nursery"))) as nursery:
        yield nursery


def pages(data: bytearray, chance: random.Random, many: int) -> list[slice]:
    return [slice(page * PAGE, page * PAGE + PAGE) for page in chance.sample(range(len(data) // PAGE), many)]


def flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 8, 200))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def zero(data: bytearray, chance: random.Random) -> None:
    for page in pages(data, chance, chance.choice((1, 1, 3, 10))):
        data[page] = bytes(PAGE)


def swap(data: bytearray, chance: random.Random) -> None:
    one, other = pages(data, chance, 2)
    data[one], data[other] = data[other], data[one]


def copy(data: bytearray, chance: random.Random) -> None:
    """A page where another should be, as a disk that wrote to the wrong place."""
    one, other = pages(data, chance, 2)
    data[one] = data[other]


def noise(data: bytearray, chance: random.Random) -> None:
    for page in pages(data, chance, chance.choice((1, 3))):
        data[page] = chance.randbytes(PAGE)


def header(data: bytearray, chance: random.Random) -> None:
    """In the two pages that LMDB begins with, which it believes most."""
    for _ in range(chance.choice((1, 4, 40))):
        data[chance.randrange(2) * PAGE + chance.randrange(160)] = chance.randrange(256)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) // chance.choice((1, PAGE)) :]


def grow(data: bytearray, chance: random.Random) -> None:
    data += chance.randbytes(chance.randrange(5 * PAGE))


HARMS = (flip, zero, swap, copy, noise, header, cut, grow)


@pytest.mark.timeout(3600)
def test_a_server_that_finds_its_index_harmed_answers_rightly(ended: Ended, nursery: Nursery) -> None:
    for number in range(1 if ONLY else count("INDEX") // 2):
        seed = ONLY or f"{SEED} {number}"
        chance = random.Random(seed)
        harm, data = chance.choice(HARMS), bytearray(ended.data)
        harm(data, chance)
        ended.restore(bytes(data))
        try:
            start(ended, nursery, chance)
        except Exception as error:
            raise AssertionError(f'{harm.__name__}: {error}; FILMCAN_HARM="{seed}" repeats it') from error
        tell(f"harmed indexes: {harm.__name__}", 1)


def start(ended: Ended, nursery: Nursery, chance: random.Random) -> None:
    server = nursery.start(ended.root)
    try:
        port = server.port()
        assert port, "no server starts"
        with closing(Wire(port)) as wire:
            for number in chance.sample(range(2, NAMES), 5):
                assert wire.ask("GET", f"/dav/{FILM}/{number}") == 200 and wire.said == content(number), number
            assert wire.ask("GET", f"/dav/{FILM}/0") == 404
            wire.ask("PROPFIND", f"/dav/{FILM}/", headers={"Depth": "1"})
            found = {unquote(href.decode()).rpartition("/")[2] for href in re.findall(rb"href>([^<]+)<", wire.said)}
            assert found - {"", "ingest"} == {"moved", *map(str, range(2, NAMES))}
    finally:
        server.end(chance.choice((signal.SIGTERM, signal.SIGKILL)))
    with closing(Library(ended.root, QuickSystem())) as library:
        assert rows(library) == ended.expected, "the index is not what it was"


def test_a_head_that_tells_of_pages_that_are_not_there_is_not_believed(ended: Ended, nursery: Nursery) -> None:
    """It looks like a large, mostly free index, which is written anew at the start; LMDB refused that and no server started."""
    data = bytearray(ended.data)
    newest = max((0, 1), key=lambda meta: int.from_bytes(data[meta * PAGE + LAST_TXN : meta * PAGE + LAST_TXN + 8], "little"))
    data[newest * PAGE + LAST_PAGE : newest * PAGE + LAST_PAGE + 8] = (100_000).to_bytes(8, "little")
    ended.restore(bytes(data))
    start(ended, nursery, random.Random(1))
