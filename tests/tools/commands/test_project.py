"""Projects from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.tools.conftest import Filmcan


def test_a_project_is_made_listed_renamed_noted_and_taken_away(filmcan: Filmcan, root: Path, card: Path) -> None:
    made = filmcan("project", "create", "Wedding Anna", "--notes", "two cameras", "--json").json
    assert (made["name"], made["notes"], made["created"]) == ("P1-Wedding-Anna", "two cameras", True)
    filmcan("import", card, "--into", "P1-Wedding-Anna")
    [listed] = filmcan("project", "list", "--json").json
    assert (listed["files"], listed["size_bytes"]) == (3, 31_000)
    assert filmcan("project", "rename", "P1-Wedding-Anna", "Anna und Jörg", "--json").json["name"] == "P1-Anna-und-Jörg"
    assert filmcan("project", "note", "P1-Anna-und-Jörg", "done", "--json").json["notes"] == "done"
    assert "P1-Anna-und-Jörg  3 files  31.0 KB  done" in filmcan("project", "list").out
    assert filmcan("project", "delete", "P1-Anna-und-Jörg").code == 0
    assert filmcan("project", "list", "--json").json == []
    assert not (root / "P1-Anna-und-Jörg").exists()


def test_making_a_project_that_is_there_changes_nothing(filmcan: Filmcan) -> None:
    filmcan("project", "create", "P7-Wedding", "--notes", "first")
    again = filmcan("project", "create", "P7-Wedding", "--notes", "second")
    assert again.code == 0 and "exists already" in again.out
    assert filmcan("project", "list", "--json").json[0]["notes"] == "first"


def test_a_label_that_is_taken_refuses_a_rename(filmcan: Filmcan) -> None:
    filmcan("project", "create", "P1-A")
    filmcan("project", "create", "P2-B")
    assert filmcan("project", "rename", "P2-B", "P1-A").code == 3
    assert [project["name"] for project in filmcan("project", "list", "--json").json] == ["P1-A", "P2-B"]


def test_a_folder_inside_a_project_is_no_project(filmcan: Filmcan, root: Path) -> None:
    filmcan("project", "create", "P1-A")
    assert filmcan("project", "delete", "P1-A/ingest").code == 3
    assert (root / "P1-A/ingest").is_dir()


def test_without_projects_the_list_says_how_to_begin(filmcan: Filmcan, root: Path) -> None:
    (root / ".filmcan").mkdir(parents=True)
    assert "filmcan project create" in filmcan("project", "list").out


def test_an_editable_project_is_made_or_refused_with_the_reason(filmcan: Filmcan, root: Path) -> None:
    from cas.link import Reflink, probe
    from cas.system import System

    filmcan("project", "create", "P1-Plain")
    system = System()
    with system.folder(system.open_root(root)) as fd:
        why = probe(system, fd)[Reflink.name]
    said = filmcan("project", "create", "Grading", "--editable", "--json")
    if why:
        assert said.code == 3 and "cannot be editable" in said.err and "btrfs or XFS" in said.err
        assert [project["name"] for project in filmcan("project", "list", "--json").json] == ["P1-Plain"]
    else:
        assert said.code == 0 and said.json["editable"]
