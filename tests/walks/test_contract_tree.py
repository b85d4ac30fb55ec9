"""Acceptance check 19 of the HTTP contract: a tree that was there before the server. FILMCAN_FILES sets how many files it has."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.server import FILMCAN, DavServer, running
from tests.walks.test_contract_kill import ask

FILES = int(os.environ.get("FILMCAN_FILES", "2000"))
FILE_BYTES = 20_000
OLD = "P7-Old"


def content(number: int) -> bytes:
    return hashlib.shake_128(b"%d" % number).digest(FILE_BYTES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder = tmp_path_factory.mktemp("old")
    originals = folder / "root" / OLD / "ingest/originals"
    for number in range(FILES):
        place = originals / f"day {number // 1000}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        (place / f"{number}.mov").write_bytes(content(number))
    with running([*FILMCAN, "--quiet-s", "0"], folder / "root", folder / "server.log", True) as server:
        yield server


def bytes_read(server: DavServer) -> int:
    """What the server has read from files and sockets up to now."""
    told = Path(f"/proc/{server.pid}/io")
    if not told.exists():
        pytest.skip("this system does not tell what a process reads")
    return int(next(line.split()[1] for line in told.read_text().splitlines() if line.startswith("rchar")))


def known(server: DavServer) -> int:
    return len(ask(server.port, "GET", f"/api/projects/{OLD}/media")["media"])


def test_19_lists_answer_while_an_old_tree_is_taken_in_and_nothing_is_hashed_twice(server: DavServer) -> None:
    began_s, amid, slowest_s = time.monotonic(), list[int](), 0.0
    while not amid or amid[-1] < FILES:
        asked_s = time.monotonic()
        listed = ask(server.port, "GET", "/api/projects")
        slowest_s = max(slowest_s, time.monotonic() - asked_s)
        assert OLD in [project["name"] for project in listed]
        amid.append(known(server) if any(project["index_exists"] for project in listed) else 0)
        assert time.monotonic() - began_s < 200 + FILES / 100, f"{amid[-1]} of {FILES} are known"
        time.sleep(0.05)
    took_s = time.monotonic() - began_s
    print(f"{FILES} files taken in within {took_s:.1f} s; {len(amid)} lists meanwhile, the slowest {slowest_s * 1000:.0f} ms")
    assert amid[0] < FILES, "a list had to wait for all of the tree"
    for _ in range(2):  # the second run finds nothing new at all
        before, began_s = bytes_read(server), time.monotonic()
        said = ask(server.port, "POST", f"/api/projects/{OLD}/reindex")
        read = bytes_read(server) - before
        assert (said["indexed"], said["removed"], said["relocated"]) == (0, 0, 0)
        assert read < FILES * FILE_BYTES / 10, f"{read} bytes were read of files that did not change"
    print(f"reindexed again in {time.monotonic() - began_s:.2f} s, {read} bytes read")
