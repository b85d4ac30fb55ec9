"""The journal: what was written comes back, whatever a crash, a full disk or a rotten sector did to the segments."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from cas import journal as journals
from cas import segment as segments
from cas.errors import FormatUnknown
from cas.journal import Damage, Event, Journal
from cas.segment import HEADER
from tests.faulty import FaultySystem


def pack(event: Event) -> bytes:
    """As written alone."""
    return segments.pack([event])


def event(seq: int, size: int = 20) -> Event:
    return Event(seq, seq * 1000, "put", {"path": "x" * size}, [("entries", bytes([seq % 256]), b"row")])


@pytest.fixture
def system() -> FaultySystem:
    return FaultySystem()


@pytest.fixture
def opened(tmp_path: Path, system: FaultySystem) -> Callable[[], Journal]:
    fds: list[int] = []

    def opened() -> Journal:
        fds.append(os.open(tmp_path, os.O_RDONLY))
        return Journal(system, fds[-1])

    return opened


@contextmanager
def small_segments(size_bytes: int) -> Iterator[None]:
    """Segments of a few records instead of many thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "SEGMENT_BYTES", size_bytes)
        patch.setattr(journals, "RECENT_EVENTS", 2)
        yield


def write(journal: Journal, *events: Event) -> None:
    journal.sync(journal.write(events))
    journal.publish(events)


def write_each(journal: Journal, *events: Event) -> None:
    """Each a group of its own."""
    for each in events:
        write(journal, each)


def seqs(journal: Journal, after: int = 0) -> list[int]:
    return [event.seq for event in journal.after(after)]


def segment(tmp_path: Path) -> Path:
    return max(tmp_path.glob("*.log"))


def damage(path: Path, offset: int, data: bytes = b"\xff") -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def offsets(*events: Event) -> list[int]:
    """Where each record begins, and the end."""
    found = [HEADER.size]
    for each in events:
        found.append(found[-1] + len(pack(each)))
    return found


def test_events_come_back_in_order_after_reopening(opened: Callable[[], Journal]) -> None:
    journal = opened()
    for seq in range(1, 10):
        write(journal, event(seq))
    journal.close()
    again = opened()
    assert again.last_seq == again.written_seq == 9
    assert list(again.after(0)) == [event(seq) for seq in range(1, 10)]
    write(again, event(10))
    assert seqs(again, 8) == [9, 10]


def test_an_empty_journal_has_no_events(opened: Callable[[], Journal]) -> None:
    journal = opened()
    assert journal.last_seq == 0 and seqs(journal) == []
    assert not journal.wait(0, 0)


def test_what_is_not_published_is_not_shown(opened: Callable[[], Journal]) -> None:
    journal = opened()
    write(journal, event(1))
    journal.sync(journal.write([event(2)]))
    assert seqs(journal) == [1]


def test_every_event_is_read_from_any_number_across_segments(opened: Callable[[], Journal], tmp_path: Path) -> None:
    with small_segments(600):
        journal = opened()
        for seq in range(1, 41):
            write(journal, event(seq))
        assert len(list(tmp_path.glob("*.log"))) > 3
        for after in range(42):
            assert seqs(journal, after) == list(range(after + 1, 41))
        journal.close()
        assert seqs(opened(), 7) == list(range(8, 41))


def test_an_event_larger_than_a_segment_gets_one_of_its_own(opened: Callable[[], Journal]) -> None:
    with small_segments(600):
        journal = opened()
        for seq, size in ((1, 10), (2, 5000), (3, 10)):
            write(journal, event(seq, size))
        journal.close()
        assert seqs(opened()) == [1, 2, 3]


def test_an_empty_segment_takes_an_event_of_any_size(opened: Callable[[], Journal], tmp_path: Path) -> None:
    (tmp_path / "000000000001.log").write_bytes(b"")
    with small_segments(600):
        journal = opened()
        write(journal, event(1, 5000))
        write(journal, event(2))
        journal.close()
        assert seqs(opened()) == [1, 2]


def test_a_reader_that_is_slow_sees_every_event_once_while_others_are_written(opened: Callable[[], Journal]) -> None:
    with small_segments(600):
        journal, seen = opened(), []
        for seq in range(1, 21):
            write(journal, event(seq))
        for found in journal.after(0):
            seen.append(found.seq)
            write(journal, event(20 + found.seq))
        seen += seqs(journal, seen[-1])
    assert seen == list(range(1, 41))
    assert journal.damage == []


def test_a_half_written_record_is_no_damage_to_a_reader_of_earlier_ones(
    opened: Callable[[], Journal], tmp_path: Path
) -> None:
    with small_segments(1 << 20):
        journal = opened()
        for seq in range(1, 6):
            write(journal, event(seq))
        data = pack(event(6)) + pack(event(7))
        end = offsets(*map(event, range(1, 6)))[-1]
        damage(
            segment(tmp_path), end, data[:5] + bytes(20) + data[25:]
        )  # the second is there before the first is whole
        assert seqs(journal, 1) == [2, 3, 4, 5]
    assert journal.damage == []


