"""May the card be wiped? What the command line says of projects and of cards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cas.disks import Disk
from cas.system import System
from tests.tools.conftest import Filmcan


@pytest.fixture(autouse=True)
def a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some machines keep /tmp in memory, where nothing is safe."""
    monkeypatch.setattr(System, "disk_of", lambda _self, _fd: Disk(frozenset({"sda"}), "sda"))


def test_a_project_is_safe_once_it_was_read_back(filmcan: Filmcan, card: Path) -> None:
    filmcan("import", card, "--into", "Wedding")
    said = filmcan("receipt", "Wedding")
    assert said.code == 1 and said.out.splitlines()[-1].startswith("NOT YET: 3 of 3: 3 not read back from the disk yet (")
    said = filmcan("receipt", "P1-Wedding", "--verify")
    assert said.code == 0 and said.out.splitlines()[-1] == "SAFE: 3 of 3" and "ascmhl/0001_P1-Wedding_" in said.out
    told = filmcan("receipt", "Wedding", "--json").json
    assert told["safe"] and {file["sender_sums"][0] for file in told["files"]} == {"source"}
    said = filmcan("receipt", "Wedding", "--copies", "2")
    assert said.code == 1 and "3 on 1 of 2 disks" in said.out


def test_import_verifies_what_it_brought(filmcan: Filmcan, card: Path, root: Path) -> None:
    said = filmcan("import", card, "--into", "Wedding", "--verify")
    assert said.code == 0 and said.out.splitlines()[-1] == "P1-Wedding: SAFE: 3 of 3"
    [generation] = (root / "P1-Wedding/ascmhl").glob("*.mhl")
    assert "<process>transfer</process>" in generation.read_text()
    again = filmcan("import", card, "--into", "Wedding", "--verify", "--json").json
    assert again["unchanged"] == 3 and again["receipts"][0]["verdict"] == "SAFE: 3 of 3"
    assert again["receipts"][0]["manifest"]["path"] is None
    assert filmcan("import", card, "--move", "--verify").code == 2


