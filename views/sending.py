"""Files that move to another source: hard links do not reach there, so the bytes are copied.

    here                          there
    open ───────── copy ────────► staged, hashed, compared with what it should be
                                  name, tags: one change; "put" with `sent`
    the name goes: one change; "delete" with `sent`, or `duplicate_in`

Nothing is taken away before it would survive a power cut there. A crash in between leaves the file in both places, and moving it
again finds that it is there already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cas.committer import Acts
from cas.incoming import Incoming
from views.arrivals import Uploaded
from views.entry import Entry
from views.errors import ChangedMeanwhile
from views.library import Library


@dataclass(frozen=True, slots=True)
class Side:
    """A project, in its source."""

    library: Library
    source: str
    project: str


def send(path: str, entry: Entry, here: Side, there: Side) -> Uploaded:
    """Move a file of a project, which is this entry, into the originals of a project of another source.

    path     inside the project
    raises   NameNotFound, ChangedMeanwhile, NoSpace, Degraded; the file is then where it was
    """
    whole = f"{here.project}/{path}"
    _, blob = here.library.open(whole)
    with blob, there.library.store.receive(blob.size_bytes) as copy:
        copy.take_file(blob.fd)
        if copy.finish(modified_ns=entry.modified_ns).digest != entry.digest:
            raise ChangedMeanwhile(whole, what="nothing was moved")
        kept = _arrive(path, entry, here, there, copy)
    _leave(whole, entry, here, there, kept)
    return kept


def _arrive(path: str, entry: Entry, here: Side, there: Side, copy: Incoming) -> Uploaded:
    tags = here.library.tags_of(entry.digest) if entry.digest else ()

    def change(acts: Acts) -> Uploaded:
        arrivals = there.library.arrivals
        kept = arrivals.receive(acts, there.project, entry.name, copy, modified_ns=entry.modified_ns, via="move")
        there.library.tags.keep(acts, kept.sums.digest, tags)
        if not kept.duplicate:
            acts.tell(acts.op, {**acts.facts, "sent": {"source": here.source, "project": here.project, "path": path}})
        return kept

    return there.library.store.commit(change)


def _leave(whole: str, entry: Entry, here: Side, there: Side, kept: Uploaded) -> None:
    def change(acts: Acts) -> None:
        here.library.edit.delete(acts, whole, _unchanged(whole, entry))
        place = {"source": there.source, "project": there.project, "path": kept.path}
        more = {"duplicate_in": there.project} if kept.duplicate else {"sent": place}
        acts.tell(acts.op, {**acts.facts, **more})

    here.library.store.commit(change)


def _unchanged(whole: str, entry: Entry) -> Callable[[Callable[[str], Entry | None]], None]:
    def guard(find: Callable[[str], Entry | None]) -> None:
        now = find(whole)
        if now is None or now.raw_digest != entry.raw_digest:
            raise ChangedMeanwhile(whole, what="it was copied, and what it is now stays here")

    return guard
