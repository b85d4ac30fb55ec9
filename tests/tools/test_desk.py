"""Words and numbers as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.conftest import Filmcan
from tools.desk import Desk, count, human_size, sentence


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (1_234_567, "1.2 MB"),
        (99_960_000, "100 MB"),
        (999_600_000, "1.0 GB"),
        (48_200_000_000, "48.2 GB"),
    ],
)
def test_sizes_are_told_in_the_units_of_drives(size: int, text: str) -> None:
    assert human_size(size) == text


def test_one_file_is_not_files() -> None:
    assert [count(number, "file") for number in (0, 1, 2, 1200)] == ["0 files", "1 file", "2 files", "1,200 files"]


def test_columns_line_up_also_under_names_in_japanese_and_with_combining_accents(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Desk({}, None, False).table([("映像", "1"), ("cafe\u0301", "22"), ("abcd", "333")], right=(1,))
    assert capsys.readouterr().out == "映像    1\ncafe\u0301   22\nabcd  333\n"


def test_programs_hear_answers_only_and_people_hear_words_only(capsys: pytest.CaptureFixture[str]) -> None:
    for wants_json in (True, False):
        desk = Desk({}, None, wants_json)
        desk.say("for people")
        desk.answer({"é": 1})
    assert capsys.readouterr().out == '{\n  "é": 1\n}\nfor people\n'


def test_errors_of_the_system_name_their_files() -> None:
    assert sentence(OSError(2, "No such file or directory", "/a")) == "/a: No such file or directory"
    assert sentence(OSError(18, "Invalid cross-device link", "/a", 0, "/b")) == "/a and /b: Invalid cross-device link"
    assert sentence(OSError("odd")) == "odd"


@pytest.mark.parametrize(
    "words",
    [
        ("verify",), ("verify", "--quick"), ("receipt", "Wedding"), ("receipt", "--card", "."), ("ls",), ("reindex",),
        ("rebuild",), ("collect", "--dry-run"), ("restore", "--list"), ("project", "list"), ("get", "P1-Wedding/a.mov", "-"),
        ("brake", "list"),
    ],
)  # fmt: skip
def test_where_no_root_is_nothing_is_called_whole_and_no_root_is_made(
    filmcan: Filmcan, root: Path, words: tuple[str, ...]
) -> None:
    said = filmcan(*words)
    assert (said.code, said.out) == (3, "") and f"{root} is not there; connect its disk" in said.err, said
    assert not root.exists()
    root.mkdir()
    (root / "Movies").mkdir()
    said = filmcan(*words)
    assert said.code == 3 and f"{root} holds nothing of filmcan" in said.err
    assert [entry.name for entry in root.iterdir()] == ["Movies"]


def test_a_root_whose_store_was_lost_is_a_root_all_the_same(filmcan: Filmcan, root: Path) -> None:
    (root / "P4-Wedding/ingest/originals").mkdir(parents=True)
    (root / "P4-Wedding/ingest/originals/a.mov").write_bytes(b"film")
    assert filmcan("reindex").code == 0
    assert "a.mov" in filmcan("ls", "P4-Wedding/ingest/originals").out


@pytest.mark.parametrize("words", [("ls",), ("project", "create", "Wedding"), ("serve",)])
def test_a_file_is_no_root(filmcan: Filmcan, root: Path, words: tuple[str, ...]) -> None:
    root.write_bytes(b"film")
    said = filmcan(*words)
    assert said.code == 3 and said.err.startswith(f"filmcan: {root} is a file; name the folder") and said.err.count("\n") == 1
    assert root.read_bytes() == b"film"
