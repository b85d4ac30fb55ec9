"""What becomes of changes made by hand: index and folders say the same afterwards, and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import pytest

from cas.digest import sums_of
from cas.errors import BlobDamaged, CasError
from cas.verify import verify
from tests.faulty import Death, FaultySystem, QuickSystem
from tests.state import check_replay, in_index, on_disk, put, read
from tests.views.by_hand import FILM, ORIGINALS, CountingSystem, check_settled, edit, lines, reindex, save, touch, write
from views.entry import Kind
from views.folder import name_in_trash
from views.library import Library
from views.reindex import Relocation, Report, apply, plan, plan_of
from views.scan import Scanner

NFC, NFD = normalize("NFC", "é.mov"), normalize("NFD", "é.mov")


@pytest.fixture
def system() -> CountingSystem:
    return CountingSystem()


@pytest.fixture
def library(root: Path, system: CountingSystem) -> Iterator[Library]:
    """The shared one, looked at once more at the end: the journal tells the same as the index."""
    library = Library(root, system)
    library.make_project("Film")
    yield library
    check_replay(library).close()


def relocate(library: Library, project: str | None = None) -> Report:
    return apply(library, plan(library, project, relocate=True))


def quarantine(library: Library) -> list[bytes]:
    return [path.read_bytes() for path in library.store.layout.quarantine.iterdir()]


def findings(library: Library) -> list[tuple[str, str]]:
    return [(found.kind, found.digest.hex) for found in verify(library.store, full=True).findings]


def blob(library: Library, data: bytes) -> Path:
    return library.store.layout.blob(sums_of(data).digest)


# new files


def test_files_and_folders_put_there_by_hand_are_taken_in_where_they_lie(library: Library) -> None:
    path = write(library.root / ORIGINALS / "card/a.mov", b"film")
    write(library.root / "loose.mov", b"loose")
    write(library.root / ORIGINALS / "empty", b"")
    inode = path.stat().st_ino
    report = reindex(library)
    assert [placed.path for placed in report.indexed] == [f"{ORIGINALS}/card/a.mov", f"{ORIGINALS}/empty", "loose.mov"]
    assert path.stat().st_ino == inode and path.stat().st_mode & 0o777 == 0o444
    assert library.entry("loose.mov").via == "reindex" and library.entry("loose.mov").arrived_ns


def test_known_bytes_become_a_link_of_what_is_there(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    write(library.root / FILM / "b.mov", b"film")
    assert reindex(library).indexed[0].known
    assert (library.root / FILM / "a.mov").samefile(library.root / FILM / "b.mov")


def test_a_second_reindex_reads_no_bytes(library: Library, system: CountingSystem) -> None:
    for number in range(50):
        write(library.root / ORIGINALS / f"{number}.mov", b"film %d" % number)
    reindex(library)
    system.read_bytes = 0
    assert apply(library, plan(library)) == Report()
    assert system.read_bytes == 0


def test_links_made_by_hand_are_taken_in_without_reading(library: Library, system: CountingSystem) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    shutil.copytree(library.root / FILM, library.root / "P2-Backup", copy_function=os.link)
    system.read_bytes = 0
    report = apply(library, plan(library))
    assert system.read_bytes == 0
    assert [placed.path for placed in report.indexed] == ["P2-Backup/a.mov"]
    check_settled(library)


def test_a_file_that_somebody_still_writes_waits(library: Library) -> None:
    path = write(library.root / FILM / "a.mov", b"fi")
    with path.open("ab"):
        assert apply(library, plan(library)).busy == [f"{FILM}/a.mov"]
        assert library.find(f"{FILM}/a.mov") is None
    reindex(library)


def test_a_file_that_changed_a_moment_ago_waits_if_asked(library: Library) -> None:
    write(library.root / FILM / "a.mov", b"film")
    touch(library.root / FILM / "a.mov")
    assert apply(library, plan(library), quiet_s=60).busy == [f"{FILM}/a.mov"]


def test_where_nobody_can_tell_who_writes_a_file_waits_longer(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    write(library.root / FILM / "a.mov", b"film")
    found = plan(library)
    monkeypatch.setattr(library.store.system, "being_written", lambda fd: None)
    assert apply(library, found, quiet_s=1e-9).busy == [f"{FILM}/a.mov"]
    reindex(library)  # a person who asks need not wait


def test_a_file_opened_for_writing_while_it_was_hashed_waits(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    write(library.root / FILM / "a.mov", b"film")
    told = iter([False, True])
    monkeypatch.setattr(library.store.system, "being_written", lambda fd: next(told))
    assert apply(library, plan(library)).busy == [f"{FILM}/a.mov"]


def test_a_file_dated_in_the_future_is_taken_in(library: Library) -> None:
    touch(write(library.root / FILM / "a.mov", b"film"), 4_000_000_000)
    reindex(library)


def test_a_file_that_vanished_since_the_plan_was_made_does_not_stop_the_others(library: Library) -> None:
    write(library.root / FILM / "a.mov", b"film")
    write(library.root / FILM / "b.mov", b"other")
    write(library.root / FILM / "c/c.mov", b"third")
    found = plan(library)
    os.unlink(library.root / FILM / "a.mov")
    shutil.rmtree(library.root / FILM / "c")
    report = apply(library, found)
    assert [placed.path for placed in report.indexed] == [f"{FILM}/b.mov"]
    assert set(report.busy) == {f"{FILM}/a.mov", f"{FILM}/c", f"{FILM}/c/c.mov"} - set(report.failed)
    check_settled(library)


def test_a_plan_done_twice_reads_once(library: Library, system: CountingSystem) -> None:
    write(library.root / FILM / "a.mov", b"film")
    found = plan(library)
    apply(library, found)
    system.read_bytes = 0
    assert apply(library, found).indexed == []
    assert system.read_bytes == 0


def test_two_spellings_that_came_together_are_one_row_and_one_conflict(library: Library) -> None:
    write(library.root / FILM / NFC, b"one")
    write(library.root / FILM / NFD, b"two")
    report = apply(library, plan(library))
    assert len(report.indexed) == 1 and len(report.conflicts) == 1
    assert len(plan(library).steps) == 1


# projects


@pytest.mark.parametrize("name", ["P007-x y", f"P3-{NFC}", f"P3-{NFD}", "Unsorted-Loose", "P9-.", "P1-Film b"])
def test_a_folder_that_is_called_like_a_project_becomes_one_and_keeps_its_name(library: Library, name: str) -> None:
    write(library.root / name / "ingest/originals/a.mov", b"film")
    reindex(library)
    assert library.project(name).entry.kind is Kind.PROJECT
    assert read(library, f"{name}/ingest/originals/a.mov") == b"film"
    assert (library.root / name / "_manifest").is_dir()


def test_a_folder_called_as_a_client_asked_for_another_is_a_project_of_its_own(library: Library) -> None:
    made = library.make_folder("P9-Anna y").path
    write(library.root / "P9-Anna y/a.mov", b"film")
    write(library.root / "Film", b"the name that a client chose for P1-Film")
    reindex(library)
    assert made == "P9-Anna-y" and library.find("P9-Anna-y/a.mov") is None
    assert read(library, "P9-Anna y/a.mov") == b"film" and not library.entry("Film").is_folder


def test_a_project_that_was_removed_by_hand_is_gone_and_its_bytes_are_kept(library: Library) -> None:
    put(library, f"{ORIGINALS}/a.mov", b"film")
    shutil.rmtree(library.root / FILM)
    assert reindex(library).removed == [FILM]
    assert library.projects() == [] and blob(library, b"film").exists()
    assert findings(library) == []


def test_a_project_renamed_by_hand_stays_the_same_project(library: Library) -> None:
    library.set_notes(FILM, "two cameras")
    put(library, f"{ORIGINALS}/a.mov", b"film")
    before = library.entry(f"{ORIGINALS}/a.mov").id
    (library.root / FILM).rename(library.root / "P5-Documentary")
    assert [(step.path, step.to) for step in reindex(library).renamed] == [(FILM, "P5-Documentary")]
    assert library.project("P5-Documentary").row.notes == "two cameras"
    assert library.entry("P5-Documentary/ingest/originals/a.mov").id == before


def test_an_empty_project_is_known_again_by_its_number(library: Library) -> None:
    library.set_notes(FILM, "two cameras")
    (library.root / FILM).rename(library.root / "P1-Documentary")
    reindex(library)
    assert library.project("P1-Documentary").row.notes == "two cameras"


def test_a_project_moved_into_another_is_a_folder_there(library: Library) -> None:
    put(library, f"{ORIGINALS}/a.mov", b"film")
    library.make_project("Other")
    write(library.root / FILM / "index.json", b"{}")
    (library.root / FILM).rename(library.root / "P2-Other" / FILM)
    apply(library, plan(library))
    reindex(library)
    assert library.entry(f"P2-Other/{FILM}").kind is Kind.FOLDER
    assert [project.name for project in library.projects()] == ["P2-Other"]


def test_a_folder_moved_to_the_top_is_a_project(library: Library) -> None:
    library.make_folder(f"{FILM}/b")
    put(library, f"{FILM}/b/a.mov", b"film")
    (library.root / FILM / "b").rename(library.root / "P8-B")
    reindex(library)
    assert library.project("P8-B").entry.kind is Kind.PROJECT


# names that moved


def test_a_file_renamed_by_hand_keeps_its_row(library: Library, system: CountingSystem) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    before = library.entry(f"{FILM}/a.mov")
    (library.root / FILM / "a.mov").rename(library.root / ORIGINALS / "b.mov")
    system.read_bytes = 0
    assert [(step.path, step.to) for step in reindex(library).renamed] == [(f"{FILM}/a.mov", f"{ORIGINALS}/b.mov")]
    assert library.entry(f"{ORIGINALS}/b.mov").id == before.id and system.read_bytes == 0


def test_of_several_names_with_the_same_bytes_each_is_followed_to_its_like(library: Library) -> None:
    for name in ("a", "b", "c"):
        put(library, f"{FILM}/{name}.mov", b"film")
    ids = {name: library.entry(f"{FILM}/{name}.mov").id for name in ("a", "b", "c")}
    for name in ("c", "b", "a"):
        (library.root / FILM / f"{name}.mov").rename(library.root / ORIGINALS / f"{name}.mov")
    reindex(library)
    assert {name: library.entry(f"{ORIGINALS}/{name}.mov").id for name in ids} == ids


def test_a_folder_renamed_by_hand_keeps_its_rows_whatever_else_was_done_in_it(library: Library) -> None:
    library.make_folder(f"{FILM}/a")
    library.make_folder(f"{FILM}/a/sub")
    for name in ("1", "2", "3", "4", "5", "6", "7", "8", "sub/1", "sub/2"):
        put(library, f"{FILM}/a/{name}", f"film {name}".encode())
    put(library, f"{FILM}/a/empty", b"")
    before = {name: library.entry(f"{FILM}/a/{name}").id for name in ("1", "2", "3", "sub", "sub/1", "empty")}
    (library.root / FILM / "a").rename(library.root / FILM / "b")
    folder = library.root / FILM / "b"
    save(folder / "2", b"saved since")
    (folder / "3").rename(library.root / FILM / "three")
    (folder / "4").unlink()
    (folder / "sub").rename(folder / "below")
    write(folder / "new", b"new")
    reindex(library)
    after = {"1": "b/1", "2": "b/2", "3": "three", "sub": "b/below", "sub/1": "b/below/1", "empty": "b/empty"}
    assert {name: library.entry(f"{FILM}/{path}").id for name, path in after.items()} == before


def test_a_folder_whose_files_were_spread_is_followed_file_by_file(library: Library) -> None:
    library.make_folder(f"{FILM}/a")
    for name in ("1", "2"):
        put(library, f"{FILM}/a/{name}", name.encode())
        (library.root / FILM / f"to-{name}").mkdir()
        (library.root / FILM / f"a/{name}").rename(library.root / FILM / f"to-{name}/{name}")
    (library.root / FILM / "a").rmdir()
    assert len(reindex(library).renamed) == 2


def test_two_files_that_changed_places_have_each_others_bytes(library: Library, system: CountingSystem) -> None:
    put(library, f"{FILM}/a", b"A")
    put(library, f"{FILM}/b", b"B")
    folder = library.root / FILM
    (folder / "a").rename(folder / "c")
    (folder / "b").rename(folder / "a")
    (folder / "c").rename(folder / "b")
    system.read_bytes = 0
    reindex(library)
    assert (read(library, f"{FILM}/a"), read(library, f"{FILM}/b")) == (b"B", b"A") and system.read_bytes == 0


def test_a_file_moved_over_another_takes_its_name(library: Library) -> None:
    put(library, f"{FILM}/a", b"A")
    put(library, f"{FILM}/b", b"B")
    (library.root / FILM / "a").rename(library.root / FILM / "b")
    reindex(library)
    assert read(library, f"{FILM}/b") == b"A" and library.find(f"{FILM}/a") is None


@pytest.mark.parametrize(("before", "after"), [(NFC, NFD), (NFD, NFC)])
def test_a_name_spelled_anew_is_the_same_name(library: Library, before: str, after: str) -> None:
    put(library, f"{FILM}/{before}", b"film")
    library.make_folder(f"{FILM}/folder-{before}")
    put(library, f"{FILM}/folder-{before}/a", b"a")
    ids = [library.entry(f"{FILM}/{name}").id for name in (before, f"folder-{before}", f"folder-{before}/a")]
    (library.root / FILM / before).rename(library.root / FILM / after)
    (library.root / FILM / f"folder-{before}").rename(library.root / FILM / f"folder-{after}")
    reindex(library)
    assert [library.entry(f"{FILM}/{name}").id for name in (after, f"folder-{after}", f"folder-{after}/a")] == ids
    library.delete(f"{FILM}/{before}")
    library.move(f"{FILM}/folder-{before}", f"{FILM}/plain")
    check_settled(library)


def test_a_move_that_is_no_longer_true_is_looked_at_again(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    (library.root / FILM / "a").rename(library.root / FILM / "b")
    found = plan(library)
    (library.root / FILM / "b").rename(library.root / FILM / "a")
    assert set(apply(library, found).busy) == {f"{FILM}/a", f"{FILM}/b"}
    assert lines(library) == [f"edited     {FILM}/a"], "its inode changed, and no name tells why: it is read"
    assert reindex(library).edited == []


# gone


def test_a_name_deleted_by_hand_goes_and_the_same_bytes_come_back(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    os.unlink(library.root / FILM / "a.mov")
    assert reindex(library).removed == [f"{FILM}/a.mov"]
    assert library.project(FILM).row.removed_missing == 1
    put(library, f"{FILM}/a.mov", b"film")
    check_settled(library)


def test_a_name_deleted_by_hand_and_sent_again_before_anybody_looked_is_there(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    os.unlink(library.root / FILM / "a.mov")
    put(library, f"{FILM}/a.mov", b"film")
    check_settled(library)


def test_a_file_that_became_a_folder_loses_nothing(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    os.unlink(library.root / FILM / "a")
    write(library.root / FILM / "a/inside.mov", b"inside")
    reindex(library)
    assert read(library, f"{FILM}/a/inside.mov") == b"inside" and blob(library, b"film").exists()


def test_a_folder_that_became_a_file_loses_nothing(library: Library) -> None:
    library.make_folder(f"{FILM}/a")
    put(library, f"{FILM}/a/inside.mov", b"inside")
    (library.root / FILM / "a").rename(library.root / FILM / "b")
    write(library.root / FILM / "a", b"film")
    reindex(library)
    assert read(library, f"{FILM}/a") == b"film" and read(library, f"{FILM}/b/inside.mov") == b"inside"


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_took_the_place_of_a_file_stays_where_it_is(library: Library, kind: str) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    path = library.root / FILM / "a.mov"
    path.unlink()
    {"link": lambda: path.symlink_to("/etc/passwd"), "pipe": lambda: os.mkfifo(path)}[kind]()
    assert apply(library, plan(library)).removed == [f"{FILM}/a.mov"]
    assert path.is_symlink() or path.is_fifo()
    assert lines(library) == []


# edits


def test_a_file_saved_anew_has_the_new_bytes_and_the_old_ones_are_kept(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    before = library.entry(f"{FILM}/a.mov")
    save(library.root / FILM / "a.mov", b"longer film")
    reindex(library)
    after = library.entry(f"{FILM}/a.mov")
    assert (after.id, after.digest, after.size_bytes) == (before.id, sums_of(b"longer film").digest, 11)
    assert blob(library, b"film").read_bytes() == b"film" and findings(library) == []


def test_an_edit_in_place_is_kept_as_what_it_is_and_told_through_all_its_names(library: Library, system: CountingSystem) -> None:
    for path in (f"{FILM}/a.mov", f"{FILM}/b.mov", f"{FILM}/c.mov"):
        put(library, path, b"film")
    library.delete(f"{FILM}/c.mov")
    edit(library.root / FILM / "a.mov", b"FILM!")
    system.read_bytes = 0
    assert sorted(reindex(library).edited) == [f"{FILM}/a.mov", f"{FILM}/b.mov"]
    assert system.read_bytes == 5, "read once, whatever the number of names"
    assert read(library, f"{FILM}/b.mov") == b"FILM!"
    assert findings(library) == [("missing", sums_of(b"film").digest.hex)]
    put(library, f"{FILM}/again.mov", b"film")
    assert findings(library) == []


def test_a_file_emptied_in_place_is_empty_and_tells_that_its_bytes_are_missing(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    os.truncate(library.root / FILM / "a.mov", 0)
    apply(library, plan(library))
    assert lines(library) == []
    assert library.entry(f"{FILM}/a.mov").size_bytes == 0 and read(library, f"{FILM}/a.mov") == b""


def test_an_edit_to_bytes_that_are_known_becomes_a_link_of_them(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    put(library, f"{FILM}/b.mov", b"FILM")
    edit(library.root / FILM / "a.mov", b"FILM")
    apply(library, plan(library))
    check_settled(library)
    assert read(library, f"{FILM}/a.mov") == b"FILM"


def test_an_empty_file_that_was_written_to_is_taken_in(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"")
    edit(library.root / FILM / "a.mov", b"film")
    reindex(library)


def test_a_file_that_was_only_touched_is_sealed_again_after_one_reading(library: Library, system: CountingSystem) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    library.copy(f"{FILM}/a.mov", f"{FILM}/b.mov")
    touch(library.root / FILM / "a.mov")
    system.read_bytes = 0
    report = apply(library, plan(library))
    assert system.read_bytes == 4 and report.edited == report.indexed == []
    check_settled(library)
    assert findings(library) == [] and quarantine(library) == []


def test_an_edit_that_a_reader_saw_first_is_not_lost(library: Library) -> None:
    """The reader cannot have the bytes it asked for; all names tell what they hold before the index is asked to look."""
    for path in (f"{FILM}/a.mov", f"{FILM}/b.mov"):
        put(library, path, b"film")
    edit(library.root / FILM / "a.mov", b"FILM")
    with pytest.raises(BlobDamaged):
        library.open(f"{FILM}/a.mov")
    heard = Scanner(library).names([f"{FILM}/b.mov"])
    assert apply(library, plan_of(library, heard)).edited == []
    check_settled(library)
    assert read(library, f"{FILM}/a.mov") == read(library, f"{FILM}/b.mov") == b"FILM"
    assert findings(library) == [("missing", sums_of(b"film").digest.hex)]


def test_an_edit_that_goes_on_waits_until_it_is_done(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    with (library.root / FILM / "a.mov").open("r+b") as file:
        file.write(b"FILM")
        file.flush()
        touch(library.root / FILM / "a.mov")
        assert apply(library, plan(library)).busy == [f"{FILM}/a.mov"]
    reindex(library)
    assert read(library, f"{FILM}/a.mov") == b"FILM"


def test_bytes_that_change_while_they_are_looked_into_are_looked_at_again(library: Library, system: CountingSystem) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    path = library.root / FILM / "a.mov"
    edit(path, b"Film")
    readinto = system.readinto

    def meddle(fd: int, buffer: memoryview, offset: int) -> int:
        if offset == 0:
            edit(path, b"FILM")
        return readinto(fd, buffer, offset)

    system.readinto = meddle  # type: ignore[method-assign]
    assert apply(library, plan(library)).busy == [f"{FILM}/a.mov"]
    system.readinto = readinto  # type: ignore[method-assign]
    assert quarantine(library) == []
    reindex(library)
    assert read(library, f"{FILM}/a.mov") == b"FILM"


def test_a_blob_removed_by_hand_comes_back_from_the_name_that_still_has_it(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    blob(library, b"film").unlink()
    assert findings(library) != []
    reindex(library)
    assert findings(library) == [] and read(library, f"{FILM}/a.mov") == b"film"


# rows that a power cut left


def test_a_row_whose_name_and_bytes_are_both_gone_leaves_nothing(library: Library) -> None:
    """The journal of a group may be durable although its names are not; nobody was answered then."""
    put(library, f"{FILM}/a.mov", b"film")
    library.copy(f"{FILM}/a.mov", f"{FILM}/b.mov")
    library.make_folder(f"{FILM}/c")
    put(library, f"{FILM}/c/d.mov", b"other")
    for path in (f"{FILM}/a.mov", f"{FILM}/b.mov"):
        os.unlink(library.root / path)
    shutil.rmtree(library.root / FILM / "c")
    blob(library, b"film").unlink()
    blob(library, b"other").unlink()
    reindex(library)
    assert findings(library) == [] and library.space().used_bytes == 0


def test_a_row_that_was_replaced_before_the_power_cut_shows_the_old_bytes_again(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"old")
    shutil.copy2(library.root / FILM / "a.mov", library.root / "kept", follow_symlinks=False)
    os.unlink(library.root / "kept")
    os.link(library.root / FILM / "a.mov", library.root.parent / "kept")
    put(library, f"{FILM}/a.mov", b"new")
    os.replace(library.root.parent / "kept", library.root / FILM / "a.mov")
    blob(library, b"new").unlink()
    reindex(library)
    assert read(library, f"{FILM}/a.mov") == b"old" and findings(library) == []


def test_bytes_that_another_name_still_wants_stay_missing(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    library.copy(f"{FILM}/a.mov", f"{FILM}/b.mov")
    os.unlink(library.root / FILM / "b.mov")
    library.delete(f"{FILM}/a.mov")
    blob(library, b"film").unlink()
    reindex(library)
    assert findings(library) == [("missing", sums_of(b"film").digest.hex)], "it lies in the trash"


# stray media


def test_stray_media_go_where_originals_belong_if_asked(library: Library) -> None:
    write(library.root / FILM / "a.mov", b"a")
    write(library.root / FILM / "misc/b.MOV", b"b")
    put(library, f"{FILM}/dav.jpg", b"by a client")
    untouched = ("exports/out.mp4", "ingest/thumbnails/a.jpg", "ingest/proxies/p.mov", "_manifest/x.mov", "_cache/y.mov",
                 ".z/z.mov", "notes.txt", "ingest/originals/notes.txt")  # fmt: skip
    for name in untouched:
        write(library.root / FILM / name, name.encode())
    report = relocate(library, FILM)
    assert sorted(step.to for step in report.relocated) == [f"{ORIGINALS}/{name}" for name in ("a.mov", "dav.jpg", "misc/b.MOV")]
    assert all((library.root / FILM / name).read_bytes() == name.encode() for name in untouched)
    assert relocate(library).relocated == [] and lines(library) == []


def test_a_name_that_is_taken_gets_a_number(library: Library) -> None:
    for name in ("a.mov", "a_1.mov", NFC):
        put(library, f"{ORIGINALS}/{name}", name.encode())
    library.make_folder(f"{ORIGINALS}/b.mov")
    for name in ("a.mov", NFD, "b.mov"):
        write(library.root / FILM / name, b"other")
    assert [(step.path, step.to) for step in relocate(library).relocated] == [
        (f"{FILM}/a.mov", f"{ORIGINALS}/a_2.mov"),
        (f"{FILM}/b.mov", f"{ORIGINALS}/b_1.mov"),
        (f"{FILM}/{NFD}", f"{ORIGINALS}/{NFD[:2]}_1.mov"),
    ]
    check_settled(library)


def test_stray_media_that_moved_by_hand_are_relocated_from_where_they_are(library: Library) -> None:
    library.make_folder(f"{FILM}/a")
    for name in ("1.mov", "2.mov", "3.mov"):
        put(library, f"{FILM}/a/{name}", name.encode())
    (library.root / FILM / "a").rename(library.root / FILM / "b")
    (library.root / FILM / "b/2.mov").rename(library.root / FILM / "two.mov")
    report = relocate(library)
    assert report.failed == {} and report.busy == []
    assert sorted(step.to for step in report.relocated) == [f"{ORIGINALS}/{to}" for to in ("b/1.mov", "b/3.mov", "two.mov")]
    check_settled(library)


def test_a_dry_run_tells_what_would_be_done(library: Library) -> None:
    write(library.root / FILM / "a.mov", b"a")
    found = plan(library, relocate=True)
    assert found.lines() == [f"adopt      {FILM}/a.mov", f"relocate   {FILM}/a.mov → {ORIGINALS}/a.mov"]
    assert isinstance(found.steps[1], Relocation) and library.find(f"{FILM}/a.mov") is None


# many


def test_folders_that_all_hold_the_same_file_are_told_apart_by_the_others(library: Library) -> None:
    for number in range(120):
        library.make_folder(f"{FILM}/{number}")
        put(library, f"{FILM}/{number}/licence", b"the same everywhere")
        put(library, f"{FILM}/{number}/a.mov", b"film %d" % number)
    ids = {number: library.entry(f"{FILM}/{number}").id for number in range(120)}
    for number in range(120):
        (library.root / FILM / f"{number}").rename(library.root / FILM / f"to-{number}")
    assert len(reindex(library).renamed) == 120
    assert {number: library.entry(f"{FILM}/to-{number}").id for number in range(120)} == ids


@pytest.mark.long
def test_a_hundred_thousand_files_are_taken_in_behind_and_never_read_again(library: Library, system: CountingSystem) -> None:
    """The tree is served meanwhile: a listing waits for no commit and no reading. Memory is that of the names once."""
    for folder in range(100):
        at = library.root / ORIGINALS / f"{folder:02}"
        at.mkdir()
        for number in range(1000):
            (at / f"{number}.mov").write_bytes(b"film %d %d" % (folder, number))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = threading.Thread(target=lambda: apply(library, plan(library)))
    worker.start()
    waits_s = []
    while worker.is_alive():
        begun = time.perf_counter()
        _, children = library.listing(ORIGINALS)
        waits_s.append(time.perf_counter() - begun)
        worker.join(0.05)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    waits_s.sort()
    print(f"{len(waits_s)} listings, half of them within {waits_s[len(waits_s) // 2]:.4f} s, the longest {waits_s[-1]:.4f} s")
    print(f"{grown_mib} MiB more at most")
    assert len(children) == 100 and grown_mib < 200
    system.read_bytes = 0
    assert apply(library, plan(library)) == Report() and system.read_bytes == 0
    assert len(list(library.walk(ORIGINALS))) == 100_100


# dying in the middle


def by_hand_before(root: Path) -> None:
    """Something of every kind is different."""
    film = root / FILM
    write(film / "new/a.mov", b"new")
    write(film / "known.mov", b"kept")
    write(root / "P2-Other/a.mov", b"other")
    save(film / "saved.mov", b"saved anew")
    edit(film / "edited.mov", b"EDITED")
    (film / "moved.mov").rename(film / "to.mov")
    (film / "folder").rename(film / "elsewhere")
    os.unlink(film / "gone.mov")
    os.unlink(film / "kind.mov")
    write(film / "kind.mov/inside.mov", b"inside")


def made(root: Path, system: FaultySystem) -> Library:
    library = Library(root, system)
    library.make_project("Film")
    library.make_folder(f"{FILM}/folder")
    for name in ("kept", "saved", "edited", "moved", "gone", "kind", "folder/in"):
        put(library, f"{FILM}/{name}.mov", name.encode())
    by_hand_before(root)
    return library


@pytest.mark.parametrize("fault", [Death, pytest.param(errno.EMFILE, marks=pytest.mark.long)])
def test_a_reindex_that_fails_anywhere_is_finished_by_the_next_one(tmp_path: Path, fault: int | type[Death]) -> None:
    """Each of its acts once."""
    system = FaultySystem()
    library = made(tmp_path / "well", system)
    system.acts.clear()
    apply(library, plan(library))
    acts, wanted = len(system.acts), on_disk(library.root)
    library.close()
    for at in range(1, acts + 1):
        system = FaultySystem()
        library = made(tmp_path / str(at), system)
        system.arm(at, fault)
        with contextlib.suppress(Death, CasError, OSError):
            apply(library, plan(library))
        library.store._give_up()
        library = Library(library.root, QuickSystem())
        apply(library, plan(library))
        check_settled(library)
        assert on_disk(library.root) == wanted
        assert set(findings(library)) <= {("missing", sums_of(b"edited").digest.hex)}, at
        check_replay(library).close()
        shutil.rmtree(library.root)


@pytest.mark.parametrize("name", ["clip.mov", "folder"])
def test_what_a_crash_left_in_the_trash_without_a_row_has_its_place_again(library: Library, name: str) -> None:
    library.make_folder("P1-Film/folder")
    put(library, "P1-Film/clip.mov", b"clip")
    put(library, "P1-Film/folder/inner.mov", b"inner")
    before, entry = in_index(library), library.entry(f"P1-Film/{name}")
    day = library.store.layout.trash / "2026-11-25"
    day.mkdir()
    os.rename(library.root / "P1-Film" / name, day / name_in_trash(entry))
    found = plan(library)
    assert found.lines() == [f"put back   P1-Film/{name}"]
    assert apply(library, found).put_back == [f"P1-Film/{name}"]
    assert on_disk(library.root) == in_index(library) == before and plan(library).lines() == []
    assert library.entry(f"P1-Film/{name}").id == entry.id


def test_what_is_in_the_trash_by_right_stays_there(library: Library) -> None:
    put(library, "P1-Film/clip.mov", b"old")
    library.delete("P1-Film/clip.mov")
    put(library, "P1-Film/clip.mov", b"new")
    os.unlink(library.root / "P1-Film/clip.mov")
    assert plan(library).lines() == ["missing    P1-Film/clip.mov"]


def test_a_file_that_is_not_what_its_row_believes_is_not_dug_up(library: Library) -> None:
    """A file came back from the trash made anew, and its old link stayed there; deleted by hand later, that came back."""
    put(library, "P1-Film/clip.mov", b"good")
    library.delete("P1-Film/clip.mov")
    [buried] = library.store.layout.trash.glob("*/*-clip.mov")
    write(buried.with_name("other"), b"rotten")
    os.replace(buried.with_name("other"), buried)
    library.put_back(f"_trash/{buried.name}")
    assert read(library, "P1-Film/clip.mov") == b"good" and quarantine(library) == [b"rotten"]
    os.unlink(library.root / "P1-Film/clip.mov")
    assert plan(library).lines() == ["missing    P1-Film/clip.mov"]
    write(buried, b"rotten")
    assert plan(library).lines() == ["missing    P1-Film/clip.mov"]


def test_many_names_that_are_gone_are_looked_for_in_the_trash_at_once(library: Library, system: CountingSystem) -> None:
    for number in range(120):
        put(library, f"P1-Film/{number}.mov", b"%d" % number)
    for day in ("2026-01-01", "2026-01-02"):
        (library.store.layout.trash / day).mkdir()
    entry = library.entry("P1-Film/7.mov")
    for number in range(120):
        os.rename(library.root / f"P1-Film/{number}.mov", library.root.parent / f"{number}.mov")
    os.rename(library.root.parent / "7.mov", library.store.layout.trash / "2026-01-02" / name_in_trash(entry))
    assert [line for line in plan(library).lines() if "missing" not in line] == ["put back   P1-Film/7.mov"]