# torn tails


def test_a_tail_torn_at_any_byte_is_cleared_and_all_before_it_stands(
    opened: Callable[[], Journal], tmp_path: Path
) -> None:
    events = [event(seq) for seq in range(1, 4)]
    journal = opened()
    write_each(journal, *events)
    journal.close()
    whole, (_, _, start, end) = segment(tmp_path).read_bytes(), offsets(*events)
    (length,) = struct.unpack_from("<I", whole, start)
    for cut in range(start, end):
        for rest in (b"", bytes(64), b"\xa5" * (end - cut)):
            segment(tmp_path).write_bytes(whole[:cut] + rest)
            again = opened()
            expected = 3 if cut >= start + 8 + length else 2
            assert again.last_seq == expected, cut
            write(again, event(expected + 1, 3))
            again.close()
            last = opened()
            assert seqs(last) == list(range(1, expected + 2)), cut
            assert last.damage == []
            last.close()


def test_a_group_torn_at_any_byte_is_gone_wholly(opened: Callable[[], Journal], tmp_path: Path) -> None:
    """A power cut may bring the end of a group to the disk and not its beginning: what came last may build on what came first."""
    journal = opened()
    write(journal, event(1))
    write(journal, event(2, 700), event(3, 700), event(4, 700))
    journal.close()
    whole, (start, *_) = segment(tmp_path).read_bytes(), offsets(event(1))[1:]
    end = start + len(segments.pack([event(2, 700), event(3, 700), event(4, 700)]))
    for cut in range(start, end - 8, 37):
        for torn in (whole[:cut] + bytes(512) + whole[cut + 512 :], whole[:cut] + bytes(len(whole) - cut)):
            segment(tmp_path).write_bytes(torn[: len(whole)])
            again = opened()
            assert (again.last_seq, seqs(again)) == (1, [1]), cut
            write(again, event(2))
            again.close()
            assert seqs(opened()) == [1, 2]


def test_a_group_that_was_refused_late_is_not_in_the_journal(opened: Callable[[], Journal]) -> None:
    journal = opened()
    write(journal, event(1))
    journal.write([event(2, 300), event(3)])
    journal.take_back()
    assert journal.written_seq == 1
    write(journal, event(2))
    journal.close()
    assert [one.facts["path"] for one in opened().after(0)] == ["x" * 20] * 2


def test_a_segment_of_the_first_format_is_read_and_goes_on_with_groups(opened: Callable[[], Journal], tmp_path: Path) -> None:
    def pack_1(event: Event) -> bytes:
        payload = msgspec.msgpack.encode(event)
        record = struct.pack("<II", len(payload), zlib.crc32(payload)) + payload
        return record + bytes(-len(record) % 8)

    old = HEADER.pack(b"FILMCANJ", 1, 0) + b"".join(pack_1(event(seq)) for seq in range(1, 6)) + bytes(4096)
    (tmp_path / "000000000001.log").write_bytes(old)
    journal = opened()
    assert list(journal.after(0)) == [event(seq) for seq in range(1, 6)]
    write(journal, event(6), event(7))
    journal.close()
    assert seqs(opened()) == list(range(1, 8))
    assert segment(tmp_path).read_bytes()[8] == 2


@pytest.mark.parametrize("size", [0, 3 << 20])
def test_after_a_failed_sync_what_only_memory_holds_is_written_again(
    opened: Callable[[], Journal], system: FaultySystem, tmp_path: Path, size: int
) -> None:
    journal = opened()
    write_each(journal, event(1), event(2, size), event(3))
    journal.close()
    whole = segment(tmp_path).read_bytes()
    system.acts.clear()
    fd = os.open(tmp_path, os.O_RDONLY)
    again = Journal(system, fd, doubted=True)
    assert system.acts.count("write_at") == 1 + size // (1 << 20) and system.acts[-1] == "sync_file"
    assert segment(tmp_path).read_bytes() == whole and seqs(again) == [1, 2, 3]
    again.close()
    os.close(fd)


@pytest.mark.parametrize("kept", range(HEADER.size))
def test_a_segment_whose_header_was_being_written_is_finished(
    opened: Callable[[], Journal], tmp_path: Path, kept: int
) -> None:
    with small_segments(200):
        journal = opened()
        for seq in range(1, 4):
            write(journal, event(seq))
        journal.close()
        last = len(list(tmp_path.glob("*.log")))
        (tmp_path / f"{4:012d}.log").write_bytes(HEADER.pack(b"FILMCANJ", 1, 0)[:kept])
        again = opened()
        assert again.last_seq == 3 and last >= 1
        write(again, event(4))
        again.close()
        assert seqs(opened()) == [1, 2, 3, 4]


# damage


