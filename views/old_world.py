"""What a project folder already knows of itself when it is adopted: files of the system that was there before, or our own after
the journal was lost. Read, never written.

    P3-Interview/
      index.json                 notes, created_at, counts, when each file came, tags contract §2.2.1
      _manifest/manifest.db      when each content came first                        contract §2.2.2
      ingest/_metadata/*.json    tags, a sidecar for each content                    contract §2.15
      _manifest/events.jsonl     stays; asked only where index.json was broken off   contract §2.2.3

The folder is the truth: these files only say when something came and what people noted. What cannot be read is left out.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import stat as modes
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cas.system import System
from views import naming
from views.errors import TagInvalid
from views.tags import clean
from views.tree import PastRow

log = logging.getLogger("filmcan.old_world")
INDEX, EVENTS, DATABASE = "index.json", "events.jsonl", "manifest.db"
SIDECARS = ("ingest", "_metadata")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRIES = 20  # from behind: the end of the last whole entry is nearly always the first
TIES = 1000  # entries of one microsecond keep their order by nanoseconds, which nobody is told


@dataclass
class Past:
    """What was known of a project.

    index    the bytes of index.json as they were found; None when there is none
    torn     it is not whole: what could be read of it was taken, times of other files come from the other records
    files    what is known of each file that is on disk, by its path inside the project in NFC, in the order of arrival
    gone     entries of index.json whose files are not on disk
    """

    index: bytes | None = None
    torn: bool = False
    notes: str = ""
    created_ns: int | None = None
    duplicates_skipped: int = 0
    removed_missing: int = 0
    files: dict[str, PastRow] = field(default_factory=dict)
    gone: int = 0


def read(system: System, project: int, path: Path) -> Past:
    """What a project folder tells of itself; `project` is a descriptor of it, `path` where it lies. Hashes nothing. OSError when
    its records are there and may not be read: better no project yet than one that forgot."""
    past = Past(index=_bytes(system, project, (), INDEX))
    told = _index(past)
    files, disk = dict(_entries(told.get("files"))), _Disk(system, project)
    past.gone = sum(not disk.has(inner) for inner in files)
    if past.torn or past.index is None:
        for inner, row in _uploads(_bytes(system, project, ("_manifest",), EVENTS) or b""):
            files.setdefault(inner, row)
    for inner, row in _contents(system, project, path / "_manifest" / DATABASE):
        files.setdefault(inner, row)
    there = {inner: row for inner, row in files.items() if disk.has(inner)}
    past.files = _in_order(_tagged(system, project, there))
    return past


def _tagged(system: System, project: int, files: dict[str, PastRow]) -> dict[str, PastRow]:
    """The files, with the tags that sidecars tell of their contents."""
    try:
        with system.folder(project, SIDECARS) as folder:
            names = {entry.name for entry in system.scan(folder)}
    except OSError:
        return files  # most roots have none
    told = {inner: f"{row.sha256.hex()}.json" for inner, row in files.items() if row.sha256}
    for inner in (inner for inner, name in told.items() if name in names):
        tags = (_decoded(_bytes(system, project, SIDECARS, told[inner]) or b"") or {}).get("tags")
        manual = tags.get("manual") if isinstance(tags, dict) else None
        files[inner] = msgspec.structs.replace(files[inner], tags=tuple(dict.fromkeys((*files[inner].tags, *_tags(manual)))))
    return files


def _index(past: Past) -> dict[str, Any]:
    """Take what index.json says of the project itself; all of it, as far as it can be read."""
    if past.index is None:
        return {}
    told, past.torn = _parse(past.index)
    notes, counts = told.get("notes"), told.get("counts")
    past.notes = notes if isinstance(notes, str) else ""
    past.created_ns = at_ns(told.get("created_at"))
    if isinstance(counts, dict):
        past.duplicates_skipped = _count(counts.get("duplicates_skipped"))
        past.removed_missing = _count(counts.get("removed_missing_records"))
    return told


def _parse(data: bytes) -> tuple[dict[str, Any], bool]:
    """The object in these bytes, and whether it is torn: then only what stands before the break, up to the last whole entry."""
    data = data.removeprefix(b"\xef\xbb\xbf")  # people edit with Notepad, too
    whole = _decoded(data)
    if whole is not None:
        return whole, False
    end = len(data)
    for _ in range(TRIES):
        end = data.rfind(b"}", 0, end)
        if end < 0:
            break
        for closing_brackets in (b"", b"]}", b"}"):
            found = _decoded(data[: end + 1] + closing_brackets)
            if found is not None:
                return found, True
    return {}, True


def _decoded(data: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _entries(told: Any) -> Iterator[tuple[str, PastRow]]:
    """Entries as index.json has them; keys nobody knows are left out, and so are entries that name no file."""
    for entry in told if isinstance(told, list) else ():
        found = _entry(entry)
        if found is not None:
            yield found


def _entry(entry: Any) -> tuple[str, PastRow] | None:
    if not isinstance(entry, dict) or not (inner := _inner(entry.get("relative_path"))):
        return None
    via = "upload" if "uploaded_at" in entry else "reindex"
    came_ns = at_ns(entry.get("uploaded_at") or entry.get("indexed_at"))
    size = entry.get("size")
    known = size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 62 else None
    return inner, PastRow(_sha256(entry.get("sha256")), known, came_ns, via, tuple(_tags(entry.get("tags"))))


def _uploads(data: bytes) -> Iterator[tuple[str, PastRow]]:
    """The entries of uploads that old events tell; the last one of a path counts."""
    found: dict[str, PastRow] = {}
    for line in data.splitlines():
        event = _decoded(line) if b"upload_ingested" in line else None
        entry = _entry(event.get("payload")) if event is not None else None
        if entry is not None:
            found[entry[0]] = entry[1]
    yield from found.items()


def _contents(system: System, project: int, database: Path) -> list[tuple[str, PastRow]]:
    """The rows of manifest.db. Opened as a file that cannot change, so that nothing is made beside it."""
    try:
        with system.folder(project, ("_manifest",)) as folder:
            if not modes.S_ISREG(system.stat(folder, DATABASE).st_mode):
                return []
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = lambda text: text.decode(errors="replace")
            rows = connection.execute("SELECT relative_path, sha256, recorded_at FROM files ORDER BY rowid").fetchall()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeEncodeError, sqlite3.Error) as error:
        log.warning("%s cannot be read and is left as it is: %s", database, error)
        return []
    found = ((_inner(path), PastRow(_sha256(sha256), None, at_ns(recorded_at), "reindex")) for path, sha256, recorded_at in rows)
    return [(inner, row) for inner, row in found if inner]


def _in_order(files: dict[str, PastRow]) -> dict[str, PastRow]:
    """Files of one moment are told apart by nanoseconds, in the order they stand in: that is the order they came in."""
    seen: dict[int, int] = {}
    for inner, row in files.items():
        if row.arrived_ns is not None:
            ties = seen[row.arrived_ns] = seen.get(row.arrived_ns, -1) + 1
            files[inner] = msgspec.structs.replace(row, arrived_ns=row.arrived_ns + min(ties, TIES - 1))
    return files


class _Disk:
    """Which files are there, asked once for each folder."""

    def __init__(self, system: System, project: int) -> None:
        self._system, self._project = system, project
        self._names: dict[str, set[str] | None] = {}

    def has(self, inner: str) -> bool:
        """Is there a plain file? A folder that cannot be looked into keeps what was told of it."""
        folder, _, name = inner.rpartition("/")
        if folder not in self._names:
            self._names[folder] = self._look(folder)
        names = self._names[folder]
        return names is None or name in names

    def _look(self, folder: str) -> set[str] | None:
        try:
            with self._system.folder(self._project, folder.split("/") if folder else ()) as fd:
                return {naming.nfc(entry.name) for entry in self._system.scan(fd) if entry.is_file(follow_symlinks=False)}
        except (FileNotFoundError, NotADirectoryError):
            return set()
        except OSError:
            return None


def _bytes(system: System, project: int, folders: tuple[str, ...], name: str) -> bytes | None:
    """What a plain file holds; None when there is none. OSError when it may not be read: it must not be written over then."""
    try:
        with system.folder(project, folders) as folder:
            fd = system.open_read(folder, name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None  # a symbolic link is nobody's record
        raise
    try:
        stat = system.fstat(fd)
        if not modes.S_ISREG(stat.st_mode):
            return None
        data = bytearray(stat.st_size)
        count, view = 0, memoryview(data)
        while count < len(data) and (more := system.readinto(fd, view[count:], count)):
            count += more
        return bytes(data[:count])
    finally:
        system.close(fd)


# single values

def at_ns(told: Any) -> int | None:
    """A timestamp as nanoseconds; without a zone it is UTC. None for what is none."""
    try:
        moment = datetime.fromisoformat(told)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        passed_ns = (moment - EPOCH) // timedelta(microseconds=1) * 1000
    except (TypeError, ValueError, OverflowError):
        return None
    return passed_ns if 0 < passed_ns < 1 << 62 else None


def _inner(told: Any) -> str:
    """A path inside a project, in NFC; "" for what is none."""
    if not isinstance(told, str) or any(step in ("", ".", "..") for step in told.split("/")) or "\0" in told:
        return ""
    return naming.nfc(told)


def _sha256(told: Any) -> bytes:
    try:
        found = bytes.fromhex(told)
    except (TypeError, ValueError):
        return b""
    return found if len(found) == 32 else b""


def _tags(told: Any) -> Iterator[str]:
    """The words in a list that can be tags."""
    for tag in told if isinstance(told, list) else ():
        try:
            yield clean(tag if isinstance(tag, str) else "")
        except TagInvalid:
            continue


def _count(told: Any) -> int:
    return told if isinstance(told, int) and 0 <= told < 1 << 62 else 0
