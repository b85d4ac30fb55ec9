"""What a library holds, without changing anything: names, bytes, sums, projects, of today and of the past."""

from __future__ import annotations

import errno
import stat as modes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cas.blobs import BlobRow, OpenBlob
from cas.digest import Digest
from cas.store import Store
from views import naming
from views.entry import Entry, Kind
from views.errors import IsAFolder, NotAFolder
from views.history import History
from views.lookups import Lookups
from views.past import Past, is_past
from views.sums import LazySums
from views.tags import Tags
from views.tree import TOP, ProjectRow, Spot, Tree, pack_id

LAZY_SUM_BYTES = 4 << 20  # sums nobody asked for yet are computed at once up to this size, 2 ms of SHA-1
SUMS_WANTED = ("sha1", "md5")


@dataclass(frozen=True, slots=True)
class Space:
    """available: what can really still be written. used: bytes of all stored contents. Both ≥ 0 (RFC 4331)."""

    available_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class Generated:
    """A file that filmcan writes itself, open for reading; `fd` is the caller's to close."""

    path: str
    fd: int
    size_bytes: int
    modified_ns: int
    etag: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project as lists show it."""

    entry: Entry
    row: ProjectRow

    @property
    def name(self) -> str:
        return self.entry.name


class Catalogue:
    """Any thread. Each answer is of one moment of the index, and no writer is waited for.

    Paths are names joined by "/", as clients send them; "" is the top. Those of the past (views/past.py) are known too.
    """

    def __init__(self, store: Store, tree: Tree, history: History) -> None:
        self.store, self.tree, self.history = store, tree, history
        self.past, self.tags = Past(store, tree, history), Tags(tree)
        self._lookups, self._lazy_sums = Lookups(store, tree), LazySums(store, SUMS_WANTED)

    # names and bytes

    def find(self, path: str) -> Entry | None:
        if is_past(path):
            self.past.catch_up(path)
            with self.store.index.read() as txn:
                return self.past.find(txn, path)
        with self.store.index.read() as txn:
            return self.tree.find(txn, path)

    def entry(self, path: str) -> Entry:
        """What has this path; NameNotFound. This and the readers below know the paths of the past too (views/past.py)."""
        if is_past(path):
            return self.past.entry(path)
        with self.store.index.read() as txn:
            return self.tree.found(txn, path)[1]

    def spot(self, path: str) -> Spot:
        """Where a path is, with its stored spelling and the folders above it; NameNotFound."""
        with self.store.index.read() as txn:
            return self.tree.found(txn, path)[0]

    def listing(self, path: str, writer: str = "") -> tuple[Entry, list[Entry]]:
        """A folder and what is in it, of one moment; a file and nothing. Junk is shown to the family that wrote it only."""
        if is_past(path):
            return self.past.listing(path)
        with self.store.index.read() as txn:
            _, entry = self.tree.found(txn, path)
            if not entry.is_folder:
                return entry, []
            children = self.tree.children(txn, entry.id)
            return entry, [child for child in children if not child.hidden or (writer and child.writer == writer)]

    def walk(self, path: str = "") -> Iterator[tuple[str, Entry]]:
        """Everything below a folder with its path, parents first, without junk. The list is of one moment."""
        if is_past(path):
            yield from self.past.walk(path)
            return
        with self.store.index.read() as txn:
            spot, entry = self.tree.found(txn, path)
            found = [(inner, child) for inner, child in self.tree.walk(txn, entry, spot.path) if not child.hidden]
        yield from found

    def open(self, path: str) -> tuple[Entry, OpenBlob]:
        """A file and its bytes; the caller closes them. NameNotFound, IsAFolder, BlobDamaged."""
        if is_past(path):
            self.past.catch_up(path)
            with self.store.index.read() as txn:
                entry = self.past.look(txn, path).entry
            row = None
        else:
            entry, row = self._lookups.file(path)
        if entry.digest is None:
            raise IsAFolder(path)
        return entry, self.store.open(entry.digest, row)

    def open_version(self, path: str, seq: int) -> tuple[Entry, OpenBlob]:
        """As `open`, of what a path of today stood for after an event of the journal."""
        self.history.catch_up()
        with self.store.index.read() as txn:
            entry = self.past.version(txn, path, seq)
            row = self.store.blobs.get(txn, entry.raw_digest)
        return entry, self.store.open(Digest(entry.raw_digest), row)

    def sums(self, entry: Entry) -> Mapping[str, bytes]:
        """Sums of a file's content as far as known, "sha256" always. SHA-1 and MD5 nobody asked for before are computed now for a
        small file, and behind for a large one: whoever asks again later finds them."""
        row = None if entry.digest is None else self.store.blob(entry.digest)
        if row is None or entry.digest is None:
            return {}
        if not set(SUMS_WANTED) <= row.sums.keys():
            if entry.size_bytes <= LAZY_SUM_BYTES:
                row = self.store.add_sums(entry.digest, SUMS_WANTED)
            else:
                self._lazy_sums.want(entry.digest)
        return {"sha256": row.sha256, **row.sums}

    def space(self) -> Space:
        return Space(self.store.available_bytes(), self.store.used_bytes())

    def generated(self, path: str) -> Generated | None:
        """`P…/index.json`, `P…/_manifest/…`, `P…/ascmhl/…`, open; None for any other path. They are read by name, not listed."""
        names = path.split("/")
        if len(names) < 2 or not naming.is_generated(names[1]) or (names[1] != "index.json") != (len(names) == 3):
            return None
        return self.untracked(path)

    def untracked(self, path: str) -> Generated | None:
        """A file of a project as it lies on disk, whether or not it has a row, open; None when none is there. The caller decides
        which paths may be asked for. Symbolic links are not followed."""
        name, *inner = path.split("/")
        project = self.find(name)
        if project is None or project.kind is not Kind.PROJECT or not inner:
            return None
        system, home = self.store.system, self.store.home
        try:
            with system.folder(home.root, (project.name, *inner[:-1])) as folder:
                fd = system.open_read(folder, inner[-1])
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        stat = system.fstat(fd)
        if not modes.S_ISREG(stat.st_mode):
            system.close(fd)
            return None
        etag = f'"g{stat.st_ino:x}-{stat.st_size:x}-{stat.st_mtime_ns:x}"'
        return Generated("/".join((project.name, *inner)), fd, stat.st_size, stat.st_mtime_ns, etag)

    def sha256_of(self, entry: Entry) -> str:
        """SHA-256 of a file's content in hexadecimal digits; "" for a folder."""
        row = None if entry.digest is None else self.store.blob(entry.digest)
        return row.sha256.hex() if row else ""

    # contents

    def tags_of(self, digest: Digest) -> tuple[str, ...]:
        """The tags of a content, in the order of letters."""
        with self.store.index.read() as txn:
            return self.tags.of(txn, digest)

    def paths_of(self, digest: Digest) -> list[str]:
        """Every path that shows a content, in stored spelling; what lies in the trash is left out."""
        with self.store.index.read() as txn:
            return self.tree.paths_of(txn, digest)

    def names_of(self, digest: Digest) -> list[tuple[str, Entry]]:
        """Every name that shows a content, with its path, the one that came first at the beginning; without trash and junk."""
        with self.store.index.read() as txn:
            paths = [path for key in self.tree.uses_of(txn, digest) if (path := self.tree.path_of(txn, key)) is not None]
            found = [(path, entry) for path in paths if (entry := self.tree.find(txn, path)) is not None and not entry.hidden]
        return sorted(found, key=lambda item: (item[1].arrived_ns, item[1].id))

    def known(self, sum_hex: str) -> tuple[Digest, BlobRow] | None:
        """A stored content by its BLAKE3 or SHA-256 in hexadecimal digits; one look into the index each. DigestInvalid."""
        digest = Digest.from_hex(sum_hex)
        with self.store.index.read() as txn:
            row = self.store.blobs.get(txn, digest.raw)
            if row is not None:
                return digest, row
            alias = self.store.sha256s.get(txn, digest.raw)
            aliased = self.store.blobs.get(txn, alias.digest) if alias else None
        return (Digest(alias.digest), aliased) if alias and aliased else None

    # projects

    def projects(self) -> list[Project]:
        """Every project, by number, then name."""
        with self.store.index.read() as txn:
            rows = {int.from_bytes(key, "big"): row for key, row in self.tree.projects.scan(txn)}
            entries = [entry for entry in self.tree.children(txn, TOP) if entry.kind is Kind.PROJECT]
        found = [Project(entry, rows[entry.id]) for entry in entries if entry.id in rows]
        return sorted(found, key=lambda project: (naming.project_number(project.name) or 0, project.name))

    def project(self, name: str) -> Project:
        """The project of that name; NameNotFound, NotAFolder."""
        with self.store.index.read() as txn:
            _, entry = self.tree.found(txn, name)
            row = self.tree.projects.get(txn, pack_id(entry.id))
        if entry.kind is not Kind.PROJECT or row is None:
            raise NotAFolder(name)
        return Project(entry, row)

    def is_editable(self, path: str) -> bool:
        """Does this path lie in a project whose files are their own?"""
        with self.store.index.read() as txn:
            return self.tree.is_editable(txn, path.partition("/")[0])
