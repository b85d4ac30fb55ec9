"""The few promises of System that others build on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cas.system import System


def test_a_folder_is_never_reached_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "trap").symlink_to("real")
    system = System()
    root = system.open_root(tmp_path)
    with system.folder(root, ("real", "deep")) as fd:
        assert os.path.samestat(os.fstat(fd), os.stat(tmp_path / "real" / "deep"))
    with pytest.raises(OSError):
        system.open_path(root, ("trap", "deep"))
    with pytest.raises(FileNotFoundError):
        system.open_path(root, ("real", "none"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OSError):
            system.open_path(root, ("real", "none", "more"))
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(root)


def test_a_file_that_is_open_for_writing_is_seen(tmp_path: Path) -> None:
    path, system = tmp_path / "a", System()
    path.write_bytes(b"film")
    root = system.open_root(tmp_path)
    fd = system.open_read(root, "a")
    free = system.being_written(fd)
    with path.open("ab"):
        assert system.being_written(fd) in (True, None)
    assert free in (False, None) and system.being_written(fd) == free
    os.close(fd)
    os.close(root)


def test_an_unnamed_file_gets_a_name_once(tmp_path: Path) -> None:
    system = System()
    root = system.open_root(tmp_path)
    fd = system.create_unnamed(root, 0o444)
    if fd is None:
        pytest.skip("no unnamed files here")
    system.write(fd, b"film")
    assert os.listdir(tmp_path) == []
    system.link_open(fd, root, "a")
    with pytest.raises(FileExistsError):
        system.link_open(fd, root, "a")
    system.close(fd)
    assert (tmp_path / "a").read_bytes() == b"film"
    os.close(root)


def test_a_lock_is_for_one_process(tmp_path: Path) -> None:
    system = System()
    fd = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    assert system.lock(fd)
    program = "import os, sys; from cas.system import System; print(System().lock(os.open(sys.argv[1], os.O_RDWR)))"
    place = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", program, tmp_path / "lock"], cwd=place, capture_output=True, text=True)
    assert said.stdout == "False\n"
    os.close(fd)


def test_taking_away_a_name_that_is_gone_is_success(tmp_path: Path) -> None:
    system = System()
    root = system.open_root(tmp_path)
    system.unlink(root, "none")
    assert system.token() != system.token() and len(system.token()) == 16
    os.close(root)


def test_a_listing_has_every_name_while_another_thread_reads_the_same_folder(tmp_path: Path) -> None:
    """A shared descriptor has one place to read from: what one reader got, the other missed. On btrfs also every newer name."""
    names = {f"clip {number}" for number in range(50)}
    system = System()
    root = system.open_root(tmp_path)
    for name in names:
        (tmp_path / name).touch()
    with os.scandir(root) as other:
        next(other)
        found = system.scan(root)
    assert {entry.name for entry in found} == names and all(entry.is_file(follow_symlinks=False) for entry in found)
    os.close(root)
