"""Folder against index: what is different, and nothing else. Looks, never changes.

A name on disk is compared with its row by inode, size and time: no byte is read here. What comes out is a list of
`Difference`s, each one enough for `reindex` to act on, and to print with `--dry-run`.
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cas.digest import Digest
from cas.layout import HOME
from cas.link import Seal
from views import naming
from views.entry import Entry
from views.errors import NameInvalid
from views.library import Library

LEFT_ALONE = ("exports", "ingest/proxies", "ingest/thumbnails")  # relative to a project; settings add to them


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
    """

    path: str
    seal: Seal
    changed_ns: int
    over: Entry | None = None
    digest: Digest | None = None
    verb = "adopt"


@dataclass(frozen=True, slots=True)
class Edited:
    """The blob itself looks changed, seen through one of its names: the bytes must be read."""

    path: str
    entry: Entry
    changed_ns: int
    verb = "edited"


@dataclass(frozen=True, slots=True)
class Gone:
    """A row whose name is not on disk any more."""

    path: str
    entry: Entry
    verb = "missing"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file that lies under another name now: same inode, old name gone."""

    path: str
    to: str
    entry: Entry
    verb = "rename"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that cannot have a row: why, and the path. Left where it is."""

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


@dataclass(frozen=True, slots=True)
class _Row:
    """A row and how its file should look on disk."""

    entry: Entry
    seal: Seal | None


