"""What is told when folders and index differ: what it is, in which order, and what is left alone."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import pytest

from tests.state import put
from tests.views.by_hand import FILM, ORIGINALS, CountingSystem, edit, lines, touch, write
from views.difference import Conflict
from views.library import Library
from views.scan import Scanner

NFC, NFD = normalize("NFC", "é.mov"), normalize("NFD", "é.mov")


@pytest.fixture
def system() -> CountingSystem:
    return CountingSystem()


@pytest.fixture
def library(root: Path, system: CountingSystem) -> Iterator[Library]:
    library = Library(root, system)
    library.make_project("Film")
    yield library
    library.close()


def conflicts(library: Library) -> dict[str, str]:
    return {found.path: found.why for found in Scanner(library).everything().differences if isinstance(found, Conflict)}


def names(library: Library, *paths: str) -> list[str]:
    return [f"{found.verb} {found.path}" for found in Scanner(library).names(paths).differences]


def test_a_library_that_only_clients_changed_has_no_differences(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    put(library, f"{FILM}/empty", b"")
    put(library, f"{FILM}/._a.mov", b"junk")
    library.make_folder(f"{FILM}/b")
    library.copy(FILM, "Other")
    library.delete(f"{FILM}/a.mov")
    assert lines(library) == []


def test_a_scan_reads_no_bytes(library: Library, system: CountingSystem) -> None:
    for number in range(20):
        put(library, f"{FILM}/{number}", b"film %d" % number)
        write(library.root / FILM / f"new-{number}", b"new %d" % number)
    system.read_bytes = 0
    assert len(lines(library)) == 20
    assert system.read_bytes == 0


@pytest.mark.parametrize("name", [
    ".hidden", ".clip.mov.X7aB2c", "._a.mov", ".DS_Store", "Thumbs.db", "~$letter.docx", "clip.mov.part", "Index.json",
    "_manifest/x", "exports/final.mov", "exports/deep/final.mov", "ingest/proxies/a.mov", "ingest/thumbnails/a.jpg",
    "_cache/a.mov", ".git/config",
])  # fmt: skip
def test_junk_generated_files_and_left_alone_folders_are_never_adopted(library: Library, name: str) -> None:
    write(library.root / FILM / name, b"not for us")
    assert [line for line in lines(library) if "folder" not in line] == []


def test_a_picture_whose_name_begins_with_an_underline_is_a_picture(library: Library) -> None:
    write(library.root / FILM / "_DSC0001.jpg", b"Adobe RGB, as Nikon calls it")
    assert lines(library) == [f"adopt      {FILM}/_DSC0001.jpg"]


def test_files_that_clients_put_into_left_alone_folders_are_looked_after(library: Library) -> None:
    library.make_folder(f"{FILM}/exports")
    put(library, f"{FILM}/exports/a.mov", b"film")
    os.unlink(library.root / FILM / "exports/a.mov")
    assert lines(library) == [f"missing    {FILM}/exports/a.mov"]


def test_foreign_folders_at_the_top_and_names_that_begin_with_an_underline_are_left_alone(library: Library) -> None:
    for path in ("Holiday/a.mov", "_sources/sources.json", "p3-x/a.mov", "P3-/a.mov", ".filmcan/blobs/ab/x", "_loose.mov"):
        write(library.root / path, b"film")
    assert lines(library) == []
    assert names(library, "Holiday", "Holiday/a.mov", "_sources", "_loose.mov", ".filmcan/blobs/ab/x") == []


def test_links_pipes_and_sockets_are_not_followed_and_not_adopted(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = write(tmp_path / "outside/a.mov", b"film")
    folder = library.root / ORIGINALS
    (folder / "link.mov").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent)
    (library.root / "P7-Link").symlink_to(outside.parent)
    os.mkfifo(folder / "pipe.mov")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(folder)  # the path of a socket is short
        listening.bind("socket.mov")
        assert lines(library) == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_file_whose_name_was_taken_by_something_else_is_gone(library: Library, kind: str) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    path = library.root / FILM / "a.mov"
    path.unlink()
    {"link": lambda: path.symlink_to("/etc/passwd"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    assert lines(library)[0] == f"missing    {FILM}/a.mov"
    assert len(lines(library)) == (2 if kind == "folder" else 1)


def test_names_that_cannot_be_rows_are_told_and_break_nothing(library: Library) -> None:
    folder = os.fsencode(library.root / FILM)
    bad = (b"caf\xe9.mov", b"new\nline.mov", b"\x1b[31mred.mov", b"back\\slash.mov", b"\xe2\x80\xaegpj.exe", b"bad\xff/a")
    for name in (*bad, b"x" * 201):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"film")
    with open(os.path.join(os.fsencode(library.root), b"loose\xff.mov"), "wb"):
        pass
    write(library.root / FILM / "good.mov", b"film")
    told = conflicts(library)
    assert len(told) == 8 and all(path.isprintable() for path in told)
    assert told[f"{FILM}/caf\\xe9.mov"] == told["loose\\xff.mov"] == "it holds control characters or is not UTF-8"
    assert f"{FILM}/new\\nline.mov" in told and f"{FILM}/bad\\xff" in told
    assert f"adopt      {FILM}/good.mov" in lines(library)


def test_a_folder_nobody_may_look_into_is_told_and_loses_no_row(library: Library, system: CountingSystem) -> None:
    library.make_folder(f"{FILM}/secret")
    put(library, f"{FILM}/secret/a.mov", b"film")
    write(library.root / FILM / "unknown/b.mov", b"film")
    system.refused = {"secret", "unknown"}
    assert conflicts(library) == {
        f"{FILM}/secret": "it cannot be looked into: Permission denied",
        f"{FILM}/unknown": "it cannot be looked into: Permission denied",
    }
    assert [line for line in lines(library) if line.startswith("missing")] == []


def test_folders_without_end_are_not_followed_to_it(library: Library) -> None:
    folder = os.open(library.root / FILM, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    [(path, why)] = conflicts(library).items()
    assert path.count("/") == 100 and "100 folders deep" in why


def test_two_spellings_of_one_name_are_one_file_and_one_conflict(library: Library) -> None:
    put(library, f"{FILM}/{NFC}", b"film")
    write(library.root / FILM / NFD, b"other")
    assert conflicts(library) == {f"{FILM}/{NFD}": "another spelling of the same name is there"}
    assert names(library, f"{FILM}/{NFD}") == [f"left alone {FILM}/{NFD}"]
    assert names(library, f"{FILM}/{NFC}") == []


def test_single_names_are_looked_at_without_the_rest(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    os.unlink(library.root / FILM / "a.mov")
    write(library.root / FILM / "b.mov", b"new")
    write(library.root / FILM / "c/d/e.mov", b"new")
    assert names(library, f"{FILM}/b.mov", f"{FILM}/nothing") == [f"adopt {FILM}/b.mov"]
    assert names(library, f"{FILM}/a.mov") == [f"missing {FILM}/a.mov"]
    everything_new = [f"folder {FILM}/c", f"folder {FILM}/c/d", f"adopt {FILM}/c/d/e.mov"]
    assert names(library, f"{FILM}/c/d/e.mov", f"{FILM}/c/d", f"{FILM}/c/d/other") == everything_new


def test_a_folder_that_took_the_place_of_another_is_looked_through(library: Library) -> None:
    library.make_folder(f"{FILM}/a")
    put(library, f"{FILM}/a/old.mov", b"old")
    shutil.rmtree(library.root / FILM / "a")
    write(library.root / FILM / "a/new.mov", b"new")
    found = [f"{step.verb} {step.path}" for step in Scanner(library).below([f"{FILM}/a", f"{FILM}/nothing"]).differences]
    assert found == [f"adopt {FILM}/a/new.mov", f"missing {FILM}/a/old.mov"]


def test_the_time_of_a_file_is_enough_to_look_into_it(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    touch(library.root / FILM / "a.mov")
    assert lines(library) == [f"edited     {FILM}/a.mov"]


def test_an_edit_is_seen_through_every_name(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    library.copy(f"{FILM}/a.mov", f"{FILM}/b.mov")
    edit(library.root / FILM / "b.mov", b"FILM")
    assert lines(library) == [f"edited     {FILM}/a.mov", f"edited     {FILM}/b.mov"]


def test_a_scan_can_be_ended(library: Library) -> None:
    def tick(path: str) -> None:
        if path.endswith("originals"):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Scanner(library, tick=tick).everything()
