"""The program as a person runs it, in a root and with settings of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tools import config
from tools.cli import main
from tools.settings import SETTINGS


class Said(NamedTuple):
    """What one command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Filmcan = Callable[..., Said]


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's settings file of this test only, and an environment without ours. The file does not exist yet."""
    path = tmp_path / "user" / "config.toml"
    path.parent.mkdir()
    monkeypatch.setattr(config, "user_file", lambda: path)
    for item in SETTINGS:
        for variable in (item.variable, *item.also, config.CONFIG_VARIABLE):
            monkeypatch.delenv(variable, raising=False)
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "root"
    monkeypatch.setenv("FILMCAN_ROOT", str(path))
    return path


@pytest.fixture
def filmcan(root: Path, capfd: pytest.CaptureFixture[str]) -> Filmcan:
    """Run one command line in this process."""

    def run(*words: str | Path) -> Said:
        capfd.readouterr()
        code = main([str(word) for word in words])
        return Said(code, *capfd.readouterr())

    return run


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A memory card: two clips, one of them twice, and what a Mac leaves behind."""
    folder = tmp_path / "CARD"
    files = {
        "DCIM/100/A001.mov": b"first clip" * 1000,
        "DCIM/100/A002.mov": b"second clip" * 1000,
        "DCIM/101/A001.mov": b"first clip" * 1000,
        "DCIM/101/._A001.mov": b"\0\5\x16\7",
        "DCIM/.DS_Store": b"junk",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
