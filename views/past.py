"""What was, as paths: the trash, and every project at every moment that is kept. To look at and to take out of; never to write.

    _trash/17-A001.mov                                       what was taken away, with the number of its entry before its name
    _history/P1-Wedding/                                     moments worth looking at
    _history/P1-Wedding/2026-11-25T18-00-00Z/ingest/…        the project as it was then; any time can be asked for
    _history/P1-Wedding/seq-1234/…                           the same by the number of an event

A project is found by the name it has now or had before, one that was deleted too. `views/restore.py` takes things out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from cas.index import ReadTxn
from cas.store import Store
from views import moments, naming
from views.entry import Entry, Kind
from views.errors import NameNotFound, NotAFolder
from views.history import History
from views.tree import TOP, TRASH, TrashRow, Tree, pack_id
from views.versions import Moment, Version

TRASH_NAME, HISTORY_NAME = "_trash", "_history"
SITTING_NS = 300 * 10**9  # changes of five minutes are one sitting, shown by the last of them
DAY_NS = 86_400 * 10**9
CHANGES_SHOWN, SITTINGS_SHOWN, DAYS_SHOWN = 5, 20, 60  # a listing that a person can read, and a program can go through


def is_past(path: str) -> bool:
    """Does this path lead into the trash or into the past?"""
    return path.startswith("_") and path.partition("/")[0] in (TRASH_NAME, HISTORY_NAME)


def is_trash(path: str) -> bool:
    """Does it lead to something in the trash, rather than to the trash itself?"""
    return path.startswith(f"{TRASH_NAME}/")


@dataclass(frozen=True, slots=True)
class Trashed:
    """Something in the trash: its name there, where it was, when it was taken away."""

    name: str
    path: str
    at_ns: int
    entry: Entry


Members = Callable[[ReadTxn, Entry], Iterable[Entry]]


@dataclass(frozen=True, slots=True)
class Seen:
    """Something of the past: its entry, and how to see what is in a folder there. Hidden entries are never in it."""

    entry: Entry
    members: Members


@dataclass(frozen=True, slots=True)
class Buried:
    """A place in the trash: what lies there, the item of the trash it belongs to, the folders inside that item down to it.

    name   of the item, as the trash has it
    row    where the item was, when it was taken away, and where it lies on disk
    chain  from the item down to the folder above `entry`; empty when `entry` is the item
    """

    name: str
    row: TrashRow
    chain: tuple[Entry, ...]
    entry: Entry


class Past:
    """Reads what was. Any thread; bring the history up to date before a transaction (`catch_up`)."""

    def __init__(self, store: Store, tree: Tree, history: History) -> None:
        self._store, self._tree, self._history, self._was = store, tree, history, history.was

    def catch_up(self, path: str) -> None:
        """What was answered up to now is seen at this path."""
        if not path.startswith(TRASH_NAME):
            self._history.catch_up()

    def look(self, txn: ReadTxn, path: str) -> Seen:
        """What has this path; NameNotFound."""
        first, *rest = path.split("/")
        if first == TRASH_NAME:
            return self._in_trash(txn, path, rest)
        if not rest:
            return Seen(self._folder(txn, HISTORY_NAME), lambda txn, _: self.projects(txn))
        project = self.project_id(txn, rest[0])
        if project is None:
            raise NameNotFound(path)
        if len(rest) == 1:
            return Seen(self._folder(txn, rest[0]), lambda txn, _: (entry for _, entry in self.moments(txn, project)))
        return self._then(txn, path, project, rest[1], rest[2:])

    def find(self, txn: ReadTxn, path: str) -> Entry | None:
        try:
            return self.look(txn, path).entry
        except NameNotFound:
            return None

    def _folder(self, txn: ReadTxn, name: str) -> Entry:
        top = self._tree.top(txn)
        return Entry(0, Kind.FOLDER, name, top.modified_ns, top.created_ns)

    # the trash

    def _in_trash(self, txn: ReadTxn, path: str, names: list[str]) -> Seen:
        if not names:
            return Seen(self._folder(txn, TRASH_NAME), lambda txn, entry: self._visible(txn, entry.id or TRASH))
        item = self.buried(txn, path)
        return Seen(item.entry, lambda txn, entry: self._visible(txn, entry.id))

    def _visible(self, txn: ReadTxn, folder: int) -> Iterator[Entry]:
        return (entry for entry in self._tree.children(txn, folder) if not entry.hidden)

    def buried(self, txn: ReadTxn, path: str) -> Buried:
        """What lies in the trash under a path `_trash/…`; NameNotFound."""
        _, name, *inner = path.split("/")
        row, entry = self._tree.trashed.get(txn, naming.key(name)), self._tree.child(txn, TRASH, name)
        if row is None or entry is None:
            raise NameNotFound(path)
        chain: list[Entry] = []
        for step in inner:
            chain.append(entry)
            entry = self._tree.child(txn, entry.id, step) if entry.is_folder else None
            if entry is None or entry.hidden:
                raise NameNotFound(path)
        return Buried(name, row, tuple(chain), entry)

    def newest(self, after: str = "", most: int = 100) -> tuple[list[Trashed], str]:
        """The trash, what was taken away last first, and what to say as `after` for more; "" when that was all."""
        with self._store.index.read() as txn:
            keys = [key for key, _ in islice(self._tree.buried.scan(txn, after=_key_of(after)), most + 1)]
            found = [self._trashed(txn, key[8:]) for key in keys[:most]]
        return [item for item in found if item is not None], keys[most - 1].hex() if len(keys) > most else ""

    def _trashed(self, txn: ReadTxn, key: bytes) -> Trashed | None:
        row, entry = self._tree.trashed.get(txn, key), self._tree.entries.get(txn, pack_id(TRASH) + key)
        return Trashed(entry.name, row.path, row.at_ns, entry) if row and entry else None

    # versions

    def versions(self, path: str) -> list[Version]:
        """What a path stood for, the newest first: each time it got other bytes, or none. Empty when that was never a file."""
        self._history.catch_up()
        found = list[Version]()
        with self._store.index.read() as txn:
            spot = self._tree.spot(txn, path)
            since, _ = self._was.since(txn)
            for version in self._was.of(txn, spot.parent.id, naming.key(spot.name)):
                entry = version.entry if version.entry is None or not version.entry.is_folder else None
                shown = version._replace(entry=entry, seq=max(version.seq, since))
                if found and _bytes_of(found[-1]) == _bytes_of(shown):
                    found.pop()  # the same bytes all the time: it is told when they came
                found.append(shown)
                if version.seq <= since:
                    break
        while found and found[-1].entry is None:
            found.pop()
        return found

    def version(self, txn: ReadTxn, path: str, seq: int) -> Entry:
        """The file that a path of today stood for after an event; NameNotFound."""
        spot = self._tree.spot(txn, path)
        since, _ = self._was.since(txn)
        entry = self._was.child(txn, spot.parent.id, naming.key(spot.name), seq) if seq >= since else None
        if entry is None or entry.is_folder:
            raise NameNotFound(f"{HISTORY_NAME}/{path} (seq-{seq})")
        return entry

    # history

    def projects(self, txn: ReadTxn) -> list[Entry]:
        """Every project there is, and those that were deleted, by the last name they had."""
        there = {entry.id: entry for entry in self._tree.children(txn, TOP) if entry.kind is Kind.PROJECT}
        names = {naming.key(entry.name) for entry in there.values()}
        for _, entry in sorted(self._was.projects(txn), key=lambda found: -found[0]):
            if entry.id not in there and naming.key(entry.name) not in names:
                there[entry.id] = entry
                names.add(naming.key(entry.name))
        return [Entry(0, Kind.FOLDER, entry.name, entry.modified_ns, entry.created_ns) for entry in there.values()]

    def project_id(self, txn: ReadTxn, name: str) -> int | None:
        """The project that has this name now, or had it last."""
        entry = self._tree.find(txn, name)
        if entry is not None and entry.kind is Kind.PROJECT:
            return entry.id
        was = (v.entry for v in self._was.of(txn, TOP, naming.key(name)))
        return next((entry.id for entry in was if entry is not None and entry.kind is Kind.PROJECT), None)

    def moments(self, txn: ReadTxn, project: int) -> list[tuple[Moment, Entry]]:
        """Moments worth looking at, newest first, each with a folder that stands for it: the newest changes, then the end of each
        sitting, then of each day."""
        base, since = self._base(txn, project)
        shown = [(moment, next_ns) for moment, next_ns in self._shown(txn, project)
                 if moment.at_ns >= base.at_ns and self._where(txn, project, max(moment.seq, since))]  # fmt: skip
        names = [moments.name_of(moment.at_ns, next_ns) for moment, next_ns in shown]
        return [(moment, Entry(0, Kind.FOLDER, name, moment.at_ns, moment.at_ns))
                for (moment, _), name in zip(shown, names, strict=True)]  # fmt: skip

    def _shown(self, txn: ReadTxn, project: int) -> list[tuple[Moment, int]]:
        """Each with a time up to which nothing else happened."""
        until_ns, shown = self._store.system.now_ns(), list[tuple[Moment, int]]()
        for moment in islice(self._was.happened(txn, project), CHANGES_SHOWN):
            if not shown or moment.at_ns < shown[-1][0].at_ns:
                shown.append((moment, until_ns))
            until_ns = moment.at_ns
        for span_ns, most in ((SITTING_NS, SITTINGS_SHOWN), (DAY_NS, DAYS_SHOWN)):
            for _ in range(most):
                end_ns = shown[-1][0].at_ns // span_ns * span_ns if shown else 0
                last = next(self._was.happened(txn, project, end_ns - 1), None) if end_ns else None
                if last is None:
                    break
                shown.append((last, (last.at_ns // span_ns + 1) * span_ns))
        return shown

    def _base(self, txn: ReadTxn, project: int) -> tuple[Moment, int]:
        """The last change of a project before what is kept: what it was when the kept past begins; and the number that begins."""
        since, since_ns = self._was.since(txn)
        return next(self._was.happened(txn, project, since_ns - 1), Moment(0, 0, "", "")), since

    def seq_at(self, txn: ReadTxn, path: str, project: int, when: str) -> int:
        """The number of the event after which a project was as it was at a moment; NameNotFound when nothing is known of it."""
        base, since = self._base(txn, project)
        seq, at_ns = moments.seq_of(when), moments.time_of(when)
        if seq is not None and since <= seq <= self._history.known(txn):
            return seq
        moment = None if at_ns is None else next(self._was.happened(txn, project, at_ns), None)
        if moment is None or moment.at_ns < base.at_ns:
            raise NameNotFound(path)
        return max(moment.seq, since)

    def _where(self, txn: ReadTxn, project: int, seq: int) -> bytes:
        """The key of the name that a project had at the top after an event; b"" when it was not there."""
        where = self._was.stay(txn, project, seq)
        return where[8:] if int.from_bytes(where[:8], "big") == TOP else b""

    def _then(self, txn: ReadTxn, path: str, project: int, when: str, names: list[str]) -> Seen:
        seq = self.seq_at(txn, path, project, when)
        where = self._where(txn, project, seq)
        was = self._was.child(txn, TOP, where, seq) if where else None
        if was is None or was.kind is not Kind.PROJECT:
            raise NameNotFound(path)  # it was not there, or lay in the trash
        entry = Entry(project, Kind.FOLDER, when, was.modified_ns, was.created_ns)
        for name in names:
            found = self._was.child(txn, entry.id, naming.key(name), seq) if entry.is_folder else None
            if found is None:
                raise NameNotFound(path)
            entry = found
        return Seen(entry, lambda txn, folder: self._was.children(txn, folder.id, seq))

    # for doors

    def entry(self, path: str) -> Entry:
        """What has this path; NameNotFound."""
        self.catch_up(path)
        with self._store.index.read() as txn:
            return self.look(txn, path).entry

    def listing(self, path: str) -> tuple[Entry, list[Entry]]:
        """A folder and what is in it; a file and nothing."""
        self.catch_up(path)
        with self._store.index.read() as txn:
            seen = self.look(txn, path)
            return seen.entry, list(seen.members(txn, seen.entry)) if seen.entry.is_folder else []

    def walk(self, path: str) -> list[tuple[str, Entry]]:
        """Everything below a folder of the past with its path, parents first. Moments are not gone into: each is a project."""
        self.catch_up(path)
        with self._store.index.read() as txn:
            seen = self.look(txn, path)
            if not seen.entry.is_folder:
                raise NotAFolder(path)
            return list(self._walk(txn, seen, seen.entry, path))

    def _walk(self, txn: ReadTxn, seen: Seen, folder: Entry, path: str) -> Iterator[tuple[str, Entry]]:
        for child in list(seen.members(txn, folder)):
            yield f"{path}/{child.name}", child
            if child.is_folder and child.id:
                yield from self._walk(txn, seen, child, f"{path}/{child.name}")


def _bytes_of(version: Version) -> bytes | None:
    return version.entry.raw_digest if version.entry is not None else None


def _key_of(said: str) -> bytes:
    """A place in the trash that was told before; b"" for nonsense, which begins anew."""
    try:
        return bytes.fromhex(said)[:500]
    except ValueError:
        return b""
