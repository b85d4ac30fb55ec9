"""The door: reading sees one moment, projects are listed, what filmcan generates is read and never listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faulty import QuickSystem
from tests.state import check_links, in_index, on_disk, put, read
from views import naming
from views.errors import Clash, IsAFolder, NameNotFound, NotAFolder
from views.library import Library
from views.tree import TOP

FILM = "P1-Film"


class IgnoresCase(QuickSystem):
    """A disk that takes `a` and `A` for one name, and keeps the spelling, as APFS does."""

    def stored(self, folder: int, name: str) -> str:
        names = os.listdir(folder)
        return name if name in names else next((n for n in names if n.casefold() == name.casefold()), name)

    def stat(self, folder: int, name: str) -> os.stat_result:
        return super().stat(folder, self.stored(folder, name))

    def unlink(self, folder: int, name: str) -> None:
        super().unlink(folder, self.stored(folder, name))

    def link(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        super().link(folder, self.stored(folder, name), to_folder, self.stored(to_folder, to_name))

    def open_folder(self, folder: int, name: str) -> int:
        return super().open_folder(folder, self.stored(folder, name))

    def rename(self, folder: int, name: str, to_folder: int, to_name: str) -> None:
        there = self.stored(to_folder, to_name)
        if there != to_name and os.fstat(folder).st_ino == os.fstat(to_folder).st_ino and there == self.stored(folder, name):
            os.rename(there, to_name, src_dir_fd=folder, dst_dir_fd=to_folder)
        else:
            super().rename(folder, self.stored(folder, name), to_folder, there)


def test_a_disk_that_ignores_case_is_noticed_and_names_are_respelled_on_it(root: Path) -> None:
    library = Library(root, IgnoresCase())
    library.make_project("Film")
    put(library, f"{FILM}/clip.mov", b"film")
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/a", b"a")
    with pytest.raises(Clash):
        put(library, f"{FILM}/CLIP.mov", b"other")
    library.move(f"{FILM}/clip.mov", f"{FILM}/Clip.MOV")
    library.move(f"{FILM}/day", f"{FILM}/Day")
    assert sorted(os.listdir(root / FILM)) == ["Clip.MOV", "Day", "_manifest", "ingest"]
    assert on_disk(root) == in_index(library)
    check_links(library)
    library.close()


def test_listing_tells_a_folder_and_its_members_in_order_of_their_names(library: Library) -> None:
    for name in ("b", "A", "c", "._b"):
        put(library, f"{FILM}/{name}", name.encode())
    folder, entries = library.listing(FILM)
    assert folder.name == FILM
    assert [entry.name for entry in entries] == ["A", "b", "c", "ingest"]
    assert library.listing(f"{FILM}/b") == (library.entry(f"{FILM}/b"), [])
    assert [entry.name for entry in library.listing("")[1]] == [FILM]


def test_walking_goes_parents_first_and_leaves_junk_out(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/a", b"a")
    put(library, f"{FILM}/day/.DS_Store", b"junk")
    assert [path for path, _ in library.walk(f"{FILM}/day")] == [f"{FILM}/day/a"]
    paths = [path for path, _ in library.walk("")]
    assert paths.index(FILM) < paths.index(f"{FILM}/day") < paths.index(f"{FILM}/day/a")


def test_what_is_not_there_is_told(library: Library) -> None:
    put(library, f"{FILM}/a", b"a")
    for path in ("none", f"{FILM}/none", f"{FILM}/a/b", f"{FILM}//a", "/", "x" * 600, f"{FILM}/" + "é" * 400):
        assert library.find(path) is None
        with pytest.raises(NameNotFound):
            library.entry(path)
    with pytest.raises(IsAFolder):
        library.open(FILM)
    with pytest.raises(NotAFolder):
        library.project(f"{FILM}/ingest")


def test_an_open_file_is_read_to_its_end_whatever_happens_to_its_name(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    _, blob = library.open(f"{FILM}/a")
    with blob:
        put(library, f"{FILM}/a", b"more")
        library.delete(f"{FILM}/a")
        assert os.pread(blob.fd, 9, 0) == b"film"
    blob.close()


def test_projects_are_listed_by_number(library: Library) -> None:
    for label in ("P10-Ten", "P2-Two", "Unsorted-Loose"):
        library.make_project(label, notes=label)
    assert [project.name for project in library.projects()] == ["Unsorted-Loose", FILM, "P2-Two", "P10-Ten"]
    assert library.project("P2-Two").row.notes == "P2-Two"
    assert library.set_notes("P2-Two", "other").row.notes == "other"
    assert not library.make_project("P2-Two", notes="ignored").created
    assert library.project("P2-Two").row.notes == "other"


def test_generated_files_are_read_by_name(library: Library) -> None:
    (library.root / FILM / "index.json").write_bytes(b"{}")
    found = library.generated(f"{FILM}/index.json")
    assert found is not None and (found.size_bytes, os.pread(found.fd, 9, 0)) == (2, b"{}")
    os.close(found.fd)
    assert library.generated(f"{FILM}/_manifest/none") is None
    assert library.generated(f"{FILM}/ingest") is None
    assert "index.json" not in [entry.name for entry in library.listing(FILM)[1]]


def test_used_bytes_count_each_content_once(library: Library) -> None:
    for name in "abc":
        put(library, f"{FILM}/{name}", b"film")
    put(library, f"{FILM}/d", b"other")
    put(library, f"{FILM}/e", b"")
    assert library.space().used_bytes == 9
    assert library.space().available_bytes > 0


def test_a_content_is_found_under_all_its_names(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    library.copy(f"{FILM}/a", f"{FILM}/ingest/b")
    library.copy(f"{FILM}/a", f"{FILM}/c")
    library.delete(f"{FILM}/c")
    library.move(f"{FILM}/ingest", f"{FILM}/day")
    digest = library.entry(f"{FILM}/a").digest
    assert digest is not None and library.paths_of(digest) == [f"{FILM}/a", f"{FILM}/day/b"]


def test_further_sums_of_a_small_file_are_known_at_once(library: Library) -> None:
    put(library, f"{FILM}/a", b"abc")
    sums = library.sums(library.entry(f"{FILM}/a"))
    assert sums["md5"].hex() == "900150983cd24fb0d6963f7d28e17f72"
    assert sums == library.sums(library.entry(f"{FILM}/a"))
    assert library.sums(library.entry(FILM)) == {}


def test_the_way_from_every_row_up_to_its_path_is_known(library: Library) -> None:
    library.make_folder(f"{FILM}/day")
    put(library, f"{FILM}/day/a", b"a")
    library.move(f"{FILM}/day", f"{FILM}/ingest/night")
    library.copy(f"{FILM}/ingest", f"{FILM}/again")
    library.move(FILM, "Feature")
    with library.store.index.read() as txn:
        for path, entry in library.tree.walk(txn, library.tree.top(txn), ""):
            spot = library.tree.spot(txn, path)
            assert spot.entry == entry and spot.path == path
            key = spot.parent.id.to_bytes(8, "big") + naming.key(entry.name)
            assert library.tree.path_of(txn, key) == path
        assert library.tree.top(txn).id == TOP
    assert read(library, "P1-Feature/again/night/a") == b"a"


def test_the_table_of_locks_is_there_before_anybody_else_writes(root: Path) -> None:
    """Made beside a thread that commits, it would look as if a stranger had written to the index."""
    from davfront.app import DavApp

    library = Library(root, QuickSystem())
    before = os.stat(root / ".filmcan/index/data.mdb")
    DavApp(library)
    after = os.stat(root / ".filmcan/index/data.mdb")
    library.close()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
