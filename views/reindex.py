"""Bring index and folders together again: look (scan), make a plan, apply it.

The folder is the truth about names, the store about bytes. Files found are adopted by linking *from* them; names gone go to
the trash of the index; edited blobs become the blobs of what they hold now; on request stray media go where originals belong.
Applied twice, it does nothing the second time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cas.digest import Digest, Sums
from cas.doubt import Verdict
from cas.found import FileBusy
from views import media, naming
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
)
from views.edit import Placed
from views.errors import NameProblem
from views.library import Library
from views.previews import SUFFIXES, THUMBNAILS
from views.scan import LEFT_ALONE, Scanner, Seen, Tick
from views.tree import TOP, past_key

log = logging.getLogger("filmcan.reindex")
ORIGINALS = "ingest/originals"
TORN = "it was broken off; what could be read of it was taken, and it is kept in _manifest/old"
UNKNOWN_QUIET_S = 10.0  # durability reference §4, where the system cannot tell who writes


@dataclass(frozen=True, slots=True)
class Relocation:
    """Media outside `ingest/originals` goes there, with the folders it lay in."""

    path: str
    to: str
    verb = "relocate"


Step = Difference | Relocation


@dataclass(frozen=True)
class Plan:
    """What reindex would do. A value: print it, or apply it."""

    steps: tuple[Step, ...]
    files: int = 0
    folders: int = 0

    def lines(self) -> list[str]:
        """One line a step: what, path, and where to."""
        return [f"{step.verb:<10} {step.path}" + (f" → {step.to}" if isinstance(step, Renamed | Relocation) else "")
                + (f" ({step.why})" if isinstance(step, Conflict) else "") for step in self.steps]  # fmt: skip


@dataclass
class Report:
    """What came of it. Paths are those of the files as they are now."""

    indexed: list[Placed] = field(default_factory=list)
    renamed: list[Renamed] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    put_back: list[str] = field(default_factory=list)
    relocated: list[Relocation] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


Progress = Callable[[int, int, str], None]  # steps done, steps in all, path


def plan(
    library: Library, project: str | None = None, *, relocate: bool = False, left_alone: Iterable[str] = LEFT_ALONE,
    tick: Tick | None = None,
) -> Plan:  # fmt: skip
    """Compare a project, or everything, with the disk. Reads no bytes; changes nothing.

    relocate   also bring stray media home (asked for by a person or a client, never by a watcher: a file that just moved
               under somebody's hands looks lost)
    """
    scanner = Scanner(library, left_alone, tick)
    seen = scanner.everything() if project is None else scanner.project(library.project(project).name)
    return plan_of(library, seen, project, relocate=relocate, left_alone=left_alone)


def plan_of(
    library: Library, seen: Seen, project: str | None = None, *, relocate: bool = False, left_alone: Iterable[str] = LEFT_ALONE
) -> Plan:
    steps: list[Step] = list(seen.differences)
    if relocate:
        steps += _relocations(library, seen, project, tuple(left_alone))
    return Plan(tuple(steps), seen.files, seen.folders)


def _relocations(library: Library, seen: Seen, project: str | None, left_alone: tuple[str, ...]) -> list[Relocation]:
    """Every media file outside `ingest/originals` and outside the left-alone folders, where it will be by then."""
    names = [project] if project else [found.name for found in library.projects()]
    known = {path: entry.is_folder for name in names for path, entry in library.walk(name)}
    files, taken = set[str](), set[str]()
    moved = _Moved(seen)
    for path, is_folder in known.items():
        if (path := moved.now(path)) and path.partition("/")[0]:
            taken.add(naming.nfc(path))
            files |= set() if is_folder else {path}
    files |= {step.path for step in seen.differences if isinstance(step, NewFile)}
    taken |= {naming.nfc(path) for path in files}
    found = []
    for path in sorted(files):
        name, _, inner = path.partition("/")
        if naming.is_project_name(name) and inner and is_stray(inner, left_alone):
            to = free_name(f"{name}/{ORIGINALS}/{inner}", taken)
            taken.add(naming.nfc(to))
            found.append(Relocation(path, to))
    return found


class _Moved:
    """Where the paths of rows will be when the differences are gone; "" for nowhere."""

    def __init__(self, seen: Seen) -> None:
        self._to = {step.path: step.to for step in seen.differences if isinstance(step, Renamed)}
        self._to |= {step.path: "" for step in seen.differences if isinstance(step, Gone)}

    def now(self, path: str) -> str:
        if path in self._to:
            return self._to[path]
        folder, _, name = path.rpartition("/")
        if not folder:
            return path
        above = self.now(folder)
        return above and (self._to.get(f"{above}/{name}", f"{above}/{name}") if above != folder else path)


def is_stray(inner: str, left_alone: tuple[str, ...]) -> bool:
    """Is this path inside a project media that belongs into `ingest/originals`?"""
    folders = inner.split("/")[:-1]
    if not media.is_media(inner) or inner.startswith(f"{ORIGINALS}/") or any(name[0] in "._" for name in folders):
        return False
    return not any(inner.startswith(f"{alone.strip('/')}/") for alone in left_alone)


def free_name(path: str, taken: set[str]) -> str:
    """`path`, or `<stem>_<k><suffix>` with the first k = 1, 2, … that is free (contract §2.3). `taken` holds NFC."""
    pure, count = PurePosixPath(path), 0
    while naming.nfc(path) in taken:
        count += 1
        path = str(pure.with_name(f"{pure.stem}_{count}{pure.suffix}"))
    return path


def apply(
    library: Library, plan: Plan, progress: Progress | None = None, *, quiet_s: float = 0.0, tick: Tick | None = None
) -> Report:
    """Do what a plan says. Each step is one change, checked again before it is done: what moved meanwhile is `busy`.

    quiet_s   leave files alone that changed within this time: they may still be copied
    tick      called before each step, and while a long file is read; what it raises ends it
    """
    worker = _Worker(library, quiet_s, tick)
    for done, step in enumerate(plan.steps):
        if progress is not None:
            progress(done, len(plan.steps), step.path)
        if tick is not None:
            tick(step.path)
        worker.do(step)
    if progress is not None and plan.steps:
        progress(len(plan.steps), len(plan.steps), "")
    return worker.report


class _Worker:
    def __init__(self, library: Library, quiet_s: float, tick: Tick | None) -> None:
        self._library, self._store, self._by_hand = library, library.store, library.by_hand
        self._quiet_s, self._tick = quiet_s, tick
        self.report = Report()

    def do(self, step: Step) -> None:
        """One step; a step that cannot be done is told in the report and does not stop the others."""
        try:
            self._do(step)
        except (FileBusy, FileNotFoundError):
            self.report.busy += [step.path, step.to] if isinstance(step, Renamed) else [step.path]
        except (NameProblem, OSError) as error:
            if isinstance(error, OSError):
                self._store.state.explain(error)  # a failing disk ends it at the next step
            log.warning("reindex could not do “%s %s”: %s", step.verb, step.path, error)
            self.report.failed[step.path] = str(error)

    def _do(self, step: Step) -> None:
        match step:
            case NewProject() | NewFolder():
                if self._store.commit(lambda acts: self._by_hand.adopt_folder(acts, step.path)).torn:
                    self.report.conflicts.append(Conflict(f"{step.path}/index.json", TORN))
            case Renamed():
                self._store.commit(lambda acts: self._by_hand.follow(acts, step.path, step.to))
                self.report.renamed.append(step)
            case NewFile():
                if not self._is_known(step):
                    self.report.indexed.append(self._take_in(step))
            case Edited():
                self._wait_for_quiet(step.path, step.changed_ns)
                self._look_into(step)
            case HalfGone():
                self._put_back(step)
            case Gone():
                if self._store.commit(lambda acts: self._by_hand.forget(acts, step.path)):
                    self.report.removed.append(step.path)
            case Relocation():
                self._relocate(step)
            case Conflict():
                self.report.conflicts.append(step)

    def _put_back(self, step: HalfGone) -> None:
        """A name that is back says nothing about what happened to its file in between: that is read."""
        if not self._store.commit(lambda acts: self._by_hand.put_back(acts, step.path, step.day)):
            raise FileBusy(step.path)
        log.warning("“%s” lay in the trash, and nobody was told it was deleted: it is put back", step.path)
        self.report.put_back.append(step.path)
        if not step.entry.is_folder:
            self._look_into(Edited(step.path, step.entry, step.entry.modified_ns))

    def _is_known(self, step: NewFile) -> bool:
        """Has a request, or another look, taken this very file in since?"""
        with self._store.index.read() as txn:
            entry = self._library.tree.find(txn, step.path)
            row = self._store.blobs.get(txn, entry.raw_digest) if entry is not None and entry.digest else None
        if entry is None or row is None or (entry.own or row.seal) != step.seal:
            return False
        if entry.own is not None:
            return step.calm
        return self._store.blobs_on_disk.stat(Digest(entry.raw_digest)) is not None

    def _take_in(self, step: NewFile) -> Placed:
        digest = step.digest
        if digest is not None:
            return self._store.commit(lambda acts: self._by_hand.adopt_link(acts, step.path, digest, step.seal))
        self._wait_for_quiet(step.path, step.changed_ns)
        return self._adopt(step.path)

    def _wait_for_quiet(self, path: str, changed_ns: int) -> None:
        """FileBusy for a file that changed a moment ago; a later pass finds it. A time in the future says nothing."""
        if 0 <= self._store.system.now_ns() - changed_ns < self._quiet_s * 1e9:
            raise FileBusy(path)

    def _took(self, path: str) -> Callable[[int], None] | None:
        tick = self._tick
        return None if tick is None else lambda _: tick(path)

    def _adopt(self, path: str) -> Placed:
        folders, _, name = path.rpartition("/")
        unknown_quiet_s = UNKNOWN_QUIET_S if self._quiet_s else 0.0
        with self._store.system.folder(self._store.home.root, folders.split("/") if folders else ()) as fd:
            with self._store.find_on_disk(fd, name, took=self._took(path), unknown_quiet_s=unknown_quiet_s) as found:
                self._take_preview(path, found.sums)
                return self._library.adopt(path, fd, name, in_place=True, via="reindex", found=found)

    def _take_preview(self, path: str, sums: Sums) -> None:
        """A picture that the system before kept for just this file becomes the preview of its content. First, so that a crash
        between the two does it again."""
        project, _, inner = path.partition("/")
        if not inner.startswith(f"{ORIGINALS}/") or not self._was_known(project, inner, sums):
            return
        *folders, stem = str(PurePosixPath(inner.removeprefix(f"{ORIGINALS}/")).with_suffix("")).split("/")
        try:
            with self._store.system.folder(self._store.home.root, (project, *THUMBNAILS.split("/"), *folders)) as fd:
                names = {entry.name for entry in self._store.system.scan(fd) if entry.is_file(follow_symlinks=False)}
                suffix = next((suffix for suffix in SUFFIXES if stem + suffix in names), None)
                target = f"{project}/{THUMBNAILS}/{sums.sha256.hex()}{suffix}"
                if suffix is not None and self._library.find(target) is None:
                    self._library.adopt(target, fd, stem + suffix, via="preview")
        except (FileNotFoundError, NotADirectoryError):
            return  # there is none
        except (FileBusy, NameProblem, OSError) as error:
            log.warning("the preview of %s stays where it is: %s", path, error)

    def _was_known(self, project: str, inner: str, sums: Sums) -> bool:
        """Does a record older than the row of this file tell of these bytes?"""
        with self._store.index.read() as txn:
            entry = self._library.tree.child(txn, TOP, project)
            past = self._library.tree.past.get(txn, past_key(entry.id, inner)) if entry else None
        return past is not None and past.sha256 == sums.sha256 and past.size_bytes in (None, sums.size_bytes)

    def _look_into(self, step: Edited) -> None:
        """Read a blob that looks other than it should: touched only, or edited."""
        entry = self._library.find(step.path)
        old = entry.digest if entry is not None else None
        if old is None or old != step.entry.digest:
            return  # another of its names came first, or a request
        if self._store.doubt.is_sure(old):
            return
        if self._store.doubt.is_being_written(old):
            raise FileBusy(step.path)
        verdict = self._store.doubt.examine(old, self._took(step.path))
        if verdict is None:
            self._adopt_set_aside(step.path, old)
        elif verdict.good or not self._store.doubt.was_edited(old, verdict):
            self._store.doubt.settle(old, verdict)
        else:
            self.report.edited += self._accept_edit(step, old, verdict)

    def _accept_edit(self, step: Edited, old: Digest, verdict: Verdict) -> list[str]:
        """The edited bytes are kept as what they are, and the old ones brought back from wherever they are whole."""
        found = self._library.healer.copy_of(old)
        if found is None:
            return self._store.commit(lambda acts: self._by_hand.accept_edit(acts, old, verdict))
        at = step.path if step.told else ""
        with found[0] as whole:
            return self._store.commit(lambda acts: self._by_hand.accept_edit(acts, old, verdict, whole, at))

    def _adopt_set_aside(self, path: str, old: Digest) -> None:
        """Somebody read the blob before we could look: it lies in quarantine, and still under all its names."""
        digest = self._adopt(path).entry.digest
        self.report.edited.append(path)
        row = self._store.blob(digest) if digest is not None else None
        if digest is None or row is None:
            return
        for other in self._library.paths_of(old):
            try:
                self._store.commit(lambda acts, other=other: self._by_hand.adopt_link(acts, other, digest, row.seal))  # type: ignore[misc]
                self.report.edited.append(other)
            except FileBusy:
                self.report.busy.append(other)  # not a name of this file, or no more

    def _relocate(self, step: Relocation) -> None:
        folders = step.to.split("/")[:-1]
        for depth in range(2, len(folders) + 1):
            if self._library.find("/".join(folders[:depth])) is None:
                self._library.make_folder("/".join(folders[:depth]))
        self._library.move(step.path, step.to, overwrite=False)
        self.report.relocated.append(step)
