"""Folder against index: what is different, and nothing else. Looks, never changes.

A name on disk is compared with its row by inode, size and time: no byte is read here. What comes out is a list of
`Difference`s, each one enough for `reindex` to act on, and to print with `--dry-run`.
"""

from __future__ import annotations

import os
import stat as modes
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from cas.digest import Digest
from cas.index import ReadTxn
from cas.link import Seal, changed_ns, seal_from
from cas.store import Store
from views import naming
from views.entry import Entry, Kind
from views.errors import NameInvalid
from views.library import Library
from views.tree import Tree

LEFT_ALONE = ("exports", "ingest/proxies", "ingest/thumbnails")  # relative to a project; settings add to them
TOO_MANY = 50  # files of one content and name; looking at all of them for each folder would cost their square
MOST_FOLDERS = 100  # deep; each is an open descriptor and a few frames of the stack while it is looked through


@dataclass(frozen=True, slots=True)
class NewProject:
    """A folder `P<n>-…` at the top that no row knows."""

    path: str
    verb = "project"


@dataclass(frozen=True, slots=True)
class NewFolder:
    path: str
    verb = "folder"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file nobody told us of, or one that took the place of what the index believes (`over`).

    digest   known without reading when the file is a link of a blob that looks as it should
    calm     nobody but us has touched it, as far as is known (cas/calm.py)
    """

    path: str
    seal: Seal
    changed_ns: int
    over: Entry | None = None
    digest: Digest | None = None
    calm: bool = True
    verb = "adopt"


@dataclass(frozen=True, slots=True)
class Edited:
    """The blob itself looks changed, seen through one of its names: the bytes must be read.

    told   the file system told of a change under this very name, not just of one that all names show
    """

    path: str
    entry: Entry
    changed_ns: int
    told: bool = False
    verb = "edited"


@dataclass(frozen=True, slots=True)
class Gone:
    """A row whose name is not on disk any more; with `taken`, something of another kind has the name now."""

    path: str
    entry: Entry
    taken: bool = False
    verb = "missing"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file or folder that lies under another name now, or under another spelling of the same name."""

    path: str
    to: str
    entry: Entry
    verb = "rename"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that cannot have a row, or cannot be read: why, and the path as it can be printed. Left where it is."""

    path: str
    why: str
    verb = "left alone"


Difference = NewProject | NewFolder | NewFile | Edited | Gone | Renamed | Conflict


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
        """Pair what is gone with what is new: folders first, then single files by content; then put all in order."""
        differences = self.seen.differences
        if any(isinstance(difference, Gone) for difference in differences):
            differences = _Match(self._store, self._tree, differences).all()
        self.seen.differences = sorted(differences, key=_place)
        return self.seen


class _Match:
    """Finds out what moved: pairs of a row whose name is gone and something new."""

    def __init__(self, store: Store, tree: Tree, differences: list[Difference]) -> None:
        self._store, self._tree, self._differences = store, tree, differences
        self._gone = [d for d in differences if isinstance(d, Gone)]
        self._new = {d.path: d for d in differences if isinstance(d, NewFile) and d.over is None}
        self._folders = {d.path for d in differences if isinstance(d, NewProject | NewFolder)}
        self._by_content: dict[tuple[bytes, str], dict[str, None]] = {}
        self._settled: set[str] = set()  # paths of new things that a rename explains
        self._followed: set[str] = set()  # paths of rows whose files were found again
        self._renamed: list[Difference] = []

    def all(self) -> list[Difference]:
        """The differences, with renames instead of what they explain."""
        for new in self._new.values():
            if new.digest is not None:
                self._by_content.setdefault(_content(new.path, new.digest.raw), {})[new.path] = None
        left = []
        while self._gone:
            gone = self._gone.pop()
            if not gone.entry.is_folder or not self._folder_moved(gone):
                left.append(gone)
        self._files_moved(left)
        kept = [d for d in self._differences if not isinstance(d, Gone) and d.path not in self._settled]
        return [*kept, *(gone for gone in left if gone.path not in self._followed), *self._renamed]

    def _folder_moved(self, gone: Gone) -> bool:
        """A folder is followed to the new one that holds at least half of its files, under the same names.

        Files that lie in very many folders (a licence, a note) say nothing, as long as there are others.
        """
        members = self._members(gone.entry)
        by_content = self._by_content
        files = {inner: by_content.get(_content(inner, entry.raw_digest), {}) for inner, entry in members if entry.size_bytes}
        files = {inner: alike for inner, alike in files.items() if len(alike) <= TOO_MANY} or files
        votes: Counter[str] = Counter()
        for inner, alike in files.items():
            for path in islice(alike, TOO_MANY):
                if path.endswith(inner) and path[: -len(inner)] in self._folders:
                    votes[path[: -len(inner)]] += 1
        to, count = max(sorted(votes.items()), key=lambda item: item[1], default=("", 0))
        if not files:
            to = self._same_number(gone)
        if not to or count * 2 < len(files):
            return False
        self._follow(gone, to, members)
        return True

    def _same_number(self, gone: Gone) -> str:
        """A project without files is known again by its number."""
        number = naming.project_number(gone.path) if gone.entry.kind is Kind.PROJECT else None
        alike = (path for path in sorted(self._folders) if "/" not in path and naming.project_number(path) == number)
        return "" if number is None else next(alike, "")

    def _members(self, folder: Entry) -> list[tuple[str, Entry]]:
        """What a gone folder held, parents first; paths begin with a slash."""
        with self._store.index.read() as txn:
            return [(f"/{path}", entry) for path, entry in self._tree.walk(txn, folder, "") if not entry.hidden]

    def _follow(self, gone: Gone, to: str, members: list[tuple[str, Entry]]) -> None:
        """The row of the folder goes there with all below it; what is not there as it was is a difference of its own."""
        self._renamed.append(Renamed(gone.path, to, gone.entry))
        self._settled.add(to)
        self._folders.discard(to)
        away = ""
        for inner, entry in members:
            path = to + inner
            if away and inner.startswith(away):
                continue
            if entry.is_folder and path in self._folders:
                self._settled.add(path)
                self._folders.discard(path)
            elif not entry.is_folder and (new := self._new.get(path)) is not None:
                if new.seal == entry.own or (new.digest is not None and new.digest.raw == entry.raw_digest):
                    self._settled.add(path)
                    del self._new[path]
                    self._by_content.get(_content(path, entry.raw_digest), {}).pop(path, None)
                    if not new.calm:  # it was moved by itself, too
                        self._renamed.append(Edited(path, entry, new.seal.modified_ns))
            else:
                away = f"{inner}/"
                self._gone.append(Gone(path, entry))

    def _files_moved(self, gone: list[Gone]) -> None:
        """Single files by content: first those that kept their name, then any."""
        left: dict[bytes, dict[str, list[tuple[str, Entry]]]] = {}
        for path, entry in self._files_of(found for found in gone if not found.taken):  # what is taken is forgotten first
            if entry.raw_digest and not entry.hidden:
                left.setdefault(entry.raw_digest, {}).setdefault(path.rpartition("/")[2], []).append((path, entry))
        for same_name in (True, False):
            for new in [new for new in self._new.values() if new.digest is not None and new.digest.raw in left]:
                assert new.digest is not None
                by_name = left[new.digest.raw]
                name = new.path.rpartition("/")[2] if same_name else next(iter(by_name), "")
                if by_name.get(name):
                    path, entry = by_name[name].pop()
                    self._renamed.append(Renamed(path, new.path, entry))
                    self._followed.add(path)
                    self._settled.add(new.path)
                    del self._new[new.path]
                if not by_name.get(name):
                    by_name.pop(name, None)

    def _files_of(self, gone: Iterable[Gone]) -> Iterator[tuple[str, Entry]]:
        for difference in gone:
            if not difference.entry.is_folder:
                yield difference.path, difference.entry
                continue
            for inner, entry in self._members(difference.entry):
                if not entry.is_folder:
                    yield difference.path + inner, entry


def _content(path: str, raw_digest: bytes) -> tuple[bytes, str]:
    """What a file and its like have in common wherever they lie: content and name."""
    return raw_digest, path.rpartition("/")[2]


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


def _place(difference: Difference) -> tuple[int, str]:
    """What made room first; folders, new or renamed, from the top down; files that moved, new files, edits; what is missing."""
    match difference:
        case NewProject() | NewFolder():
            return 1, difference.path
        case Renamed():
            return (1 if difference.entry.is_folder else 2), difference.to
        case NewFile():
            return 3, difference.path
        case Edited():
            return 4, difference.path
        case Gone():
            return (0 if difference.taken else 5), difference.path
    return 6, difference.path
