"""Receipts: how sure each file of a project is, and one line that says whether its card or phone may be wiped.

A file is SAFE when it was received whole, its digest equals the one its sender told (if it told one), its bytes were read
back from the disk after they had arrived, and that holds on as many disks as are asked for. Pure but for `Copies`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cas.blobs import BlobRow
from cas.digest import EMPTY, Digest
from cas.readback import read_back
from cas.verify import Finding
from views.audit import timestamp
from views.copies import Copies, Copy, independent
from views.entry import Entry
from views.libraries import Libraries
from views.library import Library
from views.mhl.sums import KINDS
from views.previews import THUMBNAILS
from views.work import Progress

NAMED = 3  # paths named in the verdict, for each reason
COPIES_MOST = 99
ABSENT, RECEIVED, EQUAL, READ_BACK = "not whole", "received whole", "equal to the sender's", "read back from the disk"
RULE = (
    "A file is SAFE when it was received whole, its digest equals the one its sender told (where it told one), its bytes were "
    "read back from the disk after they had arrived, not from memory, and that holds on {copies}. "
    "All names and projects on one disk are one copy: a disk that fails takes all of them."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One file.

    told          kinds of sums its senders told and that were right, each with the time; empty when nobody told one
    copies        the sources that have it, its own first
    why           why it is not safe yet; "" when it is
    """

    path: str
    size_bytes: int
    digest: Digest
    sha256: bytes
    arrived_ns: int
    told: Mapping[str, int]
    copies: Sequence[Copy]
    why: str

    @property
    def safe(self) -> bool:
        return not self.why

    @property
    def level(self) -> str:
        """The highest that was reached in its own source."""
        here = self.copies[0] if self.copies else None
        if here is None or not here.whole:
            return ABSENT
        return READ_BACK if here.read_back else EQUAL if self.told else RECEIVED

    @property
    def copies_counted(self) -> int:
        """On how many disks of their own it is whole."""
        return independent(self.copies)

    @property
    def verified_ns(self) -> int:
        """When its bytes were last read back from the disk and right; 0 when only their arrival has shown them."""
        return _read_back_ns(self.copies[0]) if self.copies else 0


def _read_back_ns(copy: Copy) -> int:
    return copy.verified_ns if copy.read_back else 0


@dataclass(frozen=True)
class Receipt:
    """A project at one moment.

    copies      how many disks were asked for
    unfinished  uploads to this project that are not complete, in words: their files are not in `lines`
    disks       what each source lies on, in words
    away        sources whose disk is not there now: what they hold does not count
    """

    project: str
    source: str
    at_ns: int
    copies: int
    lines: Sequence[Line]
    unfinished: Sequence[str] = ()
    disks: Mapping[str, str] = field(default_factory=dict)
    away: Sequence[str] = ()

    @property
    def safe(self) -> int:
        return sum(line.safe for line in self.lines)

    @property
    def is_safe(self) -> bool:
        return bool(self.lines) and self.safe == len(self.lines) and not self.unfinished

    @property
    def verdict(self) -> str:
        """`SAFE: 214 of 214`, or `NOT YET: 3 of 214: …` with the first reasons."""
        if self.is_safe:
            return f"SAFE: {self.safe:,} of {len(self.lines):,}"
        return not_yet([(line.path, line.why) for line in self.lines if line.why], len(self.lines), self.unfinished)

    @property
    def rule(self) -> str:
        return RULE.format(copies="one disk" if self.copies == 1 else f"{self.copies} disks that have nothing in common")


def not_yet(left: Sequence[tuple[str, str]], total: int, more: Sequence[str] = ()) -> str:
    """The other verdict: how many of `total` are not safe, reasons by how often they hold, with the first names of each."""
    if not total and not more:
        return "NOT YET: no file is here"
    names: dict[str, list[str]] = {}
    for path, why in left:
        names.setdefault(why, []).append(path)
    often = Counter({why: len(paths) for why, paths in names.items()}).most_common()
    shown = {why: ", ".join(paths[:NAMED]) + (", …" if len(paths) > NAMED else "") for why, paths in names.items()}
    said = [f"{count:,} {why} ({shown[why]})" for why, count in often]
    return f"NOT YET: {len(left):,} of {total:,}: " + "; ".join([*said, *more])


