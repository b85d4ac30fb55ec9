"""What a job for DaVinci Resolve says, made when it is queued: contract §2.14.

    project            of Resolve: one that has the name of ours, `__select__` (the agent asks a person), `__new__`
    media_rel_paths    as they were sent, inside a project of ours
    media_project      which project that is; None when it cannot be told
    media              its files: relative_path, sha256, blake3, size; told with host_path, and stream_url (views/web/resolve.py)
    host_root          the root of the source on this machine

`host_path` is true on this machine only. Where the same disk lies on a workstation is known there, by its agent
(`tools/agents/resolve/places.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from cas.index import ReadTxn
from views.entry import Entry, Kind
from views.errors import JobRefused, NameNotFound, NotAFolder
from views.jobs import Job
from views.library import Library
from views.naming import clean_label

KIND = "resolve"
SELECT, NEW = "__select__", "__new__"
IMPORT, REVEAL = "import", "reveal_in_explorer"
MODES: Mapping[str, str] = {IMPORT: IMPORT, REVEAL: REVEAL, "reveal": REVEAL}
MOST_PATHS = 20_000  # files of one job, those in folders counted too
MOST_NAME = 200
SECOND_NS = 10**9


def request(
    library: Library, source: str, *, project: str, paths: Sequence[str], mode: str = IMPORT, new_name: str | None = None
) -> dict[str, Any]:
    """The body of a job. JobRefused for what no job can say; NameNotFound for a project or file that is not there."""
    if mode not in MODES:
        raise JobRefused(f"mode is {IMPORT} or {REVEAL}, not {mode!r}")
    _check_paths(paths)
    if project == NEW:
        _check_name(new_name, "new_project_name")
    media_project, media = _find_any(library, paths) if project in (SELECT, NEW) else _find_in(library, project, paths)
    return {
        "project": project,
        "new_project_name": new_name[:MOST_NAME] if new_name else None,
        "media_rel_paths": list(paths),
        "mode": MODES[mode],
        "source": source,
        "media_project": media_project,
        "media": [_medium(library, path, entry) for path, entry in media],
        "host_root": str(library.root),
    }


def _check_paths(paths: Sequence[str]) -> None:
    if not paths:
        raise JobRefused("media_rel_paths is empty; name at least one file")
    _check_count(len(paths))
    for path in paths:
        steps = path.replace("\\", "/").split("/")
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).anchor or not {"", ".", ".."}.isdisjoint(steps):
            raise JobRefused(f"{path!r} is no path inside a project")


def _check_count(count: int) -> None:
    if count > MOST_PATHS:
        raise JobRefused(f"a job takes at most {MOST_PATHS:,} files")


def _check_name(name: str | None, field: str) -> None:
    """Any name that a project could have here: then it can have it in Resolve too."""
    if not name or name.startswith((".", "_")) or ".." in name or name != clean_label(name):
        raise JobRefused(f"{field} {name!r} cannot be the name of a project; use letters, digits, `.`, `_`, `-`")


# which files

Media = list[tuple[str, Entry]]  # path inside the project, in stored spelling; files only


def _find_in(library: Library, project: str, paths: Sequence[str]) -> tuple[str, Media]:
    if not project or project[0] in "._" or ".." in project or "/" in project or "\\" in project:
        raise JobRefused(f"{project!r} is not the name of a project")
    try:
        found = library.project(project).entry
    except NotAFolder:
        raise NameNotFound(project) from None
    with library.store.index.read() as txn:
        return found.name, _expand(library, txn, found, [_below(library, txn, found, path) for path in paths])


def _find_any(library: Library, paths: Sequence[str]) -> tuple[str | None, Media]:
    """The one project that has all of the paths; none when there are several."""
    projects = library.projects()
    with library.store.index.read() as txn:
        having = [project.entry for project in projects if _has_all(library, txn, project.entry, paths)]
        if len(having) != 1:
            return None, []
        [project] = having
        return project.name, _expand(library, txn, project, [_below(library, txn, project, path) for path in paths])


def _has_all(library: Library, txn: ReadTxn, project: Entry, paths: Iterable[str]) -> bool:
    try:
        return all(_below(library, txn, project, path) for path in paths)
    except NameNotFound:
        return False


def _below(library: Library, txn: ReadTxn, project: Entry, path: str) -> tuple[str, Entry]:
    """What a path inside a project is, with its stored spelling. NameNotFound, also for what nobody shall see."""
    spot, entry = library.tree.found(txn, f"{project.name}/{path}")
    if entry.hidden or entry.kind is Kind.PROJECT:
        raise NameNotFound(f"{project.name}/{path}")
    return spot.path.partition("/")[2], entry


def _expand(library: Library, txn: ReadTxn, project: Entry, found: Iterable[tuple[str, Entry]]) -> Media:
    """The files among them and in the folders among them, each once."""
    files: dict[str, Entry] = {}
    for path, entry in found:
        below = library.tree.walk(txn, entry, path) if entry.is_folder else [(path, entry)]
        files |= {inner: file for inner, file in below if not (file.hidden or file.is_folder)}
        _check_count(len(files))
    return list(files.items())


def _medium(library: Library, path: str, entry: Entry) -> dict[str, Any]:
    row = library.store.blob(entry.digest) if entry.digest else None
    return {
        "relative_path": path,
        "sha256": row.sha256.hex() if row else None,
        "blake3": entry.raw_digest.hex(),
        "size": entry.size_bytes,
    }


# what is told


def told(job: Job) -> dict[str, Any]:
    """A job as agents and pages read it. Times are seconds since 1970; keys beyond the contract's are for those who know them."""
    body = {**job.body}
    root, project, media = (body.pop(key) for key in ("host_root", "media_project", "media"))
    return {
        "id": job.id,
        "created_at": _seconds(job.created_ns),
        "status": job.status,
        **body,
        "claimed_by": job.by,
        "claimed_at": _seconds(job.claimed_ns),
        "done_at": _seconds(job.ended_ns) if job.status == "done" else None,
        "failed_at": _seconds(job.ended_ns) if job.status == "failed" else None,
        "error": job.error,
        "host_root": root,
        "media_project": project,
        "media": [{**medium, "host_path": str(Path(root, project, medium["relative_path"]))} for medium in media],
        "attempts": job.attempts,
        "lease_s": job.lease_s,
        "lease_until": _seconds(job.until_ns) if job.status == "claimed" else None,
        "cancelled": job.cancelled,
        "clips": job.result,
    }


def _seconds(at_ns: int | None) -> float | None:
    return None if at_ns is None else at_ns / SECOND_NS


def clips(said: object) -> list[dict[str, Any]] | None:
    """What an agent tells of each clip, as far as it can be understood: relative_path, outcome, detail."""
    items = said.get("clips") if isinstance(said, dict) else None
    return list(_clips(items)) if isinstance(items, list) else None


def _clips(items: Iterable[object]) -> Iterator[dict[str, Any]]:
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("relative_path"), str):
            yield {key: item[key] for key in ("relative_path", "outcome", "detail") if isinstance(item.get(key), str)}
