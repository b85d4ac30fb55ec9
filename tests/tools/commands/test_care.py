"""reindex, verify, collect: what keeps a library well."""

from __future__ import annotations

from pathlib import Path

import pytest

from cas.digest import sums_of
from cas.layout import Layout
from tests.rot import rot_at_rest
from tests.tools.conftest import Filmcan


def test_reindex_takes_in_what_was_put_there_by_hand(filmcan: Filmcan, root: Path) -> None:
    filmcan("project", "create", "P1-A")
    (root / "P1-A/ingest/originals/hand.mov").write_bytes(b"by hand")
    (root / "P1-A/exports").mkdir()
    (root / "P1-A/exports/cut.mov").write_bytes(b"a render in progress")
    planned = filmcan("reindex", "--dry-run")
    assert planned.code == 0 and "P1-A/ingest/originals/hand.mov" in planned.out and "cut.mov" not in planned.out
    assert filmcan("ls", "-r", "P1-A").out.count("hand.mov") == 0
    assert filmcan("reindex", "--json").json["indexed"] == ["P1-A/ingest/originals/hand.mov"]
    assert filmcan("get", "P1-A/ingest/originals/hand.mov", "-").out == "by hand"
    assert "Nothing to do" in filmcan("reindex").out


def test_reindex_looks_at_one_project_when_told(filmcan: Filmcan, root: Path) -> None:
    for name in ("P1-A", "P2-B"):
        filmcan("project", "create", name)
        (root / name / "ingest/originals/hand.mov").write_text(name)
    assert filmcan("reindex", "P2-B", "--json").json["indexed"] == ["P2-B/ingest/originals/hand.mov"]


def test_reindex_leaves_alone_what_the_settings_say(filmcan: Filmcan, root: Path) -> None:
    filmcan("project", "create", "P1-A")
    (root / ".filmcan/config.toml").write_text("left_alone = ['scratch']\n")
    (root / "P1-A/scratch").mkdir()
    (root / "P1-A/scratch/a.mov").write_text("x")
    assert filmcan("reindex", "--json").json["indexed"] == []


def test_reindex_brings_stray_media_home_only_when_asked(filmcan: Filmcan, root: Path) -> None:
    filmcan("project", "create", "P1-A")
    (root / "P1-A/card").mkdir()
    (root / "P1-A/card/a.mov").write_text("x")
    assert filmcan("reindex", "--json").json["relocated"] == []
    assert filmcan("reindex", "--relocate", "--json").json["relocated"] == ["P1-A/ingest/originals/card/a.mov"]


def test_a_healthy_library_verifies(filmcan: Filmcan, card: Path) -> None:
    filmcan("import", card)
    for way in ("--full", "--quick"):
        said = filmcan("verify", way)
        assert said.code == 0 and "2 clips looked at, 21.0 KB" in said.out and "All of it is whole." in said.out


def edit(clip: Path) -> None:
    """Other bytes in place, by somebody's hand."""
    clip.chmod(0o644)
    with clip.open("r+b") as file:
        file.write(b"F")
    clip.chmod(0o444)


def test_a_damaged_clip_is_named_with_its_paths_and_the_remedy_that_helps(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card)
    clip = root / "P1-CARD/ingest/originals/DCIM/100/A001.mov"
    rot_at_rest(root, clip, b"F")
    assert filmcan("verify", "--quick").code == 0
    said = filmcan("verify", "--json")
    assert said.code == 1 and said.json["problems"] == 1
    [finding] = said.json["findings"]
    assert finding["kind"] == "damaged" and "put the same file again" in finding["remedy"]
    assert finding["paths"] == [
        "P1-CARD/ingest/originals/DCIM/100/A001.mov",
        "P1-CARD/ingest/originals/DCIM/101/A001.mov",
    ]
    said = filmcan("get", finding["paths"][0], root / "back.mov")
    assert said.code == 3 and not (root / "back.mov").exists()
    assert "1 problem found." in filmcan("verify").out
    filmcan("put", card / "DCIM/100/A001.mov", "P2-Healed/any-name.mov")
    assert filmcan("verify").code == 0
    for path in finding["paths"]:
        assert (root / path).read_bytes() == b"first clip" * 1000
    assert filmcan("reindex", "--dry-run", "--json").json["steps"] == []


