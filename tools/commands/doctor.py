"""filmcan doctor"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
import unicodedata
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

import click

from tools import config
from tools.desk import DONE, PROBLEMS, Desk, at_desk, count, human_size
from tools.settings import Settings

NEEDED_PYTHON = (3, 11)
OPEN_FILES = 1024  # 64 requests with a file, a folder and a socket each, the index, the watcher, and room
WATCHED_FOLDERS = 65_536
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.rclone", "davfs", "fuse.davfs", "afpfs"}
SHOWN_NAMES = 20


class Finding(NamedTuple):
    """One thing that was looked at. Only a problem makes the exit code 1."""

    about: str
    state: Literal["ok", "note", "problem"]
    text: str
    remedy: str = ""


@click.command(short_help="Look for what could go wrong on this machine")
@at_desk
def command(desk: Desk) -> int:
    """Look at Python, the disk, the port, the system's limits and the names in the projects.

    Nothing is changed. The exit code is 1 when something needs your attention.

    \b
    Examples:
      filmcan doctor
      filmcan doctor --root /volumes/footage --json
    """
    findings = [finding for check in CHECKS for finding in check(desk.settings)]
    for finding in findings:
        desk.say(f"{MARKS[finding.state]} {finding.about}: {finding.text}")
        if finding.remedy:
            desk.say(f"     → {finding.remedy}")
    problems = sum(finding.state == "problem" for finding in findings)
    desk.say(f"\n{count(problems, 'problem')} found." if problems else "\nNothing stands in the way.")
    desk.answer({"problems": problems, "findings": [finding._asdict() for finding in findings]})
    return PROBLEMS if problems else DONE


MARKS = {"ok": "  ok", "note": "note", "problem": "  !!"}


def python(settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= NEEDED_PYTHON:
        yield Finding("Python", "ok", version)
    else:
        yield Finding("Python", "problem", version, "install Python 3.11 or newer")


def libraries(settings: Settings) -> Iterator[Finding]:
    names = [re.split(r"[^\w.-]", line)[0] for line in metadata.requires("filmcan") or [] if "extra ==" not in line]
    versions, missing = [], []
    for name in names:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding(
            "libraries", "problem", "missing: " + ", ".join(missing), "run `make venv`, or install filmcan again"
        )
    else:
        yield Finding("libraries", "ok", ", ".join(versions))


def variables(settings: Settings) -> Iterator[Finding]:
    for name in config.unknown_variables():
        yield Finding(
            "environment", "problem", f"{name} is no setting", "see `filmcan config show --json` for the names"
        )


def root(settings: Settings) -> Iterator[Finding]:
    """The folder itself, and where it does not exist yet the nearest one that does."""
    place = _nearest(settings.root)
    if not settings.root.exists():
        yield Finding("root", "note", f"{settings.root} does not exist yet; it is made at the first start")
    if not settings.root.is_dir() and settings.root.exists():
        yield Finding("root", "problem", f"{settings.root} is not a folder", "name a folder with --root")
        return
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "root", "problem", f"{place} may not be written to by you", "change its owner, or choose another root"
        )
        return
    yield Finding("root", "ok", str(settings.root))
    yield from _running(settings)
    yield from _disk(place, settings)
    yield from _linking(settings.root, place)
    yield from _spelling(place)


def _running(settings: Settings) -> Iterator[Finding]:
    """Does the process that has the root open only read?"""
    from cas.home import ONLY_READS

    _, only_reads, reason = _server(settings.root).partition(ONLY_READS)
    if only_reads:
        remedy = "look at the disk, then restart filmcan: it looks at everything anew"
        yield Finding("state", "problem", f"the filmcan that serves it only reads: {reason}", remedy)


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _disk(place: Path, settings: Settings) -> Iterator[Finding]:
    from cas.state import RESERVE_BYTES, RESERVE_INODES

    kind = _file_system(place)
    if kind in NETWORK:
        remedy = "keep the root on a disk of this machine: network file systems lose links and syncs"
        yield Finding("file system", "problem", f"{place} lies on {kind}, a network file system", remedy)
    elif kind:
        yield Finding("file system", "ok", kind)
    space = shutil.disk_usage(place)
    free, whole = space.free, space.total
    reserve = settings.reserve_bytes if settings.reserve_bytes is not None else min(RESERVE_BYTES, whole // 100)
    told = f"{human_size(free)} of {human_size(whole)} free, {human_size(reserve)} of it kept in reserve"
    if free <= reserve:
        yield Finding("space", "problem", told, "make room: uploads are refused until then")
    else:
        yield Finding("space", "ok", told)
    if sys.platform != "win32" and (files := os.statvfs(place)).f_files:
        told = f"{files.f_favail:,} more files"
        if files.f_favail <= min(RESERVE_INODES, files.f_files // 100):
            yield Finding("inodes", "problem", told, "delete files somewhere on this disk: uploads are refused until then")
        else:
            yield Finding("inodes", "ok", told)


def _file_system(place: Path) -> str:
    """Its kind, as Linux tells it; empty elsewhere."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    mounts = {}
    for line in lines:
        left, _, right = line.partition(" - ")
        mounts[left.split()[4].replace("\\040", " ")] = right.split()[0]
    return next(
        (mounts[str(folder)] for folder in (place.resolve(), *place.resolve().parents) if str(folder) in mounts), ""
    )


