"""Sums of large files: asked for, computed behind, there when somebody asks again."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cas.digest import sums_of
from tests.faulty import QuickSystem
from tests.state import put
from views.catalogue import LAZY_SUM_BYTES
from views.library import Library
from views.sums import LazySums

FILM = "P1-Film"
BIG = b"x" * (LAZY_SUM_BYTES + 1)


class SlowSystem(QuickSystem):
    """Reading waits until `go` is set; `reading` tells that somebody reads."""

    def __init__(self) -> None:
        self.go, self.reading = threading.Event(), threading.Event()
        self.go.set()
        self.reads = 0

    def readinto(self, fd: int, buffer: memoryview, offset: int) -> int:
        self.reads += 1
        self.reading.set()
        self.go.wait()
        return super().readinto(fd, buffer, offset)


@pytest.fixture
def system() -> SlowSystem:
    return SlowSystem()


@pytest.fixture
def library(root: Path, system: SlowSystem) -> Iterator[Library]:
    library = Library(root, system)
    library.make_project("Film")
    yield library
    system.go.set()
    library.close()


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)


def sums(library: Library, name: str) -> set[str]:
    return set(library.sums(library.entry(f"{FILM}/{name}")))


def test_a_small_file_has_its_sums_at_once(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    found = library.sums(library.entry(f"{FILM}/a"))
    assert found["sha1"] == hashlib.sha1(b"film").digest() and found["md5"] == hashlib.md5(b"film").digest()


def test_a_large_file_has_them_when_somebody_asks_again(library: Library, system: SlowSystem) -> None:
    put(library, f"{FILM}/a", BIG)
    system.go.clear()
    assert sums(library, "a") == sums(library, "a") == {"sha256"}, "nobody waits"
    system.go.set()
    wait_for(lambda: sums(library, "a") == {"sha256", "sha1", "md5"})
    assert library.sums(library.entry(f"{FILM}/a"))["sha1"] == hashlib.sha1(BIG).digest()


def test_a_blob_is_read_once_however_often_it_is_wanted(library: Library, system: SlowSystem) -> None:
    put(library, f"{FILM}/a", BIG)
    system.reads = 0
    system.go.clear()
    for _ in range(50):
        sums(library, "a")
    system.go.set()
    wait_for(lambda: "sha1" in sums(library, "a"))
    assert system.reads == 6, "five blocks, and the end"


def test_stopping_does_not_wait_for_a_long_file(library: Library, system: SlowSystem) -> None:
    put(library, f"{FILM}/a", BIG)
    lazy = LazySums(library.store, ("sha1",))
    system.reads = 0
    system.go.clear()
    system.reading.clear()
    lazy.want(sums_of(BIG).digest)
    system.reading.wait()
    threading.Timer(0.05, system.go.set).start()
    lazy.stop()
    assert system.reads == 1
    lazy.want(sums_of(BIG).digest)
    assert system.reads == 1, "after the end nothing begins"


def test_a_blob_that_cannot_be_read_does_not_keep_the_others_waiting(library: Library) -> None:
    put(library, f"{FILM}/a", BIG)
    put(library, f"{FILM}/b", BIG + b"b")
    library.store.layout.blob(sums_of(BIG).digest).unlink()
    assert sums(library, "a") == sums(library, "b") == {"sha256"}
    wait_for(lambda: "sha1" in sums(library, "b"))
    assert sums(library, "a") == {"sha256"}
