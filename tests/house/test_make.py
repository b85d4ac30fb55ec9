"""`make` on machines that are not ready, and with values that shells find difficult."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.code import HOUSE

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    command = ["make", "--no-print-directory", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A checkout on which nothing was prepared yet."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(HOUSE / name, tmp_path)
    return tmp_path


@pytest.fixture
def prepared(fresh: Path) -> Path:
    """One whose environment is there; its Python only tells what it was called with."""
    python = fresh / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word in "$@"; do echo "[$word]"; done\n')
    python.chmod(0o755)
    (fresh / ".venv/.ready").touch()
    return fresh


def test_a_python_that_is_too_old_is_told_with_the_remedy(fresh: Path) -> None:
    old = fresh / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    said = make(fresh, "run", f"PYTHON={old}")
    assert said.returncode != 0
    assert "filmcan needs Python 3.11 or newer" in said.stderr and "PYTHON=" in said.stderr
    assert not (fresh / ".venv").exists()


def test_an_unchanged_environment_is_not_touched(prepared: Path) -> None:
    assert make(prepared, "venv").stdout.count("installing") == 0
    later = (prepared / ".venv/.ready").stat().st_mtime + 1
    os.utime(prepared / "pyproject.toml", (later, later))
    assert make(prepared, "-n", "venv").stdout.count("installing") == 1


def test_values_reach_the_program_as_they_were_written(prepared: Path) -> None:
    said = make(prepared, "run", "ROOT=/media/my films; $$HOME 'x'", "HOST=::1", "PORT=9000", "ARGS=--open --threads 8")
    assert said.stdout.splitlines()[-11:] == [
        "[-m]", "[tools]", "[serve]", "[/media/my films; $HOME 'x']", "[--host]", "[::1]", "[--port]", "[9000]",
        "[--open]", "[--threads]", "[8]",
    ]  # fmt: skip


def test_without_values_the_settings_decide(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "some-shells-export-the-name-of-the-machine")
    assert make(prepared, "run").stdout.splitlines()[-3:] == ["[-m]", "[tools]", "[serve]"]


def test_clean_never_takes_footage(prepared: Path) -> None:
    clip = prepared / "media/P1-A/clip.mov"
    clip.parent.mkdir(parents=True)
    clip.touch()
    for package in ("cas", "davfront", "views", "tools", "tests"):
        (prepared / package).mkdir()
    make(prepared, "clean")
    assert clip.exists() and not (prepared / ".venv").exists()
