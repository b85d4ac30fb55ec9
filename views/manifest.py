"""The follower that writes what other programs read of a project. Outputs: never read back, made again when lost.

    P3-Interview/
      index.json                 what is below ingest/originals now; written whole, swapped in         contract §2.2.1
      _manifest/files.jsonl      what became of each file, one line a file and change; appended        views/audit.py
      _manifest/events.jsonl     what happened, one line an event; appended
      _manifest/upload_batches/  what came in one batch of uploads; written whole, swapped in           views/batch_files.py

A project that was deleted is forgotten, and goes on with the same files when it is brought back.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cas.index import ReadTxn
from cas.journal import Event
from cas.replay import APPLIED
from cas.store import Store
from views import batch_files
from views.audit import EVENTS, FILES, INDEX, Note, Teller
from views.batch_files import BatchFolder
from views.entry import Entry, Kind
from views.index_json import index_of, render
from views.ledger import Ledger
from views.tree import TOP, ProjectRow, Tree, pack_id

log = logging.getLogger("filmcan.manifest")
FOLDER = "_manifest"
QUIET_S = 0.2  # index.json is written when a project was left alone for so long,
OFTEN_S = 1.0  # or when it was written so long ago,
SHARE = 20  # and never for more than a twentieth of the time: n files cost n, not n²
RETRY_S, RETRY_MAX_S = 0.2, 60.0  # a project that is being renamed looks missing: the first second try comes soon
PUBLISH_S = 1.0


@dataclass
class _Trouble:
    """What the disk refused, told once, and when it is tried again: later and later."""

    text: str = ""
    again_s: float = float("-inf")
    _pause_s: float = 0.0
    _told: str = ""

    def failed(self, text: str, now_s: float) -> None:
        self.text = text
        if self._pause_s and self._told != text:
            self._told = text
            log.warning("files of a project cannot be written and are tried again: %s", text)
        self._pause_s = min(2 * self._pause_s, RETRY_MAX_S) or RETRY_S
        self.again_s = now_s + self._pause_s

    def over(self) -> None:
        self.text = self._told = ""
        self.again_s, self._pause_s = float("-inf"), 0.0


@dataclass
class _Output:
    """What was written for one project, and what waits. Numbers of events; 0 for none.

    changed    first event that index.json, or the files of `batches`, do not tell yet
    stuck      first event whose lines could not be written
    unsynced   first event that a power cut could take out of the files again; the files of batches among them by name
    """

    ledgers: dict[str, Ledger] = field(default_factory=dict)
    batches: set[str] = field(default_factory=set)
    batch_files: set[str] = field(default_factory=set)
    changed: int = 0
    stuck: int = 0
    unsynced: int = 0
    changed_s: float = 0.0
    wrote_s: float = float("-inf")
    took_s: float = 0.0
    lines: _Trouble = field(default_factory=_Trouble)
    index: _Trouble = field(default_factory=_Trouble)
    sync: _Trouble = field(default_factory=_Trouble)

    def index_due_s(self) -> float:
        calm_s = min(self.changed_s + QUIET_S, self.wrote_s + OFTEN_S)
        return max(calm_s, self.wrote_s + SHARE * self.took_s, self.index.again_s)

    def due_s(self) -> float:
        """When something is to be done next."""
        index_s = self.index_due_s() if self.changed else float("inf")
        return min(index_s, self.lines.again_s if self.stuck else float("inf"))

    def held(self) -> list[int]:
        """Events that a saved position must not pass."""
        return [seq for seq in (self.changed, self.stuck, self.unsynced) if seq]

    def problem(self) -> str:
        return self.lines.text or self.index.text or self.sync.text


class Manifest:
    """The follower that writes `index.json`, `files.jsonl` and `events.jsonl` of every project (views/followers.py).

    source    name of this root among the sources, as events tell it
    problem   the first project whose files cannot be written, and why; each is tried again by itself
    crash     lines stand once, index.json is the old or the new one; both are as new as the saved position at least
    """

    name = "manifest"

    def __init__(self, store: Store, tree: Tree, source: str = "primary") -> None:
        self._store, self._tree, self._system, self._source = store, tree, store.system, source
        self._teller = Teller(tree, store.blobs, source)
        self._outputs: dict[int, _Output] = {}
        self.problem, self.seq = "", 0

    # following

    def begin(self, position: int) -> None:
        """Write anew what is missing; everything else waits for its event."""
        self._outputs.clear()
        self._rewind(position)
        with self._store.index.read() as txn:
            projects = [entry for entry in self._tree.children(txn, TOP) if entry.kind is Kind.PROJECT]
        for project in projects:
            if not self._has_index(project.name):
                self._output(project.id).changed = position + 1
                with self._store.index.read() as txn:
                    self._output(project.id).batches.update(self._tree.batches.of(txn, project.id))

    def _rewind(self, position: int) -> None:
        """Be told again what is after `position`, with the names that projects had then."""
        with self._store.index.read() as txn:
            applied = self._store.index.meta.get(txn, APPLIED)
            self._teller.names = {entry.name: entry.id for entry in self._tree.children(txn, TOP) if entry.is_folder}
        last = applied.value if applied else 0
        self._store.journal.wait(last - 1, PUBLISH_S)  # events are published just after their rows are committed
        shifts = (self._teller.shift(event) for event in self._store.journal.after(position) if event.seq <= last)
        self._teller.undo([shift for shift in shifts if shift.gone or shift.come])
        self.seq = position

    def _has_index(self, name: str) -> bool:
        try:
            with self._system.folder(self._store.home.root, (name,)) as folder:
                return self._system.stat(folder, INDEX).st_size > 0
        except OSError:
            return False  # what is wrong is told when it is written

    def take(self, events: Sequence[Event]) -> None:
        """Append lines, and remember whose index changed."""
        notes: dict[int, list[Note]] = {}
        with self._store.index.read() as txn:
            for event in events:
                for note in self._tell(txn, event):
                    notes.setdefault(note.project, []).append(note)
        now_s = self._system.monotonic_s()
        for project, pile in notes.items():
            self._add(project, pile, now_s)
        self.seq = events[-1].seq

    def _tell(self, txn: ReadTxn, event: Event) -> list[Note]:
        try:
            return self._teller.tell(txn, event)
        except (KeyError, TypeError, ValueError) as error:
            log.error("event %d (%s) is left out of the manifests: %r", event.seq, event.op, error)
            return []

    def _add(self, project: int, notes: list[Note], now_s: float) -> None:
        output = self._output(project)
        changes = [note.seq for note in notes if not note.line]
        lines = [note for note in notes if note.line]
        output.batches |= {note.file for note in notes if not note.line and note.file != INDEX}
        if changes:
            output.changed = min(output.changed or changes[0], changes[0])
            output.changed_s = now_s
        if not lines or output.stuck:
            return
        output.stuck = lines[0].seq
        with self._minding(project, output.lines):
            self._append(project, output, lines)
            output.unsynced = min(output.unsynced or output.stuck, output.stuck)
            output.stuck = 0
            output.lines.over()

    def tend(self, now_s: float, *, finish: bool) -> float:
        """Second tries, and each index.json that is due."""
        self._forget_gone()
        for project, output in self._outputs.items():
            if output.changed and now_s >= (output.index.again_s if finish else output.index_due_s()):
                self._write_index(project, output)
        self._try_again(now_s)
        self.problem = next((output.problem() for output in self._outputs.values() if output.problem()), "")
        return max(0.0, min((output.due_s() for output in self._outputs.values()), default=float("inf")) - now_s)

    def settle(self) -> int:
        """Sync what was written. The position stays before everything that is not on disk for good."""
        for project, output in self._outputs.items():
            if output.unsynced:
                with self._minding(project, output.sync):
                    self._sync(project, output)
                    output.unsynced = 0
                    output.sync.over()
        return min([self.seq, *(seq - 1 for output in self._outputs.values() for seq in output.held())])

    # projects

    def _output(self, project: int) -> _Output:
        return self._outputs.setdefault(project, _Output())

    def _find(self, txn: ReadTxn, project: int) -> tuple[Entry, ProjectRow] | None:
        """A project by its id; None when it is one no more."""
        row = self._tree.projects.get(txn, pack_id(project))
        entry = row and self._tree.entries.get(txn, pack_id(TOP) + row.key)
        return (entry, row) if row and entry and entry.id == project else None

    def _name(self, project: int) -> str:
        with self._store.index.read() as txn:
            found = self._find(txn, project)
        return found[0].name if found else ""

    def _forget_gone(self) -> None:
        """A project in the trash took its files with it."""
        waiting = [project for project, output in self._outputs.items() if output.held()]
        with self._store.index.read() as txn:
            gone = [project for project in waiting if self._find(txn, project) is None]
        for project in gone:
            del self._outputs[project]

    @contextmanager
    def _folder(self, project: int) -> Iterator[tuple[int, int]]:
        """A project's folder and `_manifest` in it, made when missing, both open. FileNotFoundError amid a rename."""
        name = self._name(project)
        with self._system.folder(self._store.home.root, (name,) if name else ()) as folder:
            if not name or self._name(project) != name:
                raise FileNotFoundError(errno.ENOENT, "it is a project no more, or has another name", name)
            try:
                manifest = self._system.open_folder(folder, FOLDER)
            except FileNotFoundError:
                self._system.make_folder(folder, FOLDER)
                manifest = self._system.open_folder(folder, FOLDER)
            try:
                yield folder, manifest
            finally:
                self._system.close(manifest)

    # writing

    @contextmanager
    def _minding(self, project: int, trouble: _Trouble) -> Iterator[None]:
        """What the disk refuses is the trouble of that project alone."""
        try:
            yield
        except OSError as error:
            trouble.failed(f"{self._name(project)}: {error}", self._system.monotonic_s())

    def _append(self, project: int, output: _Output, lines: Sequence[Note]) -> None:
        """Add to both files; without lines, see whether that could be done."""
        last_seq = self._store.journal.last_seq
        with self._folder(project) as (_, manifest):
            for name in (FILES, EVENTS):
                mine = [note for note in lines if note.file == name]
                if mine or name in output.ledgers:
                    if name not in output.ledgers:
                        output.ledgers[name] = Ledger(name, mine[0].seq - 1, self._floor(project, name))
                    ledger = output.ledgers[name]
                    ledger.append(self._store.home, self._system, manifest, mine, last_seq)

    def _floor(self, project: int, name: str) -> int:
        """What a file held before its project was adopted."""
        with self._store.index.read() as txn:
            row = self._tree.kept.get(txn, pack_id(project))
        return 0 if row is None else row.files_bytes if name == FILES else row.events_bytes

    def _write_index(self, project: int, output: _Output) -> None:
        began_s = self._system.monotonic_s()
        with self._store.index.read() as txn:
            found = self._find(txn, project)
            if found is None:
                return
            index = index_of(txn, self._tree, self._store.blobs, *found)
            batches = batch_files.read(txn, self._tree.batches, output.batches, found[0], self._source)
        data = render(index)
        with self._minding(project, output.index), self._folder(project) as (folder, manifest):
            self._store.home.replace(folder, INDEX, data, 0o644, lasting=False)
            BatchFolder(self._store.home, self._system, manifest).write(batches)
            output.batches.clear()
            output.batch_files |= batches.keys()
            output.unsynced = min(output.unsynced or output.changed, output.changed)
            output.changed = 0
            output.index.over()
        output.wrote_s = self._system.monotonic_s()
        output.took_s = output.wrote_s - began_s

    def _try_again(self, now_s: float) -> None:
        """Where lines can be written again, they are told again: by the journal, from the first that was refused."""
        again = []
        for project, output in self._outputs.items():
            if output.stuck and now_s >= output.lines.again_s:
                with self._minding(project, output.lines):
                    self._append(project, output, ())
                    again.append(output.stuck)
                    output.stuck = 0
        if again:
            self._rewind(min(again) - 1)

    def _sync(self, project: int, output: _Output) -> None:
        with self._folder(project) as (folder, manifest):
            for place, name in ((folder, INDEX), (manifest, FILES), (manifest, EVENTS)):
                try:
                    fd = self._system.open_read(place, name)
                except FileNotFoundError:
                    continue  # nothing of that kind happened yet
                try:
                    self._system.sync_file(fd)
                finally:
                    self._system.close(fd)
            if output.batch_files:
                BatchFolder(self._store.home, self._system, manifest).sync(output.batch_files)
                output.batch_files.clear()
            self._system.sync_folder(manifest)
            self._system.sync_folder(folder)
