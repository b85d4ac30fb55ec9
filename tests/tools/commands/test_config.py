"""Every setting with its origin, and a file to start from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.tools.conftest import Filmcan
from tools.config import load
from tools.settings import SETTINGS


def test_each_value_is_shown_with_its_origin(filmcan: Filmcan, own_settings: Path, root: Path) -> None:
    own_settings.write_text("threads = 20\n")
    said = filmcan("config", "show")
    rows = {line.split()[0]: line for line in said.out.splitlines() if line}
    assert rows["threads"].split() == ["threads", "20", str(own_settings)]
    assert rows["root"].split() == ["root", str(root), "FILMCAN_ROOT"]
    assert rows["watch"].split() == ["watch", "yes", "built", "in"]
    told = filmcan("config", "show", "--json").json
    assert set(told["settings"]) == {item.name for item in SETTINGS}
    assert told["settings"]["threads"]["origin"] == str(own_settings)
    assert [file["there"] for file in told["files"]] == [True, False]


def test_the_file_to_start_from_changes_nothing(
    filmcan: Filmcan, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILMCAN_LEFT_ALONE", "exports, scratch")
    monkeypatch.setenv("FILMCAN_RESERVE_BYTES", "5GiB")
    before = load()
    file = tmp_path / "filmcan.toml"
    file.write_text(filmcan("config", "show", "--toml").out)
    assert tomllib.loads(file.read_text()) == {
        "root": str(root),
        "left_alone": ["exports", "scratch"],
        "reserve_bytes": 5 << 30,
    }
    assert load(config_file=file, environ={}) == before
    uncommented = "".join(
        line.removeprefix("# ") if " = " in line else line for line in file.read_text().splitlines(keepends=True)
    )
    file.write_text(uncommented.replace('root = "media"', ""))
    assert load(config_file=file, environ={}) == before
