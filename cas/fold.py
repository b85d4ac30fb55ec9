"""The journal kept short: segments whose events nobody asks for any more become one base, all rows as of the last of them.

Start and rebuild then cost as much as there are rows and kept events, not as much as ever happened. Only whole segments are
folded, only closed ones, only up to a number that the caller names (history is kept from there on), and only what every follower
has read. The order is fixed: the base is built aside, synced, read again and compared, put in place by one rename, made to last;
then the segments go. Whoever dies in between leaves the old journal, or the new one with segments that count no more and are
removed at the next start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cas.heap import Heap
from cas.home import Home
from cas.index import RawRow
from cas.journal import Journal
from cas.replay import SNAPSHOT_ROWS, batches
from cas.segment import SNAPSHOT, Damage, Event
from cas.system import System

log = logging.getLogger("filmcan.cas")
ROWS_AT_ONCE = 20_000
SHARE = 2  # a base is written anew when what is folded into it is as large as a half of it: n events cost n, not n²
SPACE = 4  # times what is read: what the heap and the new base may take meanwhile
BREATH_S = 0.002  # between pages: requests come first


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold did. `why`: when it did nothing, what stands in the way; "" when there was nothing to do."""

    segments: int = 0
    size_bytes: int = 0
    rows: int = 0
    why: str = ""


class JournalDamaged(Exception):
    """A stretch that should be folded cannot be read: folding would make the loss last."""


def fold(journal: Journal, home: Home, system: System, upto_seq: int, available_bytes: int, *, small: bool = False) -> Folded:
    """Fold closed segments whose last event is not above `upto_seq`. One at a time; beside readers and the committer.

    available_bytes   that it may use meanwhile
    small             also when it is hardly worth it
    raises            OSError; the journal is then as it was, or folded
    """
    names, last_seq = journal.foldable(upto_seq)
    sizes, base_bytes = sum(map(journal.size_of, names)), sum(map(journal.size_of, journal.base()))
    if not names or (sizes * SHARE < base_bytes and not small):
        return Folded()
    if available_bytes < SPACE * (sizes + base_bytes):
        return Folded(why=f"the disk has too little room to fold {len(names)} segments of the journal")
    with Heap(Path(home.layout.incoming, system.token())) as heap:
        try:
            at_ns = _pile(journal, [*journal.base(), *names], heap)
        except JournalDamaged as error:
            return Folded(why=f"the journal is damaged ({error}) and is not folded; run `filmcan rebuild`")
        rows = heap.count()
        page = max(SNAPSHOT_ROWS, -(-rows // last_seq))
        journal.put_base(lambda: _events(heap, page, last_seq, -(-rows // page) or 1, at_ns), home.incoming)
    log.info("%d segments of the journal were folded into %d rows", len(names), rows)
    return Folded(len(names), sizes, rows)


def _pile(journal: Journal, names: list[str], heap: Heap) -> int:
    """All rows as of the last event of these; its time."""
    at_ns, rows = 0, list[RawRow]()
    for event in chain.from_iterable(_events_of(journal, name) for name in names):
        if event.op == SNAPSHOT and event.facts["begins"]:
            rows.clear()
            heap.clear()
        rows += event.rows
        at_ns = event.at_ns
        if len(rows) >= ROWS_AT_ONCE:
            heap.apply(rows)
            rows.clear()
            time.sleep(BREATH_S)
    heap.apply(rows)
    return at_ns


def _events_of(journal: Journal, name: str) -> Iterator[Event]:
    for item, _ in journal.read(name):
        if isinstance(item, Damage):
            raise JournalDamaged(f"{item.segment} at byte {item.offset}")
        yield from item


def _events(heap: Heap, page: int, last_seq: int, count: int, at_ns: int) -> Iterator[Event]:
    """The rows as the last events that they stand for, so that followers know where they are."""
    pages = batches(heap.rows(), page)
    for number, rows in enumerate(chain([next(pages, [])], pages)):
        yield Event(last_seq - count + 1 + number, at_ns, SNAPSHOT, {"begins": not number, "folded": True}, rows)
