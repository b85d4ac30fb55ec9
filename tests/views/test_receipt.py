"""Receipts: what makes a file safe, what does not, and the one line that says it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cas.digest import sums_of
from cas.disks import Disk
from tests.cas.test_told import Ticking, send
from tests.cas.test_verify import blob
from tests.rot import rot
from tests.state import put
from views.copies import Copy, independent
from views.library import Library
from views.receipt import Line, Receipt, Receipts, told
from views.resumable import Upload
from views.work import Progress

FILM = "P1-Film"
CLIP = f"{FILM}/ingest/originals/a.mov"


class OnDisk(Ticking):
    """A machine with as many disks as a test needs."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def disk_of(self, fd: int) -> Disk:
        os.fstat(fd)
        return self.disk


def disk(name: str) -> Disk:
    return Disk(frozenset(name.split("+")), name)


MEMORY = Disk(frozenset({"memory"}), "the memory of this machine", lasting=False)


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[dict[str, Library]]:
    """A primary source on one disk, a second on another, a third beside the first."""
    disks = {"primary": "sda", "nas": "sdb", "beside": "sda"}
    found = {name: Library(tmp_path / name, OnDisk(disk(on))) for name, on in disks.items()}
    for library in found.values():
        library.make_project("Film")
    yield found
    for library in found.values():
        library.close()


def nobody(_done: int, _total: int, _name: str) -> None:
    """Who does not watch."""


def only(receipt: Receipt) -> Line:
    [line] = receipt.lines
    return line


def test_levels_are_reached_one_after_the_other(sources: dict[str, Library]) -> None:
    library = sources["primary"]
    send(library, CLIP, b"clip")
    receipts = Receipts(sources, "primary")
    first = receipts.of(FILM)
    assert (only(first).level, only(first).why) == ("received whole", "not read back from the disk yet")
    assert first.verdict == "NOT YET: 1 of 1: 1 not read back from the disk yet (ingest/originals/a.mov)"
    send(library, CLIP, b"clip", sha256=sums_of(b"clip").sha256)
    assert only(receipts.of(FILM)).level == "equal to the sender's"
    assert receipts.read_back(FILM, nobody) == []
    safe = receipts.of(FILM)
    assert (only(safe).level, only(safe).told.keys(), only(safe).copies_counted) == ("read back from the disk", {"sha256"}, 1)
    assert safe.verdict == "SAFE: 1 of 1" and safe.is_safe and only(safe).verified_ns > only(first).verified_ns


def test_an_empty_project_is_not_safe_and_an_empty_file_is(sources: dict[str, Library]) -> None:
    receipts = Receipts(sources, "primary")
    assert (receipts.of(FILM).verdict, receipts.of(FILM).is_safe) == ("NOT YET: no file is here", False)
    put(sources["primary"], f"{FILM}/empty.txt", b"")
    assert receipts.of(FILM).verdict == "SAFE: 1 of 1"


def test_reasons_are_counted_and_the_first_names_told(sources: dict[str, Library]) -> None:
    library = sources["primary"]
    for number in range(6):
        put(library, f"{FILM}/{number}.mov", b"clip %d" % number)
    receipts = Receipts(sources, "primary")
    receipts.read_back(FILM, nobody)
    for number in range(4, 8):
        put(library, f"{FILM}/{number}.mov", b"later %d" % number)
    blob(library, b"clip 0").unlink()
    assert receipts.of(FILM).verdict == (
        "NOT YET: 5 of 8: 4 not read back from the disk yet (4.mov, 5.mov, 6.mov, …); 1 missing or changed on the disk (0.mov)"
    )


def test_what_rotted_is_found_by_reading_back_with_its_paths(sources: dict[str, Library]) -> None:
    library = sources["primary"]
    put(library, CLIP, b"clip")
    rot(library, blob(library, b"clip"), b"cl1p")
    receipts = Receipts(sources, "primary")
    [finding] = receipts.read_back(FILM, nobody)
    assert finding.kind == "damaged" and only(receipts.of(FILM)).level == "not whole"


@pytest.mark.parametrize(
    ("place", "asked", "why"),
    [
        ("nas", 2, ""),
        ("nas", 3, "on 2 of 3 disks"),
        ("beside", 2, "on 1 of 2 disks"),  # another source, the same disk
        ("primary", 2, "on 1 of 2 disks"),  # a second name of the same file
    ],
)
def test_copies_count_by_disks(sources: dict[str, Library], place: str, asked: int, why: str) -> None:
    put(sources["primary"], CLIP, b"clip")
    put(sources[place], f"{FILM}/copy.mov", b"clip")
    receipts = Receipts(sources, "primary", asked)
    receipts.read_back(FILM, nobody)
    lines = [line for line in receipts.of(FILM).lines if line.path.endswith("a.mov")]
    assert [line.why for line in lines] == [why]


