"""ok, full, degraded: what each lets through, and what ends it."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.errors import Degraded, NoSpace
from cas.state import State
from cas.store import Store
from tests.faulty import FaultySystem, RoomySystem

GIB = 1 << 30


class Disk(FaultySystem, RoomySystem):
    """With as much room as it is told to have, or refusing."""


@pytest.fixture
def system() -> Disk:
    return Disk()


@pytest.fixture
def state(system: Disk, tmp_path: Path) -> Iterator[State]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield State(system, fd)
    os.close(fd)


def test_with_room_everything_is_admitted_that_fits(system: Disk, state: State) -> None:
    system.free_bytes = 5 * GIB
    assert (state.name, state.why, state.available_bytes()) == ("ok", "", 3 * GIB)
    state.admit(3 * GIB)
    with pytest.raises(NoSpace) as refused:
        state.admit(3 * GIB + 1)
    assert refused.value.available_bytes == 3 * GIB
    assert state.name == "ok"


def test_a_small_disk_keeps_a_hundredth(system: Disk, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    system.total_bytes, system.free_bytes = 100 << 20, 5 << 20
    assert State(system, fd).available_bytes() == 4 << 20
    assert State(system, fd, 0).available_bytes() == 5 << 20
    os.close(fd)


def test_below_the_reserve_it_is_full_and_with_room_it_is_well_again(
    system: Disk, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    system.free_bytes = 2 * GIB
    with caplog.at_level(logging.INFO):
        assert state.name == "full" and "2048 MiB are free" in state.why
        with pytest.raises(NoSpace, match="kept in reserve"):
            state.admit()
        system.free_bytes += 4096
        assert state.name == "ok"
        state.admit()
    assert [line.message.partition(":")[0] for line in caplog.records] == ["the disk is full", "the disk has room again"]


def test_without_inodes_it_is_full_however_many_bytes_are_free(system: Disk, state: State) -> None:
    system.free_inodes = 10_000
    assert state.name == "full" and "10000 more files" in state.why
    system.free_inodes = 10_001
    assert state.name == "ok"


def test_a_file_system_without_a_table_of_inodes_never_lacks_them(system: Disk, tmp_path: Path) -> None:
    system.total_inodes = system.free_inodes = 0
    fd = os.open(tmp_path, os.O_RDONLY)
    assert State(system, fd).name == "ok"
    os.close(fd)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("method", ["create", "write"])
def test_a_refusal_that_free_space_does_not_explain_holds_until_the_disk_takes_some_again(
    system: Disk, state: State, tmp_path: Path, number: int, method: str
) -> None:
    system.arm(1, number, {method}, lasting=True)
    assert isinstance(state.explain(OSError(number, "full")), NoSpace)
    assert state.name == "full" and "quota" in state.why
    with pytest.raises(NoSpace, match="quota"):
        state.admit()
    system.disarm()
    state.admit()
    assert state.name == "ok" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_the_first_failure_of_the_disk_degrades_and_its_reason_stays(state: State, number: int) -> None:
    heard: list[str] = []
    state.listener = heard.append
    assert isinstance(state.explain(OSError(number, "first")), Degraded)
    assert isinstance(state.explain(OSError(errno.ENOSPC, "second")), Degraded)
    state.degrade("third")
    assert state.name == "degraded" and "first" in state.why
    assert heard == [state.reason]
    for ask in (state.check, state.admit):
        with pytest.raises(Degraded, match="first"):
            ask()


def test_any_failed_sync_degrades_but_one_that_only_lacked_room(state: State) -> None:
    state.lost_sync("bytes", OSError(errno.ENOSPC, "full"))
    assert not state.reason
    state.lost_sync("bytes", OSError(errno.EINVAL, "what?"))
    assert state.name == "degraded"


def test_other_errors_stay_what_they_are(state: State) -> None:
    error = OSError(errno.EMFILE, "too many")
    with pytest.raises(OSError) as raised, state.told():
        raise error
    assert raised.value is error and state.name == "ok"


def test_what_was_promised_to_an_upload_is_not_promised_to_another(root: Path, system: Disk) -> None:
    with closing(Store(root, system)) as store:
        system.free_bytes = 5 * GIB
        with store.receive(2 * GIB) as first:
            assert store.available_bytes() == GIB
            with pytest.raises(NoSpace):
                store.receive(2 * GIB)
            first.write(bytes(1 << 20))
            assert store.available_bytes() == GIB + (1 << 20)
            store.receive(GIB).abandon()
        assert store.available_bytes() == 3 * GIB
