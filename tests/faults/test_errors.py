"""Every error the system may give, at every call that changes or opens something, of every operation: once and for good, with
the call undone and, as after an interruption, done.

A real server in this process asks for one operation while its `System` fails. Afterwards: no answer that is not true, no open
file too many, no request that hangs; the server goes on, or it only reads and says so; and when it is opened again, the project
is as it was or as it was asked to be.

FILMCAN_FAULTS_ERRORS says how many; FILMCAN_ERROR="MKCOL: EIO at 7 for good" does that one only.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figures import share, some, tell
from tests.faults.operations import OPERATIONS, State, Wire, ask, check, prepare, state
from tests.faulty import LASTING, FaultySystem, QuickSystem
from tests.state import put, rows, without_index
from tools.assemble import make_server, open_libraries
from tools.settings import Settings
from views.library import Library

ONLY = os.environ.get("FILMCAN_ERROR", "")
OPENING = ("open_root", "open_folder", "open_read", "open_write", "scan")
ERRORS = ("EIO", "ENOSPC", "EMLINK", "EXDEV", "EMFILE", "EACCES", "EROFS")
LATE = ("EIO", "ENOSPC")  # the others are always said before anything is done
FAILING = ("EIO", "EROFS")
SETTLE_S = 12.0  # a follower that failed is asked again after 5; on a busy machine what runs behind takes its time


class FailingSystem(FaultySystem):
    """Fails at calls that only open something, too."""


def _counted(name: str) -> object:
    return lambda self, *args, **kwargs: self.act(name, *args, **kwargs)


for _name in OPENING:
    setattr(FailingSystem, _name, _counted(_name))
CALLS = (*LASTING, *OPENING)


@dataclass(frozen=True)
class Point:
    """Where an error comes."""

    error: str
    at: int
    lasting: bool
    late: bool

    def __str__(self) -> str:
        return f"{self.error} at {self.at}{' for good' if self.lasting else ''}{' though done' if self.late else ''}"


@contextmanager
def serving(root: Path, system: FailingSystem) -> Iterator[tuple[Library, int]]:
    settings = Settings(root=root, port=0, threads=4, auto_reindex=False, mass_delete_limit=0)
    with ExitStack() as stack:
        libraries = stack.enter_context(open_libraries(settings, system))
        server = make_server(libraries, settings)
        server.start()
        stack.callback(server.stop)
        yield libraries.primary, server.port


def open_files() -> list[str]:
    """What is open, by name."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found


def settled(files: int) -> bool:
    """Are as many files open as before the server was, once its connections are done?"""
    until = time.monotonic() + SETTLE_S
    while len(open_files()) > files:  # seen once is enough: what runs behind opens files of its own
        if time.monotonic() >= until:
            return False
        time.sleep(0.002)
    return True


def watch(root: Path, name: str) -> tuple[State, State, int]:
    """What the operation starts from, what it makes of it, in how many calls."""
    system = FailingSystem()
    with serving(root, system) as (library, port), closing(Wire(port)) as wire:
        put(library, f"{library.make_project('Film').path}/stays", b"stays")
        case = prepare(library, name, 0)
        before = state(library, case)
        system.arm(0, methods=CALLS)
        status = ask(wire, name, case)
        acts = len(system.acts)
        assert 200 <= status < 300, status
        return before, state(library, case), acts


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted in /proc")
@pytest.mark.parametrize("name", OPERATIONS)
def test_after_an_error_nothing_untrue_was_said_and_nothing_is_lost(name: str, tmp_path: Path) -> None:
    root, number = tmp_path / "root", 0
    before, after, acts = watch(root, name)
    for point in points(name, acts):
        number += 1
        try:
            came = strike(root, name, number, before, after, point)
        except Exception as error:
            raise AssertionError(f'{name}: {point}: {error}; FILMCAN_ERROR="{name}: {point}" repeats it') from error
        tell("errors of system calls", 1, f"0 violations ({came})")
    with closing(Library(root, QuickSystem())) as library:
        kept = rows(library)
    with closing(without_index(root)) as library:
        assert rows(library) == kept


def points(name: str, acts: int) -> list[Point]:
    either = (False, True)
    found = [Point(*point) for point in itertools.product(ERRORS, range(1, acts + 1), either, either)]
    found = [point for point in found if not point.late or point.error in LATE]
    if ONLY:
        return [point for point in found if ONLY == f"{name}: {point}"]
    return some(found, share("ERRORS", list(OPERATIONS).index(name), len(OPERATIONS)), name)


def strike(root: Path, name: str, number: int, before: State, after: State, point: Point) -> str:
    """One error; in words, what the server made of it."""
    system, files = FailingSystem(), len(open_files())
    with serving(root, system) as (library, port):
        case = prepare(library, name, number)
        with closing(Wire(port)) as wire:
            system.arm(point.at, getattr(errno, point.error), CALLS, lasting=point.lasting, late=point.late)
            status = ask(wire, name, case)
            system.disarm()
            assert status, "no answer"
        answered = 200 <= status < 300
        found = state(library, case)
        assert not answered or found == after, "answered, but it was not done"
        came = goes_on(library, port)
        assert answered or point.error not in FAILING or came == "reads only", "the disk fails, and it goes on writing"
    assert settled(files), f"files are left open: {[name for name in open_files() if str(root) in name]}"
    with closing(Library(root, QuickSystem())) as library:
        check(library, case, before, after, answered)
    return f"{came}, {'done' if answered else 'refused'}"


def goes_on(library: Library, port: int) -> str:
    """The server still reads; and writes, or says why not."""
    with closing(Wire(port)) as wire:
        assert wire.ask("GET", "/dav/P1-Film/stays") == 200 and wire.said == b"stays"
        written = wire.ask("PUT", "/dav/P1-Film/afterwards", b"afterwards")
        if library.store.state.name == "ok":
            assert written == 201, f"it does not go on: {written}"
            assert wire.ask("DELETE", "/dav/P1-Film/afterwards") == 204
            return "went on"
        assert written == 403, f"degraded, but a PUT was answered {written}"
        assert wire.json("/api/projects", {"name": "another"}) == 503
        assert wire.ask("GET", "/health") and b"degraded" in wire.said, "nobody is told that it only reads"
        return "reads only"