@pytest.mark.parametrize("opened_before", [False, True])
def test_a_clip_edited_in_place_is_kept_as_what_it_is_and_the_old_one_comes_back(
    filmcan: Filmcan, card: Path, root: Path, opened_before: bool
) -> None:
    filmcan("import", card)
    inner = "P1-CARD/ingest/originals/DCIM/100/A002.mov"
    edit(root / inner)
    if opened_before:
        assert filmcan("get", inner, "-").code == 3
    [finding] = filmcan("verify", "--json").json["findings"]
    assert finding["kind"] == ("missing" if opened_before else "edited")
    filmcan("reindex")
    assert filmcan("reindex", "--dry-run", "--json").json["steps"] == []
    assert filmcan("get", inner, root.parent / "back.mov").code == 0
    assert (root.parent / "back.mov").read_bytes()[:6] == b"Fecond"
    assert "no name outside the trash" in filmcan("verify").out
    filmcan("put", card / "DCIM/100/A002.mov", "P1-CARD/old.mov")
    assert filmcan("verify").code == 0


def test_a_blob_nobody_knows_is_no_problem_and_is_used_when_it_comes_again(filmcan: Filmcan, card: Path, root: Path) -> None:
    digest = sums_of(b"second clip" * 1000).digest
    filmcan("project", "create", "P1-A")
    blob = Layout(root).blob(digest)
    blob.write_bytes(b"second clip" * 1000)
    said = filmcan("verify", "--json")
    assert said.code == 0 and [finding["kind"] for finding in said.json["findings"]] == ["unknown"]
    filmcan("put", card / "DCIM/100/A002.mov", "P1-A/a.mov")
    assert filmcan("verify", "--json").json["findings"] == [] and (root / "P1-A/a.mov").samefile(blob)


def test_collect_takes_nothing_that_is_needed_or_young(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card)
    filmcan("project", "delete", "P1-CARD")
    for _ in range(2):
        assert filmcan("collect", "--json").json["gone"] == []
    assert len([path for path in (root / ".filmcan/blobs").rglob("*") if path.is_file()]) == 2


def test_collect_tells_before_it_acts(filmcan: Filmcan, root: Path) -> None:
    (root / ".filmcan").mkdir(parents=True)
    said = filmcan("collect", "--dry-run")
    assert said.code == 0 and "0 clips would go" in said.out


def test_a_rebuilt_index_tells_the_same_story(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card, "--into", "Wedding")
    filmcan("project", "note", "P1-Wedding", "two cameras")
    before = filmcan("ls", "-r", "--json").json, filmcan("project", "list", "--json").json
    for path in (root / ".filmcan/index").iterdir():
        path.write_bytes(b"not an index")
    said = filmcan("rebuild", "--json")
    assert said.code == 0 and said.json["found_on_disk"] == []
    assert (filmcan("ls", "-r", "--json").json, filmcan("project", "list", "--json").json) == before


def test_a_rebuild_keeps_away_from_a_running_server(filmcan: Filmcan, root: Path) -> None:
    from views.library import Library

    library = Library(root)
    try:
        said = filmcan("rebuild")
        assert said.code == 3 and "is already open" in said.err
        assert library.find("") is not None
    finally:
        library.close()
    assert (root / ".filmcan/index").is_dir()


def test_a_damaged_journal_is_a_problem_told_in_words(filmcan: Filmcan, card: Path, root: Path) -> None:
    filmcan("import", card)
    [segment] = (root / ".filmcan/journal").glob("*.log")
    data = bytearray(segment.read_bytes())
    data[len(data.rstrip(b"\0")) // 2] ^= 0xFF
    segment.write_bytes(data)
    said = filmcan("verify")
    assert said.code == 1 and f"of {segment.name} from byte" in said.out
    assert filmcan("ls", "-r", "P1-CARD").out.count(".mov") == 3
