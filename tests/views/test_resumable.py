"""Uploads in several goes: what is kept, what is refused, what a restart and a sweep do."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import random
from pathlib import Path

import pytest

from cas.digest import Digest
from cas.errors import CasError, ChecksumWrong, TooLarge
from tests.conftest import PROJECT
from tests.faulty import Clock, FaultySystem, QuickSystem
from tests.views.stage import StillSystem
from views.errors import ChunkWrong, NameInvalid, OffsetWrong, UploadBusy, UploadTaken, UploadUnknown, UploadUnlike, UploadWhole
from views.library import Library, Options
from views.upload import EXPIRY_S, Upload

SAID = Upload("", PROJECT, "clip.mov", ends=True)


class Cut(Exception):
    """The connection is gone."""


class Body(io.BytesIO):
    """A body that breaks off at its end, or does something half-way."""

    def __init__(self, data: bytes, at_end: object = None) -> None:
        super().__init__(data)
        self._at_end = at_end

    def readinto(self, buffer: object) -> int:
        count = super().readinto(buffer)  # type: ignore[arg-type]
        if not count and callable(self._at_end):
            self._at_end()
        return count


def cut() -> None:
    raise Cut


def said(**more: object) -> Upload:
    return Upload(**{"id": "", "project": PROJECT, "name": "clip.mov", "ends": True, **more})  # type: ignore[arg-type]


def parts(library: Library) -> list[str]:
    return sorted(path.suffix for path in library.store.layout.uploads.iterdir())


def test_bytes_in_two_goes_become_one_file_seen_by_nobody_before(library: Library) -> None:
    upload = library.resumable.begin(said(length=10))
    upload = library.resumable.append(upload.id, 0, Body(b"hello"), announced=5)
    assert upload.offset == 5 and not upload.complete and [path for path, _ in library.walk(f"{PROJECT}/ingest/originals")] == []
    upload = library.resumable.append(upload.id, 5, Body(b"world"), announced=5)
    assert upload.result is not None and upload.result["status"] == "stored"
    assert upload.result["sha256"] == hashlib.sha256(b"helloworld").hexdigest()
    assert (library.root / PROJECT / upload.result["path"]).read_bytes() == b"helloworld"
    assert parts(library) == [".notes"] and not os.listdir(library.store.layout.incoming)


def test_what_a_broken_body_brought_is_kept_and_the_rest_completes_it(library: Library) -> None:
    upload = library.resumable.begin(said(length=10))
    with pytest.raises(Cut):
        library.resumable.append(upload.id, 0, Body(b"hell", cut), announced=10)
    assert library.resumable.look(upload.id).offset == 4
    assert library.resumable.append(upload.id, 4, Body(b"oworld")).result is not None


def test_an_offset_that_was_told_survives_a_restart_and_the_hash_is_made_again(root: Path) -> None:
    data, chance = random.Random(4).randbytes(3 << 20), random.Random(5)
    library = Library(root, QuickSystem())
    library.make_project("Film")
    upload = library.resumable.begin(said(length=len(data)))
    while upload.result is None:
        library.close()
        with (root / f".filmcan/uploads/{upload.id}.part").open("ab") as file:
            file.write(b"never promised to anybody")
        with (root / f".filmcan/uploads/{upload.id}.notes").open("ab") as file:
            file.write(b"deadbeef {half a no")
        library = Library(root, QuickSystem())
        assert library.resumable.look(upload.id) == upload
        end = upload.offset + chance.randrange(1, 1 << 20)
        upload = library.resumable.append(upload.id, upload.offset, Body(data[upload.offset : end]))
    assert (root / PROJECT / upload.result["path"]).read_bytes() == data
    library.close()


def test_many_small_goes_leave_short_notes(library: Library) -> None:
    upload = library.resumable.begin(said(length=2000))
    for number in range(2000):
        upload = library.resumable.append(upload.id, number, Body(b"x"))
    notes = library.store.layout.uploads / f"{upload.id}.notes"
    assert notes.stat().st_size < 70_000 and upload.result is not None and library.resumable.look(upload.id).offset == 2000


def test_a_part_that_lost_bytes_is_never_continued(root: Path) -> None:
    library = Library(root, QuickSystem())
    library.make_project("Film")
    upload = library.resumable.begin(said(length=10))
    library.resumable.append(upload.id, 0, Body(b"hello"))
    library.close()
    os.truncate(root / f".filmcan/uploads/{upload.id}.part", 3)
    library = Library(root, QuickSystem())
    with pytest.raises(Exception, match="begin again"):
        library.resumable.append(upload.id, 5, Body(b"world"))
    library.close()


def test_a_wrong_checksum_keeps_nothing_of_its_chunk(library: Library) -> None:
    upload = library.resumable.begin(said(length=10))
    library.resumable.append(upload.id, 0, Body(b"hello"))
    with pytest.raises(ChunkWrong):
        library.resumable.append(upload.id, 5, Body(b"WORLD"), sums={"sha1": hashlib.sha1(b"world").digest()})
    with pytest.raises(Cut):
        library.resumable.append(upload.id, 5, Body(b"wor", cut), sums={"md5": hashlib.md5(b"world").digest()})
    upload = library.resumable.append(upload.id, 5, Body(b"world"), sums={"sha256": hashlib.sha256(b"world").digest()})
    assert upload.result and (library.root / PROJECT / upload.result["path"]).read_bytes() == b"helloworld"


def test_a_second_sender_is_refused_and_a_question_for_the_offset_takes_over(library: Library) -> None:
    uploads, upload = library.resumable, library.resumable.begin(said(length=10))

    def meanwhile() -> None:
        with pytest.raises(UploadBusy):
            uploads.append(upload.id, 0, Body(b"hello"))
        assert uploads.look(upload.id).offset == 0
        uploads.append(upload.id, 0, Body(b"HELLO"))

    class Late(Body):
        def readinto(self, buffer: object) -> int:
            meanwhile()
            return super().readinto(buffer)

    with pytest.raises(UploadTaken):
        uploads.append(upload.id, 0, Late(b"old bytes"))
    assert uploads.append(upload.id, 5, Body(b"WORLD")).result is not None


def test_a_sender_that_insists_takes_over_and_must_know_where_it_goes_on(library: Library) -> None:
    uploads, upload = library.resumable, library.resumable.begin(said(length=10))

    class Late(Body):
        def readinto(self, buffer: object) -> int:
            if not self.tell():
                return super().readinto(buffer)
            with pytest.raises(OffsetWrong):
                uploads.append(upload.id, 3, Body(b"lo"), takes_over=True)
            uploads.append(upload.id, 0, Body(b"hello"), takes_over=True)
            return super().readinto(buffer)

    with pytest.raises(UploadTaken):
        uploads.append(upload.id, 0, Late(b"old bytes"))
    assert uploads.append(upload.id, 5, Body(b"world")).result is not None


def test_lengths_and_offsets_must_agree(library: Library) -> None:
    uploads, upload = library.resumable, library.resumable.begin(said(length=4, ends=False))
    with pytest.raises(OffsetWrong):
        uploads.append(upload.id, 1, Body(b"x"))
    for more in ({"length": 5}, {"announced": 5}, {"announced": 3, "last": True}, {}):
        with pytest.raises(UploadUnlike):
            uploads.append(upload.id, 0, Body(b"12345"), **more)  # type: ignore[arg-type]
        assert uploads.look(upload.id).offset == 0
    uploads.append(upload.id, 0, Body(b"1234"))
    assert not uploads.look(upload.id).complete, "the draft wants to be told"
    assert uploads.append(upload.id, 4, Body(b""), last=True).result is not None
    with pytest.raises(UploadWhole):
        uploads.append(upload.id, 4, Body(b""))


def test_too_large_is_said_at_the_beginning_or_while_it_grows(root: Path) -> None:
    library = Library(root, QuickSystem(), Options(max_upload_bytes=4))
    library.make_project("Film")
    with pytest.raises(TooLarge):
        library.resumable.begin(said(length=5))
    upload = library.resumable.begin(said())
    with pytest.raises(TooLarge):
        library.resumable.append(upload.id, 0, Body(b"12345"))
    library.close()


def test_names_that_cannot_be_are_refused_before_a_byte(library: Library) -> None:
    for name in ("", "a/b", "..", "._x"):
        with pytest.raises(NameInvalid):
            library.resumable.begin(said(name=name))
    assert parts(library) == []


def test_bytes_other_than_promised_are_not_kept(library: Library) -> None:
    upload = library.resumable.begin(said(length=4, sha256="00" * 32))
    with pytest.raises(ChecksumWrong):
        library.resumable.append(upload.id, 0, Body(b"1234"))
    assert parts(library) == []


def test_pieces_are_joined_in_their_order_and_go(library: Library) -> None:
    uploads = library.resumable
    pieces = [uploads.begin(Upload("", partial=True, ends=True, length=len(data))) for data in (b"one", b"two", b"")]
    with pytest.raises(UploadUnlike):
        uploads.join(said(), [(uploads, pieces[0].id)])
    for piece, data in zip(pieces, (b"one", b"two", b""), strict=True):
        uploads.append(piece.id, 0, Body(data)) if data else uploads.complete(piece.id)
    joined = uploads.join(said(), [(uploads, pieces[n].id) for n in (1, 2, 0)])
    assert joined.result and (library.root / PROJECT / joined.result["path"]).read_bytes() == b"twoone"
    assert parts(library) == [".notes"]


def test_the_same_bytes_again_are_a_duplicate(library: Library) -> None:
    words = []
    for _ in range(2):
        upload = library.resumable.begin(said(length=4))
        result = library.resumable.append(upload.id, 0, Body(b"same")).result
        assert result
        words.append(result["status"])
    assert words == ["stored", "duplicate"]


def test_what_nobody_continues_expires_and_is_swept_with_what_a_crash_half_began(root: Path) -> None:
    clock = Clock()
    library = Library(root, clock)
    library.make_project("Film")
    upload = library.resumable.begin(said(length=4))
    (library.store.layout.uploads / ("0" * 32 + ".part")).touch()
    assert library.resumable.sweep() == 1 and parts(library) == [".notes", ".part"]
    clock.at_ns += int(EXPIRY_S * 10**9)
    assert library.resumable.sweep() == 1 and parts(library) == []
    with pytest.raises(UploadUnknown):
        library.resumable.look(upload.id)
    library.close()


def test_an_ended_upload_is_gone(library: Library) -> None:
    upload = library.resumable.begin(said(length=4))
    library.resumable.append(upload.id, 0, Body(b"12"))
    library.resumable.remove(upload.id)
    with pytest.raises(UploadUnknown):
        library.resumable.append(upload.id, 2, Body(b"34"))
    assert parts(library) == []


def test_sweeping_remembers_nothing_of_what_rests(root: Path) -> None:
    system = StillSystem()
    library = Library(root, system)
    library.make_project("Film")
    upload = library.resumable.append(library.resumable.begin(said(length=4)).id, 0, Body(b"12"))
    for _ in range(3):
        library.resumable.sweep()
        system.pass_s(3000)
    assert library.resumable._live == {}, "each sweep read it, and held it for another hour"
    assert library.resumable.append(upload.id, 2, Body(b"34")).result is not None
    library.close()


@pytest.mark.parametrize("late", [False, True])
def test_a_death_at_any_act_loses_nothing_that_was_told(root: Path, late: bool) -> None:
    from tests.faulty import Death

    at = 0
    while True:
        at += 1
        place = root.with_name(f"root{at}{late}")
        system = FaultySystem()
        library = Library(place, system)
        library.make_project("Film")
        system.arm(at, late=late)
        told, id = 0, ""
        try:
            upload = library.resumable.begin(said(length=10))
            id = upload.id
            told = library.resumable.append(id, 0, Body(b"hello")).offset
            library.resumable.append(id, 5, Body(b"world"))
        except Death:
            pass
        struck = system.struck
        system.disarm()
        os.close(library.store.home._open[2])  # the lock ends with the process
        again = Library(place, QuickSystem())
        again.resumable.sweep()
        if id:
            upload = again.resumable.look(id)
            assert upload.offset >= told
            if upload.result is None:
                upload = again.resumable.append(id, upload.offset, Body(b"helloworld"[upload.offset :]))
            assert upload.result and (place / PROJECT / upload.result["path"]).read_bytes() == b"helloworld"
        again.close()
        if not struck:
            return


def told(library: Library, upload: Upload) -> set[str]:
    assert upload.result is not None
    row = library.store.blob(Digest.from_hex(upload.result["blake3"]))
    assert row is not None
    return set(row.told)


def test_sums_of_every_piece_are_sums_of_the_whole_also_over_a_restart(library: Library, root: Path) -> None:
    upload = library.resumable.begin(said(length=10))
    library.resumable.append(upload.id, 0, Body(b"hello"), sums={"md5": hashlib.md5(b"hello").digest()})
    library.close()
    again = Library(root, QuickSystem())
    done = again.resumable.append(upload.id, 5, Body(b"world"), sums={"sha1": hashlib.sha1(b"world").digest()})
    assert told(again, done) == {"parts"}
    again.close()


@pytest.mark.parametrize("without", [0, 1])
def test_a_piece_without_a_sum_leaves_the_whole_without_one(library: Library, without: int) -> None:
    upload = library.resumable.begin(said(length=10))
    for number, data in enumerate((b"hello", b"world")):
        sums = {} if number == without else {"md5": hashlib.md5(data).digest()}
        upload = library.resumable.append(upload.id, 5 * number, Body(data), sums=sums)
    assert told(library, upload) == set()


def test_a_sum_of_the_whole_is_remembered(library: Library) -> None:
    upload = library.resumable.begin(said(length=5, sha256=hashlib.sha256(b"hello").hexdigest()))
    assert told(library, library.resumable.append(upload.id, 0, Body(b"hello"))) == {"sha256"}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_is_full_or_fails_at_any_act_keeps_what_was_told(root: Path, error: int, late: bool) -> None:
    """Once, and then there is room again; after a failed sync the store only reads, and is opened anew."""
    at = 0
    while True:
        at += 1
        place = root.with_name(f"full{at}{error}{late}")
        system = FaultySystem()
        library = Library(place, system)
        library.make_project("Film")
        system.arm(at, error, late=late)
        told, id, ended = 0, "", False
        with contextlib.suppress(CasError, OSError):
            id = library.resumable.begin(said(length=10)).id
            told = library.resumable.append(id, 0, Body(b"hello")).offset
            ended = library.resumable.append(id, 5, Body(b"world")).result is not None
        struck = system.struck
        system.disarm()
        if library.store.state.reason:
            library.close()
            library = Library(place, QuickSystem())
        id = id or library.resumable.begin(said(length=10)).id
        upload = library.resumable.look(id)
        assert upload.offset >= told and (not ended or upload.result is not None)
        if upload.result is None:
            upload = library.resumable.append(id, upload.offset, Body(b"helloworld"[upload.offset :]))
        assert upload.result and (place / PROJECT / upload.result["path"]).read_bytes() == b"helloworld"
        library.resumable.sweep()
        assert not os.listdir(library.store.layout.incoming) and ".part" not in parts(library)
        library.close()
        if not struck:
            return


@pytest.mark.parametrize("late", [False, True])
def test_a_death_at_any_act_of_joining_keeps_the_pieces_or_the_whole(root: Path, late: bool) -> None:
    from tests.faulty import Death

    at = 0
    while True:
        at += 1
        place = root.with_name(f"joined{at}{late}")
        system = FaultySystem()
        library = Library(place, system)
        library.make_project("Film")
        uploads, data = library.resumable, (b"hello", b"world")
        pieces = [uploads.begin(Upload("", partial=True, ends=True, length=5)).id for _ in data]
        for piece, part in zip(pieces, data, strict=True):
            uploads.append(piece, 0, Body(part))
        system.arm(at, late=late)
        with contextlib.suppress(Death):
            uploads.join(said(), [(uploads, piece) for piece in pieces])
        struck = system.struck
        system.disarm()
        library.store._give_up()  # as the end of the process does
        again = Library(place, QuickSystem())
        again.resumable.sweep()
        assert all(again.resumable.peek(id).complete for id in again.store.parts.names()), "nothing half joined stays for a week"
        clip = place / PROJECT / "ingest/originals/clip.mov"
        if all(again.resumable.has(piece) for piece in pieces):
            again.resumable.join(said(), [(again.resumable, piece) for piece in pieces])
        assert clip.read_bytes() == b"helloworld"
        assert sorted(path.name for path in clip.parent.iterdir()) == ["clip.mov"]
        again.close()
        if not struck:
            return
