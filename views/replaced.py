"""What a power cut may leave of a change that put one thing in the place of another: the journal reached the disk, and the
names did not. The old one lies in the trash, the new one never came, and nobody was answered.

Looked for when a library is opened after the machine went down, before people can change anything: the row of the new one goes
where its folder still is, or away, and the old one has its place again. Somebody who deletes the new one by hand between the cut
and that opening finds the old one there; the disk cannot tell these apart.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from cas.errors import CasError
from cas.found import FileBusy
from cas.home import Ending
from views.errors import NameProblem
from views.past import TRASH_NAME, Trashed, is_past

if TYPE_CHECKING:
    from views.library import Library

log = logging.getLogger("filmcan.reindex")
MOST = 256  # changes that share a group (cas/committer.py), and so a time


def put_back_replaced(library: Library) -> None:
    """See above. Whatever hinders it is told; the old one stays in the trash then."""
    if library.store.ending is not Ending.LOST:
        return
    try:
        items, origins = list(_half_replaced(library)), _origins(library)
    except (CasError, OSError) as error:
        log.error("it could not be looked whether something was being replaced when the machine went down: %s", error)
        return
    for item in items:
        log.warning("“%s” was about to be replaced when the machine went down: it is put back", item.path)
        try:
            _make_room(library, item.path, origins.get(item.path, ""))
            library.put_back(f"{TRASH_NAME}/{item.name}")
        except (CasError, NameProblem, FileBusy, OSError) as error:
            log.error("“%s” stays in the trash: %s", item.path, error)


def _half_replaced(library: Library) -> Iterator[Trashed]:
    """What the last group took away to make room for something that is not on the disk."""
    last_ns = library.store.last_change_ns()
    for item in library.past.newest(most=MOST)[0]:
        if item.at_ns == last_ns and library.find(item.path) is not None and _is_missing(library, item.path):
            yield item


def _is_missing(library: Library, path: str) -> bool:
    *folders, name = path.split("/")
    try:
        with library.store.system.folder(library.store.home.root, tuple(folders)) as fd:
            library.store.system.stat(fd, name)
    except (FileNotFoundError, NotADirectoryError):
        return True
    return False


def _origins(library: Library) -> dict[str, str]:
    """Where what was moved in the last group came from, by where it went."""
    journal, last_ns = library.store.journal, library.store.last_change_ns()
    events = journal.after(max(0, journal.last_seq - MOST))
    return {event.facts["path"]: event.facts["from"] for event in events if event.op == "move" and event.at_ns == last_ns}


def _make_room(library: Library, path: str, origin: str) -> None:
    """Take the row of what never came from there: back to where its folder lies still, else into the trash."""
    if origin and not is_past(origin):
        with suppress(FileBusy, NameProblem):
            library.store.commit(lambda acts: library.by_hand.follow(acts, path, origin))
            return
    library.store.commit(lambda acts: library.by_hand.forget(acts, path))
