"""kill -9 at every system call of every operation of a real server: strace holds it and kills it when the k-th call begins.

Each operation is done well first, to count its calls. Then a project is made for each call, a server started, the request
sent, the server killed in it, and the library opened again: the project is as it was or as it was asked to be, as it was asked
to be if the client was told so, nothing half is seen, nothing is left over, and the index is what the journal says.

FILMCAN_FAULTS_CALLS says how many calls; FILMCAN_CALL="MKCOL 17" does that one only.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cas.verify import verify
from tests.faults.figures import share, some, tell
from tests.faults.operations import OPERATIONS, Case, State, Wire, ask, check, prepare, state
from tests.faults.servers import CHANGING, EVERY, STRACE, Nursery, Server, calls_in
from tests.faulty import QuickSystem
from tests.state import check_links, rows, without_index
from views.library import Library

pytestmark = [
    pytest.mark.skipif(STRACE is None, reason="strace is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may trace a server that it did not start itself"),
]
ONLY = os.environ.get("FILMCAN_CALL", "")
LIVES = ["start", "start after a kill", "start after the index is lost", "stop"]
ALL = [*OPERATIONS, *LIVES]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with closing(Nursery(tmp_path_factory.mktemp("nursery"))) as nursery:
        yield nursery


def opened(root: Path) -> Library:
    return Library(root, QuickSystem())


class Bench:
    """One root, one operation, again and again."""

    def __init__(self, root: Path, nursery: Nursery, name: str) -> None:
        self.root, self.nursery, self.name, self.cases = root, nursery, name, 0
        self.log = root.parent / "calls.log"

    def case(self) -> tuple[Case, State]:
        self.cases += 1
        library = opened(self.root)
        try:
            case = prepare(library, self.name, self.cases)
            return case, state(library, case)
        finally:
            library.store._give_up() if self.name == "start after a kill" else library.close()

    def do(self, case: Case, call: int, calls: str) -> int:
        """Do the operation, with a kill at a call or (0) without; the status that was answered, 0 for none."""
        if self.name in LIVES:
            return self._live(call, calls)
        server = self.nursery.start(self.root)
        wire = Wire(server.port())
        self._arm(server, call, calls)
        status = ask(wire, self.name, case)
        if not call:
            server.gone(0.3)  # what follows the journal is counted too
        wire.close()
        server.end()
        return status

    def _arm(self, server: Server, call: int, calls: str) -> None:
        if call:
            server.kill_at(call, calls)
        else:
            server.trace("-e", f"trace={calls}", "-o", str(self.log))

    def _live(self, call: int, calls: str) -> int:
        """Start or stop a server."""
        if self.name == "start after the index is lost":
            shutil.rmtree(self.root / ".filmcan" / "index")
        server = self.nursery.start(self.root, held=self.name != "stop")
        if self.name == "stop":
            assert server.port()
            self._arm(server, call, calls)
            server.end(signal.SIGTERM)
            return 0
        self._arm(server, call, calls)
        self.nursery.let_go()
        server.port()
        server.end()
        return 0

    def count(self, calls: str) -> tuple[State, State, int]:
        """What it starts from, what it makes of it, in how many calls."""
        case, before = self.case()
        status = self.do(case, 0, calls)
        assert self.name in LIVES or 200 <= status < 300, status
        with closing(opened(self.root)) as library:
            return before, state(library, case), calls_in(self.log)

    def strike(self, before: State, after: State, call: int, calls: str) -> str:
        """Do it with a kill, and look at what is left: in words, how far it had come."""
        case, start = self.case()
        assert start == before, "the preparation is not the same each time"
        status = self.do(case, call, calls)
        with closing(opened(self.root)) as library:
            found = state(library, case)
            check(library, case, before, after, 200 <= status < 300)
        return "answered" if status else "done, not answered" if found == after != before else "not done"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ALL)
def test_a_server_killed_at_any_call_loses_and_shows_nothing_wrong(name: str, tmp_path: Path, nursery: Nursery) -> None:
    bench = Bench(tmp_path / "root", nursery, name)
    points = chosen(bench, name)
    for before, after, calls, call in points:
        try:
            came = bench.strike(before, after, call, calls)
        except Exception as error:
            which = f"{name} {call}{'' if calls == CHANGING else ' of all'}"
            raise AssertionError(f'{which}: {error}; FILMCAN_CALL="{which}" repeats it') from error
        tell("kill -9 at a system call", 1, f"0 violations ({came})")
    look_at_all(bench.root)


def chosen(bench: Bench, name: str) -> list[tuple[State, State, str, int]]:
    """Calls that change something first; where more are wanted than there are, of all calls."""
    wanted = share("CALLS", ALL.index(name), len(ALL))
    before, after, last = bench.count(CHANGING)
    assert last > 2, "nothing was counted"
    points = [(before, after, CHANGING, call) for call in range(1, last + 1)]
    if wanted > last:
        before, after, every = bench.count(EVERY)
        points += some([(before, after, EVERY, call) for call in range(1, every + 1)], wanted - last, name)
    if ONLY:
        kind, number = (EVERY if ONLY.endswith(" of all") else CHANGING), ONLY.removesuffix(" of all").rpartition(" ")
        return [(before, after, kind, int(number[2]))] if number[0] == name else []
    return some(points, wanted, name)


def look_at_all(root: Path) -> None:
    """Names, links and bytes of all projects, and the index made again from the journal."""
    with closing(opened(root)) as library:
        check_links(library)
        assert [finding for finding in verify(library.store, full=True).findings if finding.kind != "unknown"] == []
        kept = rows(library)
    with closing(without_index(root)) as library:
        assert rows(library) == kept
