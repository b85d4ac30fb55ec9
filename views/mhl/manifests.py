"""`Manifests`: writes the next generation of a project's ASC MHL history. The door of this package."""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from cas.digest import Digest
from cas.verify import Finding
from views.catalogue import Project
from views.entry import Entry
from views.library import Library
from views.mhl.compare import File, Folder, Told, compare
from views.mhl.history import History
from views.mhl.shelf import NAME, Held, Shelf
from views.mhl.sums import gather
from views.mhl.words import FOLDER, Generation, is_xml, literal, patterns
from views.previews import THUMBNAILS
from views.work import Progress

IN_PLACE, TRANSFER = "in-place", "transfer"
ALWAYS_IGNORED = (".DS_Store", FOLDER, f"{FOLDER}/")  # what every history begins with (ascmhl 1.2, ignore.default_ignore_list)
JUNK = (
    "._*", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", ".DocumentRevisions-V100", ".apdisk",
    ".VolumeIcon.icns", "[Tt]humbs.db", "ehthumbs.db", "[Dd]esktop.ini", "~$*", "*.tmp", ".~lock.*", ".goutputstream-*",
    "*.sb-????????-??????", ".*.sw?", "*.part", ".filmcan-*", ".nfs*", ".fuse_hidden*",
)  # fmt: skip
FEW = 20  # names told of each kind

