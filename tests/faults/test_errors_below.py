"""Errors of system calls given by strace to a whole server: also to those that do not go through `System`, LMDB's above all.

FILMCAN_FAULTS_ERRORS_BELOW says how many; FILMCAN_BELOW="MKCOL: pwrite64 3 EIO" does that one only.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.figures import share, some, tell
from tests.faults.operations import OPERATIONS, Case, Wire, ask, check, state
from tests.faults.servers import STRACE, Call, Nursery, Server
from tests.faults.test_kill_at_calls import Bench, look_at_all, opened

pytestmark = [
    pytest.mark.skipif(STRACE is None, reason="strace is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may trace a server that it did not start itself"),
]
ONLY = os.environ.get("FILMCAN_BELOW", "")
FILES = (
    "openat,write,writev,pwrite64,pwritev,linkat,renameat,renameat2,unlinkat,mkdirat,rmdir,fchmod,utimensat,ftruncate,fsync,"
    "fdatasync,msync,sync_file_range"
)
ERRORS = ("EIO", "ENOSPC", "EMFILE", "EROFS")


class Failing(Bench):
    """As a bench of kills; but the call gives an error, and the server lives."""

    error, lasting = "EIO", False

    def _arm(self, server: Server, call: Call | None, calls: str) -> None:
        if call is None:
            super()._arm(server, call, calls)
        else:
            server.fail_at(call, self.error, lasting=self.lasting)

    def do(self, case: Case, call: Call | None, calls: str = FILES) -> int:
        server = self.nursery.start(self.root)
        try:
            with closing(Wire(server.port())) as wire:
                self._arm(server, call, calls)
                status = ask(wire, self.name, case)
                assert status, "no answer"
                if call is None:
                    server.gone(0.3)
        finally:
            server.end()
        return status


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with closing(Nursery(tmp_path_factory.mktemp("nursery"))) as nursery:
        yield nursery


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_error_below_python_is_no_answer_of_success(name: str, tmp_path: Path, nursery: Nursery) -> None:
    bench = Failing(tmp_path / "root", nursery, name)
    before, after, own, others = bench.watch(FILES)
    found = [(call, error, lasting) for call, error, lasting in itertools.product(own + others, ERRORS, (False, True))]
    chosen = some(found, share("ERRORS_BELOW", list(OPERATIONS).index(name), len(OPERATIONS)), name)
    for call, bench.error, bench.lasting in found if ONLY else chosen:
        which = f"{name}: {call[0]} {call[1]} {bench.error}{' for good' if bench.lasting else ''}"
        if ONLY not in ("", which):
            continue
        try:
            case, _ = bench.case()
            answered = 200 <= bench.do(case, call) < 300
            with closing(opened(bench.root)) as library:
                came = "done" if state(library, case) == after != before else "not done"
                check(library, case, before, after, answered)
        except Exception as error:
            raise AssertionError(f'{which}: {error}; FILMCAN_BELOW="{which}" repeats it') from error
        tell("errors below Python", 1, f"0 violations ({'answered' if answered else 'refused'}, {came})")
    look_at_all(bench.root)
