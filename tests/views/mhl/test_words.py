"""The exact bytes of a manifest and of its chain; patterns that mean one path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cas.digest import Digest
from views.mhl.words import FileNote, FolderNote, Generation, Sums, file_name, literal, patterns, render, render_chain

GOLDEN = Path(__file__).parents[2] / "golden"
AT = 1_768_767_300_000_001_000  # 2026-01-18T20:15:00
SUMS = Sums(Digest(bytes(range(32))), bytes(range(16)), bytes(range(64)))
ROOT = FolderNote("", AT, bytes(16), bytes(range(16)), "", 16)
GENERATION = Generation(
    AT, "set-1", "0.1.0", "transfer", ROOT, (".DS_Store", "ascmhl", "/a & b/"),
    (
        FileNote("ingest/originals/A & <B>.mov", 4, AT, SUMS, AT, "original", "", 20),
        FileNote("ingest/originals/Ünï.mov", 0, AT, SUMS, AT, "verified", "ingest/originals/C0001.MP4", 21),
    ),
    (FolderNote("ingest", AT, bytes(16), bytes(16), "old & ingest", 17),),
    (("ingest/originals/CARD/ascmhl/0002_CARD_2026-01-17_100000Z.mhl", bytes(64)),),
)  # fmt: skip


def compare(name: str, found: bytes) -> None:
    path = GOLDEN / name
    if os.environ.get("FILMCAN_GOLDEN") == "write":
        path.write_bytes(found)
    assert found == path.read_bytes()


def test_a_generation() -> None:
    compare("mhl-generation.xml", b"".join(render(GENERATION)))


def test_a_chain() -> None:
    names = "0001_P1-Film_2026-01-18_201500Z.mhl", "0002_A & B_2026-01-18_201501Z.mhl"
    compare("mhl-chain.xml", render_chain([(number, name, f"c4{number}" + "1" * 87) for number, name in enumerate(names, 1)]))


def test_a_file_is_named_by_number_project_and_moment() -> None:
    assert file_name(7, "P1-Film", AT) == "0007_P1-Film_2026-01-18_201500Z.mhl"


@pytest.mark.parametrize(
    ("path", "pattern"),
    [("a.mov", "a.mov"), ("a [1]!.mov", "a\\ \\[1\\]\\!.mov"), ("#1*?.mov", "\\#1\\*\\?.mov")],
)
def test_a_path_as_a_pattern_means_itself(path: str, pattern: str) -> None:
    assert literal(path) == pattern


def test_patterns_hold_from_the_top_and_within_the_project_whatever_its_label() -> None:
    assert patterns("index.json", "P12-Film [x]") == ("/index.json", "**/P12-*/index.json")
    assert patterns("a", "Unsorted-Loose") == ("/a", "**/Unsorted-Loose/a")
