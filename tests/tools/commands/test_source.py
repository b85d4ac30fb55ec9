"""Further roots by name, and every command that can work in them."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from tests.tools.conftest import Filmcan
from tools.cli import program
from tools.commands.source import TYPES
from views.sources import SourceType


@pytest.fixture
def nas(tmp_path: Path, filmcan: Filmcan) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    assert filmcan("source", "add", "nas", folder, "--type", "smb").code == 0
    return folder


def test_the_list_begins_with_the_primary_source(filmcan: Filmcan, nas: Path, root: Path) -> None:
    assert filmcan("source", "list", "--json").json == [
        {"name": "primary", "root": str(root), "type": "local", "enabled": True, "accessible": True},
        {"name": "nas", "root": str(nas), "type": "smb", "enabled": True, "accessible": True},
    ]
    assert [line.split()[0] for line in filmcan("source", "list").out.splitlines()] == ["primary", "nas"]


def test_before_anything_is_stored_the_list_is_there_and_makes_nothing(filmcan: Filmcan, root: Path) -> None:
    said = filmcan("source", "list")
    assert said.code == 0 and "not accessible" in said.out and not root.exists()


def test_what_is_put_into_a_source_lies_there_and_only_there(filmcan: Filmcan, nas: Path, card: Path, root: Path) -> None:
    assert filmcan("import", card, "--into", "Wedding", "--source", "nas").code == 0
    assert (nas / "P1-Wedding/ingest/originals/CARD/DCIM/100/A001.mov").is_file()
    assert [item["path"] for item in filmcan("ls", "--source", "nas", "--json").json] == ["P1-Wedding"]
    assert filmcan("ls", "--json").json == []
    assert filmcan("verify", "--source", "nas").out.startswith("2 clips")
    assert sorted(path.name for path in root.iterdir()) == [".filmcan", "_sources"]


def test_the_primary_source_has_a_name_too(filmcan: Filmcan) -> None:
    filmcan("project", "create", "A", "--source", "primary")
    assert [project["name"] for project in filmcan("project", "list", "--json").json] == ["P1-A"]


def test_the_settings_of_a_source_are_those_on_its_disk(filmcan: Filmcan, nas: Path) -> None:
    (nas / ".filmcan").mkdir()
    (nas / ".filmcan/config.toml").write_text("left_alone = ['scratch']\n")
    filmcan("project", "create", "A", "--source", "nas")
    for name in ("scratch", "exports"):
        (nas / "P1-A" / name).mkdir()
        (nas / "P1-A" / name / "a.mov").write_text("x")
    assert filmcan("reindex", "--source", "nas", "--json").json["indexed"] == ["P1-A/exports/a.mov"]


def test_rebuild_makes_the_index_of_the_source(filmcan: Filmcan, nas: Path) -> None:
    filmcan("project", "create", "A", "--source", "nas")
    assert filmcan("rebuild", "--source", "nas", "--json").json["events"] > 0
    assert [project["name"] for project in filmcan("project", "list", "--source", "nas", "--json").json] == ["P1-A"]


@pytest.mark.parametrize("words", [("ls",), ("rebuild",), ("project", "list")])
def test_a_source_that_is_unknown_disabled_or_away_is_told(filmcan: Filmcan, nas: Path, words: tuple[str, ...]) -> None:
    said = filmcan(*words, "--source", "nas-2")
    assert said.code == 3 and said.err == "filmcan: there is no source 'nas-2'\n"
    filmcan("source", "disable", "nas")
    said = filmcan(*words, "--source", "nas", "--json")
    assert said.code == 3 and said.json["error"]["type"] == "SourceUnknown" and "disabled" in said.err
    filmcan("source", "enable", "nas")
    nas.rmdir()
    said = filmcan(*words, "--source", "nas")
    assert said.code == 3 and str(nas) in said.err and not nas.exists()


def test_a_source_is_forgotten_and_its_files_stay(filmcan: Filmcan, nas: Path) -> None:
    filmcan("project", "create", "A", "--source", "nas")
    said = filmcan("source", "remove", "nas")
    assert said.code == 0 and str(nas) in said.out
    assert (nas / "P1-A").is_dir() and len(filmcan("source", "list", "--json").json) == 1


def test_refusals_say_why(filmcan: Filmcan, nas: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "overlaps" in filmcan("source", "add", "more", root).err
    assert "primary" in filmcan("source", "remove", "primary").err
    assert filmcan("source", "add", "tape", nas, "--type", "tape").code == 2
    monkeypatch.setenv("FILMCAN_SOURCE_PARENTS", str(nas))
    (nas.parent / "other").mkdir()
    said = filmcan("source", "add", "other", nas.parent / "other")
    assert said.code == 3 and "source_parents" in said.err


def test_a_broken_list_is_named_and_kept(filmcan: Filmcan, nas: Path, root: Path) -> None:
    file = root / "_sources/sources.json"
    file.write_text("[{")
    for words in (("source", "list"), ("source", "remove", "nas"), ("ls", "--source", "nas")):
        said = filmcan(*words)
        assert said.code == 3 and str(file) in said.err
    assert file.read_text() == "[{" and filmcan("ls").code == 0


def test_a_source_can_be_used_while_a_server_has_the_primary_root(filmcan: Filmcan, nas: Path, root: Path) -> None:
    from views.library import Library

    filmcan("project", "create", "A", "--source", "nas")
    library = Library(root)
    assert filmcan("ls", "--source", "nas").code == 0
    assert filmcan("ls").code == 3
    library.close()


def test_every_command_that_opens_a_library_can_work_in_a_source() -> None:
    context = click.Context(program)
    for name in ("put", "get", "ls", "import", "export", "project", "reindex", "verify", "collect", "rebuild"):
        command = program.get_command(context, name)
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for one in commands:
            assert one is not None and "--source" in {option for param in one.params for option in param.opts}


def test_the_types_on_the_command_line_are_those_of_the_list() -> None:
    assert json.dumps(TYPES) == json.dumps(SourceType.__args__)  # type: ignore[attr-defined]