def _linking(settings_root: Path, place: Path) -> Iterator[Finding]:
    """The ways to give a clip a second name, tried for real, as the store does when it opens."""
    from cas.link import HardLink, Reflink, probe
    from cas.system import System

    system = System()
    if system.unfit:
        yield Finding("system", "problem", system.unfit, "use Linux or macOS; on Windows, use WSL")
        return
    inside = settings_root / ".filmcan" / "incoming"
    fd = system.open_root(inside if inside.is_dir() else place)
    try:
        ways = probe(system, fd)
        unnamed = system.create_unnamed(fd, 0o600)
    finally:
        system.close(fd)
    if unnamed is not None:
        system.close(unnamed)
    if ways[HardLink.name]:
        remedy = "without them each name of a clip costs its whole size; use ext4, xfs, btrfs, APFS or NTFS"
        yield Finding("hard links", "problem", f"do not work here ({ways[HardLink.name]})", remedy)
    else:
        yield Finding("hard links", "ok", "a clip costs its size once, whatever number of names it has")
    if ways[Reflink.name]:
        yield Finding("shared blocks", "note", "not offered by this file system: an import copies what it takes in")
    else:
        yield Finding("shared blocks", "ok", "an import from the same disk costs no space, and projects can be editable")
    if unnamed is None:
        yield Finding("unnamed files", "note", "not offered here: uploads in progress lie in .filmcan/incoming")
    else:
        yield Finding("unnamed files", "ok", "an upload that breaks off leaves nothing behind")


def _spelling(place: Path) -> Iterator[Finding]:
    """Does the disk take two spellings of a name for the same?"""
    stem = f".filmcan-doctor-{secrets.token_hex(4)}-é"
    path = place / unicodedata.normalize("NFC", stem)
    path.touch()
    try:
        folds = (place / path.name.upper()).exists()
        same = (place / unicodedata.normalize("NFD", stem)).exists()
    finally:
        path.unlink()
    if folds:
        yield Finding(
            "capital letters", "note", "the disk takes A.mov and a.mov for one name; the second one is refused"
        )
    else:
        yield Finding(
            "capital letters", "ok", "the disk tells A.mov from a.mov; filmcan shows both, Windows can use only one"
        )
    yield Finding(
        "accents", "ok", "both ways to write é are one name" + (" to the disk too" if same else " to filmcan")
    )


