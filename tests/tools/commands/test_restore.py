"""Bringing back from the command line, and letting a paused device go on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faulty import QuickSystem
from tests.tools.conftest import Filmcan
from views.errors import Paused
from views.library import Library, Options

FILE = "P1-Film/ingest/originals/a.mov"


@pytest.fixture
def film(filmcan: Filmcan, root: Path, tmp_path: Path) -> Path:
    """A project with a.mov, written over once, and gone.mov, deleted."""
    filmcan("project", "create", "Film")
    for name, data in (("a.mov", b"first"), ("gone.mov", b"gone"), ("a.mov", b"second!")):
        (tmp_path / name).write_bytes(data)
        assert filmcan("put", tmp_path / name, "P1-Film/ingest/originals/").code == 0
    library = Library(root, QuickSystem())
    library.delete("P1-Film/ingest/originals/gone.mov")
    library.close()
    return root / "P1-Film/ingest/originals"


def test_what_was_deleted_comes_back_by_its_path_or_its_name_in_the_trash(filmcan: Filmcan, film: Path) -> None:
    [listed] = filmcan("restore", "--list", "--json").json
    assert listed["path"] == "P1-Film/ingest/originals/gone.mov" and listed["name"] in filmcan("restore", "--list").out
    dry = filmcan("restore", listed["path"], "--dry-run", "--json").json
    assert (dry["path"], dry["files"], dry["size_bytes"]) == (listed["path"], 1, 4) and not (film / "gone.mov").exists()
    assert "is back as P1-Film/ingest/originals/gone.mov (1 file, 4 bytes)" in filmcan("restore", listed["path"]).out
    assert (film / "gone.mov").read_bytes() == b"gone"
    again = filmcan("restore", listed["name"])
    assert again.code == 3 and "nothing in the trash" in again.err
    assert "The trash is empty." in filmcan("restore", "--list").out


def test_half_a_name_is_answered_with_the_whole_one(filmcan: Filmcan, film: Path) -> None:
    [listed] = filmcan("restore", "--list", "--json").json
    for what in ("gone.mov", "Film/gone.mov"):
        said = filmcan("restore", what)
        assert said.code == 3 and f"did you mean {listed['name']} (P1-Film/ingest/originals/gone.mov)?" in said.err
    assert not (film / "gone.mov").exists()


def test_it_comes_back_under_another_name(filmcan: Filmcan, film: Path) -> None:
    said = filmcan("restore", "P1-Film/ingest/originals/gone.mov", "--as", "P1-Film/ingest/found.mov", "--json").json
    assert said["path"] == "P1-Film/ingest/found.mov" and (film.parent / "found.mov").read_bytes() == b"gone"


def test_an_earlier_version_is_listed_and_goes_over_the_file(filmcan: Filmcan, film: Path) -> None:
    newest, oldest = filmcan("restore", FILE, "--list", "--json").json
    assert (newest["size_bytes"], oldest["size_bytes"]) == (7, 5)
    assert oldest["at"] in filmcan("restore", FILE, "--list").out
    assert filmcan("restore", FILE, "--at", oldest["at"]).code == 0
    assert (film / "a.mov").read_bytes() == b"first"
    assert filmcan("restore", FILE, "--at", newest["at"], "--as", FILE.replace("a.mov", "b.mov")).code == 0
    assert (film / "b.mov").read_bytes() == b"second!"
    taken = filmcan("restore", FILE, "--at", newest["at"], "--as", FILE.replace("a.mov", "b.mov"))
    assert taken.code == 3 and "--as" in taken.err


def test_a_project_as_it_was_becomes_a_project_of_links(filmcan: Filmcan, root: Path, film: Path) -> None:
    moments = filmcan("restore", "P1-Film", "--list", "--json").json
    before = moments[1]["at"]
    said = filmcan("restore", "P1-Film", "--at", before, "--as", "Before", "--dry-run", "--json").json
    assert (said["files"], said["path"]) == (2, "Before") and not (root / "P2-Before").exists()
    assert filmcan("restore", "P1-Film", "--at", before, "--as", "Before", "--json").json["path"] == "P2-Before"
    assert (root / "P2-Before/ingest/originals/gone.mov").read_bytes() == b"gone"
    assert os.stat(root / "P2-Before/ingest/originals/a.mov").st_ino == os.stat(film / "a.mov").st_ino
    assert filmcan("restore", "P1-Film", "--at", before).code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--list"),
        (["nothing"], 3, "--list"),
        (["P1-Film", "--at", "yesterday"], 3, "there is no"),
        (["P9-No", "--list"], 3, "there is no"),
        ([FILE, "--at", "seq-1"], 3, "there is no"),
    ],
)
def test_what_cannot_be_brought_back_is_said(filmcan: Filmcan, film: Path, words: list[str], code: int, said: str) -> None:
    answer = filmcan("restore", *words)
    assert answer.code == code and said in answer.err


def test_a_paused_device_is_listed_and_let_go_on(filmcan: Filmcan, root: Path) -> None:
    (root / ".filmcan").mkdir(parents=True)
    assert "No device is paused." in filmcan("brake", "list").out
    library = Library(root, QuickSystem(), Options(brake_limit=1))
    with pytest.raises(Paused), library.brake.minding():
        library.brake.take("192.168.1.20", "P1-Film/a.mov", 2)
    library.close()
    [row] = filmcan("brake", "list", "--json").json
    assert row["device"] == "192.168.1.20" and "192.168.1.20" in filmcan("brake", "list").out
    assert filmcan("brake", "release", "10.0.0.1").code == 3
    assert filmcan("brake", "release", "192.168.1.20").code == 0
    assert filmcan("brake", "list", "--json").json == []
