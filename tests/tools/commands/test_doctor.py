"""The doctor finds what stands in the way, changes nothing, and says what to do."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools.conftest import Filmcan
from tools.commands import doctor
from tools.settings import Settings


@pytest.fixture(autouse=True)
def free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILMCAN_PORT", "0")


def findings(filmcan: Filmcan) -> dict[str, dict[str, Any]]:
    return {finding["about"]: finding for finding in filmcan("doctor", "--json").json["findings"]}


def test_a_well_machine_has_no_problems_and_nothing_is_made(filmcan: Filmcan, root: Path) -> None:
    said = filmcan("doctor")
    assert said.code == 0 and "Nothing stands in the way." in said.out
    assert not root.exists()


def test_every_finding_about_a_problem_has_a_remedy(
    filmcan: Filmcan, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.write_text("not a folder")
    monkeypatch.setenv("FILMCAN_PROT", "1")
    monkeypatch.setattr(doctor, "NEEDED_PYTHON", (9, 9))
    monkeypatch.setattr(doctor, "OPEN_FILES", 1 << 60)
    said = filmcan("doctor", "--json")
    problems = [finding for finding in said.json["findings"] if finding["state"] == "problem"]
    assert said.code == 1 and said.json["problems"] == len(problems)
    assert {finding["about"] for finding in problems} == {"Python", "environment", "open files", "root"}
    assert all(finding["remedy"] for finding in problems)


def test_a_port_in_use_is_a_problem_unless_filmcan_uses_it(
    filmcan: Filmcan, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from views.library import Library

    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("FILMCAN_PORT", str(other.getsockname()[1]))
        assert findings(filmcan)["port"]["state"] == "problem"
        library = Library(root)
        library.store.note_address("http://127.0.0.1:1/dav/")
        try:
            found = findings(filmcan)["port"]
        finally:
            library.close()
    assert found["state"] == "ok" and "http://127.0.0.1:1/dav/" in found["text"]


def test_names_windows_cannot_hold_are_listed(filmcan: Filmcan, root: Path) -> None:
    for name in ("P1-A/what?.mov", "P1-A/fine.mov", "P1-A/aux.mov", ".filmcan/not:looked"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    text = findings(filmcan)["names"]["text"]
    assert "P1-A/what?.mov" in text and "P1-A/aux.mov" in text and "2 names" in text


def test_folders_at_the_top_that_nobody_keeps_are_named(filmcan: Filmcan, root: Path) -> None:
    for name in ("P3-A", "Unsorted-Loose", "_sources", ".filmcan"):
        (root / name).mkdir(parents=True)
    assert "folders" not in findings(filmcan)
    (root / "Wedding").mkdir()
    found = findings(filmcan)["folders"]
    assert found["state"] == "note" and "Wedding" in found["text"] and "Wedding → P4-Wedding" in found["remedy"]


def test_a_network_file_system_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_file_system", lambda place: "nfs4")
    [found] = [finding for finding in doctor.root(Settings(root=tmp_path)) if finding.about == "file system"]
    assert found.state == "problem" and "keep the root on a disk of this machine" in found.remedy


def test_a_full_disk_is_a_problem(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, reserve_bytes=1 << 60)
    [found] = [finding for finding in doctor.root(settings) if finding.about == "space"]
    assert found.state == "problem"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount() -> None:
    assert doctor._file_system(Path("/proc/self")) == "proc"


def test_open_to_the_network_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [finding.text for finding in doctor.reach(Settings(open=True))]
    assert any("without a password" in text for text in texts)


def test_a_server_that_only_reads_is_a_problem(filmcan: Filmcan, root: Path) -> None:
    from views.library import Library

    library = Library(root)
    try:
        library.store.note_address("http://127.0.0.1:1/dav/")
        library.store.state.degrade("the disk fails: Input/output error")
        found = findings(filmcan)["state"]
    finally:
        library.close()
    assert found["state"] == "problem" and found["text"].endswith("the disk fails: Input/output error")
