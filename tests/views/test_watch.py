"""A watcher beside a library: what is done by hand is soon in the index, whatever else happens."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.state import put, read
from tests.views.by_hand import FILM, ORIGINALS, CountingSystem, check_settled, edit, save, write
from views import hints, inotify, watch
from views.library import Library
from views.watch import Watcher

SOON_S = 5.0  # of a machine that does many other things; two seconds of one that does not


class HeldSystem(CountingSystem):
    """Reading a file that begins with `held` waits until `go` is set; `reading` tells that somebody does."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.go, self.reading = b"", threading.Event(), threading.Event()

    def readinto(self, fd: int, buffer: memoryview, offset: int) -> int:
        count = super().readinto(fd, buffer, offset)
        if self.held and bytes(buffer[: len(self.held)]) == self.held:
            self.reading.set()
            self.go.wait()
        return count


@pytest.fixture
def system() -> HeldSystem:
    return HeldSystem()


@pytest.fixture
def library(root: Path, system: HeldSystem) -> Iterator[Library]:
    library = Library(root, system)
    library.make_project("Film")
    yield library
    library.close()


@contextmanager
def watching(library: Library, **more: object) -> Iterator[Watcher]:
    watcher = Watcher(library, **{"quiet_s": 0.1, **more})  # type: ignore[arg-type]
    watcher.start()
    try:
        soon(lambda: watcher.passes > 0)
        yield watcher
    finally:
        watcher.stop()


