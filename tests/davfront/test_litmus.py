"""litmus, the conformance suite of WebDAV servers, against the whole share and against one project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.davfront.conftest import Client

pytestmark = [
    pytest.mark.client,
    pytest.mark.skipif(shutil.which("litmus") is None, reason="litmus is not installed"),
]


@pytest.mark.parametrize("path", ["/dav/", "/dav/P1-Test/"])
def test_litmus_passes_whole(dav: Client, path: str, tmp_path: Path) -> None:
    run = subprocess.run(
        ["litmus", "-k", f"http://127.0.0.1:{dav.port}{path}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "FAIL" not in run.stdout and "WARNING" not in run.stdout, run.stdout
    assert run.stdout.count("100.0%") == 5 and run.returncode == 0
