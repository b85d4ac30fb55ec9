"""How long the past is kept: the trash is emptied, and moments are forgotten, by age and when the disk is short of room.

One line divides what is kept from what is not: a number of the journal. Everything taken away or replaced by an event up to
that number, at a time before the line, goes; no content goes by it, only names (`cas/collect.py` removes contents). The line is
found by time, but a clock that was wrong for a while never moves it past what happened since: order is by number.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from cas.committer import Acts
from cas.digest import EMPTY
from cas.errors import CasError
from cas.index import ReadTxn
from cas.layout import HOME
from cas.store import Store
from views import naming
from views.entry import Entry, Kind
from views.folder import Folder, Folders, day_of
from views.history import EMPTIED, History
from views.library import Library
from views.tree import TRASH, TrashRow, Tree, entry_key
from views.versions import HOUR_NS

log = logging.getLogger("filmcan.keeper")
DAY_NS = 86_400 * 10**9
EVERY_S = 1800.0
JUMP_S = 300.0  # durability reference §5: after a jump of the clock a cycle is left out
NAMES_AT_ONCE = 500  # in one change: others wait for it
GENERATED = (("index.json",), ("_manifest", "files.jsonl"), ("_manifest", "events.jsonl"))  # made again when they are lost


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the settings say.

    days         0 for ever
    free_bytes   with less than this free, what went longest ago goes sooner, but never before a day; 0 for never
    """

    days: int = 30
    free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """Something in the trash that is to go: its name there, where it was, when it was taken away, the bytes it shows."""

    name: str
    path: str
    at_ns: int
    size_bytes: int