def test_import_reads_again_what_it_shall_verify(filmcan: Filmcan, card: Path) -> None:
    """Same name, size and time, other bytes: without reading, the card would be called safe."""
    filmcan("import", card, "--into", "Wedding")
    clip = card / "DCIM/100/A001.mov"
    stat = clip.stat()
    clip.write_bytes(b"other clip" * 1000)
    os.utime(clip, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert filmcan("import", card, "--into", "Wedding", "--json").json["new"] == 0
    assert filmcan("import", card, "--into", "Wedding", "--verify", "--json").json["new"] == 1


def test_a_card_may_be_wiped_when_all_its_clips_are_safe(filmcan: Filmcan, card: Path) -> None:
    filmcan("import", card, "--into", "Wedding", "--verify")
    said = filmcan("receipt", "Wedding", "--card", card)
    assert said.code == 0 and said.out == f"{card}: SAFE: 3 of 3\n"
    assert filmcan("receipt", "--card", card).code == 0


def test_a_clip_that_is_not_here_or_elsewhere_or_not_read_back_keeps_the_card(filmcan: Filmcan, card: Path) -> None:
    filmcan("import", card, "--into", "Wedding", "--verify")
    (card / "DCIM/100/A003.mov").write_bytes(b"never imported")
    said = filmcan("receipt", "Wedding", "--card", card)
    assert said.code == 1 and said.out.splitlines() == [
        "  DCIM/100/A003.mov: not stored here",
        f"{card}: NOT YET: 1 of 4: 1 not stored here (DCIM/100/A003.mov)",
    ]
    filmcan("put", card / "DCIM/100/A003.mov", "Other/A003.mov")
    assert "not in P1-Wedding" in filmcan("receipt", "Wedding", "--card", card).out
    told = filmcan("receipt", "--card", card, "--json").json
    assert told["cards"][0]["not_yet"] == [{"path": "DCIM/100/A003.mov", "why": "not read back from the disk yet"}]
    assert len(told["cards"][0]["may_be_wiped"]) == 3


def test_a_renamed_clip_is_known_by_its_content(filmcan: Filmcan, card: Path) -> None:
    filmcan("import", card, "--into", "Wedding", "--verify")
    (card / "DCIM/100/A001.mov").rename(card / "DCIM/100/renamed.mov")
    assert filmcan("receipt", "Wedding", "--card", card).code == 0


def test_what_is_no_media_is_told_beside_the_verdict(filmcan: Filmcan, card: Path) -> None:
    filmcan("import", card, "--into", "Wedding", "--verify")
    (card / "DCIM/MEDIAPRO.XML").write_text("<xml/>")
    said = filmcan("receipt", "Wedding", "--card", card)
    assert said.code == 0 and "1 other file on it, no media, not stored here: DCIM/MEDIAPRO.XML" in said.out


def test_what_cannot_be_read_keeps_the_card(filmcan: Filmcan, card: Path) -> None:
    filmcan("import", card, "--into", "Wedding", "--verify")
    (card / "DCIM/link.mov").symlink_to(card / "DCIM/100/A001.mov")
    said = filmcan("receipt", "Wedding", "--card", card)
    assert said.code == 1 and "cannot be read" in said.out


def test_an_empty_card_is_not_called_safe(filmcan: Filmcan, tmp_path: Path) -> None:
    (tmp_path / "EMPTY").mkdir()
    filmcan("project", "create", "Wedding")
    said = filmcan("receipt", "Wedding", "--card", tmp_path / "EMPTY")
    assert said.code == 1 and "NOT YET: no file is here" in said.out


def test_a_second_disk_counts_through_its_source(
    filmcan: Filmcan, card: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filmcan("import", card, "--into", "Wedding", "--verify")
    (tmp_path / "nas").mkdir()
    filmcan("source", "add", "nas", tmp_path / "nas")
    filmcan("import", card, "--into", "Copy", "--verify", "--source", "nas")
    assert filmcan("receipt", "Wedding", "--copies", "2").code == 1  # the same disk

    def apart(_self: System, fd: int) -> Disk:
        name = Path(f"/proc/self/fd/{fd}").resolve()
        on = "sdb" if name.is_relative_to(tmp_path / "nas") else "sda"
        return Disk(frozenset({on}), on)

    monkeypatch.setattr(System, "disk_of", apart)
    said = filmcan("receipt", "Wedding", "--copies", "2")
    assert said.code == 0 and "nas lies on sdb" in said.out
    assert filmcan("receipt", "--card", card, "--copies", "2").code == 0
    monkeypatch.setenv("FILMCAN_SAFE_COPIES", "3")
    assert filmcan("receipt", "Wedding").code == 1
    (tmp_path / "nas").rename(tmp_path / "unplugged")
    said = filmcan("receipt", "Wedding", "--copies", "2")
    assert said.code == 1 and "nas is not there now, and does not count" in said.out


def test_a_question_without_a_project_or_a_card_is_a_wrong_command_line(filmcan: Filmcan) -> None:
    assert filmcan("receipt").code == 2 and filmcan("receipt", "--verify", "--card", "/tmp").code == 2
    assert filmcan("receipt", "Nothing").code == 3


def test_a_manifest_is_written_and_told(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card, "--into", "Wedding")
    said = filmcan("mhl", "Wedding")
    assert said.code == 0 and "generation 1, 3 files listed" in said.out
    assert filmcan("mhl", "Wedding").out == "P1-Wedding: nothing is new since generation 1\n"
    filmcan("put", card / "DCIM/.DS_Store", "P1-Wedding/notes.txt")
    told = filmcan("mhl", "P1-Wedding", "--json").json
    assert (told["generation"], told["listed"]) == (2, 1) and (root / told["path"]).is_file()
    assert filmcan("mhl", "Nothing").code == 3


def test_a_clip_in_another_project_folder_with_a_history_is_taken_without_it(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card, "--into", "Wedding", "--verify")
    other = root.parent / "carried/P7-Carried"
    other.parent.mkdir()
    (root / "P1-Wedding").rename(other)
    filmcan("reindex")
    said = filmcan("import", other, "--json")
    assert said.code == 0 and not any("ascmhl" in path for path in said.json["renamed"])
    assert not (root / "P7-Carried/ascmhl").exists()
