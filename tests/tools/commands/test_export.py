"""Writing a project into an ordinary folder."""

from __future__ import annotations

from pathlib import Path

from tests.tools.conftest import Filmcan


def test_an_export_holds_files_of_its_own_that_can_be_edited(
    filmcan: Filmcan, card: Path, tmp_path: Path, root: Path
) -> None:
    filmcan("import", card, "--into", "Wedding")
    out = tmp_path / "out"
    assert filmcan("export", "P1-Wedding", out).code == 0
    clip = out / "ingest/originals/CARD/DCIM/100/A001.mov"
    assert clip.stat().st_nlink == 1 and clip.stat().st_mode & 0o200
    assert clip.stat().st_mtime_ns == (card / "DCIM/100/A001.mov").stat().st_mtime_ns
    clip.write_bytes(b"edited")
    stored = root / "P1-Wedding/ingest/originals/CARD/DCIM/100/A001.mov"
    assert stored.read_bytes() == b"first clip" * 1000


def test_the_second_export_writes_only_what_is_missing(filmcan: Filmcan, card: Path, tmp_path: Path) -> None:
    filmcan("import", card, "--into", "Wedding")
    out = tmp_path / "out"
    filmcan("export", "Wedding/ingest", out)
    (out / "originals/CARD/DCIM/100/A002.mov").unlink()
    told = filmcan("export", "Wedding/ingest", out, "--json").json
    assert (told["written"], told["unchanged"], told["left"]) == (1, 2, [])


def test_files_of_others_are_left_and_named(filmcan: Filmcan, card: Path, tmp_path: Path) -> None:
    filmcan("import", card, "--into", "Wedding")
    mine = tmp_path / "out/originals/CARD/DCIM/100/A001.mov"
    mine.parent.mkdir(parents=True)
    mine.write_text("my own")
    said = filmcan("export", "P1-Wedding/ingest", tmp_path / "out")
    assert said.code == 3 and "A001.mov" in said.err
    assert mine.read_text() == "my own"


def test_one_file_is_fetched_by_get_and_export_says_so(filmcan: Filmcan, card: Path, tmp_path: Path) -> None:
    filmcan("put", card / "DCIM/100/A001.mov", "P1-A/a.mov")
    said = filmcan("export", "P1-A/a.mov", tmp_path / "out")
    assert said.code == 3 and "filmcan get P1-A/a.mov" in said.err
