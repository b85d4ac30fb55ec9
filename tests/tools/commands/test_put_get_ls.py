"""Storing, fetching and listing single files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import Filmcan


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "Interview 1.mov"
    path.write_bytes(b"moving pictures" * 100_000)
    return path


def test_what_is_put_is_got_back_byte_for_byte_with_its_time(filmcan: Filmcan, clip: Path, tmp_path: Path) -> None:
    assert filmcan("put", clip, "P3-Interview/ingest/originals/").code == 0
    said = filmcan("get", "P3-Interview/ingest/originals/Interview 1.mov", tmp_path / "back.mov")
    assert said.code == 0
    assert (tmp_path / "back.mov").read_bytes() == clip.read_bytes()
    assert (tmp_path / "back.mov").stat().st_mtime_ns == clip.stat().st_mtime_ns


def test_the_limit_on_uploads_does_not_hold_for_the_person_at_the_machine(
    filmcan: Filmcan, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILMCAN_MAX_UPLOAD_MB", "1")
    assert clip.stat().st_size > 1 << 20
    assert filmcan("put", clip, "P1-A/one.mov").code == 0


def test_a_clip_put_twice_is_known_and_lies_once(filmcan: Filmcan, clip: Path, root: Path) -> None:
    first = filmcan("put", clip, "P1-A/one.mov", "--json").json
    second = filmcan("put", clip, "P1-A/two.mov", "--json").json
    assert (first[0]["known"], second[0]["known"]) == (False, True)
    assert (root / "P1-A" / "one.mov").samefile(root / "P1-A" / "two.mov")


def test_the_original_stays_writable_and_apart(filmcan: Filmcan, clip: Path, root: Path) -> None:
    filmcan("put", clip, "P1-A/one.mov")
    clip.write_bytes(b"edited in place")
    assert (root / "P1-A" / "one.mov").read_bytes() == b"moving pictures" * 100_000


def test_several_files_go_into_a_folder_that_is_made(filmcan: Filmcan, clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "b.wav"
    other.write_bytes(b"sound")
    said = filmcan("put", clip, other, "Wedding/ingest/originals/sound", "--json")
    assert [entry["path"] for entry in said.json] == [
        "P1-Wedding/ingest/originals/sound/Interview 1.mov",
        "P1-Wedding/ingest/originals/sound/b.wav",
    ]


def test_one_file_takes_the_name_it_is_given_or_goes_into_a_folder_that_is_there(filmcan: Filmcan, clip: Path) -> None:
    filmcan("project", "create", "P1-A")
    assert filmcan("put", clip, "P1-A", "--json").json[0]["path"] == "P1-A/Interview 1.mov"
    assert filmcan("put", clip, "P1-A/b.mov", "--json").json[0]["path"] == "P1-A/b.mov"


def test_pipes_work_both_ways(root: Path) -> None:
    def program(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "tools", *words]
        return subprocess.run(command, input=given, capture_output=True, timeout=60)

    data = bytes(range(256)) * 10_000
    assert program("put", "-", "P1-A/pipe.bin", given=data).returncode == 0
    assert program("get", "P1-A/pipe.bin", "-").stdout == data


def test_what_comes_through_a_pipe_needs_a_name(filmcan: Filmcan) -> None:
    said = filmcan("put", "-", "P1-A/")
    assert said.code == 3 and "needs a name" in said.err


def test_a_file_is_no_folder(filmcan: Filmcan, clip: Path) -> None:
    filmcan("put", clip, "P1-A/a.mov")
    said = filmcan("put", clip, "P1-A/a.mov/b.mov")
    assert said.code == 3 and "P1-A/a.mov is a file" in said.err


def test_nothing_is_replaced_on_the_way_out_unless_told(filmcan: Filmcan, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.mov"
    target.write_text("precious")
    filmcan("put", clip, "P1-A/a.mov")
    said = filmcan("get", "P1-A/a.mov", target)
    assert said.code == 3 and "--force" in said.err and target.read_text() == "precious"
    assert filmcan("get", "P1-A/a.mov", target, "--force").code == 0
    assert target.read_bytes() == clip.read_bytes()
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_a_folder_is_fetched_by_export_and_get_says_so(filmcan: Filmcan) -> None:
    filmcan("project", "create", "P1-A")
    said = filmcan("get", "P1-A")
    assert said.code == 3 and "filmcan export P1-A" in said.err


def test_a_missing_file_is_told_before_anything_happens(filmcan: Filmcan, root: Path) -> None:
    assert filmcan("put", "nowhere.mov", "P1-A/").code == 2
    assert not root.exists()


def test_ls_lists_projects_then_what_is_in_them(filmcan: Filmcan, clip: Path) -> None:
    filmcan("put", clip, "P1-A/ingest/originals/")
    assert filmcan("ls").out.rstrip().endswith("P1-A/")
    said = filmcan("ls", "P1-A/ingest/originals")
    assert "1.5 MB" in said.out and said.out.rstrip().endswith("1 file, 1.5 MB")
    one = filmcan("ls", "P1-A/ingest/originals/Interview 1.mov", "--json").json
    assert [entry["size_bytes"] for entry in one] == [1_500_000]


def test_ls_of_everything_is_what_walks_find(filmcan: Filmcan, clip: Path) -> None:
    filmcan("put", clip, "P1-A/ingest/originals/")
    entries = filmcan("ls", "--recursive", "--json").json
    assert [(entry["kind"], entry["path"]) for entry in entries] == [
        ("project", "P1-A"),
        ("folder", "P1-A/ingest"),
        ("folder", "P1-A/ingest/originals"),
        ("file", "P1-A/ingest/originals/Interview 1.mov"),
        ("folder", "P1-A/ingest/thumbnails"),
    ]
    assert len(entries[3]["blake3"]) == 64 and entries[0]["blake3"] is None


def test_an_empty_root_lists_nothing(filmcan: Filmcan, root: Path) -> None:
    (root / ".filmcan").mkdir(parents=True)
    assert filmcan("ls").out == ""
    assert filmcan("ls", "--json").json == []
