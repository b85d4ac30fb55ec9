"""kill -9 at every system call of every operation of a real server: strace holds it and kills it as the call begins.

Each operation is done well first, to see its calls. Then a project is made for each call, a server started, the request
sent, the server killed in it, and the library opened again: the project is as it was or as it was asked to be, as it was asked
to be if the client was told so, nothing half is seen, nothing is left over, and the index is what the journal says.

FILMCAN_FAULTS_CALLS says how many calls; FILMCAN_CALL="MKCOL: pwrite64 3" does that one only.
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
from tests.faults.servers import CHANGING, EVERY, STRACE, Call, Nursery, Server, calls_in
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

    def do(self, case: Case, call: Call | None, calls: str = CHANGING) -> int:
        """Do the operation, with a kill at a call, or noting which of these `calls` are made; the status, 0 for no answer."""
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

    def _arm(self, server: Server, call: Call | None, calls: str) -> None:
        if call:
            server.kill_at(call)
        else:
            server.trace("-e", f"trace={calls}", "-o", str(self.log))

    def _live(self, call: Call | None, calls: str) -> int:
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

    def watch(self, calls: str) -> tuple[State, State, list[Call], list[Call]]:
        """What it starts from, what it makes of it, by which calls up to the answer, and by which others."""
        case, before = self.case()
        status = self.do(case, None, calls)
        assert self.name in LIVES or 200 <= status < 300, status
        with closing(opened(self.root)) as library:
            return before, state(library, case), *calls_in(self.log)

    def strike(self, before: State, after: State, call: Call) -> str:
        """Do it with a kill, and look at what is left: in words, how far it had come."""
        case, start = self.case()
        assert start == before, "the preparation is not the same each time"
        status = self.do(case, call)
        with closing(opened(self.root)) as library:
            found = state(library, case)
            check(library, case, before, after, 200 <= status < 300)
        return "answered" if status else "done, not answered" if found == after != before else "not done"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ALL)
def test_a_server_killed_at_any_call_loses_and_shows_nothing_wrong(name: str, tmp_path: Path, nursery: Nursery) -> None:
    bench = Bench(tmp_path / "root", nursery, name)
    before, after, calls = chosen(bench, name)
    for call in calls:
        try:
            came = bench.strike(before, after, call)
        except Exception as error:
            which = f"{name}: {call[0]} {call[1]}"
            raise AssertionError(f'{which}: {error}; FILMCAN_CALL="{which}" repeats it') from error
        tell("kill -9 at a system call", 1, f"0 violations ({came})")
    look_at_all(bench.root)


def chosen(bench: Bench, name: str) -> tuple[State, State, list[Call]]:
    """Calls that change something, up to the answer; where more are wanted, what follows it; then any call at all."""
    wanted = share("CALLS", ALL.index(name), len(ALL))
    before, after, own, others = bench.watch(CHANGING)
    assert len(own) + len(others) > 2, "nothing was seen"
    calls = some(own, wanted, name)
    calls += some(others, wanted - len(calls), name)
    if wanted > len(calls):
        _, _, own, others = bench.watch(EVERY)
        calls += some([call for call in own + others if call not in calls], wanted - len(calls), name)
    if ONLY:
        operation, _, call = ONLY.partition(": ")
        calls = [(call.split()[0], int(call.split()[1]))] if operation == name else []
    return before, after, calls


def look_at_all(root: Path) -> None:
    """Names, links and bytes of all projects, and the index made again from the journal."""
    with closing(opened(root)) as library:
        check_links(library)
        assert [finding for finding in verify(library.store, full=True).findings if finding.kind != "unknown"] == []
        kept = rows(library)
    with closing(without_index(root)) as library:
        assert rows(library) == kept
