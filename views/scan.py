"""Folder against index: what is different, and nothing else. Looks, never changes.

A name on disk is compared with its row by inode, size and time: no byte is read here. What comes out is a list of
`Difference`s, each one enough for `reindex` to act on, and to print with `--dry-run`.
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from cas.digest import Digest
from cas.index import ReadTxn
from cas.layout import HOME
from cas.link import Seal, changed_ns, seal_from
from views import naming
from views.difference import (
    Conflict,
    Difference,
    Edited,
    Gone,
    HalfGone,
    NewFile,
    NewFolder,
    NewProject,
    Renamed,
    place,
)
from views.entry import Entry
from views.errors import NameInvalid
from views.folder import days_of_trash, name_in_trash
from views.library import Library
from views.match import Match

LEFT_ALONE = ("exports", "ingest/proxies", "ingest/thumbnails")  # relative to a project; settings add to them
FEW = 50  # names are looked for one by one in a day of the trash; for more the day is listed
MOST_FOLDERS = 100  # deep; each is an open descriptor and a few frames of the stack while it is looked through


@dataclass
class Seen:
    """What a scan went through."""

    files: int = 0
    folders: int = 0
    differences: list[Difference] = field(default_factory=list)


Tick = Callable[[str], None]  # the folder that is looked at; what it raises ends the scan


@dataclass(frozen=True, slots=True)
class _Row:
    """A row and how its file should look on disk."""

    entry: Entry
    seal: Seal | None


class Scanner:
    """One comparison of a library with its disk. Make a new one for each pass; one thread."""

    def __init__(self, library: Library, left_alone: Iterable[str] = LEFT_ALONE, tick: Tick | None = None) -> None:
        self._tree, self._store = library.tree, library.store
        self._system, self._root = library.store.system, library.store.home.root
        self._left_alone = tuple(folder.strip("/") for folder in left_alone)
        self._tick = tick
        self._told = False
        self.seen = Seen()

    def everything(self) -> Seen:
        """The top and all projects."""
        self._enter("", None, deep=True)
        return self._matched()

    def project(self, name: str) -> Seen:
        """One project, by its stored name."""
        self._enter("", {name}, deep=True)
        return self._matched()

    def names(self, paths: Iterable[str]) -> Seen:
        """Only these paths (from a watcher), each where it is; a folder that has no row yet whole, others not inside."""
        by_folder: dict[str, set[str]] = {}
        self._told = True
        with self._store.index.read() as txn:
            nearest: dict[str, tuple[str, str]] = {}
            for path in paths:
                folder, name = self._nearest(txn, path, nearest)
                by_folder.setdefault(folder, set()).add(name)
        for folder, names in sorted(by_folder.items()):
            self._enter(folder, names, deep=False)
        return self._matched()

    def below(self, folders: Iterable[str]) -> Seen:
        """Everything in these folders (from a watcher: they just came, and may have taken the place of others)."""
        for folder in sorted(folders):
            if self._folder_at(folder) is not None:
                self._enter(folder, None, deep=True)
        return self._matched()

    def _nearest(self, txn: ReadTxn, path: str, known: dict[str, tuple[str, str]]) -> tuple[str, str]:
        """The lowest folder above `path` that has a row, and the name in it that leads there."""
        folder, _, name = path.rpartition("/")
        if not folder:
            return folder, name
        if folder not in known:
            entry = self._find(txn, folder)
            known[folder] = ("", "") if entry is not None and entry.is_folder else self._nearest(txn, folder, known)
        return known[folder] if known[folder] != ("", "") else (folder, name)

    def _find(self, txn: ReadTxn, path: str) -> Entry | None:
        """What has this path by the names that lie on disk, not by those clients chose for projects."""
        entry: Entry | None = self._tree.top(txn)
        for name in path.split("/") if path else ():
            entry = self._tree.child(txn, entry.id, name) if entry is not None and entry.is_folder else None
        return entry

    def _folder_at(self, path: str) -> Entry | None:
        with self._store.index.read() as txn:
            entry = self._find(txn, path)
        return entry if entry is not None and entry.is_folder and not entry.hidden else None

    # one folder

    def _enter(self, path: str, only: set[str] | None, *, deep: bool) -> None:
        """Compare what a folder with a row holds, or just the names `only` in it."""
        folder = self._folder_at(path)
        if folder is None:
            return
        with self._opened(path, self._root, path.split("/") if path else ()) as fd:
            if fd is not None:
                self._compare(path, folder, fd, only, deep)

    @contextmanager
    def _opened(self, path: str, above: int, names: Sequence[str]) -> Iterator[int | None]:
        """A descriptor of a folder; None for one that is gone (whoever looks above says so) or may not be read (a Conflict)."""
        try:
            fd = self._system.open_path(above, tuple(names))
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        except OSError as error:
            self._store.state.explain(error)
            self._leave(path, f"it cannot be looked into: {error.strerror}")
            yield None
            return
        try:
            yield fd
        finally:
            self._system.close(fd)

    def _leave(self, path: str, why: str) -> None:
        self.seen.differences.append(Conflict(_printable(path), why))

    def _rows(self, folder: Entry, only: set[str] | None) -> dict[bytes, _Row]:
        """Rows with a name on disk, by key; with the seal their file should have."""
        tree, blobs = self._tree, self._store.blobs
        with self._store.index.read() as txn:
            if only is None:
                entries = list(tree.children(txn, folder.id))
            else:
                entries = [child for name in only if (child := tree.child(txn, folder.id, name)) is not None]
            found = {}
            for entry in entries:
                if not entry.hidden:
                    blob = None if entry.is_folder or entry.own else blobs.get(txn, entry.raw_digest)
                    found[naming.key(entry.name)] = _Row(entry, entry.own or (blob.seal if blob else None))
            return found

    def _compare(self, path: str, folder: Entry | None, fd: int, only: set[str] | None, deep: bool) -> None:
        """What the folder behind `fd` holds, with its rows; `folder` is None for one that has no row yet."""
        if self._tick is not None:
            self._tick(path)
        self.seen.folders += 1
        rows = {} if folder is None else self._rows(folder, only)
        try:
            names = {entry.name for entry in self._system.scan(fd)} if only is None else set(only)
        except OSError as error:
            self._store.state.explain(error)
            self._leave(path, f"it cannot be read: {error.strerror}")
            return
        if only is not None:
            names.update(row.entry.name for row in rows.values())
        taken: set[bytes] = set()
        for key, _, name in sorted(_keyed(names, rows)):
            row, inner = rows.get(key), _join(path, name)
            if row is None and self._ignored_name(path, name):
                continue
            try:
                stat = self._system.stat(fd, name)
            except FileNotFoundError:
                continue  # it vanished meanwhile
            if key in taken:
                self._leave(inner, "another spelling of the same name is there")
                continue
            taken.add(key)
            self._compare_name(inner, row, fd, stat, deep)
        for key, row in rows.items():
            if key not in taken:
                self.seen.differences.append(Gone(_join(path, row.entry.name), row.entry))

    def _compare_name(self, path: str, row: _Row | None, fd: int, stat: os.stat_result, deep: bool) -> None:
        is_folder, is_file = modes.S_ISDIR(stat.st_mode), modes.S_ISREG(stat.st_mode)
        if row is not None and (is_folder if row.entry.is_folder else is_file):
            folder, _, name = path.rpartition("/")
            if row.entry.name != name:
                self.seen.differences.append(Renamed(_join(folder, row.entry.name), path, row.entry))
            if is_file:
                self._compare_file(path, row, stat)
            elif deep:
                self._go_down(path, row.entry, fd, name)
            return
        ignored = not (is_folder or is_file) or self._ignored(path, is_folder)
        if row is not None:
            self.seen.differences.append(Gone(_join(path.rpartition("/")[0], row.entry.name), row.entry, taken=True))
        if not ignored:
            self._new(path, fd, stat, is_folder)

    def _go_down(self, path: str, folder: Entry | None, fd: int, name: str) -> None:
        if path.count("/") >= MOST_FOLDERS:
            self._leave(path, f"it lies {MOST_FOLDERS} folders deep; what is in it is not looked at")
            return
        with self._opened(path, fd, (name,)) as inner:
            if inner is not None:
                self._compare(path, folder, inner, None, True)

    def _compare_file(self, path: str, row: _Row, stat: os.stat_result) -> None:
        self.seen.files += 1
        seal, calm = seal_from(stat), self._is_calm(stat)
        lost = self._lost_its_blob(row.entry, stat)
        if seal == row.seal and calm and not lost:
            return
        same_file = row.seal is not None and seal.inode == row.seal.inode and row.entry.own is None
        if same_file and not (lost and seal == row.seal):
            # setting it aside changes the other time
            self.seen.differences.append(Edited(path, row.entry, stat.st_mtime_ns, self._told))
            return
        digest = self._digest_of_link(seal, stat) if seal != row.seal else None
        self.seen.differences.append(NewFile(path, seal, changed_ns(stat), row.entry, digest, calm))

    def _is_calm(self, stat: os.stat_result) -> bool:
        """Has nobody but us touched this file, as far as is known (cas/calm.py)?"""
        with self._store.index.read() as txn:
            return self._store.contents.calm.is_calm(txn, stat) is not False

    def _lost_its_blob(self, entry: Entry, stat: os.stat_result) -> bool:
        """Is this name the last that still has the bytes? Somebody took the blob away; it can be linked again from here."""
        return entry.own is None and stat.st_nlink == 1 and self._store.blobs_on_disk.stat(Digest(entry.raw_digest)) is None

    def _new(self, path: str, fd: int, stat: os.stat_result, is_folder: bool) -> None:
        if is_folder:
            kind = NewProject if "/" not in path else NewFolder
            self.seen.differences.append(kind(path))
            self._go_down(path, None, fd, path.rpartition("/")[2])
            return
        self.seen.files += 1
        seal = seal_from(stat)
        digest, calm = self._digest_of_link(seal, stat), self._is_calm(stat)
        self.seen.differences.append(NewFile(path, seal, changed_ns(stat), None, digest, calm))

    def _digest_of_link(self, seal: Seal, stat: os.stat_result) -> Digest | None:
        """The content of a file that is a link of a blob which looks as it should; None when it must be read."""
        if stat.st_nlink < 2:
            return None
        with self._store.index.read() as txn:
            return self._store.contents.digest_of(txn, seal)

    def _ignored_name(self, folder: str, name: str) -> bool:
        """What never gets a row because of its name: junk, dot names, what filmcan writes itself."""
        if name.startswith(".") or naming.is_junk(name):
            return True
        if not folder:
            return name.startswith("_")
        return "/" not in folder and naming.is_generated(name)

    def _ignored(self, path: str, is_folder: bool) -> bool:
        """What never gets a row: foreign folders at the top, left-alone folders, and what no row can be called."""
        folder, _, name = path.rpartition("/")
        if is_folder and (not naming.is_project_name(name) if not folder else "/" not in folder and name.startswith("_")):
            return True
        inside = (path if is_folder else folder).partition("/")[2]
        if any(inside == alone or inside.startswith(f"{alone}/") for alone in self._left_alone):
            return True
        return self._cannot_have_a_row(path, name)

    def _cannot_have_a_row(self, path: str, name: str) -> bool:
        try:
            naming.check(name)
        except NameInvalid as error:
            self._leave(path, error.fields["why"])
            return True
        return False

    # names that moved

    def _matched(self) -> Seen:
        """Put back what a crash left half deleted; pair what else is gone with what is new; then put all in order."""
        differences = self.seen.differences
        if any(isinstance(difference, Gone) for difference in differences):
            differences = Match(self._store, self._tree, list(self._half_gone(differences))).all()
        self.seen.differences = sorted(differences, key=place)
        return self.seen

    def _half_gone(self, differences: list[Difference]) -> Iterator[Difference]:
        """The differences, with `HalfGone` for what lies in the trash without a row there."""
        gone = {name_in_trash(one.entry): one for one in differences if isinstance(one, Gone) and not one.taken}
        with self._store.index.read() as txn:
            wanted = {name: one for name, one in gone.items() if self._tree.trashed.get(txn, naming.key(name)) is None}
        found = {half.path: half for day in days_of_trash(self._store) for half in self._in_trash(day, wanted)}
        for difference in differences:
            yield found.get(difference.path, difference) if isinstance(difference, Gone) else difference

    def _in_trash(self, day: str, wanted: dict[str, Gone]) -> Iterator[HalfGone]:
        """Which of these names lie there, and are what their rows believe?"""
        with suppress(FileNotFoundError), self._system.folder(self._root, (HOME, "trash", day)) as fd:
            few = wanted if len(wanted) <= FEW else {entry.name for entry in self._system.scan(fd)} & wanted.keys()
            for name in few:
                with suppress(FileNotFoundError):
                    gone = wanted[name]
                    if self._is_it(gone.entry, self._system.stat(fd, name)):
                        yield HalfGone(gone.path, gone.entry, day, name)

    def _is_it(self, entry: Entry, stat: os.stat_result) -> bool:
        """Is this the folder, or the file as its row believes it, by inode, size and time?"""
        if entry.is_folder:
            return modes.S_ISDIR(stat.st_mode)
        with self._store.index.read() as txn:
            row = self._store.blobs.get(txn, entry.raw_digest)
        return seal_from(stat) == (entry.own or (row.seal if row else None))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _keyed(names: Iterable[str], rows: dict[bytes, _Row]) -> Iterator[tuple[bytes, bool, str]]:
    """Names with their keys; of several spellings of one name the one of its row sorts first."""
    for name in names:
        row = rows.get(key := naming.key(name))
        yield key, row is None or row.entry.name != name, name


def _printable(path: str) -> str:
    """A path that can be shown: bytes that are no UTF-8, and characters that would do something, as escapes."""
    return "".join(char if char.isprintable() else _escape(char) for char in path)


def _escape(char: str) -> str:
    byte = ord(char) - 0xDC00  # PEP 383
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else char.encode("unicode_escape").decode()