class Receipts:
    """Makes receipts of the projects of one source. Any thread.

    libraries   open sources by name; `source` is the one that is asked about
    copies      on how many disks a file has to be
    """

    def __init__(self, libraries: Mapping[str, Library], source: str, copies: int = 1) -> None:
        self._library, self.source, self.wanted = libraries[source], source, copies
        self._copies = Copies(libraries, source)
        self._away = libraries.away() if isinstance(libraries, Libraries) else []

    def of(self, project: str) -> Receipt:
        """Every file of a project that people see. NameNotFound. Costs a look at each of its contents, no reading."""
        found = self._library.project(project)
        files = list(self.files(found.name))
        known = self.contents([entry.digest for _, entry in files if entry.digest is not None])
        lines = [
            line_of(path, entry.size_bytes, entry.digest, entry.arrived_ns, *known[entry.digest], self.wanted)
            for path, entry in files
            if entry.digest is not None
        ]
        disks = {name: disk.words for name, disk in self._copies.disks.items()}
        return Receipt(
            found.name, self.source, self._library.store.system.now_ns(), self.wanted, lines,
            self._library.resumable.unfinished(found.name), disks, self._away,
        )  # fmt: skip

    def files(self, project: str) -> Iterator[tuple[str, Entry]]:
        """Every file with its path inside the project, but pictures that were drawn of others."""
        for path, entry in self._library.walk(project):
            inner = path.partition("/")[2]
            if not entry.is_folder and not inner.startswith(f"{THUMBNAILS}/"):
                yield inner, entry

    def read_back(self, project: str, progress: Progress, only: Container[bytes] | None = None) -> list[Finding]:
        """Read all of a project's contents from the disk and compare, in every source that counts; what is not right. In the
        same read come the sums that its manifest needs.

        progress   hears of contents done, contents in all, and the source; raises to end the work, which keeps what was read
        only       contents with these SHA-256 alone
        """
        wanted = list(dict.fromkeys(entry.digest for _, entry in self.files(project) if entry.digest is not None))
        if only is not None:
            wanted = [digest for digest in wanted if (row := self._library.store.blob(digest)) and row.sha256 in only]
        known, findings, done = self._copies.of(wanted), list[Finding](), 0
        there = {name: [digest for digest in wanted if name in _names(known[digest])] for name in self._copies.sources}
        there = {name: digests for name, digests in there.items() if name == self.source or self.wanted > 1}
        total = sum(map(len, there.values()))
        for name, digests in there.items():

            def tell(count: int, _: int, name: str = name, before: int = done) -> None:
                progress(before + count, total, name)

            findings += read_back(self._copies.sources[name].store, digests, extra=KINDS, progress=tell)
            done += len(digests)
        return findings

    def contents(self, digests: Sequence[Digest]) -> dict[Digest, tuple[BlobRow | None, list[Copy]]]:
        """What is known of contents, and where they are."""
        copies = self._copies.of(digests)
        return {digest: (self._library.store.blob(digest), found) for digest, found in copies.items()}


def _names(copies: Sequence[Copy]) -> set[str]:
    return {copy.source for copy in copies}


def line_of(
    path: str, size_bytes: int, digest: Digest, arrived_ns: int, row: BlobRow | None, copies: Sequence[Copy], wanted: int
) -> Line:
    """The verdict on one file."""
    sha256, told = (row.sha256, row.told) if row else (b"", {})
    return Line(path, size_bytes, digest, sha256, arrived_ns, told, copies, _why(digest, copies, wanted))


def _why(digest: Digest, copies: Sequence[Copy], wanted: int) -> str:
    here = copies[0] if copies else None
    if here is None or not here.whole:
        return "missing or changed on the disk"
    if digest == EMPTY.digest:
        return ""  # no bytes, nothing to lose
    if not here.read_back:
        return "not read back from the disk yet"
    if not here.disk.lasting:
        return f"kept only in {here.disk.words}"
    count = independent(copy for copy in copies if copy.read_back)
    if count >= wanted:
        return ""
    unread = independent(copies) - count
    return f"on {count} of {wanted} disks" + (f", {unread} more not read back yet" if unread > 0 else "")


# told to programs


def told(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON: the verdict, what it means, and every file."""
    return {
        "project": receipt.project,
        "source": receipt.source,
        "at": timestamp(receipt.at_ns),
        "verdict": receipt.verdict,
        "safe": receipt.is_safe,
        "counts": {"files": len(receipt.lines), "safe": receipt.safe, "not_yet": len(receipt.lines) - receipt.safe},
        "copies_wanted": receipt.copies,
        "rule": receipt.rule,
        "disks": dict(receipt.disks),
        "away": list(receipt.away),
        "unfinished": list(receipt.unfinished),
        "files": [told_line(line) for line in receipt.lines],
    }


def told_line(line: Line) -> dict[str, Any]:
    here = line.copies[0] if line.copies else None
    return {
        "relative_path": line.path,
        "size": line.size_bytes,
        "blake3": line.digest.hex,
        "sha256": line.sha256.hex(),
        "arrived_at": timestamp(line.arrived_ns),
        "level": line.level,
        "received_whole": here is not None and here.whole,
        "equals_sender": True if line.told else None,  # a sum that was wrong is refused, so it is never false
        "sender_sums": sorted(line.told),
        "read_back": here is not None and here.read_back,
        "last_verified": timestamp(line.verified_ns) if line.verified_ns else None,
        "copies": line.copies_counted,
        "kept": [_told_copy(copy) for copy in line.copies],
        "safe": line.safe,
        "why": line.why,
    }


def _told_copy(copy: Copy) -> dict[str, Any]:
    at = timestamp(at_ns) if (at_ns := _read_back_ns(copy)) else None
    return {"source": copy.source, "disk": copy.disk.words, "whole": copy.whole, "read_back": copy.read_back, "last_verified": at}