def limits(settings: Settings) -> Iterator[Finding]:
    """What the operating system allows this user."""
    if sys.platform == "win32":
        return
    import resource

    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < OPEN_FILES:
        yield Finding(
            "open files", "problem", f"at most {files}", f"run `ulimit -n {min(most, 4096)}` before the start"
        )
    else:
        yield Finding("open files", "ok", f"at most {files}")
    watches = Path("/proc/sys/fs/inotify/max_user_watches")
    if settings.watch and watches.is_file():
        allowed = int(watches.read_text())
        if allowed < WATCHED_FOLDERS:
            remedy = (
                f"as root: sysctl fs.inotify.max_user_watches={WATCHED_FOLDERS * 8}; the regular look finds the rest"
            )
            yield Finding("watching", "note", f"at most {allowed} folders are watched", remedy)
        else:
            yield Finding("watching", "ok", f"up to {allowed} folders")


def port(settings: Settings) -> Iterator[Finding]:
    """Can the server listen where it is told to?"""
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    told = f"{settings.address} port {settings.port}"
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            if holder := _server(settings.root):
                yield Finding("port", "ok", f"{told} is in use by filmcan itself ({holder})")
            else:
                yield Finding(
                    "port",
                    "problem",
                    f"{told}: {error.strerror}",
                    "choose another one with --port, or stop what uses it",
                )
            return
    yield Finding("port", "ok", f"{told} is free")


def _server(settings_root: Path) -> str:
    """What the process that holds the root wrote into its lock; empty when none does."""
    from cas.home import HOLDER_BYTES
    from cas.layout import Layout
    from cas.system import System

    system = System()
    try:
        with Layout(settings_root).lock.open() as lock:
            return "" if system.lock(lock.fileno()) else lock.read(HOLDER_BYTES).strip()
    except OSError:
        return ""


def reach(settings: Settings) -> Iterator[Finding]:
    """Who can connect, and what their programs need."""
    if settings.open:
        yield Finding("network", "note", "everybody on the network reads and writes without a password (open)")
    else:
        yield Finding(
            "network", "ok", "only this computer can connect", "serve with --open for phones and other computers"
        )
    if settings.open and not settings.tls_cert:
        yield Finding(
            "Windows",
            "note",
            "Explorer opens files over 50 MB only after a change in its registry",
            "see README, Explorer",
        )


def names(settings: Settings) -> Iterator[Finding]:
    """Names in the projects that a Windows machine cannot hold."""
    if not settings.root.is_dir():
        return
    from views.naming import windows_cannot

    bad = [name for name in _all_names(settings.root) if windows_cannot(name.rpartition("/")[2])]
    if bad:
        shown = ", ".join(bad[:SHOWN_NAMES]) + (
            f" and {len(bad) - SHOWN_NAMES:,} more" if len(bad) > SHOWN_NAMES else ""
        )
        yield Finding(
            "names",
            "note",
            f"{count(len(bad), 'name')} Windows cannot hold: {shown}",
            "rename them if Windows shall use them",
        )
    else:
        yield Finding("names", "ok", "Windows can hold them all")


def strangers(settings: Settings) -> Iterator[Finding]:
    """Folders at the top that are no projects: whoever made one on the disk may believe that filmcan keeps what is in it."""
    from views.naming import is_project_name, project_name, project_number

    folders = sorted(entry.name for entry in settings.root.iterdir() if entry.is_dir()) if settings.root.is_dir() else []
    found = [name for name in folders if name[0] not in "._" and name != "lost+found" and not is_project_name(name)]
    if found:
        numbers = {number for name in folders if (number := project_number(name)) is not None}
        shown = ", ".join(found[:SHOWN_NAMES]) + (" …" if len(found) > SHOWN_NAMES else "")
        remedy = f"what shall be a project needs a number in its name: {found[0]} → {project_name(found[0], numbers)}"
        yield Finding("folders", "note", f"{count(len(found), 'folder')} at the top left alone: {shown}", remedy)


def _all_names(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".filmcan")
        for name in sorted([*folders, *files]):
            yield str(Path(place, name).relative_to(folder))


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    python, libraries, variables, root, limits, port, reach, names, strangers,
)  # fmt: skip