@pytest.mark.parametrize("size", [20, 180, 1000])
def test_a_damaged_record_in_the_middle_is_stepped_over_and_told(
    opened: Callable[[], Journal], tmp_path: Path, size: int
) -> None:
    events = [event(seq, size) for seq in range(1, 6)]
    journal = opened()
    write_each(journal, *events)
    journal.close()
    whole, places = segment(tmp_path).read_bytes(), offsets(*events)
    for offset in range(places[1], places[2], 7):
        segment(tmp_path).write_bytes(whole)
        damage(segment(tmp_path), offset, bytes([whole[offset] ^ 0xFF]))
        again = opened()
        padding = offset >= places[1] + 8 + struct.unpack_from("<I", whole, places[1])[0]
        if not padding:
            assert again.damage == [Damage(segment(tmp_path).name, places[1], places[2] - places[1])]
            assert seqs(again) == [1, 3, 4, 5]
        write(again, event(6))
        assert seqs(again, 3) == [4, 5, 6]
        again.close()


@pytest.mark.parametrize("length", [256, 512, 65536])
def test_a_good_record_of_any_length_is_found_behind_a_damaged_one(
    opened: Callable[[], Journal], tmp_path: Path, length: int
) -> None:
    size = next(size for size in range(length) if struct.unpack_from("<I", pack(event(2, size)))[0] == length)
    journal = opened()
    write_each(journal, event(1), event(2, size))
    journal.close()
    damage(segment(tmp_path), HEADER.size + 10)
    again = opened()
    assert again.last_seq == 2 and seqs(again) == [2]


@pytest.mark.parametrize("offset", range(HEADER.size))
def test_a_rotten_header_costs_no_event(opened: Callable[[], Journal], tmp_path: Path, offset: int) -> None:
    journal = opened()
    write(journal, event(1), event(2))
    journal.close()
    whole = segment(tmp_path).read_bytes()
    damage(segment(tmp_path), offset, bytes([whole[offset] ^ 0x10]))
    try:
        again = opened()
    except FormatUnknown:
        assert 8 <= offset < 12
        assert segment(tmp_path).read_bytes()[HEADER.size :] == whole[HEADER.size :]
        return
    write(again, event(3))
    again.close()
    assert seqs(opened()) == [1, 2, 3]


def test_a_segment_of_a_newer_format_is_refused(opened: Callable[[], Journal], tmp_path: Path) -> None:
    write(opened(), event(1))
    damage(segment(tmp_path), 0, HEADER.pack(b"FILMCANJ", 3, 0))
    with pytest.raises(FormatUnknown):
        opened()


# full and failing disks


@pytest.mark.parametrize("late", [False, True])
def test_events_refused_by_a_full_disk_never_come_back(
    opened: Callable[[], Journal], system: FaultySystem, late: bool
) -> None:
    journal = opened()
    write(journal, event(1))
    system.arm(1, errno.ENOSPC, {"write_at"}, late=late)
    with pytest.raises(OSError):
        journal.write([event(seq, 300) for seq in range(2, 6)])
    system.disarm()
    write(journal, event(2, 1))
    journal.close()
    again = opened()
    assert seqs(again) == [1, 2] and again.damage == []


@pytest.mark.parametrize("method", ["create", "write_at", "sync_folder", "sync_data", "sync_file"])
@pytest.mark.parametrize("late", [False, True])
def test_a_segment_that_could_not_be_begun_is_begun_later(
    opened: Callable[[], Journal], system: FaultySystem, method: str, late: bool
) -> None:
    with small_segments(400):
        journal = opened()
        write(journal, event(1, 200))
        system.arm(1, errno.ENOSPC, {method}, late=late)
        try:
            write(journal, event(2, 300), event(3, 300))
        except OSError:
            if method == "sync_data":
                return  # final: told in the next test
            system.disarm()
            write(journal, event(2, 30))
            write(journal, event(3, 300))
        journal.close()
        again = opened()
        assert seqs(again) == [1, 2, 3]
        assert again.damage == []


def test_a_segment_left_without_events_does_not_hide_the_ones_before_it(
    opened: Callable[[], Journal], tmp_path: Path
) -> None:
    journal = opened()
    write(journal, event(1), event(2), event(3))
    journal.close()
    (tmp_path / "000000000002.log").write_bytes(b"")
    (tmp_path / "notes.log").write_bytes(b"by somebody")
    again = opened()
    assert again.last_seq == 3
    write(again, event(4))
    again.close()
    assert seqs(opened()) == [1, 2, 3, 4]


def test_a_failed_sync_is_final_for_everybody_who_waits_for_one(
    opened: Callable[[], Journal], system: FaultySystem
) -> None:
    journal = opened()
    first = journal.write([event(1)])
    second = journal.write([event(2)])
    system.arm(1, errno.EIO, {"sync_data"})
    with pytest.raises(OSError):
        journal.sync(second)
    with pytest.raises(OSError):
        journal.sync(first)
    with pytest.raises(OSError):
        journal.write([event(3)])