@dataclass(frozen=True)
class Plan:
    """Where what is kept from now on begins, by time and by number of the journal; what leaves the trash. All 0: nothing goes."""

    since_ns: int = 0
    since_seq: int = 0
    items: tuple[Item, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(item.size_bytes for item in self.items)


class Keeper:
    """Keeps the past of one library short. `run` from one thread at a time.

    crash   names leave the trash a few hundred in a change, files before folders: the next run goes on
    """

    def __init__(self, library: Library, keeping: Keeping) -> None:
        self._library, self._keeping = library, keeping
        self._store, self._tree, self._history = library.store, library.tree, library.history
        self._emptier = Emptier(self._store, self._tree, self._history)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # looking

    def plan(self) -> Plan:
        """What would go now. Changes nothing."""
        self._history.catch_up()
        now_ns = self._store.system.now_ns()
        cutoff_ns = now_ns - self._keeping.days * DAY_NS if self._keeping.days else 0
        cutoff_ns = min(max(cutoff_ns, self._cutoff_for_room()), now_ns - DAY_NS) // HOUR_NS * HOUR_NS
        with self._store.index.read() as txn:
            seq = self._history.was.seq_before(txn, cutoff_ns) if cutoff_ns > 0 else 0
        return Plan(cutoff_ns, seq, tuple(self._items(cutoff_ns, seq))) if seq else Plan()

    def _items(self, cutoff_ns: int, seq: int) -> Iterator[Item]:
        with self._store.index.read() as txn:
            for name, row in self._emptier.before(txn, cutoff_ns, seq):
                entry = self._tree.child(txn, TRASH, name)
                assert entry is not None
                yield Item(name, row.path, row.at_ns, self._size(txn, entry))

    def _size(self, txn: ReadTxn, entry: Entry) -> int:
        below = (inner.size_bytes for _, inner in self._tree.walk(txn, entry, "")) if entry.is_folder else ()
        return entry.size_bytes + sum(below)

    def _cutoff_for_room(self) -> int:
        """The time up to which everything must go so that there is room by and by; 0 when there is enough.

        What no name needs already will be collected, and counts as free. What a name elsewhere shows too is counted though it
        frees nothing: rather too little goes, and the next time some more.
        """
        space = self._store.system.space(self._store.home.root)
        lacking = self._keeping.free_bytes - space.f_bavail * space.f_frsize
        if not self._keeping.free_bytes or lacking <= 0:
            return 0
        lacking -= sum(candidate.size_bytes for candidate in self._library.collector().plan())
        hours = self._past_bytes() if lacking > 0 else {}
        for hour in sorted(hours):
            lacking -= hours[hour]
            if lacking <= 0:
                return (hour + 1) * HOUR_NS
        return (max(hours) + 1) * HOUR_NS if hours else 0

    def _past_bytes(self) -> dict[int, int]:
        """Bytes that names in the trash show, and those that only earlier versions do, by the hour they went."""
        found: dict[int, int] = {}
        with self._store.index.read() as txn:
            for key, row in self._tree.trashed.scan(txn):
                entry = self._tree.entries.get(txn, TRASH.to_bytes(8, "big") + key)
                hour = row.at_ns // HOUR_NS
                found[hour] = found.get(hour, 0) + (self._size(txn, entry) if entry else 0)
            hours = self._history.was.last_numbers(txn)
            seqs = [seq for seq, _ in hours]
            for seq, entry in self._history.was.superseded(txn):
                if next(self._tree.uses.scan(txn, entry.raw_digest), None) is None:
                    hour = hours[min(bisect_right(seqs, seq - 1), len(hours) - 1)][1]
                    found[hour] = found.get(hour, 0) + entry.size_bytes
        return found

    # doing

    def run(self) -> Plan:
        """Empty the trash and forget moments, as planned; what went."""
        plan = self.plan()
        for item in plan.items:
            while self._store.commit(partial(self._emptier.empty, name=item.name, cutoff_ns=plan.since_ns, seq=plan.since_seq)):
                if self._stopping.is_set():
                    return plan
        if plan.since_seq:
            self._store.commit(lambda acts: self._forget(acts, plan))
        self._history.prune()
        if plan.items:
            log.info("%d names left the trash: they were taken away before %s", len(plan.items), day_of(plan.since_ns))
        return plan

    def _forget(self, acts: Acts, plan: Plan) -> None:
        if plan.since_seq > self._history.was.since(acts.txn)[0]:
            self._history.forget_before(acts.txn, plan.since_seq, plan.since_ns)
            acts.tell("forgotten", {"since": plan.since_seq, "since_ns": plan.since_ns})
        self._emptier.remove_empty_days(day_of(acts.at_ns))

    # by itself

    def start(self) -> Keeper:
        self._thread = threading.Thread(target=self._run, name="filmcan-keeper", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        """Never at the start: a machine without a battery for its clock may not know the time yet."""
        before = self._clocks()
        while not self._stopping.wait(EVERY_S):
            now = self._clocks()
            self.cycle(before, now)
            before = now

    def _clocks(self) -> tuple[float, float]:
        return self._store.system.now_ns() / 1e9, self._store.system.monotonic_s()

    def cycle(self, before: tuple[float, float], now: tuple[float, float]) -> bool:
        """Run, unless the clock jumped in between or the store only reads; did it?

        before, now   (wall clock, monotonic clock), seconds
        """
        jump_s = (now[0] - before[0]) - (now[1] - before[1])
        if abs(jump_s) > JUMP_S:
            log.warning("the clock jumped by %d s: nothing leaves the trash this time", jump_s)
            return False
        if self._store.state.reason:
            return False
        try:
            self.run()
        except (CasError, OSError) as error:
            log.warning("the trash could not be emptied and is looked at again later: %s", error)
            return False
        return True


class Emptier:
    """Takes names out of the trash for good, inside a change of the store.

    A file on disk goes only when it is the one the index believes and its bytes are whole in the store. Whatever else lies in a
    folder there (what was rendered into it, what nobody took in) is left where it is: it may be the only copy.
    """

    def __init__(self, store: Store, tree: Tree, history: History) -> None:
        self._store, self._tree, self._history = store, tree, history
        self._folder = Folder(store, tree)

    def before(self, txn: ReadTxn, cutoff_ns: int, seq: int) -> Iterator[tuple[str, TrashRow]]:
        """What was taken away before a time, and by an event up to a number."""
        for key in self._tree.buried_before(txn, cutoff_ns):
            row, entry = self._tree.trashed.get(txn, key), self._tree.entries.get(txn, TRASH.to_bytes(8, "big") + key)
            if row is not None and entry is not None and self._may_go(txn, entry.name, row, cutoff_ns, seq):
                yield entry.name, row

    def _may_go(self, txn: ReadTxn, name: str, row: TrashRow, cutoff_ns: int, seq: int) -> bool:
        buried = self._history.was.buried_seq(txn, entry_key(TRASH, name))
        return row.at_ns < cutoff_ns and buried is not None and buried <= seq

    def empty(self, acts: Acts, name: str, cutoff_ns: int, seq: int) -> bool:
        """Take some of what lies under a name of the trash away, at last the name itself. Is there more?"""
        row, entry = self._tree.trashed.get(acts.txn, naming.key(name)), self._tree.child(acts.txn, TRASH, name)
        if row is None or entry is None or not self._may_go(acts.txn, name, row, cutoff_ns, seq):
            return False  # somebody brought it back
        place = (HOME, "trash", row.day) if row.day else ()
        some = list(islice(self._below(acts.txn, TRASH, entry, place), NAMES_AT_ONCE))
        for parent, gone, folders in some:
            if folders and not gone.hidden:
                self._take_off(acts, folders, gone)
            self._tree.entries.delete(acts.txn, entry_key(parent, gone.name))
        over = some[-1][1].id == entry.id
        if over:
            self._tree.trashed.delete(acts.txn, naming.key(name))
        acts.tell(EMPTIED, {"trash": [name], "was": row.path, "names": len(some)})
        return not over

    def _below(self, txn: ReadTxn, parent: int, entry: Entry, folders: Folders) -> Iterator[tuple[int, Entry, Folders]]:
        """A name and all below it, what is in a folder before the folder: the id of the parent, the entry, its folder on disk."""
        if entry.is_folder:
            inner = (*folders, entry.name) if folders else ()
            for child in self._tree.children(txn, entry.id):
                yield from self._below(txn, entry.id, child, inner)
        yield parent, entry, folders

    def _take_off(self, acts: Acts, folders: Folders, entry: Entry) -> None:
        """Off the disk, if that loses nothing."""
        try:
            if not entry.is_folder:
                if self._is_safe(acts, folders, entry):
                    self._store.contents.losing_name(acts, entry.digest, entry.own)
                    self._store.system.unlink(acts.folder(folders), entry.name)
                return
            if entry.kind is Kind.PROJECT:
                self._drop_generated(acts, (*folders, entry.name))
            acts.forget_folders()
            self._store.system.remove_folder(acts.folder(folders), entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return  # it is gone already, or something else lies there
        except OSError as error:
            if not entry.is_folder or not self._holds_strangers(acts, (*folders, entry.name)):
                raise
            log.warning("%s keeps what nobody knows, and stays: %s", "/".join((*folders, entry.name)), error.strerror)

    def _holds_strangers(self, acts: Acts, folders: Folders) -> bool:
        return bool(self._store.system.scan(acts.folder(folders, touch=False)))

    def _is_safe(self, acts: Acts, folders: Folders, entry: Entry) -> bool:
        """Is this the file the index believes, and are its bytes in the store beside it?"""
        digest = entry.digest
        if digest is None or not self._folder.is_ours(acts, folders, entry.name, entry):
            return False
        row = self._store.blobs.get(acts.txn, digest.raw)
        return digest == EMPTY.digest or (row is not None and self._store.blobs_on_disk.seal(digest) == row.seal)

    def _drop_generated(self, acts: Acts, project: Folders) -> None:
        for *inner, name in GENERATED:
            try:
                self._store.system.unlink(acts.folder((*project, *inner)), name)
            except (FileNotFoundError, NotADirectoryError):
                continue
        acts.forget_folders()
        try:
            self._store.system.remove_folder(acts.folder(project), "_manifest")
        except OSError:
            return  # not there, or a person's records of an older system are kept in it

    def remove_empty_days(self, before: str) -> None:
        """Inside a change: folders of days before this one that hold nothing any more."""
        system, trash = self._store.system, self._store.home.trash
        for entry in system.scan(trash):
            if entry.name < before and entry.name[:1].isdigit():
                with system.folder(trash, (entry.name,)) as day:
                    is_empty = not system.scan(day)
                if is_empty:
                    system.remove_folder(trash, entry.name)
