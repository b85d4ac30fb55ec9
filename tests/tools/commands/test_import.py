"""Taking in whole folders: nothing twice, nothing lost, and again from where it stopped."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cas.store import Store
from cas.system import System
from tests.tools.conftest import Filmcan
from tools.commands import import_


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and ".filmcan" not in path.parts
        and path.name != "index.json"
        and "_manifest" not in path.parts
    }


def test_a_card_becomes_a_folder_of_the_project(filmcan: Filmcan, card: Path, root: Path) -> None:
    said = filmcan("import", card, "--into", "Wedding", "--json")
    assert said.code == 0
    assert said.json["into"] == ["P1-Wedding/ingest/originals/CARD"]
    assert files(root) == {
        "P1-Wedding/ingest/originals/CARD/DCIM/100/A001.mov": b"first clip" * 1000,
        "P1-Wedding/ingest/originals/CARD/DCIM/100/A002.mov": b"second clip" * 1000,
        "P1-Wedding/ingest/originals/CARD/DCIM/101/A001.mov": b"first clip" * 1000,
    }


def test_without_a_project_the_folder_gives_its_name(filmcan: Filmcan, card: Path) -> None:
    assert filmcan("import", card, "--json").json["into"] == ["P1-CARD/ingest/originals"]
    assert filmcan("import", card, "--json").json["into"] == ["P1-CARD/ingest/originals"]


def test_a_folder_in_a_project_is_taken_as_it_is_said(filmcan: Filmcan, card: Path) -> None:
    said = filmcan("import", card, "--into", "Wedding/ingest/originals/day-2", "--json")
    assert said.json["into"] == ["P1-Wedding/ingest/originals/day-2/CARD"]


def test_duplicates_are_counted_and_their_space_is_saved(filmcan: Filmcan, card: Path) -> None:
    told = filmcan("import", card, "--json").json
    assert (told["new"], told["known"], told["unchanged"]) == (2, 1, 0)
    assert told["saved_bytes"] == 10_000 and len(told["duplicates"]) == 1


def test_the_second_time_nothing_is_read(filmcan: Filmcan, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filmcan("import", card)
    monkeypatch.setattr(import_, "read_in", None)
    told = filmcan("import", card, "--json").json
    assert (told["new"], told["known"], told["unchanged"]) == (0, 0, 3)


def test_a_touched_file_is_read_and_recognised(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card)
    before = files(root)
    os.utime(card / "DCIM/100/A001.mov", (1, 1))
    assert filmcan("import", card, "--json").json["unchanged"] == 3
    assert files(root) == before


def test_a_changed_file_gets_a_name_of_its_own_and_only_once(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card)
    (card / "DCIM/100/A001.mov").write_bytes(b"another take")
    told = filmcan("import", card, "--json").json
    assert list(told["renamed"].values()) == ["P1-CARD/ingest/originals/DCIM/100/A001_1.mov"]
    for _ in range(2):
        os.utime(card / "DCIM/100/A001.mov", (2, 2))
        assert filmcan("import", card, "--json").json["new"] == 0
    folder = root / "P1-CARD/ingest/originals/DCIM/100"
    assert sorted(path.name for path in folder.iterdir()) == ["A001.mov", "A001_1.mov", "A002.mov"]
    assert (folder / "A001.mov").read_bytes() == b"first clip" * 1000


def test_the_originals_stay_as_they_were(filmcan: Filmcan, card: Path, root: Path) -> None:
    before = {path: (path.stat().st_mode, path.stat().st_nlink) for path in card.rglob("*") if path.is_file()}
    filmcan("import", card)
    assert {path: (path.stat().st_mode, path.stat().st_nlink) for path in before} == before
    (card / "DCIM/100/A001.mov").write_bytes(b"edited in place")
    assert (root / "P1-CARD/ingest/originals/DCIM/100/A001.mov").read_bytes() == b"first clip" * 1000


def test_a_move_takes_away_what_is_stored_also_what_was_stored_before(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card)
    before = files(root)
    assert filmcan("import", "--move", card).code == 0
    assert [path.name for path in sorted(card.rglob("*")) if path.is_file()] == [".DS_Store", "._A001.mov"]
    assert files(root) == before


def test_a_move_reads_before_it_takes_away(filmcan: Filmcan, card: Path, root: Path) -> None:
    """The same size and time prove nothing when the original is about to go."""
    filmcan("import", card)
    clip = card / "DCIM/100/A001.mov"
    stat = clip.stat()
    clip.write_bytes(b"FIRST CLIP" * 1000)
    os.utime(clip, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    filmcan("import", "--move", card)
    assert (root / "P1-CARD/ingest/originals/DCIM/100/A001_1.mov").read_bytes() == b"FIRST CLIP" * 1000


def test_a_project_of_the_program_before_keeps_its_shape(filmcan: Filmcan, tmp_path: Path, root: Path) -> None:
    old = tmp_path / "P3-Interview"
    for name in ("ingest/originals/a.mov", "exports/cut.mp4", "index.json", "_manifest/manifest.db"):
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_text(name)
    assert filmcan("import", old).code == 0
    assert set(files(root)) == {"P3-Interview/ingest/originals/a.mov", "P3-Interview/exports/cut.mp4"}


def test_links_and_odd_names_are_left_out_and_told(filmcan: Filmcan, card: Path) -> None:
    (card / "link.mov").symlink_to(card / "DCIM/100/A001.mov")
    os.mkfifo(card / "pipe")
    (card / "a\\b.mov").write_text("x")
    told = filmcan("import", card, "--json")
    assert told.code == 0
    assert {Path(name).name for name in told.json["left_out"]} == {"link.mov", "pipe", "a\\b.mov"}


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    filmcan: Filmcan, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = import_.read_in

    def read_in(library, file, took):  # type: ignore[no-untyped-def]
        if file.name == "A002.mov":
            raise PermissionError(13, "Permission denied", str(file))
        return real(library, file, took)

    monkeypatch.setattr(import_, "read_in", read_in)
    said = filmcan("import", card, "--json")
    assert said.code == 3
    assert (said.json["new"], said.json["known"]) == (1, 1)
    assert [Path(name).name for name in said.json["failed"]] == ["A002.mov"]
    assert "A002.mov: Permission denied" in said.err and said.err.count("A002.mov") == 1


def test_a_full_disk_ends_the_import_with_one_sentence(
    filmcan: Filmcan, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILMCAN_RESERVE_BYTES", "9999T")
    said = filmcan("import", card)
    assert said.code == 3 and "the disk is full" in said.err and said.err.count("\n") == 1


def test_the_root_is_not_imported_into_itself(filmcan: Filmcan, root: Path, tmp_path: Path) -> None:
    filmcan("project", "create", "P1-A")
    for folder in (root, root / "P1-A", tmp_path):
        said = filmcan("import", folder)
        assert said.code == 3 and "filmcan reindex" in said.err


def test_an_interrupted_import_goes_on_where_it_stopped(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    for number in range(400):
        (folder / f"clip-{number:03}.mov").write_bytes(b"%d" % number + bytes(200_000))
    command = [sys.executable, "-m", "tools", "import", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        originals = root / "P1-big/ingest/originals"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not (originals.is_dir() and any(originals.iterdir())):
            time.sleep(0.005)
        first.send_signal(signal.SIGINT)
        try:
            _, said = first.communicate(timeout=60)
        finally:
            first.kill()
    assert first.returncode == 130 and "goes on where it stopped" in said
    assert list((root / ".filmcan/incoming").iterdir()) == []
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 0 and "400 files" in second.stdout
    assert sorted(path.name for path in originals.iterdir()) == [f"clip-{number:03}.mov" for number in range(400)]
    assert all((originals / path.name).read_bytes() == path.read_bytes() for path in folder.iterdir())


def test_linked_files_are_the_stored_ones_and_become_read_only(filmcan: Filmcan, card: Path, root: Path) -> None:
    told = filmcan("import", "--link", card, "--json").json
    assert told["ways"] == {"linked": 2, "known": 1}
    stored = root / "P1-CARD/ingest/originals/DCIM/100/A002.mov"
    original = card / "DCIM/100/A002.mov"
    assert stored.samefile(original) and not original.stat().st_mode & 0o222
    assert filmcan("import", "--link", card, "--json").json["unchanged"] == 3
    assert filmcan("verify").code == 0


def test_moved_files_on_the_same_disk_are_not_copied(filmcan: Filmcan, card: Path, root: Path) -> None:
    inode = (card / "DCIM/100/A002.mov").stat().st_ino
    filmcan("import", "--move", card)
    assert (root / "P1-CARD/ingest/originals/DCIM/100/A002.mov").stat().st_ino == inode


@pytest.mark.parametrize("error", [errno.EXDEV, errno.EPERM], ids=errno.errorcode.get)
def test_files_that_cannot_be_linked_are_copied(
    filmcan: Filmcan, card: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    real = System.link

    def link(system: System, folder: int, name: str, to_folder: int, to_name: str) -> None:
        if card in Path(os.readlink(f"/proc/self/fd/{folder}")).parents:
            raise OSError(error, os.strerror(error))
        real(system, folder, name, to_folder, to_name)

    monkeypatch.setattr(System, "link", link)
    assert filmcan("import", "--link", card, "--json").json["ways"] == {"copied": 2, "known": 1}
    assert (card / "DCIM/100/A001.mov").stat().st_mode & 0o200


def test_files_on_another_disk_are_read_once_and_copied(
    filmcan: Filmcan, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "near", lambda *_: False)
    monkeypatch.setattr(Store, "find_on_disk", None)
    assert filmcan("import", "--move", card, "--json").json["ways"] == {"copied": 2, "known": 1}
    assert not (card / "DCIM/100/A001.mov").exists()


def test_where_the_disk_can_share_blocks_nothing_is_copied(
    filmcan: Filmcan, card: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(_: System, fd: int, to_fd: int) -> None:
        os.sendfile(to_fd, fd, 0, os.fstat(fd).st_size)  # what the ioctl of btrfs and xfs does, as a reader sees it

    monkeypatch.setattr(System, "clone", clone)
    taken = (card / "DCIM/100/A001.mov").stat()  # its copy has the same time: either may be the one that is read first
    os.utime(card / "DCIM/101/A001.mov", ns=(taken.st_atime_ns, taken.st_mtime_ns))
    told = filmcan("import", card, "--json").json
    assert told["ways"] == {"blocks shared": 2, "known": 1}
    stored = root / "P1-CARD/ingest/originals/DCIM/100/A001.mov"
    assert stored.stat().st_mtime_ns == (card / "DCIM/100/A001.mov").stat().st_mtime_ns
    (card / "DCIM/100/A001.mov").write_bytes(b"edited in place")
    assert stored.read_bytes() == b"first clip" * 1000
    assert list((root / ".filmcan/incoming").iterdir()) == []
    assert filmcan("verify").code == 0


def test_a_file_that_is_being_written_waits_for_the_next_time(filmcan: Filmcan, card: Path) -> None:
    with (card / "DCIM/100/A002.mov").open("ab"):
        said = filmcan("import", "--link", card, "--json")
    assert said.code == 3
    [(name, why)] = said.json["failed"].items()
    assert name.endswith("A002.mov") and "being written" in why


@pytest.mark.parametrize("how", [[], ["--link"]])
def test_what_filmcan_read_itself_is_what_its_owner_had(filmcan: Filmcan, card: Path, root: Path, how: list[str]) -> None:
    filmcan("import", card, "--into", "Wedding", *how)
    filmcan("put", card / "DCIM/100/A002.mov", "P1-Wedding/ingest/originals/")
    store = Store(root)
    store.catch_up()
    assert [set(row.told) for page in store.pages() for _, row in page] == [{"source"}] * 2
    store.close()
