"""litmus, the test suite of the WebDAV standard: everything passes, at the top and inside a project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .needs import need_program
from .server import DavServer

pytestmark = pytest.mark.client

VERDICT = re.compile(r"^ *\d+\. (\w+)\.*\s+(\S.*)$")
SUMMARY = re.compile(r"of (\d+) tests run: (\d+) passed")
TESTS_IN_ALL = 104  # litmus 0.13; fewer ran when a group gave up early


@pytest.mark.parametrize("place", ["the top", "a project"])
def test_litmus_passes_without_a_warning(server: DavServer, tmp_path: Path, place: str) -> None:
    litmus = need_program("litmus", "litmus")
    url = server.url if place == "the top" else server.url_of(server.project("litmus-home").name + "/")
    done = subprocess.run([litmus, "-k", url], cwd=tmp_path, capture_output=True, timeout=120)
    said = done.stdout.decode(errors="replace").replace("\r", "\n")
    assert _complaints(said) == []
    runs = [(int(run), int(passed)) for run, passed in SUMMARY.findall(said)]
    assert (sum(run for run, _ in runs), sum(passed for _, passed in runs)) == (TESTS_IN_ALL, TESTS_IN_ALL)


def _complaints(said: str) -> list[str]:
    """Whatever litmus says about a test beside "pass": failures, skips, warnings and their reasons."""
    verdicts = (VERDICT.match(line) for line in said.splitlines())
    lines = {f"{found[1]}: {found[2]}" for found in verdicts if found and found[2] != "pass"}
    return sorted(lines | {line for line in said.splitlines() if "WARNING" in line})