_writing = threading.Lock()  # one generation at a time: the next is written after the last


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it.

    name          file of the new generation; "" when there was nothing to tell
    findings      contents that are not whole: their files are left out
    unspeakable   paths that no XML can hold: left out too, and named as ignored
    """

    project: str
    name: str
    number: int
    files: int
    told: Told
    findings: Sequence[Finding]
    unspeakable: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """For programs; long lists are cut."""
        return {
            "project": self.project,
            "path": f"{self.project}/{FOLDER}/{self.name}" if self.name else None,
            "generation": self.number,
            "files": self.files,
            "listed": len(self.told.files),
            "renamed": dict(list(self.told.renamed.items())[:FEW]),
            "gone": list(self.told.gone)[:FEW],
            "replaced": list(self.told.replaced)[:FEW],
            "left_out": [f"{finding.digest.hex}: {finding.why}" for finding in self.findings] + list(self.unspeakable),
        }


class Manifests:
    """Writes generations for the projects of one library. Any thread, one generation at a time.

    left_alone   folders inside a project where other programs work: not in the manifest, and named in it as ignored
    """

    def __init__(self, library: Library, left_alone: Iterable[str] = ()) -> None:
        self._library, self._store = library, library.store
        self._left_alone = (THUMBNAILS, *(folder for folder in left_alone if folder != THUMBNAILS))

    def write(
        self, project: str, progress: Progress | None = None, *, everything: bool = False, process: str = IN_PLACE
    ) -> Written:
        """Write the next generation: what is new, renamed or gone since the last; lasting when it returns.

        everything   all files are listed: their bytes were read back just now, and are VERIFIED or FAILED by that
        progress     hears of files read for their sums, where those are not known yet; raises to end the work
        raises       NameNotFound, HistoryUnfit, Degraded, OSError
        crash        the history is valid, with this generation or without it
        """
        self._store.state.check()
        found = self._library.project(project)
        _, first = self._files(list(self._entries(found.name)), progress)  # the long reading, while others may write
        with _writing:
            entries = list(self._entries(found.name))
            files, later = self._files(entries, None)
            findings = [*{finding.digest: finding for finding in (*later, *first)}.values()]
            system, home = self._store.system, self._store.home
            with system.folder(home.root, (found.name,)) as folder:
                shelf = Shelf(home, system, folder)
                held = shelf.read()
                told = compare(held.history, files, _folders(found, entries), everything=everything)
                ignored = self._ignored(found.name, held.history, told.gone, entries)
                name, number = "", held.history.last
                if everything or told.files or told.folders or list(held.history.ignored) != ignored:
                    generation = Generation(
                        system.now_ns(), platform.node() or "unknown", metadata.version("filmcan"), process, told.root, ignored,
                        told.files, told.folders, self._references(entries),
                    )  # fmt: skip
                    name, number = shelf.add(held, found.name, generation), number + 1
        unspeakable = [path for path, _ in entries if not is_xml(path)]
        return Written(found.name, name, number, len(files), told, findings, unspeakable)

    def held(self, project: str) -> Held:
        """What the project's history says so far. NameNotFound, HistoryUnfit."""
        found = self._library.project(project)
        with self._store.system.folder(self._store.home.root, (found.name,)) as folder:
            return Shelf(self._store.home, self._store.system, folder).read()

    # what is there

    def _entries(self, project: str) -> Iterator[tuple[str, Entry]]:
        """Every name below the project with its path inside; what is ignored left out."""
        for path, entry in self._library.walk(project):
            inner = path.partition("/")[2]
            alone = any(inner == place or inner.startswith(f"{place}/") for place in self._left_alone)
            if not alone and FOLDER not in inner.split("/"):
                yield inner, entry

    def _files(self, entries: Sequence[tuple[str, Entry]], progress: Progress | None) -> tuple[list[File], list[Finding]]:
        """Files with their sums, and what is wrong with those that have none."""

        def tell(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total, "sums")

        known, findings = gather(self._store, (entry.digest for _, entry in entries if entry.digest is not None), tell)
        files = [
            File(path, entry.id, entry.size_bytes, entry.modified_ns, summed.sums, summed.read_ns)
            for path, entry in entries
            if entry.digest is not None and is_xml(path) and (summed := known.get(entry.digest)) is not None
        ]
        return files, findings

    def _references(self, entries: Sequence[tuple[str, Entry]]) -> list[tuple[str, bytes]]:
        """The last manifest of each history further down, such as that of a card which came with one."""
        last: dict[str, tuple[int, str, Digest]] = {}
        for path, entry in self._histories(entries):
            place, _, name = path.rpartition("/")
            match = NAME.fullmatch(name)
            if match is not None and entry.digest is not None and int(match[1]) > last.get(place, (0, "", None))[0]:
                last[place] = (int(match[1]), path, entry.digest)
        known, _ = gather(self._store, (digest for _, _, digest in last.values()))
        found = {path: known[digest].sums.sha512 for _, path, digest in last.values() if digest in known}
        return sorted(found.items())

    def _histories(self, entries: Sequence[tuple[str, Entry]]) -> Iterator[tuple[str, Entry]]:
        with self._store.index.read() as txn:
            for path, entry in entries:
                inner = self._library.tree.child(txn, entry.id, FOLDER) if entry.is_folder else None
                if inner is not None and inner.is_folder:
                    for file in self._library.tree.children(txn, inner.id):
                        yield f"{path}/{FOLDER}/{file.name}", file

    def _ignored(
        self, project: str, history: History, gone: Sequence[str], entries: Sequence[tuple[str, Entry]]
    ) -> list[str]:
        """Patterns of what is not looked at: what is not footage, what other programs do, what is no more, what has no words."""
        ours = ["index.json", "_manifest/", *(f"{literal(place)}/" for place in self._left_alone)]
        unspeakable = sorted({literal(path) for path, _ in entries if not is_xml(path)})
        inner = [*ours, *(f"**/{pattern}" for pattern in JUNK), *(literal(path) for path in gone), *unspeakable]
        told = [*ALWAYS_IGNORED, *(pattern for one in inner for pattern in patterns(one, project))]
        return [*told, *(pattern for pattern in history.theirs if pattern not in told)]


def _folders(project: Project, entries: Sequence[tuple[str, Entry]]) -> list[Folder]:
    """All folders, and the project itself."""
    below = [Folder(path, entry.id, entry.modified_ns) for path, entry in entries if entry.is_folder and is_xml(path)]
    return [*below, Folder("", project.entry.id, project.entry.modified_ns)]