def soon(true: Callable[[], object], within_s: float = SOON_S) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def settles(library: Library) -> None:
    """Index and folders are the same soon, and stay so."""
    deadline = time.monotonic() + SOON_S
    while True:
        try:
            check_settled(library)
            return
        except (AssertionError, FileNotFoundError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_what_is_done_by_hand_is_in_the_index_soon(library: Library) -> None:
    put(library, f"{FILM}/edited.mov", b"film")
    put(library, f"{FILM}/saved.mov", b"saved")
    put(library, f"{FILM}/cut.mov", b"shorter")
    film = library.root / FILM
    with watching(library):
        write(film / "new/folder/a.mov", b"new")
        write(library.root / "P7-Another/ingest/originals/b.mov", b"other")
        write(library.root / "loose.mov", b"loose")
        edit(film / "edited.mov", b"FILM")
        save(film / "saved.mov", b"saved anew")
        os.truncate(film / "cut.mov", 5)
        settles(library)
        soon(lambda: read(library, f"{FILM}/cut.mov") == b"short")
        before = library.entry(f"{FILM}/new").id, library.entry("loose.mov").id
        (film / "new").rename(library.root / "P7-Another/moved")
        (library.root / "loose.mov").rename(film / "kept.mov")
        settles(library)
        assert (library.entry("P7-Another/moved").id, library.entry(f"{FILM}/kept.mov").id) == before
        shutil.rmtree(library.root / "P7-Another")
        settles(library)
        assert [project.name for project in library.projects()] == [FILM]


def test_a_folder_that_took_the_place_of_another_is_looked_through(library: Library) -> None:
    library.make_folder(f"{FILM}/a")
    put(library, f"{FILM}/a/old.mov", b"old")
    write(library.root.parent / "b/new.mov", b"new")
    with watching(library):
        (library.root / FILM / "a").rename(library.root.parent / "away")
        (library.root.parent / "b").rename(library.root / FILM / "a")
        soon(lambda: library.find(f"{FILM}/a/new.mov"))
        settles(library)


def test_files_that_fall_into_folders_made_a_moment_before_are_not_missed(library: Library) -> None:
    """Nobody listens in a folder before somebody was told of it."""
    with watching(library):
        for number in range(200):
            write(library.root / FILM / f"{number}/deep/{number}.mov", b"film %d" % number)
        settles(library)
    assert len([path for path, _ in library.walk(FILM) if path.endswith(".mov")]) == 200


def test_folders_that_clients_make_are_watched_too(library: Library) -> None:
    with watching(library):
        other = library.make_project("Other").path
        library.make_folder(f"{other}/a")
        write(library.root / other / "a/by-hand.mov", b"film")
        library.copy(FILM, "Copy")
        library.move(f"{other}/a", f"{FILM}/a")
        soon(lambda: library.find(f"{FILM}/a/by-hand.mov"))
        write(library.root / FILM / "a/later.mov", b"later")
        soon(lambda: library.find(f"{FILM}/a/later.mov"))


def test_a_name_that_is_no_utf8_does_not_end_the_watch(library: Library) -> None:
    with watching(library) as watcher:
        for name in (b"caf\xe9.mov", b"caf\xe9/inside.mov"):
            path = os.path.join(os.fsencode(library.root / FILM), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(b"film")
        write(library.root / FILM / "good.mov", b"film")
        soon(lambda: library.find(f"{FILM}/good.mov"))
        assert watcher.problem == ""


def test_a_file_is_taken_in_when_nobody_writes_it_any_more(library: Library) -> None:
    with watching(library):
        with (library.root / FILM / "a.mov").open("wb") as file:
            file.write(b"half")
            file.flush()
            write(library.root / FILM / "other.mov", b"film")
            soon(lambda: library.find(f"{FILM}/other.mov"))
            time.sleep(0.5)
            assert library.find(f"{FILM}/a.mov") is None
            file.write(b" and half")
        soon(lambda: library.find(f"{FILM}/a.mov"))
    assert read(library, f"{FILM}/a.mov") == b"half and half"


def test_what_was_done_while_nobody_looked_is_found_at_the_start(library: Library) -> None:
    write(library.root / ORIGINALS / "a.mov", b"film")
    with watching(library):
        settles(library)


def test_a_queue_that_ran_over_is_made_good_by_looking_at_everything(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    event = inotify.EVENT.pack(-1, inotify.IN_Q_OVERFLOW, 0, 0)
    read_events = inotify.Inotify._read
    lost = threading.Event()

    def lose(self: inotify.Inotify) -> bytes:
        data = read_events(self)
        return data if lost.is_set() or not data else lost.set() or event  # type: ignore[func-returns-value]

    monkeypatch.setattr(inotify.Inotify, "_read", lose)
    with watching(library) as watcher:
        (library.root / FILM / "unheard").mkdir()
        soon(lambda: watcher.passes == 2)
        write(library.root / FILM / "unheard/a.mov", b"film")
        soon(lambda: library.find(f"{FILM}/unheard/a.mov"))


def test_without_watches_the_folders_are_compared_on_an_interval_and_that_is_told(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(self: inotify.Inotify, path: bytes) -> int:
        raise OSError(errno.ENOSPC, "the limit of watched folders is reached: fs.inotify.max_user_watches")

    monkeypatch.setattr(inotify.Inotify, "_add", no_more)
    with watching(library, interval_s=0.2) as watcher:
        assert watcher.problem.startswith("the folders cannot be watched (the limit of watched folders is reached")
        assert watcher.problem.endswith("compared every 0 s")
        write(library.root / FILM / "a.mov", b"film")
        settles(library)


def test_watching_can_be_switched_off(library: Library) -> None:
    with watching(library, watching=False, interval_s=0.2) as watcher:
        assert watcher.problem.startswith("watching is off")
        write(library.root / FILM / "a.mov", b"film")
        settles(library)


def test_a_pass_that_fails_is_told_and_the_next_one_goes_on(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, fails = watch.plan, [True]

    def failing(*args: object, **more: object) -> object:
        if fails:
            raise OSError(errno.EIO, "Input/output error")
        return plan(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(watch, "plan", failing)
    watcher = Watcher(library, interval_s=0.1)
    watcher.start()
    try:
        soon(lambda: watcher.problem == "the folders could not be compared: [Errno 5] Input/output error")
        fails.clear()
        soon(lambda: watcher.passes and watcher.problem == "")
    finally:
        watcher.stop()


def test_a_first_pass_tells_how_far_it_is_and_others_need_not_wait_for_it(library: Library, system: HeldSystem) -> None:
    write(library.root / FILM / "a.mov", b"film")
    for number in range(3):
        write(library.root / FILM / f"long-{number}.mov", b"long %d" % number * 500_000)
    system.held = b"long 1"
    watcher = Watcher(library, quiet_s=0.0)
    watcher.start()
    try:
        assert system.reading.wait(SOON_S)
        assert watcher.progress == (2, 4, f"{FILM}/long-1.mov") and watcher.passes == 0
        put(library, f"{FILM}/by-client.mov", b"meanwhile")
        write(library.root / FILM / "by-hand.mov", b"meanwhile")
        time.sleep(0.5)
        system.held = b""
        system.go.set()
        soon(lambda: watcher.passes == 1)
        soon(lambda: library.find(f"{FILM}/by-hand.mov"))
    finally:
        system.go.set()
        watcher.stop()
    check_settled(library)


def test_stopping_does_not_wait_for_the_end_of_a_long_file(library: Library, system: HeldSystem) -> None:
    write(library.root / FILM / "long.mov", b"long" * 3_000_000)
    system.held = b"long"
    watcher = Watcher(library, quiet_s=0.0)
    watcher.start()
    assert system.reading.wait(SOON_S)
    before = system.read_bytes
    threading.Timer(0.1, system.go.set).start()
    watcher.stop()
    assert system.read_bytes == before and watcher.problem == ""
    assert library.find(f"{FILM}/long.mov") is None


def test_uploads_are_looked_at_once_and_nothing_is_read(library: Library, system: HeldSystem) -> None:
    with watching(library) as watcher:
        time.sleep(0.3)
        system.read_bytes = 0
        for number in range(300):
            put(library, f"{FILM}/{number}.mov", b"film %d" % number)
        library.copy(FILM, "Copy")
        library.delete(f"{FILM}/7.mov")
        time.sleep(0.6)
        assert system.read_bytes == 0 and watcher.passes == 1
        check_settled(library)


def test_other_systems_listen_through_a_library_that_forgets_all_after_a_bad_name(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "hints", hints.WatchedTrees)
    monkeypatch.setattr(hints, "AGAIN_S", 0.1)
    with watching(library) as watcher:
        write(library.root / FILM / "a.mov", b"film")
        write(library.root / "loose.mov", b"film")
        soon(lambda: library.find(f"{FILM}/a.mov") and library.find("loose.mov"))
        other = library.make_project("Other").path
        write(library.root / other / "b.mov", b"film")
        soon(lambda: library.find(f"{other}/b.mov"))
        with open(os.path.join(os.fsencode(library.root / other), b"caf\xe9.mov"), "wb"):
            pass
        soon(lambda: watcher.passes > 1)
        time.sleep(0.3)
        write(library.root / other / "c.mov", b"film")
        soon(lambda: library.find(f"{other}/c.mov"))


def test_it_listens_in_a_process_with_more_than_a_thousand_open_files(library: Library) -> None:
    """select() cannot hear of such descriptors, and four open libraries hold as many."""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with watching(library) as watcher:
            write(library.root / FILM / "late.mov", b"late")
            soon(lambda: library.find(f"{FILM}/late.mov"))
            assert not watcher.problem
    finally:
        for fd in held:
            os.close(fd)
