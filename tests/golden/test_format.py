"""The exact bytes of what is stored. A golden file that changes is a new format: see cas/FORMAT.md.

FILMCAN_GOLDEN=write writes them anew.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import msgspec
import pytest

from cas.blobs import BlobRow
from cas.calm import CalmRow
from cas.clock import ClockRow
from cas.committer import Position
from cas.contents import DamagedRow, InodeRow, OrphanRow, Sha256Row
from cas.digest import sums_of
from cas.home import Home
from cas.index import Index, Meta, Table
from cas.journal import Event, Journal
from cas.link import Seal
from cas.scrub import ScrubRow
from cas.segment import HEADER, pack, unpack
from tests.faulty import QuickSystem
from views.batches import BatchItem, BatchRow
from views.brake import PausedRow
from views.derived.facts import FactsRow
from views.entry import Entry, Kind
from views.jobs import Job, TurnRow
from views.tree import (
    AliasRow,
    KeptRow,
    NumberRow,
    ParentRow,
    PastRow,
    ProjectRow,
    TagRow,
    TrashRow,
    UseRow,
    entry_key,
    newest,
    pack_id,
    past_key,
)
from views.versions import HourRow, MomentRow, StayRow, VersionRow

HERE = Path(__file__).parent
UUID = uuid.UUID("2846aa30-5df1-4c7e-9a3f-0c1d2e3f842d")
AT_NS = 1_790_000_000_123_456_789
SUMS = sums_of(b"film")
ENTRY = Entry(
    17, Kind.FILE, "Ünï.mov", AT_NS, AT_NS - 1, 4, SUMS.digest.raw, AT_NS, "dav", False, "", Seal(99, 4, AT_NS),
    {"{DAV:}x": "<x/>"},
)  # fmt: skip
KEY = entry_key(16, ENTRY.name)
ROWS: dict[str, tuple[bytes, msgspec.Struct]] = {
    "blobs": (
        SUMS.digest.raw,
        BlobRow(4, SUMS.sha256, AT_NS, AT_NS, Seal(99, 4, AT_NS), {"md5": bytes(16)}, 1, {"sha256": AT_NS}),
    ),
    "sha256s": (SUMS.sha256, Sha256Row(SUMS.digest.raw)),
    "inodes": ((99).to_bytes(16, "big") + SUMS.digest.raw, InodeRow()),
    "entries": (KEY, ENTRY),
    "uses": (SUMS.digest.raw + KEY, UseRow()),
    "parents": (pack_id(16), ParentRow(entry_key(1, "P1-Film"))),
    "projects": (pack_id(16), ProjectRow(b"p1-film\0P1-Film", "careful", AT_NS, 2, 3, True)),
    "editable": (b"p1-film\0P1-Film", UseRow()),
    "aliases": (b"film\0Film", AliasRow(16, "Film")),
    "trashed": (
        b"17-a\x0017-a",
        TrashRow("P1-Film/a", AT_NS, "2026-09-21", ProjectRow(b"p1-film\0P1-Film", "careful", AT_NS, 2, 3), ("Film",)),
    ),
    "buried": (newest(AT_NS) + b"17-a\x0017-a", UseRow()),
    "versions": (KEY + newest(7), VersionRow(AT_NS, 17, b"\x01" + msgspec.msgpack.encode(ENTRY))),
    "held": (SUMS.digest.raw + KEY + newest(7), UseRow()),
    "stays": (pack_id(16) + newest(7), StayRow(entry_key(1, "P1-Film"))),
    "moments": (pack_id(16) + newest(AT_NS) + newest(7), MomentRow("put", "P1-Film/a")),
    "fading": (pack_id(8) + b"v" + KEY + newest(7), UseRow()),
    "paused": (b"192.0.2.7", PausedRow("192.0.2.7", AT_NS, "P1-Film/a")),
    "hours": (newest(AT_NS // 3600 // 10**9), HourRow(7)),
    "past": (past_key(16, "ingest/originals/a.mov"), PastRow(SUMS.sha256, 4, AT_NS, "upload", ("keeper",))),
    "kept": (pack_id(16), KeptRow(70, 80)),
    "jobs": (
        UUID.bytes,
        Job(
            str(UUID), "resolve", AT_NS + 1, AT_NS, {"project": "P1-Film"}, "failed", 2, "edit-1", AT_NS, 900.0, AT_NS + 9, AT_NS,
            "Resolve says nothing", True, {"clips": []},
        ),
    ),
    "turns": ((AT_NS + 1).to_bytes(8, "big") + UUID.bytes, TurnRow("resolve")),
    "tags": (SUMS.digest.raw, TagRow(("keeper", "sea side"))),
    "batches": (pack_id(16) + UUID.bytes, BatchRow(AT_NS, AT_NS + 1, 2, 1, 1)),
    "batched": (
        pack_id(16) + UUID.bytes + pack_id(3),
        BatchItem(AT_NS, "stored", "Ünï.mov", "ingest/originals/Ünï.mov", SUMS.sha256, 4, AT_NS, ""),
    ),
    "facts": (SUMS.digest.raw, FactsRow(1, "ok", 1, AT_NS, {"duration_seconds": 2.5, "width": 640}, True)),
    "numbers": (b"next id", NumberRow(18)),
    "meta": (b"applied", Meta(7)),
    "positions": (b"manifest", Position(7)),
    "damaged": (SUMS.digest.raw, DamagedRow(AT_NS, "damaged", ("P1-Film/Ünï.mov",))),
    "scrub": (b"scrub", ScrubRow(AT_NS, 0, SUMS.digest.raw, 1000, 4000, 1, AT_NS - 9)),
    "clock": (b"collect", ClockRow(AT_NS, 1234.5, "a boot")),
    "calm": ((99).to_bytes(16, "big"), CalmRow(AT_NS, 2)),
    "orphans": (SUMS.digest.raw, OrphanRow(AT_NS, 2, AT_NS)),
}


def compare(name: str, found: bytes) -> None:
    path = HERE / name
    if os.environ.get("FILMCAN_GOLDEN") == "write":
        path.write_text(found.hex(" ", 4) + "\n")
    assert found == bytes.fromhex(path.read_text())


def test_a_row_of_the_trash_from_before_projects_came_back_whole_is_read() -> None:
    table: Table[TrashRow] = Table("trashed", TrashRow, 1, True, False, None)
    fields = ("P1-Film/a", AT_NS, "2026-09-21")
    assert table.unpack(b"\x01" + msgspec.msgpack.encode(fields)) == TrashRow(*fields)


def journal_event() -> Event:
    key, row = ROWS["entries"]
    facts = {"path": "P1-Film/Ünï.mov", "id": 17, "known": False, "replaced": None}
    return Event(
        7, AT_NS, "put", facts, [("entries", key, b"\x01" + msgspec.msgpack.encode(row)), ("aliases", b"k", None)]
    )


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_every_table(name: str, tmp_path: Path) -> None:
    key, row = ROWS[name]
    table: Table[msgspec.Struct] = Table(name, type(row), 1, True, False, None)
    sealed = table.seal(key, table.pack(row))
    compare(f"{name}.hex", key + b"|" + sealed)
    assert table.open(key, sealed) == row


def test_a_row_of_a_blob_from_before_senders_were_remembered_is_read() -> None:
    key, row = ROWS["blobs"]
    sealed = bytes.fromhex((HERE / "blobs-before-told.hex").read_text())[len(key) + 1 :]
    table: Table[msgspec.Struct] = Table("blobs", BlobRow, 1, True, False, None)
    assert table.open(key, sealed) == msgspec.structs.replace(row, told={})


def test_a_row_of_a_project_from_before_they_could_be_editable_is_read() -> None:
    key, row = ROWS["projects"]
    sealed = bytes.fromhex((HERE / "projects-before-editable.hex").read_text())[len(key) + 1 :]
    table: Table[msgspec.Struct] = Table("projects", ProjectRow, 1, True, False, None)
    assert table.open(key, sealed) == msgspec.structs.replace(row, editable=False)


def test_every_table_is_here(tmp_path: Path) -> None:
    from views.library import Library

    library = Library(tmp_path / "root", QuickSystem())
    assert set(library.store.index.tables) == set(ROWS)
    library.close()


def test_a_record_of_the_journal() -> None:
    later = msgspec.structs.replace(journal_event(), seq=8)
    compare("journal-record.hex", pack([journal_event(), later]))
    payload = pack([journal_event(), later])[8:].rstrip(b"\0")
    assert unpack(payload) == [journal_event(), later]


def test_a_record_of_the_journal_of_format_1_is_read() -> None:
    record = bytes.fromhex((HERE / "journal-record-1.hex").read_text())
    assert unpack(record[8:].rstrip(b"\0")) == [journal_event()]


def test_a_segment_of_the_journal(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    journal = Journal(QuickSystem(), fd)
    journal.write([msgspec.structs.replace(journal_event(), seq=1)])
    journal.close()
    (segment,) = tmp_path.iterdir()
    data = segment.read_bytes()
    assert segment.name == "000000000001.log"
    compare("journal-header.hex", data[: HEADER.size])
    assert not data.rstrip(b"\0")[HEADER.size + len(pack([journal_event()])) :]
    os.close(fd)


def test_the_format_file(tmp_path: Path) -> None:
    class Certain(QuickSystem):
        def token(self) -> str:
            return "0123456789abcdef"

    home = Home(tmp_path / "root", Certain())
    found = (tmp_path / "root" / ".filmcan" / "FORMAT").read_bytes()
    assert found == b'{\n  "format": 1,\n  "root_id": "0123456789abcdef0123456789abcdef"\n}\n'
    home.close()


def test_an_index_is_a_file_of_lmdb_0_9(tmp_path: Path) -> None:
    Index(tmp_path / "index").close()
    data = (tmp_path / "index" / "data.mdb").read_bytes()
    assert data[16:24] == bytes.fromhex("dec0efbe01000000")  # magic, data version 1
