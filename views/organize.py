"""Loose files at the top of a root go into the catch-all project, where people look for them (contract §2.8)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from cas.committer import Acts
from views import naming
from views.arrivals import ORIGINALS, check_name
from views.errors import NameInvalid
from views.library import Library
from views.reindex import apply, plan_of
from views.scan import LEFT_ALONE, Scanner
from views.work import Progress, nowhere

SECOND_NS = 10**9


def organize(
    library: Library, *, quiet_s: float = 0.0, left_alone: Iterable[str] = LEFT_ALONE, progress: Progress = nowhere
) -> list[str]:
    """Bring every loose file into `Unsorted-Loose`; the names they had. A second run finds nothing.

    quiet_s   files that changed within this time are left: somebody may be copying them
    crash     what was brought is there, the rest is still loose
    """
    _take_in(library, quiet_s, tuple(left_alone), progress)
    names = [entry.name for entry in library.listing("")[1] if not entry.is_folder and _may_be_kept(entry.name)]
    brought = [name for name in names if not _is_young(library, name, quiet_s)]
    if brought:
        library.make_project(naming.CATCH_ALL)
    for count, name in enumerate(brought):
        progress(count, len(brought), name)
        library.store.commit(lambda acts, name=name: _bring(library, acts, name))  # type: ignore[misc]
    return brought


def _take_in(library: Library, quiet_s: float, left_alone: tuple[str, ...], progress: Progress) -> None:
    """Rows for loose files that nobody told us of, and none for those that are gone."""
    system = library.store.system
    on_disk = {entry.name for entry in system.scan(library.store.home.root) if entry.is_file(follow_symlinks=False)}
    known = {entry.name for entry in library.listing("")[1] if not entry.is_folder}
    seen = Scanner(library, left_alone).names({name for name in on_disk if _may_be_kept(name)} | known)
    apply(library, plan_of(library, seen, left_alone=left_alone), progress, quiet_s=quiet_s)


def _may_be_kept(name: str) -> bool:
    """Is this a name that an upload could have, of a file that people see?"""
    try:
        return not name.startswith((".", "_")) and check_name(name) == name
    except (NameInvalid, UnicodeEncodeError):
        return False


def _is_young(library: Library, name: str, quiet_s: float) -> bool:
    system = library.store.system
    try:
        modified_ns = system.stat(library.store.home.root, name).st_mtime_ns
    except FileNotFoundError:
        return True
    return 0 <= system.now_ns() - modified_ns < quiet_s * SECOND_NS


def _bring(library: Library, acts: Acts, name: str) -> None:
    entry = library.tree.found(acts.txn, name)[1]
    path = _free(library, acts, name, entry.modified_ns // SECOND_NS)
    library.transfer.move(acts, name, path, overwrite=False, guard=None)


def _free(library: Library, acts: Acts, name: str, modified_s: int) -> str:
    """Where it goes: `<modified time>_<name>` when the name is taken there, and a number more when that is taken too."""
    folder, count, wanted = f"{naming.CATCH_ALL}/{ORIGINALS}", 0, name
    while library.tree.find(acts.txn, f"{folder}/{wanted}") is not None or (
        (library.root / folder / wanted).exists()
    ):
        stem = PurePosixPath(name)
        wanted = f"{modified_s}_{name}" if count == 0 else f"{modified_s}_{stem.stem}_{count}{stem.suffix}"
        count += 1
    return f"{folder}/{wanted}"
