"""The program itself: help, exit codes, one sentence for every error."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from cas.errors import NoSpace
from tests.tools.conftest import Filmcan
from tools.cli import COMMANDS


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60)


def test_help_lists_every_command(filmcan: Filmcan) -> None:
    said = filmcan("--help")
    assert said.code == 0
    assert all(f"  {name} " in said.out for name in COMMANDS)


def test_without_a_command_help_is_shown_and_the_line_is_wrong(filmcan: Filmcan) -> None:
    said = filmcan()
    assert said.code == 2
    assert "Commands:" in said.out + said.err
    assert (said.out + said.err).count("Usage:") == 1


def test_help_comes_before_any_heavy_room_is_entered() -> None:
    looks = "import sys; from tools.cli import main; main(['--help']); print([m for m in sys.modules if m in %r])"
    heavy = {"rich", "lmdb", "cheroot", "wsgidav", "msgspec", "views.library", "cas.store", "tomlkit", "watchfiles"}
    assert python("-c", looks % heavy).stdout.endswith("[]\n")


def test_the_module_is_the_same_program() -> None:
    said = python("-m", "tools", "version")
    assert said.returncode == 0 and said.stdout.startswith("filmcan ")


def test_a_misspelt_command_is_answered_with_the_right_one(filmcan: Filmcan) -> None:
    said = filmcan("exprot")
    assert said.code == 2
    assert "did you mean export?" in said.err


@pytest.fixture(autouse=True)
def _begun(root: Path) -> None:
    (root / ".filmcan").mkdir(parents=True)


def test_a_wrong_option_is_a_matter_of_usage(filmcan: Filmcan) -> None:
    assert filmcan("ls", "--nonsense").code == 2


def test_a_wrong_setting_is_a_matter_of_usage_in_one_sentence(
    filmcan: Filmcan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILMCAN_PORT", "many")
    said = filmcan("ls")
    assert said.code == 2
    assert said.err.count("\n") == 1 and "FILMCAN_PORT" in said.err


def test_a_refusal_is_one_sentence_and_code_3(filmcan: Filmcan) -> None:
    said = filmcan("ls", "P9-Nothing")
    assert (said.code, said.out, said.err) == (3, "", "filmcan: there is no P9-Nothing\n")


def test_a_traceback_is_shown_only_when_asked_for(filmcan: Filmcan) -> None:
    assert "Traceback" not in filmcan("ls", "P9-Nothing").err
    assert "Traceback" in filmcan("ls", "P9-Nothing", "--debug").err


def test_programs_get_their_errors_as_json(filmcan: Filmcan) -> None:
    said = filmcan("ls", "P9-Nothing", "--json")
    assert said.code == 3
    assert said.json == {"error": {"type": "NameNotFound", "message": "there is no P9-Nothing"}}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoSpace(5, 2), "the disk is full"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (ZeroDivisionError("oh"), "a fault in filmcan itself (ZeroDivisionError: oh); --debug shows where"),
    ],
)
def test_whatever_happens_becomes_a_sentence(
    error: Exception, sentence: str, filmcan: Filmcan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("tools.assemble.Library", fails)
    said = filmcan("ls")
    assert said.code == 3
    assert said.err.startswith(f"filmcan: {sentence}")


def test_ctrl_c_is_not_an_error_of_the_program(filmcan: Filmcan, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.assemble.Library", interrupted)
    said = filmcan("ls")
    assert (said.code, said.err.strip()) == (130, "filmcan: stopped")


def test_a_reader_that_has_seen_enough_ends_the_output_quietly(root: Path) -> None:
    command = f"{sys.executable} -m tools config show --toml | head -1"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert said.stderr == ""


def test_an_open_root_is_refused_with_the_way_to_reach_it(filmcan: Filmcan, root: Path) -> None:
    from views.library import Library

    library = Library(root)
    try:
        library.store.note_address("http://127.0.0.1:8787/dav/")
        said = filmcan("ls")
    finally:
        library.close()
    assert said.code == 3
    assert "http://127.0.0.1:8787/dav/" in said.err and "stop it" in said.err


def test_help_is_quick() -> None:
    started = time.monotonic()
    for _ in range(3):
        python("-m", "tools", "--help")
    assert (time.monotonic() - started) / 3 < 2  # 0.09 s each when idle; more than 2 s means a heavy import
