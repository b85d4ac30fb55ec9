"""Groups of changes: one fails and the others go on, a failed sync fails all, many threads see no torn state."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cas.committer import Acts, _Ticket
from cas.errors import Degraded, NoSpace
from tests.faulty import FaultySystem, QuickSystem
from tests.state import check_links, in_index, on_disk, put, read, rows, without_index
from views.library import Library

FILM = "P1-Film"


@pytest.fixture
def system() -> FaultySystem:
    return FaultySystem()


@pytest.fixture
def library(root: Path, system: FaultySystem) -> Iterator[Library]:
    library = Library(root, system)
    library.make_project("Film")
    yield library
    library.close()


def together(library: Library, *changes: Callable[[Acts], object]) -> list[BaseException | None]:
    """Changes that wait when somebody commits, so that they become one group; what each raised."""
    committer = library.store._committer
    tickets = [_Ticket(change) for change in changes]
    committer._queue.extend(tickets)
    try:
        library.store.commit(lambda acts: None)
    except (Degraded, NoSpace):
        pass  # told to everybody
    return [ticket.error for ticket in tickets]


def making(library: Library, name: str) -> Callable[[Acts], object]:
    return lambda acts: library.edit.make_folder(acts, f"{FILM}/{name}", None)


def failing(acts: Acts) -> None:
    raise ValueError("mine alone")


def test_one_change_fails_and_the_others_of_its_group_go_on(library: Library) -> None:
    errors = together(library, making(library, "a"), failing, making(library, "b"), making(library, "a"))
    assert [type(error).__name__ for error in errors] == ["NoneType", "ValueError", "NoneType", "AlreadyThere"]
    assert library.find(f"{FILM}/a") is not None and library.find(f"{FILM}/b") is not None
    assert [event.facts["path"] for event in library.store.journal.after(1)] == [f"{FILM}/a", f"{FILM}/b"]


def test_rows_of_a_change_that_failed_after_acting_are_taken_back(library: Library) -> None:
    def late(acts: Acts) -> None:
        making(library, "b")(acts)
        raise ValueError

    errors = together(library, making(library, "a"), late, making(library, "c"))
    assert [error is None for error in errors] == [True, False, True]
    assert library.find(f"{FILM}/b") is None
    ids = [library.entry(f"{FILM}/{name}").id for name in "ac"]
    assert ids[1] == ids[0] + 1


@pytest.mark.parametrize("method", ["sync_folder", "sync_data", "write_out"])
def test_a_failed_sync_fails_the_whole_group_and_everybody_after(
    library: Library, system: FaultySystem, method: str
) -> None:
    put(library, f"{FILM}/kept", b"film")
    system.arm(1, errno.EIO, {method}, lasting=True)
    errors = together(library, making(library, "a"), making(library, "b"))
    if not system.struck:
        pytest.skip(f"{method} is not needed on this file system")
    assert [type(error) for error in errors] == [Degraded, Degraded]
    assert library.store.state.name == "degraded"
    system.disarm()
    with pytest.raises(Degraded):
        library.make_folder(f"{FILM}/c")
    assert read(library, f"{FILM}/kept") == b"film"


def test_a_full_disk_fails_the_group_and_later_ones_go_on(library: Library, system: FaultySystem) -> None:
    system.arm(1, errno.ENOSPC, {"write_at"})
    errors = together(library, making(library, "a"), making(library, "b"))
    assert [type(error) for error in errors] == [NoSpace, NoSpace]
    assert library.find(f"{FILM}/a") is None
    library.make_folder(f"{FILM}/a")
    put(library, f"{FILM}/a/b", b"film")
    assert library.store.state.name == "ok"


def test_an_interrupt_is_raised_where_it_happened_and_nobody_else_is_answered(library: Library) -> None:
    def interrupted(acts: Acts) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together(library, making(library, "a"), interrupted)
    assert library.find(f"{FILM}/a") is None
    library.make_folder(f"{FILM}/b")
    assert [event.facts["path"] for event in library.store.journal.after(1)] == [f"{FILM}/b"]


@pytest.mark.parametrize("called", [False, True], ids=["while it waits", "when it is called to lead"])
def test_who_is_interrupted_before_its_change_began_leaves_the_turn_to_the_others(library: Library, called: bool) -> None:
    committer, entered, leave = library.store._committer, threading.Event(), threading.Event()
    done: list[str] = []

    def slow(acts: Acts) -> None:
        entered.set()
        leave.wait()

    def write(name: str) -> None:
        library.make_folder(f"{FILM}/{name}")
        done.append(name)

    leading = threading.Thread(target=library.store.commit, args=(slow,))
    leading.start()
    entered.wait()
    gone = _Ticket(making(library, "gone"))
    committer._queue.append(gone)  # its thread waits, first in the queue
    waiting = threading.Thread(target=write, args=("waits",))
    waiting.start()
    while len(committer._queue) < 2:
        time.sleep(0.001)
    if called:
        leave.set()
        leading.join()
        assert gone.leads and not done
    committer._withdraw(gone)
    leave.set()
    for thread in (leading, waiting):
        thread.join(10)
    write("later")
    assert done == ["waits", "later"] and library.find(f"{FILM}/gone") is None


def test_an_interrupt_between_journal_and_index_lets_nobody_write_any_more(
    library: Library, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cas.index.WriteTxn.commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            library.make_folder(f"{FILM}/a")
    with pytest.raises(Degraded):
        library.make_folder(f"{FILM}/b")
    library.close()
    again = Library(root, QuickSystem())
    assert again.find(f"{FILM}/a") is not None
    kept = rows(again)
    again.close()
    rebuilt = without_index(root)
    assert rows(rebuilt) == kept
    rebuilt.close()


def test_no_descriptor_is_left_open(library: Library) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        library.make_folder(f"{FILM}/{number}")
        put(library, f"{FILM}/{number}/a", b"%d" % number)
        library.copy(f"{FILM}/{number}", f"{FILM}/c{number}")
        library.move(f"{FILM}/{number}", f"{FILM}/m{number}")
        library.delete(f"{FILM}/m{number}")
        for _ in range(2):
            with pytest.raises(Exception, match="there is no"):
                library.delete(f"{FILM}/none")
        read(library, f"{FILM}/c{number}/a")
        library.receive().abandon()
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_writers_and_readers_lose_nothing_and_see_no_torn_state(library: Library, root: Path) -> None:
    """8 writers × 100 uploads, a third of them the same bytes, while others read."""
    stop, wrong = threading.Event(), list[object]()

    def write(writer: int) -> None:
        try:
            for number in range(100):
                data = b"shared %d" % (number % 7) if number % 3 == 0 else b"own %d %d" % (writer, number)
                put(library, f"{FILM}/{writer}-{number}", data)
                put(library, f"{FILM}/same", data)
        except BaseException as error:
            wrong.append(error)

    def look() -> None:
        try:
            last = library.entry(FILM).modified_ns
            while not stop.is_set():
                folder, entries = library.listing(FILM)
                names = [entry.name for entry in entries]
                assert len(names) == len(set(names)) and folder.modified_ns >= last
                last = folder.modified_ns
                for entry in entries[-3:]:
                    if entry.digest is not None:
                        with library.store.open(entry.digest) as blob:
                            assert len(os.pread(blob.fd, 100, 0)) == entry.size_bytes
        except BaseException as error:
            wrong.append(error)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    readers = [threading.Thread(target=look) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not wrong
    assert len(library.listing(FILM)[1]) == 802
    check_links(library)
    assert on_disk(root) == in_index(library)
    with library.store.index.read() as txn:
        for digest, _ in library.store.digests(txn):
            uses = len(list(library.tree.uses_of(txn, digest)))
            assert os.stat(library.store.layout.blob(digest)).st_nlink == uses + 1
    assert [event.seq for event in library.store.journal.after(0)] == list(range(1, 1602))
    kept = rows(library)
    library.close()
    again = without_index(root)
    assert rows(again) == kept
    again.close()
