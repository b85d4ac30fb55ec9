"""The index as a fold of the journal: opened if it can be believed, else begun anew, and brought to the journal's end.

What is believed: a file that is byte for byte as the last session left it; after a kill, as long as the machine kept its memory,
a file in which every page is where it belongs and every row has its checksum (cas/index_check.py); and in both cases only an
index of this root, whose last event is the one the journal tells under that number. Everything else goes, and the journal is
replayed into an empty one. That may stop at any moment: how far it came stands in the same transaction as the rows.
"""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Iterable, Iterator
from typing import TypeVar

from cas.home import Ending, Home
from cas.index import Index, IndexDamaged, Meta, WriteTxn
from cas.index_check import harm
from cas.journal import Journal
from cas.segment import SNAPSHOT, Event
from cas.system import System

T = TypeVar("T")
log = logging.getLogger("filmcan.cas")
APPLIED = b"applied"  # meta: number of the last event whose rows are in the index
APPLIED_AT = b"applied at"  # meta: its time, to know it again
ROOT = b"root"  # meta: the first half of the id of the root
DATA = "data.mdb"
SHRINK_BYTES, SHRINK_SHARE = 64 << 20, 0.6  # smaller or fuller, an index is left as it is
REPLAY_EVENTS = 5_000
SNAPSHOT_ROWS = 5_000


def open_index(home: Home, journal: Journal, system: System, ending: Ending, map_bytes: int) -> Index:
    """The index, if it can be believed; else an empty one, which `catch_up` fills from the journal."""
    doubt = _doubt(home, ending)
    if not doubt:
        try:
            index = _opened(home, map_bytes)
            try:
                if not (doubt := _stranger(index, home, journal)):
                    return _shrunk(index, home, system, map_bytes)
            except IndexDamaged:
                index.close()
                raise
            index.close()
        except IndexDamaged as error:
            doubt = error.reason
    log.warning("the index is made anew from the journal (%s)", doubt)
    _discard(home)
    return _opened(home, map_bytes)


def _doubt(home: Home, ending: Ending) -> str:
    """Why the file is not even opened; "" when it may be."""
    if not home.layout.index.exists():
        return ""
    if ending is Ending.LOST:
        return "the machine went down while it was open, or it was doubted before"
    if ending is Ending.SWAPPED:
        return "it is not the one that filmcan left"
    try:
        return harm(home.layout.index / DATA) if ending is Ending.KILLED else ""
    except OSError as error:
        return str(error)


def _opened(home: Home, map_bytes: int) -> Index:
    index = Index(home.layout.index, map_bytes=map_bytes)
    try:
        with index.read() as txn:
            fresh = index.meta.get(txn, ROOT) is None and index.meta.get(txn, APPLIED) is None
        if fresh:
            write = index.write()
            index.meta.put(write, ROOT, Meta(_number_of_root(home)))
            write.commit()
        return index
    except BaseException:
        index.close()
        raise


def _shrunk(index: Index, home: Home, system: System, map_bytes: int) -> Index:
    """Written anew when it is large and mostly free: LMDB's file never becomes smaller. Whoever dies behind the rename makes it
    again from the journal, as after any swap."""
    if index.size().used_bytes < SHRINK_BYTES or index.free_share() < SHRINK_SHARE:
        return index
    name = system.token()
    system.make_folder(home.incoming, name, 0o700)
    try:
        index.copy_to(home.layout.incoming / name)
        index.close()
        with system.folder(home.incoming, (name,)) as aside, system.folder(home.home, (home.layout.index.name,)) as place:
            fd = system.open_read(aside, DATA)
            try:
                system.sync_file(fd)
            finally:
                system.close(fd)
            system.rename(aside, DATA, place, DATA)
            system.sync_folder(place)
    finally:
        shutil.rmtree(home.layout.incoming / name)
    return _opened(home, map_bytes)


