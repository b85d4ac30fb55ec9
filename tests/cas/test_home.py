"""The folder `.filmcan`: made once, locked while in use, swept of what a crash left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cas.errors import FormatUnknown, LockHeld, RootUnfit
from cas.home import Home
from cas.store import Store
from tests.faulty import QuickSystem
from views.library import Library


def test_a_new_root_gets_its_places_and_keeps_its_id(root: Path) -> None:
    home = Home(root, QuickSystem())
    first = home.root_id
    home.close()
    again = Home(root, QuickSystem())
    assert again.root_id == first and len(first) == 32
    assert (root / ".filmcan").stat().st_mode & 0o777 == 0o700
    again.close()


def test_a_second_opening_is_refused_and_told_who_holds_the_lock(root: Path) -> None:
    home = Home(root, QuickSystem())
    home.note_address("http://127.0.0.1:8787")
    with pytest.raises(LockHeld) as refused:
        Home(root, QuickSystem())
    assert refused.value.holder == f"process {os.getpid()}, serving http://127.0.0.1:8787"
    home.close()
    Home(root, QuickSystem()).close()


def test_another_process_is_refused_too(root: Path) -> None:
    home = Home(root, QuickSystem())
    program = "import sys, pathlib; from cas.store import Store; Store(pathlib.Path(sys.argv[1]))"
    place = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program, root], cwd=place, capture_output=True, text=True)
    assert ended.returncode == 1 and f"LockHeld: {root} is already open" in ended.stderr
    home.close()


def test_the_lock_of_a_process_that_was_killed_is_free(root: Path) -> None:
    program = "import sys, os, pathlib; from cas.store import Store; Store(pathlib.Path(sys.argv[1])); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", program, root], cwd=Path(__file__).parents[2]).returncode == 9
    Home(root, QuickSystem()).close()


@pytest.mark.parametrize("text", ['{"format": 2, "root_id": "x"}', "", "no json", "[]"])
def test_a_root_of_another_format_is_refused_and_its_lock_given_back(root: Path, text: str) -> None:
    Home(root, QuickSystem()).close()
    (root / ".filmcan" / "FORMAT").write_text(text)
    for _ in range(2):
        with pytest.raises(FormatUnknown):
            Home(root, QuickSystem())


def test_a_system_that_cannot_is_told_so(root: Path) -> None:
    class Unfit(QuickSystem):
        unfit = "it lacks something"

    with pytest.raises(RootUnfit, match="it lacks something"):
        Home(root, Unfit())


def test_what_a_crash_staged_is_swept_files_and_half_built_folders(root: Path) -> None:
    Library(root, QuickSystem()).close()
    incoming = root / ".filmcan" / "incoming"
    (incoming / "0123").write_bytes(b"half")
    (incoming / "4567" / "deep" / "er").mkdir(parents=True)
    (incoming / "4567" / "deep" / "a").write_bytes(b"half")
    (incoming / "4567" / "link").symlink_to(root)
    store = Store(root, QuickSystem())
    assert store.swept == 3 and not list(incoming.iterdir())
    store.close()
    assert root.exists()


def test_a_store_that_cannot_be_opened_gives_the_lock_back(root: Path) -> None:
    Library(root, QuickSystem()).close()
    (root / ".filmcan" / "journal" / "000000000001.log").write_bytes(b"FILMCANJ\x03\0\0\0\0\0\0\0")
    for _ in range(2):
        with pytest.raises(FormatUnknown):
            Store(root, QuickSystem())
    (root / ".filmcan" / "journal" / "000000000001.log").unlink()
    store = Store(root, QuickSystem())
    store.close()
    store.close()


def test_replacing_a_small_file_leaves_the_old_or_the_new(root: Path) -> None:
    home = Home(root, QuickSystem())
    for data in (b"one", b"two"):
        home.replace(home.home, "note", data, 0o600, lasting=True)
        assert home.read_small("note") == data
    assert not os.listdir(home.incoming)
    assert home.read_small("none") is None
    home.close()
