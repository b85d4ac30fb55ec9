"""What every way of giving stored bytes another name keeps (cas/link.py)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cas.link import WAYS, Way, probe
from tests.faulty import FaultySystem

DATA = bytes(range(256)) * 5000  # more than one buffer of the copy


@pytest.fixture
def system() -> FaultySystem:
    return FaultySystem()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "source").write_bytes(DATA)
    os.utime(tmp_path / "source", ns=(1_000, 5_000_000_000))
    os.chmod(tmp_path / "source", 0o444)
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest, system: FaultySystem, folder: int) -> Way:
    found: Way = request.param
    if why := probe(system, folder)[found.name]:
        pytest.skip(f"not here: {why}")
    return found


def test_the_name_shows_the_bytes_read_only_with_the_time_of_the_source(
    way: Way, system: FaultySystem, folder: int, tmp_path: Path
) -> None:
    way.place(system, folder, "source", folder, "name")
    stat = os.stat(tmp_path / "name")
    assert (tmp_path / "name").read_bytes() == DATA
    assert (stat.st_mode & 0o777, stat.st_mtime_ns) == (0o444, 5_000_000_000)
    assert (stat.st_ino == os.stat(tmp_path / "source").st_ino) == (way.name == "hard link")


def test_a_taken_name_is_refused_and_left_as_it_is(way: Way, system: FaultySystem, folder: int, tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(b"there")
    with pytest.raises(FileExistsError):
        way.place(system, folder, "source", folder, "name")
    assert (tmp_path / "name").read_bytes() == b"there"


def test_a_symbolic_link_is_never_followed(way: Way, system: FaultySystem, folder: int, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "trap").symlink_to("secret")
    try:
        way.place(system, folder, "trap", folder, "name")
    except OSError:
        assert not (tmp_path / "name").exists()
    else:
        assert (tmp_path / "name").is_symlink()


def test_what_cannot_be_done_leaves_nothing(way: Way, system: FaultySystem, folder: int, tmp_path: Path) -> None:
    system.acts.clear()
    way.place(system, folder, "source", folder, "well")
    acts = len(system.acts)
    for at in range(1, acts + 1):
        system.arm(at, errno.ENOSPC)
        with pytest.raises(OSError):
            way.place(system, folder, "source", folder, f"name{at}")
        assert sorted(os.listdir(tmp_path)) == ["source", "well"]
    with pytest.raises(FileNotFoundError):
        way.place(system, folder, "none", folder, "name")


def test_probing_leaves_nothing_and_says_why_not(system: FaultySystem, folder: int, tmp_path: Path) -> None:
    found = probe(system, folder)
    assert list(found) == [way.name for way in WAYS] and found["copy"] == ""
    system.arm(1, errno.EPERM, {"link"})
    assert probe(system, folder)["hard link"] == "Operation not permitted"
    assert os.listdir(tmp_path) == ["source"]