def _number_of_root(home: Home) -> int:
    return int(home.root_id[:16] or "0", 16)


def _stranger(index: Index, home: Home, journal: Journal) -> str:
    """Why this is no index of this root and this journal; "" when it is."""
    with index.read() as txn:
        root, applied, at = (index.meta.get(txn, key) for key in (ROOT, APPLIED, APPLIED_AT))
    if root is None or root.value != _number_of_root(home):
        return "it belongs to another root, or to an older filmcan"
    if applied is not None and applied.value < journal.folded_seq:
        return "it is older than what the journal still tells one by one"
    if applied is None or not journal.folded_seq < applied.value <= journal.last_seq:
        return ""  # nothing to compare with
    event = next(journal.after(applied.value - 1), None)
    if event is not None and event.seq == applied.value and (at is None or at.value != event.at_ns):
        return f"its event {applied.value} is not the one of the journal"
    return ""


def _discard(home: Home) -> None:
    path = home.layout.index
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()


def note_applied(index: Index, txn: WriteTxn, event: Event) -> None:
    """Everything up to this event is in the index with the end of this transaction."""
    index.meta.put(txn, APPLIED, Meta(event.seq))
    index.meta.put(txn, APPLIED_AT, Meta(event.at_ns))


def applied_ns(index: Index) -> int:
    """The time of the last event that is in the index; 0 for none."""
    with index.read() as txn:
        at = index.meta.get(txn, APPLIED_AT)
    return at.value if at is not None else 0


def catch_up(index: Index, journal: Journal, home: Home, system: System) -> int:
    """Bring the index to the end of the journal: what a crash or a deleted index left out. How many events it took. Called once
    every table has its owner."""
    with index.read() as txn:
        applied = index.meta.get(txn, APPLIED)
    position = applied.value if applied else 0
    if position > journal.last_seq:
        _write_down(index, journal, home, system.now_ns(), position)
    count = 0
    for batch in batches(journal.after(position), REPLAY_EVENTS):
        position = _apply(index, batch, position)
        count += len(batch)
    return count


def _apply(index: Index, batch: list[Event], position: int) -> int:
    """Replay some events; the number of the last."""
    latest: dict[tuple[str, bytes], bytes | None] = {}  # the last word on each row, in the order they were said
    txn = index.write()
    for event in batch:
        if event.op == SNAPSHOT and event.facts["begins"]:
            latest.clear()
            txn.clear()
        elif event.seq > position + 1:
            lost = (position + 1, event.seq - 1)
            log.warning("events %d to %d are missing in the journal; reindex finds what is on disk", *lost)
        for table, key, packed in event.rows:
            latest.pop((table, key), None)
            latest[table, key] = packed
        position = event.seq
    for (table, key), packed in latest.items():
        txn.apply(index.tables[table], key, packed)
    if event.facts.get("more"):  # in the middle of a base: whoever stops here begins again
        index.meta.delete(txn, APPLIED)
    else:
        note_applied(index, txn, event)
    txn.commit()
    return position


def _write_down(index: Index, journal: Journal, home: Home, now_ns: int, position: int) -> None:
    """The journal lost events that the index has: what they said is written down again, as a snapshot of all rows.

    All of it is in the journal or nothing. Its first event takes away what older events set, so that replaying all gives this
    index again.
    """
    log.warning(
        "the journal ends at event %d, but the index knows %d; all that the index has is written to the journal now",
        journal.last_seq, position,
    )  # fmt: skip
    pages = batches(index.journaled_rows(), SNAPSHOT_ROWS)
    events = (
        Event(position + 1 + number, now_ns, SNAPSHOT, {"begins": not number}, rows)
        for number, rows in enumerate(itertools.chain([next(pages, [])], pages))
    )
    journal.begin_anew(events, home.incoming)


def batches(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """itertools.batched, which Python 3.11 lacks."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == count:
            yield batch
            batch = []
    if batch:
        yield batch
