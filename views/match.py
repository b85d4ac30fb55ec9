"""What moved: a row whose name is gone, and something new on disk, that are the same. Folders first, then single files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from cas.store import Store
from views import naming
from views.difference import Difference, Edited, Gone, NewFile, NewFolder, NewProject, Renamed
from views.entry import Entry, Kind
from views.tree import Tree

TOO_MANY = 50  # files of one content and name; looking at all of them for each folder would cost their square


class Match:
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
                self._by_content.setdefault(content_and_name(new.path, new.digest.raw), {})[new.path] = None
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
        filled = [(inner, entry.raw_digest) for inner, entry in members if entry.size_bytes]
        files = {inner: by_content.get(content_and_name(inner, raw), {}) for inner, raw in filled}
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
                    self._by_content.get(content_and_name(path, entry.raw_digest), {}).pop(path, None)
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


def content_and_name(path: str, raw_digest: bytes) -> tuple[bytes, str]:
    """What a file and its like have in common wherever they lie: content and name."""
    return raw_digest, path.rpartition("/")[2]
