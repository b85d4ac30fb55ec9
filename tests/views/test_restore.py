"""What comes back from the trash: where it was, whole, as what it was, by a rename."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cas.digest import Buffer
from tests.faulty import QuickSystem
from tests.state import check_links, in_index, on_disk, put, read, rows, without_index
from views.errors import AlreadyThere, NameInvalid, NameNotFound, ParentMissing
from views.library import Library

FILM = "P1-Film"


@pytest.fixture
def library(library: Library) -> Iterator[Library]:
    yield library
    before = rows(library)
    assert in_index(library) == on_disk(library.root)
    check_links(library)
    library.close()
    again = without_index(library.root)
    assert rows(again) == before
    again.close()


def trash(library: Library) -> list[str]:
    return [entry.name for entry in library.listing("_trash")[1]]


def test_a_file_comes_back_where_it_was_as_the_entry_it_was(library: Library) -> None:
    put(library, f"{FILM}/day.mov", b"film")
    before, inode = library.entry(f"{FILM}/day.mov"), os.stat(library.root / FILM / "day.mov").st_ino
    library.delete(f"{FILM}/day.mov")
    [name] = trash(library)
    assert read(library, f"_trash/{name}") == b"film"
    placed = library.put_back(f"_trash/{name}")
    assert (placed.path, placed.entry.id) == (f"{FILM}/day.mov", before.id)
    assert os.stat(library.root / FILM / "day.mov").st_ino == inode
    assert trash(library) == [] and not list((library.store.layout.root / ".filmcan/trash").rglob("*.mov"))


def test_it_comes_back_beside_what_has_its_name_by_now(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"one")
    library.delete(f"{FILM}/a.mov")
    put(library, f"{FILM}/a.mov", b"two")
    (library.root / FILM / "a_1.mov").write_bytes(b"somebody's")
    assert library.put_back(f"_trash/{trash(library)[0]}").path == f"{FILM}/a_2.mov"
    os.unlink(library.root / FILM / "a_1.mov")


def test_a_folder_comes_back_with_all_in_it_though_the_folders_above_are_gone(library: Library) -> None:
    for folder in ("x", "x/y", "x/y/z"):
        library.make_folder(f"{FILM}/{folder}")
    put(library, f"{FILM}/x/y/z/a.mov", b"film")
    library.delete(f"{FILM}/x/y/z")
    library.delete(f"{FILM}/x")
    [folder] = [name for name in trash(library) if name.endswith("-z")]
    assert library.put_back(f"_trash/{folder}").path == f"{FILM}/x/y/z"
    assert read(library, f"{FILM}/x/y/z/a.mov") == b"film"


def test_a_file_comes_out_of_a_folder_in_the_trash(library: Library) -> None:
    library.make_folder(f"{FILM}/x")
    put(library, f"{FILM}/x/a.mov", b"film")
    put(library, f"{FILM}/x/b.mov", b"other")
    library.delete(f"{FILM}/x")
    [folder] = trash(library)
    library.move(f"_trash/{folder}/a.mov", f"{FILM}/a.mov")
    assert read(library, f"{FILM}/a.mov") == b"film"
    assert [entry.name for entry in library.listing(f"_trash/{folder}")[1]] == ["b.mov"]


def test_a_project_comes_back_with_its_notes_and_the_names_clients_gave_it(library: Library) -> None:
    library.make_project("Wedding Anna", "two cameras")
    put(library, "Wedding Anna/a.mov", b"film")
    library.delete("P2-Wedding-Anna")
    assert library.put_back(f"_trash/{trash(library)[0]}").path == "P2-Wedding-Anna"
    assert library.project("P2-Wedding-Anna").row.notes == "two cameras"
    assert read(library, "Wedding Anna/a.mov") == b"film"


def test_a_project_whose_name_is_taken_comes_back_under_another(library: Library) -> None:
    library.delete(FILM)
    library.make_project("P1-Film")
    with pytest.raises(AlreadyThere):
        library.put_back(f"_trash/{trash(library)[0]}")
    assert library.move(f"_trash/{trash(library)[0]}", "Film of old").path == "P2-Film-of-old"


def test_what_was_in_a_project_that_is_gone_wants_another_place(library: Library) -> None:
    library.make_project("Else")
    put(library, f"{FILM}/a.mov", b"film")
    library.delete(f"{FILM}/a.mov")
    library.delete(FILM)
    [name] = [name for name in trash(library) if name.endswith(".mov")]
    with pytest.raises(ParentMissing):
        library.put_back(f"_trash/{name}")
    library.move(f"_trash/{name}", "P2-Else/a.mov")
    assert read(library, "P2-Else/a.mov") == b"film"


def test_it_comes_back_although_its_file_in_the_trash_is_gone(library: Library) -> None:
    library.make_folder(f"{FILM}/x")
    for name in ("a.mov", "x/b.mov"):
        put(library, f"{FILM}/{name}", name.encode())
    library.delete(f"{FILM}/a.mov")
    library.delete(f"{FILM}/x")
    for path in sorted((library.root / ".filmcan/trash").glob("*/*"), reverse=True):
        os.rename(path, library.root.parent / path.name)
    for name in trash(library):
        library.put_back(f"_trash/{name}")
    assert read(library, f"{FILM}/a.mov") == b"a.mov" and read(library, f"{FILM}/x/b.mov") == b"x/b.mov"


def test_a_stranger_in_the_trash_does_not_come_back_under_a_false_name(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    library.delete(f"{FILM}/a.mov")
    [path] = (library.root / ".filmcan/trash").glob("*/*.mov")
    path.unlink()
    path.write_bytes(b"stranger")
    library.put_back(f"_trash/{trash(library)[0]}")
    [aside] = library.store.layout.quarantine.iterdir()
    assert read(library, f"{FILM}/a.mov") == b"film" and aside.read_bytes() == b"stranger" and not path.exists()


def test_nothing_comes_back_as_junk_and_nothing_that_is_not_there(library: Library) -> None:
    put(library, f"{FILM}/a.mov", b"film")
    library.delete(f"{FILM}/a.mov")
    with pytest.raises(NameInvalid):
        library.move(f"_trash/{trash(library)[0]}", f"{FILM}/~$a.mov")
    with pytest.raises(NameNotFound):
        library.put_back("_trash/99-a.mov")
    with pytest.raises(NameNotFound):
        library.put_back(f"_trash/{trash(library)[0]}/inside")


def test_bringing_back_writes_no_content(root: Path) -> None:
    class Counting(QuickSystem):
        written = 0

        def write(self, fd: int, data: Buffer) -> None:
            self.written += 1
            super().write(fd, data)

        def clone(self, fd: int, to_fd: int) -> None:
            self.written += 1
            super().clone(fd, to_fd)

    system = Counting()
    library = Library(root, system)
    library.make_project("Film")
    for number in range(5):
        put(library, f"{FILM}/{number}.mov", os.urandom(1000))
    seq = library.store.journal.last_seq
    library.delete(f"{FILM}/1.mov")
    put(library, f"{FILM}/2.mov", b"later")
    system.written = 0
    library.put_back(f"_trash/{trash(library)[0]}")
    library.copy(f"_history/{FILM}/seq-{seq}/2.mov", f"{FILM}/2.mov")
    library.copy(f"_history/{FILM}/seq-{seq}", "Before")
    assert system.written == 0
    for number in range(5):
        assert os.stat(root / f"P2-Before/{number}.mov").st_nlink == 3
    library.close()


def test_the_trash_is_walked_with_all_that_is_in_its_folders(library: Library) -> None:
    """The trash itself was taken for every folder in it, and the walk had no end."""
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/a.mov", b"film")
    library.delete(f"{FILM}/day")
    [item] = trash(library)
    assert [path for path, _ in library.walk("_trash")] == [f"_trash/{item}", f"_trash/{item}/a.mov"]


def test_a_folder_of_the_past_comes_without_what_is_lost_which_is_told(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    for name in ("a.mov", "day/b.mov", "day/c.mov"):
        put(library, f"{FILM}/{name}", name.encode())
    seq, digest = library.store.journal.last_seq, library.entry(f"{FILM}/day/b.mov").digest
    assert digest is not None
    library.delete(f"{FILM}/day/b.mov")
    os.unlink(library.store.layout.blob(digest))
    placed = library.copy(f"_history/{FILM}/seq-{seq}", "Again")
    assert placed.lost == ("day/b.mov",)
    assert [path for path, entry in library.walk(placed.path) if not entry.is_folder] == [
        f"{placed.path}/a.mov", f"{placed.path}/day/c.mov"
    ]
    [event] = [event for event in library.store.journal.after(seq) if event.op == "copy"]
    assert event.facts["lost"] == ["day/b.mov"]
