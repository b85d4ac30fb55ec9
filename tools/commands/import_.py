"""filmcan import"""

from __future__ import annotations

import dataclasses
import errno
import os
import stat as modes
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.commands.put import ensure_folder, read_in
from tools.commands.receipt import confirmed_project
from tools.desk import DONE, FAILED, PROBLEMS, Desk, Refused, at_library, count, human_size, sentence

if TYPE_CHECKING:
    from tools.progress import Progress
    from views.edit import Guard, Placed
    from views.entry import Entry
    from views.library import Library

HANDS = 8  # files read at once, so that a commit shares its syncs: 2,000 small files took 3.1 s with 2, 2.4 s with 8
ORIGINALS = "ingest/originals"
CANNOT_LINK = (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)  # then it is copied
MOST_SPELLINGS = 1000  # clip.mov, clip_1.mov, … before an import gives up on a name
GENERATED = {"index.json", "_manifest", "_sources", "ascmhl"}  # of a project folder that another program made


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to take in: where it lies, and the path it shall have."""

    file: Path
    path: str
    size_bytes: int
    modified_ns: int

    @property
    def stamp(self) -> tuple[int, int]:
        return self.size_bytes, self.modified_ns


@dataclass(slots=True)
class Outcome:
    """What an import did; becomes the summary and the JSON answer."""

    into: list[str] = field(default_factory=list)
    new: int = 0
    new_bytes: int = 0
    known: int = 0
    saved_bytes: int = 0
    unchanged: int = 0
    duplicates: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    ways: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@click.command(name="import", short_help="Take in whole folders of footage")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--into", metavar="P", help="Project, or folder in a project. Made when missing.")
@click.option(
    "--link", "keep", flag_value="link", help="Share the files themselves, without copying. They become read-only."
)
@click.option(
    "--move", "keep", flag_value="move", help="Share them likewise, and remove each from FOLDER once it is stored."
)
@click.option(
    "--verify", "verifies", is_flag=True, help="Afterwards read back from the disk what came, and write the manifest."
)
@at_library
def command(desk: Desk, folders: tuple[Path, ...], into: str | None, keep: str | None, verifies: bool) -> int:
    """Take in every file below each FOLDER. What filmcan has already costs no space and, the second time, no time.

    Without --into, each FOLDER becomes a project of its own name. With it, each FOLDER becomes a folder of its name in
    the project's ingest/originals, or directly in P when P is a folder such as P3-Interview/ingest/originals/day-2.
    A name that is taken by other content becomes name_1.

    Your files stay as they are: they are copied, or share blocks where the disk can do that, because a program that
    writes into its old file would else damage what is stored. --link and --move share the very files where FOLDER is
    on the same disk as the root, and copy from other disks.

    With --verify every file is read, also the second time, then read back from the disk of the root, and the last line says
    whether the project is safe; `filmcan receipt --card` compares the card once more before you wipe it.

    You may stop with Ctrl-C at any time and run the same command again: it goes on where it stopped.

    \b
    Examples:
      filmcan import /media/CARD/DCIM --into Wedding --verify
      filmcan import ~/Videos/Holiday ~/Videos/Interview
      filmcan import --move /volumes/old-archive
    """
    if keep == "move" and verifies:
        raise click.UsageError("--move takes files away before they could be read back: import with --verify, then wipe the card")
    started, outcome, confirmed = time.monotonic(), Outcome(), list[dict[str, Any]]()
    with desk.libraries(alone=not verifies) as (libraries, source), desk.progress("importing") as progress:
        library = libraries[source]
        wanted = [item for folder in folders for item in _plan(library, folder, into, outcome)]
        progress.expect(len(wanted), sum(item.size_bytes for item in wanted))
        work = _Import(library, progress, outcome, keep, rereads=verifies)
        try:
            work.run(wanted)
        except KeyboardInterrupt:
            desk.warn("what was taken in stays; the same command goes on where it stopped")
            raise
        if verifies:
            projects = dict.fromkeys(base.partition("/")[0] for base in outcome.into)
            confirmed = [confirmed_project(desk, libraries, source, name, progress, work.contents) for name in projects]
    _summarise(desk, outcome, time.monotonic() - started, confirmed)
    found = any(item["findings"] for item in confirmed)
    return FAILED if outcome.failed else PROBLEMS if found else DONE


def _plan(library: Library, folder: Path, into: str | None, outcome: Outcome) -> Iterator[Wanted]:
    """Every file below `folder` with the path it shall have; the project is made when it is missing."""
    folder = folder.resolve()
    root = library.store.layout.root
    if folder == root or root in folder.parents or folder in root.parents:
        raise Refused(
            f"{folder} and the root {root} overlap; what lies in a project folder is taken in by: filmcan reindex"
        )
    base = _base(library, folder, into)
    outcome.into.append(base)
    for file, inner, stat in scan(folder, outcome):
        yield Wanted(file, f"{base}/{inner}", stat.st_size, stat.st_mtime_ns)


def _base(library: Library, folder: Path, into: str | None) -> str:
    """Where the files of `folder` go."""
    if into is None:
        base, rest = folder.name, "" if (folder / ORIGINALS).is_dir() else ORIGINALS
    elif "/" in into.strip("/"):
        base, rest = into.strip("/"), folder.name
    else:
        base, rest = into.strip("/"), f"{ORIGINALS}/{folder.name}"
    return ensure_folder(library, f"{base}/{rest}")


def scan(folder: Path, outcome: Outcome) -> Iterator[tuple[Path, str, os.stat_result]]:
    """Plain files below `folder` in the order of their names, without what systems leave behind; the rest is told."""
    from views.naming import is_junk

    skipped = {".filmcan"} | (GENERATED if (folder / ORIGINALS).is_dir() else set())

    def unreadable(error: OSError) -> None:
        outcome.failed[str(error.filename)] = error.strerror or str(error)

    for place, folders, files in os.walk(folder, onerror=unreadable):
        top = Path(place) == folder
        folders[:] = sorted(name for name in folders if not is_junk(name) and not (top and name in skipped))
        for name in sorted(files):
            if not is_junk(name) and not (top and name in skipped):
                yield from _plain(Path(place, name), folder, outcome)


def _plain(file: Path, folder: Path, outcome: Outcome) -> Iterator[tuple[Path, str, os.stat_result]]:
    """The file, if it can be taken in at all."""
    from views.errors import NameInvalid
    from views.naming import check

    stat = file.lstat()
    inner = file.relative_to(folder)
    try:
        for part in inner.parts:
            check(part)
    except NameInvalid as error:
        outcome.left_out[os.fsencode(file).decode(errors="replace")] = str(error)
        return
    if modes.S_ISREG(stat.st_mode):
        yield file, inner.as_posix(), stat
    else:
        outcome.left_out[str(file)] = "a link or a device, not a file"


class _Import:
    """Several hands that take files from one list. `stop` makes each of them give up between two blocks."""

    def __init__(
        self, library: Library, progress: Progress, outcome: Outcome, keep: str | None, *, rereads: bool = False
    ) -> None:
        """rereads: files are read also where size and time say that they are here; `contents` are the SHA-256 of all read."""
        self._library, self._progress, self._outcome = library, progress, outcome
        self._rereads, self.contents = rereads or keep == "move", set[bytes]()
        self._links, self._takes_away = keep is not None, keep == "move"
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._folders: dict[str, str] = {}

    def run(self, wanted: list[Wanted]) -> None:
        """Take them all in. What concerns one file is noted; what concerns the disk ends the import."""
        from cas.errors import CasError, Degraded, NoSpace
        from cas.found import FileBusy
        from views.errors import NameProblem

        with ThreadPoolExecutor(HANDS) as pool:
            tasks = {pool.submit(self._take, item): item for item in wanted}
            try:
                for task in as_completed(tasks):
                    try:
                        task.result()
                    except (NoSpace, Degraded):
                        raise
                    except FileBusy:
                        self._outcome.failed[str(tasks[task].file)] = "it is being written; run the import again later"
                    except OSError as error:
                        self._outcome.failed[str(tasks[task].file)] = error.strerror or str(error)
                    except (CasError, NameProblem, Refused) as error:
                        self._outcome.failed[str(tasks[task].file)] = sentence(error)
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _take(self, item: Wanted) -> None:
        """One file: skip it when it is here as it is, else store it under the first free spelling of its name.

        A file that is going to be removed or confirmed is read in any case: size and time alone prove nothing.
        """
        there, path = self._spellings_taken(self._in_its_folder(item.path))
        if not self._rereads and any((entry.size_bytes, entry.modified_ns) == item.stamp for entry in there):
            self._note(item, None)
            self._progress.advance(1, item.size_bytes, 1)
            return
        placed, modified_ns = self._store(item, path, there)
        self._note(item, placed)
        self._progress.advance(1, known=int(placed is None or placed.known))
        if self._takes_away and item.file.lstat().st_mtime_ns == modified_ns:
            item.file.unlink()

    def _store(self, item: Wanted, path: str, there: list[Entry]) -> tuple[Placed | None, int]:
        """In the cheapest safe way: the entry, None when one of `there` has these bytes; and the time of the file."""
        if self._links:
            system = self._library.store.system
            folder = system.open_root(item.file.parent)
            try:
                if self._library.store.near(folder):
                    return self._share(item, path, there, folder)
            except OSError as error:
                if error.errno not in CANNOT_LINK:
                    raise
            finally:
                system.close(folder)
        return self._copy(item, path, there)

    def _copy(self, item: Wanted, path: str, there: list[Entry]) -> tuple[Placed | None, int]:
        """A file of our own, which shares blocks with the original, where the disk can do that, until somebody writes there."""
        with read_in(self._library, item.file, self._took) as (body, modified_ns):
            self.contents.add(body.sums.sha256 if body.sums else b"")
            if any(entry.digest == body.sums.digest for entry in there if body.sums):
                return None, modified_ns
            placed = self._library.put(path, body, modified_ns=modified_ns, via="import", guard=_only_new(path))
            self._used("blocks shared" if body.shares_blocks else "copied", placed)
            return placed, modified_ns

    def _share(self, item: Wanted, path: str, there: list[Entry], folder: int) -> tuple[Placed | None, int]:
        """The file itself becomes the stored one; it is read for its digest and not written."""
        with self._library.store.find_on_disk(folder, item.file.name, took=self._took) as found:
            found.told.add("source")
            self.contents.add(found.sums.sha256)
            if any(entry.digest == found.sums.digest for entry in there):
                return None, found.seal.modified_ns
            try:
                placed = self._library.adopt(path, folder, item.file.name, guard=_only_new(path), found=found)
            except OSError:
                self._progress.advance(size_bytes=-item.size_bytes)  # it is read once more, or fails
                raise
            self._used("copied" if placed.copied else "linked", placed)
            return placed, found.seal.modified_ns

    def _used(self, way: str, placed: Placed) -> None:
        with self._turn:
            way = "known" if placed.known else way
            self._outcome.ways[way] = self._outcome.ways.get(way, 0) + 1

    def _in_its_folder(self, path: str) -> str:
        """The path as the tree spells it; its folder is made when it is missing."""
        folder, _, name = path.rpartition("/")
        with self._turn:
            if folder not in self._folders:
                self._folders[folder] = ensure_folder(self._library, folder)
            return f"{self._folders[folder]}/{name}"

    def _spellings_taken(self, wanted: str) -> tuple[list[Entry], str]:
        """The files that have the name `wanted`, or the name with a number; and the first spelling nobody has."""
        there: list[Entry] = []
        for path in _spellings(wanted):
            entry = self._library.find(path)
            if entry is None:
                return there, path
            if not entry.is_folder:
                there.append(entry)
        raise Refused(f"{wanted} and {MOST_SPELLINGS:,} numbered names are taken")

    def _took(self, size_bytes: int) -> None:
        """A block is read. The way out of a long file when the import is stopped."""
        if self._stop.is_set():
            raise Refused("stopped")
        self._progress.advance(size_bytes=size_bytes)

    def _note(self, item: Wanted, placed: Placed | None) -> None:
        outcome = self._outcome
        with self._turn:
            if placed is None:
                outcome.unchanged += 1
                return
            if placed.path != item.path:
                outcome.renamed[str(item.file)] = placed.path
            if placed.known:
                outcome.known += 1
                outcome.saved_bytes += item.size_bytes
                outcome.duplicates.append(placed.path)
            else:
                outcome.new += 1
                outcome.new_bytes += item.size_bytes


def _spellings(path: str) -> Iterator[str]:
    """clip.mov, clip_1.mov, clip_2.mov, …"""
    yield path
    folder, slash, name = path.rpartition("/")
    stem, suffix = os.path.splitext(name)
    for number in range(1, MOST_SPELLINGS + 1):
        yield f"{folder}{slash}{stem}_{number}{suffix}"


def _only_new(path: str) -> Guard:
    """Refuse to replace what somebody put there a moment ago: the next run finds it."""

    def guard(find: Callable[[str], Entry | None]) -> None:
        if find(path) is not None:
            raise Refused(f"{path} was made by somebody else just now; run the import again")

    return guard


def _summarise(desk: Desk, outcome: Outcome, seconds: float, confirmed: list[dict[str, Any]]) -> None:
    files = outcome.new + outcome.known + outcome.unchanged
    rate = f" ({human_size(outcome.new_bytes / seconds)} a second)" if seconds > 1 and outcome.new_bytes else ""
    desk.say(f"{', '.join(outcome.into)}: {count(files, 'file')}")
    how = "".join(f", {number:,} {way}" for way, number in sorted(outcome.ways.items()) if way != "known")
    desk.say(f"  {outcome.new:,} new, {human_size(outcome.new_bytes)}{how}{rate}")
    desk.say(f"  {outcome.known:,} with bytes that were here already, {human_size(outcome.saved_bytes)} saved")
    desk.say(f"  {outcome.unchanged:,} here already under their name")
    if outcome.renamed:
        desk.say(f"  {len(outcome.renamed):,} stored under another name, because theirs was taken by other content")
    for file, why in outcome.left_out.items():
        desk.say(f"  left out {file}: {why}")
    for file, why in outcome.failed.items():
        desk.warn(f"{file}: {why}")
    for item in confirmed:
        desk.say(f"{item['project']}: {item['verdict']}")
    receipts = {"receipts": confirmed} if confirmed else {}
    desk.answer({**dataclasses.asdict(outcome), "seconds": round(seconds, 3), **receipts})