class Scanner:
    """One comparison of a library with its disk. Make a new one for each pass; one thread."""

    def __init__(self, library: Library, left_alone: Iterable[str] = LEFT_ALONE) -> None:
        self._library, self._store = library, library.store
        self._system, self._root = library.store.system, library.store.home.root
        self._left_alone = tuple(folder.strip("/") for folder in left_alone)
        self._deep = True
        self._links: dict[int, tuple[Digest, Seal]] | None = None
        self.seen = Seen()

    def everything(self) -> Seen:
        """The top and all projects."""
        self._deep = True
        self._compare_folder("", None)
        return self._matched()

    def project(self, name: str) -> Seen:
        """One project, by its stored name."""
        self._deep = True
        self._compare_folder("", {name})
        return self._matched()

    def names(self, paths: Iterable[str]) -> Seen:
        """Only these paths (from a watcher): each is looked at where it is, new folders whole, known ones not again."""
        self._deep = False
        by_folder: dict[str, set[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            by_folder.setdefault(folder, set()).add(name)
        for folder, names in sorted(by_folder.items()):
            if not any(folder == done or folder.startswith(f"{done}/") for done in self._scanned_whole):
                self._compare_folder(folder, names)
        return self._matched()

    @property
    def _scanned_whole(self) -> list[str]:
        return [d.path for d in self.seen.differences if isinstance(d, NewProject | NewFolder)]

    # one folder

    def _compare_folder(self, path: str, only: set[str] | None) -> None:
        """Compare what a folder holds, or just the names `only` in it, and go down."""
        entry = self._library.find(path)
        if entry is None or not entry.is_folder or entry.hidden:
            self._compare_unknown(path)
            return
        rows = self._rows(entry, only)
        try:
            with self._system.folder(self._root, path.split("/") if path else ()) as fd:
                disk = dict(self._on_disk(fd, only))
        except (FileNotFoundError, NotADirectoryError):
            disk = {}
        self.seen.folders += 1
        self._compare(path, rows, disk)

    def _compare_unknown(self, path: str) -> None:
        """A change below a folder the index does not have: look at the nearest one it has."""
        folder, _, name = path.rpartition("/")
        if path and path not in self._scanned_whole:
            self._compare_folder(folder, {name})

    def _rows(self, folder: Entry, only: set[str] | None) -> dict[bytes, _Row]:
        """Rows with a name on disk, by key; with the seal their file should have."""
        tree, blobs = self._library.tree, self._store.blobs
        with self._store.index.read() as txn:
            if only is None:
                entries = list(tree.children(txn, folder.id))
            else:
                entries = [child for name in only if (child := tree.child(txn, folder.id, name)) is not None]
            found = {}
            for entry in entries:
                if entry.hidden:
                    continue
                blob = None if entry.is_folder else blobs.get(txn, entry.raw_digest)
                found[naming.key(entry.name)] = _Row(entry, entry.own or (blob.seal if blob else None))
            return found

    def _on_disk(self, fd: int, only: set[str] | None) -> Iterator[tuple[str, os.stat_result]]:
        """Names and how they look; what vanishes meanwhile is not there."""
        names = [entry.name for entry in self._system.scan(fd)] if only is None else only
        for name in names:
            try:
                yield name, self._system.stat(fd, name)
            except FileNotFoundError:
                continue

    # comparing

    def _compare(self, path: str, rows: dict[bytes, _Row], disk: dict[str, os.stat_result]) -> None:
        taken: set[bytes] = set()
        for name, stat in sorted(disk.items(), key=lambda item: (naming.key(item[0]) not in rows, item[0])):
            key, inner = naming.key(name), f"{path}/{name}" if path else name
            row = rows.get(key)
            if key in taken or (row is not None and row.entry.name != name and row.entry.name in disk):
                self.seen.differences.append(Conflict(inner, "another spelling of the same name is there"))
                continue
            taken.add(key)
            if row is not None and row.entry.is_folder == modes.S_ISDIR(stat.st_mode):
                self._compare_known(inner, row, stat)
            elif not self._ignored(path, name, stat):
                if row is not None:
                    self.seen.differences.append(Gone(self._stored(path, row), row.entry))
                self._compare_new(inner, stat)
        for key, row in rows.items():
            if key not in taken:
                self.seen.differences.append(Gone(self._stored(path, row), row.entry))

    @staticmethod
    def _stored(path: str, row: _Row) -> str:
        return f"{path}/{row.entry.name}" if path else row.entry.name

    def _compare_known(self, path: str, row: _Row, stat: os.stat_result) -> None:
        if row.entry.is_folder:
            if self._deep:
                self._compare_folder(path, None)
            return
        self.seen.files += 1
        seal = Seal(stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seal == row.seal:
            return
        changed_ns = max(stat.st_mtime_ns, stat.st_ctime_ns)
        if row.seal is not None and seal.inode == row.seal.inode and row.entry.own is None:
            self.seen.differences.append(Edited(path, row.entry, changed_ns))
            return
        digest = self._digest_of_link(seal, stat.st_nlink)
        if digest is not None and digest.raw == row.entry.raw_digest:
            return  # a link of one of the blob's spares
        self.seen.differences.append(NewFile(path, seal, changed_ns, row.entry, digest))

    def _compare_new(self, path: str, stat: os.stat_result) -> None:
        if modes.S_ISDIR(stat.st_mode):
            kind = NewProject if "/" not in path else NewFolder
            self.seen.differences.append(kind(path))
            self._descend(path)
        else:
            seal = Seal(stat.st_ino, stat.st_size, stat.st_mtime_ns)
            changed_ns = max(stat.st_mtime_ns, stat.st_ctime_ns)
            digest = self._digest_of_link(seal, stat.st_nlink)
            self.seen.differences.append(NewFile(path, seal, changed_ns, None, digest))

    def _descend(self, path: str) -> None:
        """Everything in a folder that has no row yet is new."""
        try:
            with self._system.folder(self._root, path.split("/")) as fd:
                disk = dict(self._on_disk(fd, None))
        except (FileNotFoundError, NotADirectoryError):
            return
        self.seen.folders += 1
        self._compare(path, {}, disk)

    def _ignored(self, folder: str, name: str, stat: os.stat_result) -> bool:
        """What never gets a row: junk, dot names, generated files, left-alone folders, links, pipes, foreign folders at the
        top."""
        is_folder = modes.S_ISDIR(stat.st_mode)
        if not is_folder and not modes.S_ISREG(stat.st_mode):
            return True
        if name.startswith(".") or naming.is_junk(name):
            return True
        if not folder:
            return name == HOME or name.startswith("_") or (is_folder and not naming.is_project_name(name))
        if "/" not in folder and (name == "index.json" or name.startswith("_")):
            return True
        if self._unnameable(f"{folder}/{name}", name):
            return True
        inside = f"{folder}/{name}".split("/", 1)[1] if is_folder else folder.partition("/")[2]
        return any(inside == alone or inside.startswith(f"{alone}/") for alone in self._left_alone)

    def _unnameable(self, path: str, name: str) -> bool:
        try:
            naming.check(name)
        except NameInvalid as error:
            self.seen.differences.append(Conflict(path, error.fields["why"]))
            return True
        return False

    def _digest_of_link(self, seal: Seal, links: int) -> Digest | None:
        """The content of a file that is a link of a blob which looks as it should; None when it must be read."""
        if links < 2:
            return None
        if self._links is None:
            with self._store.index.read() as txn:
                self._links = {row.seal.inode: (digest, row.seal) for digest, row in self._store.digests(txn)}
        digest, known = self._links.get(seal.inode, (None, None))
        return digest if seal == known else None

    # names that moved

    def _matched(self) -> Seen:
        """Pair what is gone with what is new: folders first, then single files by content; then put all in order."""
        differences = self.seen.differences
        new = {d.path: d for d in differences if isinstance(d, NewFile) and d.over is None}
        found = {d.path for d in differences if isinstance(d, NewProject | NewFolder)}
        gone = [d for d in differences if isinstance(d, Gone)]
        settled: set[str] = set()
        folders: list[Renamed] = []
        for difference in gone:
            renamed = self._folder_renamed(difference, new, found) if difference.entry.is_folder else None
            if renamed is not None:
                folders.append(renamed)
                settled |= {renamed.path, *(f"{renamed.to}{inner}" for inner in self._rows_below(difference))}
        kept = [d for d in differences if d.path not in settled]
        files = self._files_renamed([d for d in kept if isinstance(d, Gone)], kept)
        settled = {path for renamed in files for path in (renamed.path, renamed.to)}
        self.seen.differences = _in_order([*(d for d in kept if d.path not in settled), *folders, *files])
        return self.seen

    def _folder_renamed(self, gone: Gone, new: dict[str, NewFile], found: set[str]) -> Renamed | None:
        """The new folder that holds, under the same names, all that the gone one held; a project also by its number alone."""
        members = {inner: entry for inner, entry in self._rows_below(gone).items() if entry.size_bytes}
        for path in sorted(found):
            same = members and all(
                (file := new.get(path + inner)) is not None and file.digest == entry.digest for inner, entry in members.items()
            )
            number = naming.project_number(gone.path)
            alike = number is not None and number == naming.project_number(path)
            if same or (alike and not members):
                found.discard(path)
                return Renamed(gone.path, path, gone.entry)
        return None

    def _rows_below(self, gone: Gone) -> dict[str, Entry]:
        """What a gone folder held, itself too: path from the folder on, beginning with a slash ("" for itself) → entry."""
        with self._store.index.read() as txn:
            below = self._library.tree.walk(txn, gone.entry, "")
            return {"": gone.entry} | {f"/{path}": entry for path, entry in below if not entry.hidden}

    def _files_renamed(self, gone: list[Gone], kept: list[Difference]) -> list[Renamed]:
        left: dict[bytes, list[tuple[str, Entry]]] = {}
        for difference in gone:
            if difference.entry.is_folder:
                with self._store.index.read() as txn:
                    for path, entry in self._library.tree.walk(txn, difference.entry, difference.path):
                        left.setdefault(entry.raw_digest, []).append((path, entry))
            else:
                left.setdefault(difference.entry.raw_digest, []).append((difference.path, difference.entry))
        renamed = []
        for new in kept:
            if isinstance(new, NewFile) and new.digest is not None and new.over is None and left.get(new.digest.raw):
                path, entry = left[new.digest.raw].pop(0)
                renamed.append(Renamed(path, new.path, entry))
        return renamed


def _in_order(differences: list[Difference]) -> list[Difference]:
    """Folders (new or renamed) from the top down, then files that moved, new files, edits; what is missing last."""
    return sorted(differences, key=_place)


def _place(difference: Difference) -> tuple[int, str]:
    match difference:
        case NewProject() | NewFolder():
            return 0, difference.path
        case Renamed():
            return (0 if difference.entry.is_folder else 1), difference.to
        case NewFile():
            return 2, difference.path
        case Edited():
            return 3, difference.path
        case Gone():
            return 4, difference.path
    return 5, difference.path
