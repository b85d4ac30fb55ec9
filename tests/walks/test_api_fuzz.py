"""Every route as the server describes it, asked with what a schema-driven fuzzer thinks of: no 5xx, no answer nobody told of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.server import FILMCAN, DavServer, running

EXAMPLES = 8  # for each operation and phase; some 1,800 requests in all
BYTES = """import schemathesis
schemathesis.serializer.alias(["application/partial-upload", "application/offset+octet-stream"], "application/octet-stream")
"""
CHECKS = "not_a_server_error,status_code_conformance"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder = tmp_path_factory.mktemp("fuzz")
    with running(FILMCAN, folder / "root", folder / "server.log", True) as server:
        server.project("P1-Fuzz").put("ingest/originals/clip.mov", b"moving pictures")
        yield server
        assert "Traceback" not in (folder / "server.log").read_text()


def test_no_request_the_description_allows_gets_a_5xx_or_an_answer_it_does_not_tell(server: DavServer, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    assert program.exists(), "schemathesis is in the extra `test`: make test installs it"
    command = [program, "run", f"http://{server.host}:{server.port}/openapi.json", "--checks", CHECKS,
               "--max-examples", str(EXAMPLES), "--generation-deterministic", "--request-timeout", "30"]  # fmt: skip
    (tmp_path / "fuzz_bytes.py").write_text(BYTES)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_bytes", "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stdout[-6000:]
    assert "passed" in ended.stdout
