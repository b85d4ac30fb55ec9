"""The store: bytes once, whole or not at all, and told when they are not what they were."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cas import replay
from cas.committer import Position
from cas.contents import Uncertain
from cas.digest import Digest, sums_of
from cas.doubt import Doubt
from cas.errors import BlobDamaged, BlobUnknown, BodyIncomplete, ChecksumWrong, Degraded, NoSpace
from cas.found import FileBusy
from cas.store import Store
from tests.faulty import FaultySystem, QuickSystem
from tests.state import check_links, in_index, on_disk, put, read, rows
from views.library import Library

FILM = "P1-Film"


@pytest.fixture
def system() -> FaultySystem:
    return FaultySystem()


@pytest.fixture
def library(root: Path, system: FaultySystem) -> Iterator[Library]:
    library = Library(root, system)
    library.make_project("Film")
    yield library
    library.close()


def digest_of(data: bytes) -> Digest:
    return sums_of(data).digest


def blob(library: Library, data: bytes) -> Path:
    return library.store.layout.blob(digest_of(data))


def edit(path: Path, data: bytes) -> None:
    """As root does, who is not held up by a read-only file."""
    os.chmod(path, 0o644)
    path.write_bytes(data)


# receiving


def test_bytes_arrive_in_pieces_and_are_summed_on_the_way(library: Library) -> None:
    with library.receive(expected_bytes=6, extra=("md5", "sha1", "adler32")) as body:
        for piece in (b"fi", memoryview(b"lm"), bytearray(b"ed")):
            body.write(piece)
        sums = body.finish()
        assert sums is body.finish()
        assert (sums.digest, sums.size_bytes, sums.sha256) == (digest_of(b"filmed"), 6, sums_of(b"filmed").sha256)
        assert set(sums.extra) == {"md5", "sha1", "adler32"}
        body.require("sha256", sums.sha256)
        with pytest.raises(ChecksumWrong):
            body.require("md5", b"other")
    assert not os.listdir(library.store.layout.incoming)


@pytest.mark.parametrize("sent", [b"", b"fil", b"filmed!"])
def test_a_body_of_another_length_than_promised_is_refused(library: Library, sent: bytes) -> None:
    body = library.receive(expected_bytes=6)
    body.write(sent)
    with pytest.raises(BodyIncomplete):
        library.put(f"{FILM}/a", body)
    assert body.fd is None and library.find(f"{FILM}/a") is None
    assert not os.listdir(library.store.layout.incoming)


def test_without_unnamed_files_nothing_is_left_staged_either(root: Path) -> None:
    class Named(QuickSystem):
        def create_unnamed(self, folder: int, mode: int = 0o600) -> int | None:
            return None

    library = Library(root, Named())
    library.make_project("Film")
    put(library, f"{FILM}/a", b"film")
    put(library, f"{FILM}/b", b"film")
    library.receive().abandon()
    check_links(library)
    assert not os.listdir(library.store.layout.incoming)
    library.close()


@pytest.mark.parametrize("method", ["write", "create_unnamed", "set_modified", "write_out"])
def test_a_disk_that_gets_full_while_receiving_is_no_space(library: Library, system: FaultySystem, method: str) -> None:
    system.arm(1, errno.ENOSPC, {method})
    with pytest.raises(NoSpace):
        body = library.receive()
        body.write(b"film")
        library.put(f"{FILM}/a", body, modified_ns=1)
    assert library.store.state.name == "ok"
    put(library, f"{FILM}/a", b"film")
    assert not os.listdir(library.store.layout.incoming)


def test_a_disk_that_fails_while_receiving_degrades_the_store(library: Library, system: FaultySystem) -> None:
    put(library, f"{FILM}/a", b"film")
    system.arm(1, errno.EIO, {"write"})
    with pytest.raises(Degraded):
        put(library, f"{FILM}/b", b"more")
    with pytest.raises(Degraded):
        library.receive()
    with pytest.raises(Degraded):
        library.delete(f"{FILM}/a")
    assert read(library, f"{FILM}/a") == b"film"


def test_more_than_fits_is_refused_before_a_byte_is_taken(library: Library) -> None:
    with pytest.raises(NoSpace) as refused:
        library.receive(expected_bytes=1 << 60)
    assert refused.value.needed_bytes == 1 << 60


# damage


def test_an_edit_through_a_link_is_noticed_by_a_reader_and_kept_as_what_it_is(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    edit(library.root / FILM / "a", b"FILM")
    with pytest.raises(BlobDamaged):
        library.open(f"{FILM}/a")
    assert read(library, f"{FILM}/a") == b"FILM" and library.entry(f"{FILM}/a").digest == digest_of(b"FILM")
    put(library, f"{FILM}/a", b"film")
    assert read(library, f"{FILM}/a") == b"film" and blob(library, b"FILM").read_bytes() == b"FILM"
    check_links(library)


def test_an_upload_of_bytes_whose_blob_was_edited_is_not_answered_with_the_edited_ones(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    edit(blob(library, b"film"), b"FILM")
    put(library, f"{FILM}/b", b"film")
    assert read(library, f"{FILM}/b") == b"film"
    assert (library.root / FILM / "b").read_bytes() == b"film"
    assert library.entry(f"{FILM}/a").digest == digest_of(b"FILM") and read(library, f"{FILM}/a") == b"FILM"
    check_links(library)


def test_a_blob_healed_while_it_was_being_judged_is_not_set_aside(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(library, f"{FILM}/a", b"film")
    edit(blob(library, b"film"), b"FILM")
    examine = Doubt.examine

    def slowly(doubt: Doubt, digest: Digest) -> Any:
        verdict = examine(doubt, digest)
        monkeypatch.undo()
        put(library, f"{FILM}/b", b"film")
        return verdict

    monkeypatch.setattr(Doubt, "examine", slowly)
    assert not library.store.doubt.settle(digest_of(b"film"))
    assert read(library, f"{FILM}/b") == b"film" and blob(library, b"film").read_bytes() == b"film"
    assert read(library, f"{FILM}/a") == b"FILM" and not os.listdir(library.store.layout.quarantine)


def test_a_blob_whose_time_was_touched_is_sealed_again(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    os.utime(library.root / FILM / "a", ns=(5, 5))
    assert read(library, f"{FILM}/a") == b"film"
    row = library.store.blob(digest_of(b"film"))
    assert row is not None and row.seal.modified_ns == 5
    events = [event.op for event in library.store.journal.after(0)]
    assert read(library, f"{FILM}/a") == b"film"
    assert [event.op for event in library.store.journal.after(0)] == events
    assert not os.listdir(library.store.layout.quarantine)


def test_a_touched_blob_is_read_even_while_nothing_can_be_written(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    put(library, f"{FILM}/b", b"more")
    os.utime(blob(library, b"film"), ns=(5, 5))
    edit(blob(library, b"more"), b"MORE")
    library.store.state.degrade("told so")
    assert read(library, f"{FILM}/a") == b"film"
    with pytest.raises(BlobDamaged):
        library.open(f"{FILM}/b")


def test_a_blob_that_is_gone_is_told_and_healed_by_an_upload(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    blob(library, b"film").unlink()
    with pytest.raises(BlobDamaged):
        library.open(f"{FILM}/a")
    put(library, f"{FILM}/b", b"film")
    assert read(library, f"{FILM}/a") == b"film"


def test_an_orphan_blob_of_a_crash_is_taken_when_its_bytes_come_again(library: Library) -> None:
    blob(library, b"film").write_bytes(b"film")
    blob(library, b"other").write_bytes(b"half of oth")
    put(library, f"{FILM}/a", b"film")
    put(library, f"{FILM}/b", b"other")
    assert in_index(library)[f"{FILM}/b"] == b"other"
    check_links(library)


def test_bytes_nobody_stored_are_unknown(library: Library) -> None:
    with pytest.raises(BlobUnknown):
        library.store.open(digest_of(b"none"))
    assert library.store.blob(digest_of(b"none")) is None
    assert library.store.find_sha256(b"x" * 32) is None


def test_a_content_is_found_by_its_sha256_too(library: Library) -> None:
    put(library, f"{FILM}/a", b"film")
    assert library.store.find_sha256(sums_of(b"film").sha256) == digest_of(b"film")


def test_the_empty_content_can_be_opened(library: Library) -> None:
    put(library, f"{FILM}/a", b"")
    assert read(library, f"{FILM}/a") == b""
    assert not blob(library, b"").exists()


# links


def limit_links(system: FaultySystem, full: set[int]) -> None:
    """The inodes in `full` can have no more links."""
    real = system.link

    def link(folder: int, name: str, to_folder: int, to_name: str) -> None:
        if system.stat(folder, name).st_ino in full:
            raise OSError(errno.EMLINK, "Too many links")
        real(folder, name, to_folder, to_name)

    system.link = link  # type: ignore[method-assign]


def test_when_a_file_can_have_no_more_links_another_copy_is_made(library: Library, system: FaultySystem) -> None:
    put(library, f"{FILM}/a", b"film")
    full = {os.stat(blob(library, b"film")).st_ino}
    limit_links(system, full)
    put(library, f"{FILM}/b", b"film")
    first = os.stat(library.root / FILM / "b").st_ino
    library.copy(f"{FILM}/b", f"{FILM}/c")
    assert os.stat(library.root / FILM / "c").st_ino == first not in full
    full.add(first)
    library.copy(f"{FILM}/a", f"{FILM}/d")
    row = library.store.blob(digest_of(b"film"))
    assert row is not None and row.spares == 2
    assert on_disk(library.root) == in_index(library)
    for name in "bcd":
        put(library, f"{FILM}/{name}", name.encode())
    assert not os.listdir(library.store.layout.quarantine)


def test_a_spare_that_a_crash_left_half_copied_is_made_again(library: Library, system: FaultySystem) -> None:
    put(library, f"{FILM}/a", b"film")
    path = blob(library, b"film")
    path.with_name(f"{path.name}~1").write_bytes(b"fi")
    limit_links(system, {os.stat(path).st_ino})
    library.copy(f"{FILM}/a", f"{FILM}/b")
    assert (library.root / FILM / "b").read_bytes() == b"film"
    assert not os.listdir(library.store.layout.quarantine)


@pytest.mark.parametrize("error", [errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP])
def test_where_links_are_impossible_a_file_of_its_own_is_made_and_known_as_ours(
    library: Library, system: FaultySystem, error: int
) -> None:
    put(library, f"{FILM}/a", b"film")
    system.arm(1, error, {"link"}, lasting=True)
    library.copy(f"{FILM}/a", f"{FILM}/b")
    assert os.stat(library.root / FILM / "b").st_ino != os.stat(library.root / FILM / "a").st_ino
    assert (library.root / FILM / "b").stat().st_mode & 0o777 == 0o444
    library.move(f"{FILM}/b", f"{FILM}/c")
    put(library, f"{FILM}/c", b"more")
    assert on_disk(library.root) == in_index(library)
    assert not os.listdir(library.store.layout.quarantine)
    system.disarm()


def test_a_folder_on_another_mount_can_be_written_replaced_renamed_and_deleted(
    library: Library, system: FaultySystem
) -> None:
    """As with a bind mount: names go nowhere but inside it."""
    library.make_folder(f"{FILM}/mount")
    device = os.stat(library.root / FILM / "mount").st_ino
    real_link, real_rename = system.link, system.rename

    def check(folder: int, to_folder: int) -> None:
        if (os.fstat(folder).st_ino == device) != (os.fstat(to_folder).st_ino == device):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

    def link(folder: int, name: str, to_folder: int, to_name: str) -> None:
        check(folder, to_folder)
        real_link(folder, name, to_folder, to_name)

    def link_open(fd: int, to_folder: int, to_name: str) -> None:
        QuickSystem.link_open(system, fd, to_folder, to_name)

    def rename(folder: int, name: str, to_folder: int, to_name: str) -> None:
        check(folder, to_folder)
        real_rename(folder, name, to_folder, to_name)

    system.link, system.rename, system.link_open = link, rename, link_open  # type: ignore[method-assign]
    at = f"{FILM}/mount"
    put(library, f"{at}/a", b"film")
    put(library, f"{at}/a", b"more")
    put(library, f"{FILM}/x", b"film")
    library.copy(f"{FILM}/x", f"{at}/b")
    library.move(f"{FILM}/x", f"{at}/c")
    library.move(f"{at}/c", f"{FILM}/y")
    library.move(f"{at}/b", f"{at}/a")
    assert on_disk(library.root) == in_index(library)
    library.delete(f"{at}/a")
    assert on_disk(library.root) == in_index(library)
    assert not os.listdir(library.store.layout.quarantine)


# adoption


def find(store: Store, root: Path, name: str) -> Any:
    folder = os.open(root, os.O_RDONLY)
    return folder, store.find_on_disk(folder, name)


def adopt(store: Store, folder: int, found: Any, name: str) -> Any:
    try:
        return store.commit(lambda acts: store.contents.publish(acts, found, folder, name))
    finally:
        os.close(found.fd)
        os.close(folder)


def test_a_file_on_disk_becomes_a_blob_where_it_lies(library: Library) -> None:
    (library.root / "found").write_bytes(b"film")
    folder, found = find(library.store, library.root, "found")
    _, known = adopt(library.store, folder, found, "found")
    assert not known and os.stat(library.root / "found").st_ino == os.stat(blob(library, b"film")).st_ino
    with library.store.open(digest_of(b"film")) as opened:
        assert os.pread(opened.fd, 9, 0) == b"film"


@pytest.mark.parametrize("how", ["edited", "swapped"])
def test_a_file_that_changed_after_it_was_hashed_does_not_become_a_blob(library: Library, how: str) -> None:
    path = library.root / "found"
    path.write_bytes(b"film")
    folder, found = find(library.store, library.root, "found")
    if how == "edited":
        path.write_bytes(b"FILM")
        os.utime(path, ns=(7, 7))
    else:
        (library.root / "other").write_bytes(b"another file")
        os.rename(library.root / "other", path)
    with pytest.raises(FileBusy):
        adopt(library.store, folder, found, "found")
    assert library.store.blob(digest_of(b"film")) is None
    assert not blob(library, b"film").exists()
    put(library, f"{FILM}/a", b"film")
    assert read(library, f"{FILM}/a") == b"film"


def test_a_file_being_written_is_not_looked_at(library: Library) -> None:
    with (library.root / "found").open("wb") as writing:
        writing.write(b"half")
        writing.flush()
        folder = os.open(library.root, os.O_RDONLY)
        with pytest.raises(FileBusy):
            library.store.find_on_disk(folder, "found")
    os.mkfifo(library.root / "pipe")
    with pytest.raises(FileBusy):
        library.store.find_on_disk(folder, "pipe")
    os.close(folder)


def test_uncertain_names_the_digest() -> None:
    assert str(Uncertain(digest_of(b"film"))) == digest_of(b"film").hex


def test_an_index_that_is_mostly_free_becomes_smaller_at_the_next_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "SHRINK_BYTES", 200_000)
    data = root / ".filmcan/index/data.mdb"
    with closing(Library(root, QuickSystem())) as library:
        put(library, f"{library.make_project('Film').path}/a", b"film")
        positions, keys = library.store.positions, [b"%d" % number for number in range(5000)]
        for act in (lambda txn, key: positions.put(txn, key, Position(7)), positions.delete):
            library.store.note(lambda txn, act=act: [act(txn, key) for key in keys])  # type: ignore[misc]
        before = rows(library)
    size = data.stat().st_size
    with closing(Library(root, QuickSystem())) as library:
        assert rows(library) == before and library.store.replayed == 0
        assert not os.listdir(library.store.layout.incoming)
        put(library, f"{FILM}/b", b"more")
    assert data.stat().st_size < size / 2