def test_a_copy_that_was_not_read_back_is_told_and_does_not_count(sources: dict[str, Library]) -> None:
    put(sources["primary"], CLIP, b"clip")
    put(sources["nas"], f"{FILM}/copy.mov", b"clip")
    Receipts(sources, "primary", 1).read_back(FILM, nobody)
    line = only(Receipts(sources, "primary", 2).of(FILM))
    assert (line.why, line.copies_counted) == ("on 1 of 2 disks, 1 more not read back yet", 2)


def test_a_copy_in_the_trash_or_gone_from_its_disk_is_none(sources: dict[str, Library]) -> None:
    put(sources["primary"], CLIP, b"clip")
    put(sources["nas"], f"{FILM}/copy.mov", b"clip")
    receipts = Receipts(sources, "primary", 2)
    receipts.read_back(FILM, nobody)
    assert receipts.of(FILM).is_safe
    blob(sources["nas"], b"clip").rename(blob(sources["nas"], b"clip").with_name("moved"))
    assert not receipts.of(FILM).is_safe
    blob(sources["nas"], b"clip").with_name("moved").rename(blob(sources["nas"], b"clip"))
    assert not receipts.of(FILM).is_safe  # somebody touched it: its bytes are read before anything is said
    receipts.read_back(FILM, nobody)
    assert receipts.of(FILM).is_safe
    sources["nas"].delete(f"{FILM}/copy.mov")
    assert not receipts.of(FILM).is_safe


def test_memory_is_no_place_for_footage(tmp_path: Path) -> None:
    library = Library(tmp_path / "ram", OnDisk(MEMORY))
    library.make_project("Film")
    put(library, CLIP, b"clip")
    receipts = Receipts({"primary": library}, "primary")
    receipts.read_back(FILM, nobody)
    assert only(receipts.of(FILM)).why == "kept only in the memory of this machine"
    library.close()


def test_disks_with_a_part_in_common_are_one() -> None:
    copies = [Copy(name, disk(name), True, True, 1) for name in ("sda+sdb", "sdb", "sdc")]
    assert independent(copies) == 2
    assert independent([Copy("x", disk("sda"), False, True, 1), Copy("y", MEMORY, True, True, 1)]) == 0


def test_an_upload_that_is_not_complete_keeps_the_phone(sources: dict[str, Library]) -> None:
    library = sources["primary"]
    put(library, CLIP, b"clip")
    receipts = Receipts(sources, "primary")
    receipts.read_back(FILM, nobody)
    upload = library.resumable.begin(Upload("", FILM, "IMG_1.MOV", length=5_000))
    assert receipts.of(FILM).verdict == "NOT YET: 0 of 1: the upload of IMG_1.MOV is not complete (0 of 5,000 bytes)"
    library.resumable.remove(upload.id)
    assert receipts.of(FILM).is_safe


def test_pictures_drawn_of_clips_are_no_files_of_the_card(sources: dict[str, Library]) -> None:
    put(sources["primary"], CLIP, b"clip")
    put(sources["primary"], f"{FILM}/ingest/thumbnails/x.jpg", b"picture")
    assert [line.path for line in Receipts(sources, "primary").of(FILM).lines] == ["ingest/originals/a.mov"]


def test_reading_back_tells_how_far_it_is_and_can_be_ended(sources: dict[str, Library]) -> None:
    for number in range(3):
        put(sources["primary"], f"{FILM}/{number}.mov", b"clip %d" % number)
        put(sources["nas"], f"{FILM}/{number}.mov", b"clip %d" % number)
    seen: list[tuple[int, int, str]] = []
    Receipts(sources, "primary", 2).read_back(FILM, lambda *at: seen.append(at))
    assert seen[-1] == (6, 6, "nas") and [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)

    def stop(done: int, _total: int, _name: str) -> None:
        if done == 2:
            raise InterruptedError("stopped")

    ends: Progress = stop
    with pytest.raises(InterruptedError):
        Receipts(sources, "primary").read_back(FILM, ends)


def test_programs_are_told_all_of_it(sources: dict[str, Library]) -> None:
    send(sources["primary"], CLIP, b"clip", sha256=sums_of(b"clip").sha256)
    receipts = Receipts(sources, "primary")
    receipts.read_back(FILM, nobody)
    said = told(receipts.of(FILM))
    assert said["verdict"] == "SAFE: 1 of 1" and said["safe"] and said["counts"] == {"files": 1, "safe": 1, "not_yet": 0}
    [file] = said["files"]
    assert (file["equals_sender"], file["sender_sums"], file["copies"]) == (True, ["sha256"], 1)
    assert file["sha256"] == sums_of(b"clip").sha256.hex() and file["kept"][0]["disk"] == "sda"
    assert "one copy" in said["rule"] and said["disks"] == {"primary": "sda", "nas": "sdb", "beside": "sda"}
