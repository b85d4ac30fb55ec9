"""What changes to names do, seen in the tree and on disk."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import normalize

import pytest

from tests.state import check_links, in_index, on_disk, put, read, rows, without_index
from views.edit import Placed
from views.entry import Kind
from views.errors import (
    AlreadyThere,
    Clash,
    IntoItself,
    IsAFolder,
    NameInvalid,
    NameNotFound,
    NameReserved,
    NotAFolder,
    ParentMissing,
)  # fmt: skip
from views.library import Library, Options
from views.tree import SECOND_NS

FILM = "P1-Film"
NFC, NFD = normalize("NFC", "é.mov"), normalize("NFD", "é.mov")


@pytest.fixture
def library(library: Library) -> Iterator[Library]:
    """The shared one, looked at once more at the end: tree and disk say the same, and so does the journal."""
    yield library
    before = rows(library)
    library.close()
    again = without_index(library.root)
    assert rows(again) == before
    again.close()


def quarantine(library: Library) -> list[bytes]:
    return [path.read_bytes() for path in library.store.layout.quarantine.iterdir()]


def inode(library: Library, path: str) -> int:
    return os.stat(library.root / path).st_ino


# put


def test_a_file_put_is_one_inode_with_its_blob_and_read_only(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    check_links(library)
    assert (library.root / FILM / "a.mov").stat().st_mode & 0o777 == 0o444


def test_the_same_bytes_twice_are_stored_once(library: Library, put: Callable[..., Placed]) -> None:
    assert not put(library, f"{FILM}/a.mov", b"film").known
    assert put(library, f"{FILM}/b.mov", b"film").known
    assert inode(library, f"{FILM}/a.mov") == inode(library, f"{FILM}/b.mov")
    assert library.space().used_bytes == 4


def test_putting_over_a_file_keeps_its_id_birth_spelling_and_properties(library: Library, put: Callable[..., Placed]) -> None:
    put(library, f"{FILM}/{NFD}", b"one")
    before = library.amend(f"{FILM}/{NFC}", set_props={"{DAV:}x": "<x/>"})
    placed = put(library, f"{FILM}/{NFC}", b"two")
    after = placed.entry
    assert (after.id, after.created_ns, after.name, after.props) == (before.id, before.created_ns, NFD, before.props)
    assert placed.replaced == before.digest and not placed.created
    assert os.listdir(library.root / FILM) == ["ingest", "_manifest", NFD] or NFD in os.listdir(library.root / FILM)
    assert NFC not in os.listdir(library.root / FILM)


def test_replacing_one_name_leaves_the_others_with_their_bytes(library: Library) -> None:
    put(library, f"{FILM}/a", b"one")
    put(library, f"{FILM}/b", b"one")
    put(library, f"{FILM}/a", b"two")
    assert on_disk(library.root) == in_index(library)
    assert read(library, f"{FILM}/b") == b"one"


def test_a_name_s_own_time_is_kept_even_when_it_is_1970(library: Library, put: Callable[..., Placed]) -> None:
    assert put(library, f"{FILM}/a", b"one", modified_ns=0).entry.modified_ns == 0
    assert library.amend(f"{FILM}/a", modified_ns=5).modified_ns == 5
    assert library.amend(f"{FILM}/a", modified_ns=0, created_ns=0).modified_ns == 0
    assert library.entry(f"{FILM}/a").created_ns == 0


def test_a_foreign_file_under_the_name_is_set_aside_not_lost(library: Library) -> None:
    (library.root / FILM / "a").write_bytes(b"dropped by hand")
    put(library, f"{FILM}/a", b"uploaded")
    assert quarantine(library) == [b"dropped by hand"]
    check_links(library)


def test_a_foreign_file_that_took_the_place_of_ours_is_set_aside_when_ours_is_replaced(library: Library) -> None:
    put(library, f"{FILM}/a", b"one")
    os.unlink(library.root / FILM / "a")
    (library.root / FILM / "a").write_bytes(b"saved by an editor")
    put(library, f"{FILM}/a", b"two")
    assert quarantine(library) == [b"saved by an editor"]
    check_links(library)


def test_a_folder_made_by_hand_under_the_name_of_a_file_is_set_aside_whole(library: Library) -> None:
    (library.root / FILM / "a").mkdir()
    (library.root / FILM / "a" / "inner").write_bytes(b"by hand")
    put(library, f"{FILM}/a", b"film")
    assert [(path / "inner").read_bytes() for path in library.store.layout.quarantine.iterdir()] == [b"by hand"]
    check_links(library)


def test_a_folder_that_somebody_replaced_by_a_file_is_made_again_and_the_file_set_aside(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    os.rmdir(library.root / FILM / "day")
    (library.root / FILM / "day").write_bytes(b"by hand")
    put(library, f"{FILM}/day/a", b"film")
    assert quarantine(library) == [b"by hand"]
    check_links(library)


def test_a_folder_swapped_for_a_symbolic_link_is_never_followed(library: Library, tmp_path: Path) -> None:
    library.make_folder(f"{FILM}/day")
    os.rmdir(library.root / FILM / "day")
    (tmp_path / "elsewhere").mkdir()
    (library.root / FILM / "day").symlink_to(tmp_path / "elsewhere")
    put(library, f"{FILM}/day/a", b"film")
    assert not list((tmp_path / "elsewhere").iterdir())
    check_links(library)


def test_every_change_works_in_a_folder_that_was_removed_by_hand(library: Library) -> None:
    for name in ("again", "over", "move", "gone", "copy", "junk"):
        library.make_folder(f"{FILM}/{name}")
        put(library, f"{FILM}/{name}/a", b"film")
        os.unlink(library.root / FILM / name / "a")
        (library.root / FILM / name).rmdir()
    put(library, f"{FILM}/again/a", b"film")
    put(library, f"{FILM}/over/a", b"other")
    library.move(f"{FILM}/move/a", f"{FILM}/a")
    library.delete(f"{FILM}/gone/a")
    library.copy(f"{FILM}/a", f"{FILM}/copy/a")
    library.move(f"{FILM}/junk/a", f"{FILM}/junk/a.tmp")
    library.make_folder(f"{FILM}/gone/inner")
    library.make_folder(f"{FILM}/junk/inner")
    library.delete(f"{FILM}/move")
    assert on_disk(library.root) == in_index(library)
    check_links(library)


def test_a_folder_removed_by_hand_comes_back_with_the_first_file_put_there(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    library.make_folder(f"{FILM}/day/one")
    (library.root / FILM / "day" / "one").rmdir()
    (library.root / FILM / "day").rmdir()
    put(library, f"{FILM}/day/one/a", b"film")
    assert on_disk(library.root) == in_index(library)


def test_the_parent_must_be_a_folder_and_there(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    with pytest.raises(ParentMissing):
        put(library, f"{FILM}/none/a", b"film")
    with pytest.raises(NotAFolder):
        put(library, f"{FILM}/a/b", b"film")
    for folder in ("", FILM, f"{FILM}/ingest"):
        with pytest.raises(IsAFolder):
            put(library, folder, b"film")


def test_generated_names_are_refused_only_where_they_are_generated(library: Library) -> None:
    for name in ("index.json", "_manifest", "Index.JSON"):
        with pytest.raises(NameReserved):
            put(library, f"{FILM}/{name}", b"film")
        put(library, f"{FILM}/ingest/{name}", b"film")
    with pytest.raises(NameReserved):
        put(library, "_views", b"film")


def test_an_empty_file_is_a_file_of_its_own_and_stays_ours_through_every_change(library: Library) -> None:
    for name in ("a", "b", "~$c"):
        put(library, f"{FILM}/{name}", b"")
    check_links(library)
    library.move(f"{FILM}/a", f"{FILM}/b")  # over another empty one
    library.copy(f"{FILM}/b", f"{FILM}/d")
    library.move(f"{FILM}/~$c", f"{FILM}/c")  # junk becomes real
    library.copy(f"{FILM}/c", f"{FILM}/d")
    put(library, f"{FILM}/c", b"film")
    put(library, f"{FILM}/c", b"")
    library.copy(FILM, "P2-Copy")
    check_links(library)
    put(library, f"{FILM}/b", b"film")
    assert quarantine(library) == []


# client junk


def test_junk_has_a_row_but_no_name_on_disk(library: Library, put: Callable[..., Placed]) -> None:
    put(library, f"{FILM}/._a.mov", b"finder", writer="finder")
    assert f"{FILM}/._a.mov" not in on_disk(library.root)
    assert read(library, f"{FILM}/._a.mov") == b"finder"
    assert [entry.name for entry in library.listing(FILM)[1]] == ["ingest"]
    assert "._a.mov" in [entry.name for entry in library.listing(FILM, "finder")[1]]


@pytest.mark.parametrize("there", [b"old", b"", None])
@pytest.mark.parametrize("fresh", [b"new", b""])
def test_saving_aside_and_renaming_over_ends_as_an_edit(library: Library, there: bytes | None, fresh: bytes) -> None:
    if there is not None:
        put(library, f"{FILM}/doc", there)
    put(library, f"{FILM}/~$doc.tmp", fresh)
    library.move(f"{FILM}/~$doc.tmp", f"{FILM}/doc")
    assert on_disk(library.root) == in_index(library)
    check_links(library)
    put(library, f"{FILM}/doc", b"next")
    assert quarantine(library) == []


def test_a_real_name_moved_aside_as_junk_leaves_the_disk_and_comes_back(library: Library) -> None:
    put(library, f"{FILM}/doc", b"old")
    library.move(f"{FILM}/doc", f"{FILM}/~WRL0001.tmp")
    assert f"{FILM}/doc" not in on_disk(library.root)
    library.move(f"{FILM}/~WRL0001.tmp", f"{FILM}/doc")
    assert on_disk(library.root) == in_index(library)
    check_links(library)


def test_a_folder_of_junk_made_real_shows_its_files(library: Library) -> None:
    library.make_folder(f"{FILM}/x.tmp")
    library.make_folder(f"{FILM}/x.tmp/deep")
    put(library, f"{FILM}/x.tmp/deep/a", b"film")
    put(library, f"{FILM}/x.tmp/empty", b"")
    put(library, f"{FILM}/x.tmp/.DS_Store", b"junk")
    library.move(f"{FILM}/x.tmp", f"{FILM}/x")
    assert on_disk(library.root) == in_index(library)
    check_links(library)


def test_a_real_folder_cannot_take_a_junk_name_and_nothing_happens(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    before = on_disk(library.root)
    with pytest.raises(NameReserved):
        library.move(f"{FILM}/day", f"{FILM}/day.tmp")
    assert on_disk(library.root) == before == in_index(library)


# move


def test_a_name_moved_onto_itself_stays(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    put(library, f"{FILM}/b", b"film")  # the same inode under another name
    library.move(f"{FILM}/a", f"{FILM}/a")
    assert read(library, f"{FILM}/a") == b"film"
    assert on_disk(library.root) == in_index(library)


@pytest.mark.parametrize("old, new", [("a.mov", "A.mov"), (NFD, NFC), (NFC, NFD)])
@pytest.mark.parametrize("folder", [False, True])
def test_a_name_can_be_spelled_anew(library: Library, old: str, new: str, folder: bool) -> None:
    if folder:
        library.make_folder(f"{FILM}/{old}")
        put(library, f"{FILM}/{old}/inner", b"film")
    else:
        put(library, f"{FILM}/{old}", b"film")
    id_before = library.entry(f"{FILM}/{old}").id
    library.move(f"{FILM}/{old}", f"{FILM}/{new}")
    assert (library.root / FILM / new).exists() and not (library.root / FILM / old).exists()
    assert library.entry(f"{FILM}/{new}").name == new
    assert library.entry(f"{FILM}/{new}").id == id_before
    assert on_disk(library.root) == in_index(library)


def test_moving_over_a_name_with_the_same_bytes_leaves_one_name(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    put(library, f"{FILM}/b", b"film")
    placed = library.move(f"{FILM}/a", f"{FILM}/b")
    assert not placed.created
    assert on_disk(library.root) == in_index(library)
    assert library.find(f"{FILM}/a") is None


def test_a_folder_moved_over_another_takes_its_place_and_the_other_goes_to_the_trash(library: Library) -> None:
    for day in ("one", "two"):
        library.make_folder(f"{FILM}/{day}")
        put(library, f"{FILM}/{day}/{day}", day.encode())
    library.move(f"{FILM}/one", f"{FILM}/two")
    assert on_disk(library.root) == in_index(library)
    assert library.find(f"{FILM}/two/two") is None and read(library, f"{FILM}/two/one") == b"one"
    assert [path.read_bytes() for path in library.store.layout.trash.rglob("two") if path.is_file()] == [b"two"]


def test_a_file_moved_over_a_folder_and_a_folder_over_a_file(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/inner", b"inner")
    put(library, f"{FILM}/a", b"a")
    library.move(f"{FILM}/a", f"{FILM}/day")
    assert read(library, f"{FILM}/day") == b"a"
    library.make_folder(f"{FILM}/other")
    library.move(f"{FILM}/other", f"{FILM}/day")
    assert library.entry(f"{FILM}/day").is_folder
    assert on_disk(library.root) == in_index(library)


@pytest.mark.parametrize("verb", ["move", "copy"])
def test_nothing_goes_into_itself_or_over_what_holds_it(library: Library, verb: str) -> None:
    library.make_folder(f"{FILM}/day")
    library.make_folder(f"{FILM}/day/deep")
    put(library, f"{FILM}/day/deep/a", b"film")
    before = in_index(library)
    for source, target in (
        (f"{FILM}/day", f"{FILM}/day/deep/day"), (f"{FILM}/day/deep", f"{FILM}/day"), (f"{FILM}/day/deep/a", FILM),
        (FILM, f"{FILM}/day/x"), ("", "P9-All"), (FILM, ""), ("Film", f"{FILM}/ingest/x"),
    ):  # fmt: skip
        with pytest.raises(IntoItself):
            getattr(library, verb)(source, target)
    assert in_index(library) == before == on_disk(library.root)


@pytest.mark.parametrize("verb", ["move", "copy"])
def test_without_overwrite_a_taken_name_is_refused(library: Library, verb: str) -> None:
    put(library, f"{FILM}/a", b"a")
    put(library, f"{FILM}/b", b"b")
    with pytest.raises(AlreadyThere):
        getattr(library, verb)(f"{FILM}/a", f"{FILM}/b", overwrite=False)
    assert read(library, f"{FILM}/b") == b"b"
    with pytest.raises(NameNotFound):
        getattr(library, verb)(f"{FILM}/none", f"{FILM}/b")


def test_a_move_finds_its_bytes_again_when_the_name_is_gone_from_disk(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    put(library, f"{FILM}/e", b"")
    os.unlink(library.root / FILM / "a")
    os.unlink(library.root / FILM / "e")
    library.move(f"{FILM}/a", f"{FILM}/b")
    library.move(f"{FILM}/e", f"{FILM}/f")
    assert on_disk(library.root) == in_index(library)
    check_links(library)


def test_a_move_sets_a_stranger_under_the_new_name_aside(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    (library.root / FILM / "b").write_bytes(b"by hand")
    library.move(f"{FILM}/a", f"{FILM}/b")
    assert quarantine(library) == [b"by hand"]
    check_links(library)


# copy


def test_a_folder_copied_holds_all_but_shares_no_identity(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/a", b"film")
    put(library, f"{FILM}/day/._a", b"junk")
    library.copy(f"{FILM}/day", f"{FILM}/again")
    assert library.entry(f"{FILM}/day/a").id != library.entry(f"{FILM}/again/a").id
    assert read(library, f"{FILM}/again/._a") == b"junk"
    assert on_disk(library.root) == in_index(library)
    library.copy(f"{FILM}/day", f"{FILM}/bare", members=False)
    assert library.listing(f"{FILM}/bare")[1] == []


def test_a_folder_of_many_folders_is_copied_with_few_open_descriptors(library: Library) -> None:
    for number in range(120):
        library.make_folder(f"{FILM}/ingest/{number}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    busy = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (busy + 90, hard))
    try:
        library.copy(f"{FILM}/ingest", f"{FILM}/again")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert on_disk(library.root) == in_index(library)


# projects


def test_a_folder_made_at_the_top_is_a_project_under_both_names(library: Library) -> None:
    placed = library.make_folder("Holiday 2026")
    assert placed.path == "P2-Holiday-2026" and placed.entry.kind is Kind.PROJECT
    put(library, "Holiday 2026/a", b"film")
    assert read(library, "P2-Holiday-2026/a") == b"film"
    with pytest.raises(AlreadyThere):
        library.make_folder("Holiday 2026")


def test_a_project_renamed_keeps_its_number_and_answers_to_the_new_name_only(library: Library) -> None:
    library.make_folder("untitled folder")
    placed = library.move("untitled folder", "Wedding day")
    assert placed.path == "P2-Wedding-day"
    assert library.find("untitled folder") is None
    assert library.entry("Wedding day") == library.entry("P2-Wedding-day") == placed.entry
    assert library.project("P2-Wedding-day").row.key
    library.move("P2-Wedding-day", "Wedding day")
    assert library.entry("Wedding day").name == "P2-Wedding-day"
    assert on_disk(library.root) == in_index(library)


def test_a_copy_over_a_project_by_the_name_a_client_chose_has_its_number(library: Library) -> None:
    library.make_project("Foo")
    library.make_project("Other")
    put(library, f"{FILM}/a", b"film")
    for _ in range(2):
        assert library.copy(FILM, "Foo").path == "P2-Foo" and read(library, "Foo/a") == b"film"
    assert sorted(project.name for project in library.projects()) == [FILM, "P2-Foo", "P3-Other"]
    assert on_disk(library.root) == in_index(library)


def test_a_relabelled_project_never_takes_the_folder_of_another(library: Library) -> None:
    library.make_project("P1-other take")  # a second project with number 1, asked for by its whole name
    put(library, "P1-other-take/a", b"kept")
    for overwrite in (False, True):
        for act in (library.move, library.copy):
            with pytest.raises(AlreadyThere):
                act(FILM, "P1-other  take", overwrite=overwrite)
    assert library.move(FILM, "other take").path == "P2-other-take"
    assert library.move("P2-other-take", "Film").path == "P2-Film"
    (library.root / "P2-by-hand").mkdir()
    (library.root / "P2-by-hand" / "a").write_bytes(b"kept too")
    assert library.move("P2-Film", "by hand").path == "P3-by-hand"
    assert library.move("P3-by-hand", "P1-other take again").path == "P1-other-take-again"
    (library.root / "P2-by-hand" / "a").unlink()
    (library.root / "P2-by-hand").rmdir()
    assert read(library, "P1-other-take/a") == b"kept"
    assert on_disk(library.root) == in_index(library)
    assert quarantine(library) == []


def test_the_catch_all_renamed_becomes_a_project_with_a_number_of_its_own(library: Library) -> None:
    library.make_project("Unsorted-Loose")
    assert library.move("Unsorted-Loose", "Found").path == "P2-Found"


def test_a_file_at_the_top_is_no_project_whatever_its_name(library: Library) -> None:
    put(library, "P7-loose", b"film")
    with pytest.raises(AlreadyThere):
        library.make_project("P7-loose")
    with pytest.raises(NotAFolder):
        library.project("P7-loose")


def test_making_a_folder_whose_project_exists_under_a_cleaner_name_is_refused(library: Library) -> None:
    library.make_project("P5-a b")
    with pytest.raises(AlreadyThere):
        library.make_folder("P5-a  b")
    assert not library.make_project("P5-a  b").created


def test_names_nothing_may_have_make_no_project(library: Library) -> None:
    for name in (".filmcan", "..", "a\x00b", "x" * 300, "a\\b"):
        with pytest.raises(NameInvalid):
            library.make_folder(name)
    assert len(library.projects()) == 1


def test_a_folder_moved_to_the_top_becomes_a_project_and_back_a_folder(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/a", b"film")
    placed = library.move(f"{FILM}/day", "Day One")
    assert placed.path == "P2-Day-One" and placed.entry.kind is Kind.PROJECT
    assert [project.name for project in library.projects()] == [FILM, "P2-Day-One"]
    back = library.move("Day One", f"{FILM}/day")
    assert back.entry.kind is Kind.FOLDER and back.entry.id == placed.entry.id
    assert [project.name for project in library.projects()] == [FILM]
    assert library.find("Day One") is None
    assert on_disk(library.root) == in_index(library)


def test_a_project_copied_is_another_project(library: Library) -> None:
    library.set_notes(FILM, "careful")
    assert library.copy(FILM, "Second").path == "P2-Second"
    assert library.project("P2-Second").row.notes == "careful"
    assert on_disk(library.root) == in_index(library)


def test_a_project_copied_over_another_by_its_alias_buries_that_one(library: Library) -> None:
    library.make_folder("Holiday")
    put(library, "Holiday/old", b"old")
    put(library, f"{FILM}/new", b"new")
    placed = library.copy(FILM, "Holiday")
    assert library.find(f"{placed.path}/old") is None and read(library, "Holiday/new") == b"new"
    assert on_disk(library.root) == in_index(library)


def test_a_deleted_project_frees_the_name_that_was_chosen_for_it(library: Library) -> None:
    library.make_folder("Holiday")
    library.delete("Holiday")
    assert library.find("Holiday") is None
    assert library.make_folder("Holiday").created


def test_projects_on_disk_that_are_not_in_the_index_keep_their_numbers(library: Library) -> None:
    (library.root / "P2-Tape").mkdir()
    (library.root / "P2-Tape" / "a").write_bytes(b"by hand")
    assert library.make_folder("Tape").path != "P2-Tape"
    assert (library.root / "P2-Tape" / "a").read_bytes() == b"by hand"


# delete


def test_a_deleted_name_lies_in_the_trash_with_its_bytes(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    library.delete(f"{FILM}/a")
    assert library.find(f"{FILM}/a") is None
    assert [path.read_bytes() for path in library.store.layout.trash.rglob("*-a")] == [b"film"]
    with pytest.raises(NameNotFound):
        library.delete(f"{FILM}/a")
    with pytest.raises(NameReserved):
        library.delete("")


def test_the_longest_names_can_be_deleted_too(library: Library) -> None:
    for name in ("x" * 200, "é" * 100, "\u1e9e" * 66):
        put(library, f"{FILM}/{name}", name.encode())
        library.delete(f"{FILM}/{name}")
    assert len(list(library.store.layout.trash.glob("*/*"))) == 3


# times and refusals


def test_every_change_moves_the_time_of_its_folder_by_a_second_at_least(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    acts: list[Callable[[], object]] = [
        lambda: put(library, f"{FILM}/a", b"more"), lambda: library.move(f"{FILM}/a", f"{FILM}/b"),
        lambda: library.copy(f"{FILM}/b", f"{FILM}/c"), lambda: library.make_folder(f"{FILM}/d"),
        lambda: library.delete(f"{FILM}/d"),
    ]  # fmt: skip
    for act in acts:
        before = library.entry(FILM).modified_ns
        act()
        assert library.entry(FILM).modified_ns >= before + SECOND_NS


def test_a_guard_sees_the_tree_inside_the_change_and_can_refuse(library: Library, put: Callable[..., Placed]) -> None:
    class Refused(Exception):
        pass

    def guard(find: Callable[[str], object]) -> None:
        assert find(FILM) is not None and find(f"{FILM}/a") is None
        raise Refused

    with pytest.raises(Refused):
        put(library, f"{FILM}/a", b"film", guard=guard)
    assert library.find(f"{FILM}/a") is None
    assert not list(library.store.layout.incoming.iterdir())


def test_names_that_differ_only_by_case_clash_when_that_is_asked_for(root: Path) -> None:
    library = Library(root, options=Options(refuse_clashes=True))
    library.make_project("Film")
    put(library, f"{FILM}/a", b"film")
    with pytest.raises(Clash):
        put(library, f"{FILM}/A", b"film")
    library.move(f"{FILM}/a", f"{FILM}/A")
    assert library.entry(f"{FILM}/A").name == "A"
    library.close()
