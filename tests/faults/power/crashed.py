"""A disk that lost power: open what is on it, and compare it with what was promised."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from cas.blobs import OpenBlob
from cas.digest import EMPTY, Digest, Hasher
from cas.system import System
from tests.faults.power.promises import Promise
from tests.faults.power.workload import Body, State, bytes_of, state_of
from views.entry import Entry
from views.library import Library
from views.naming import is_generated
from views.reindex import apply, plan

READ_BYTES = 1 << 20


class Violation(AssertionError):
    """A promise was broken. The text says which, for a person."""


class AfterCut(System):
    """The machine was started again. Nobody waits for syncs: this disk is thrown away."""

    def boot_id(self) -> str:
        return "another boot than that of the record"


def examine(root: Path, promises: Sequence[Promise], system: System) -> None:
    """Raises Violation. `root` is used up: it is opened, compared, reindexed, written to, opened again without its index.

    What was answered must be there as soon as the library is open. What was only asked for may be a name without a row or a row
    without a name, until the folders were compared, as a server does when it starts; then it was done or not.
    """
    with closing(_open(root, system)) as library:
        _check_blobs(library)
        for promise in promises:
            _check_answered(library, promise)
        _reindex(library)
        for promise in promises:
            _check_answered(library, promise, " after a reindex")
            _check_asked(library, promise)
        _check_names(library)
        _check_use(library)
        rows = list(library.store.index.dump())
    _forget_index(root)
    with closing(_open(root, system)) as library:
        if list(library.store.index.dump()) != rows:
            raise Violation("the journal does not say what the index said")


def _open(root: Path, system: System) -> Library:
    try:
        return Library(root, system)
    except Exception as error:
        raise Violation(f"the library does not open: {error!r}") from error


def _forget_index(root: Path) -> None:
    for path in (root / ".filmcan/index").iterdir():
        path.unlink()


def digest_of(fd: int) -> Digest:
    hasher = Hasher()
    while data := os.read(fd, READ_BYTES):
        hasher.update(data)
    return hasher.finish().digest


def _check_blobs(library: Library) -> None:
    """A blob's name is the sum of its bytes, whoever was answered."""
    for digest in library.store.blobs_on_disk:
        with library.store.blobs_on_disk.open(digest) as blob:
            if digest_of(blob.fd) != digest:
                raise Violation(f"the file of blob {digest.hex} ({blob.size_bytes} bytes) holds other bytes")


def _check_answered(library: Library, promise: Promise, when: str = "") -> None:
    """All that was answered and that nobody was changing is there, to the last property, and can be read."""
    answered, asked = promise.answered or {}, promise.asked or promise.answered or {}
    found = state_of(library, promise.project, promise.uploads) or {}
    for key, said in answered.items():
        if asked.get(key) != said:
            continue
        if found.get(key) != said:
            raise Violation(f"{promise.project}{when}: “{key}” was answered as {said}, found {found.get(key)}")
        if key.startswith("file "):
            _check_file(library, key.removeprefix("file "), when)
        elif key.startswith("trash ") and said["digest"]:
            _check_readable(library, key.removeprefix("trash "), when)[1].close()


def _check_asked(library: Library, promise: Promise) -> None:
    """What was being changed is changed whole or not at all, and nothing else is there."""
    found = contents_of(state_of(library, promise.project, promise.uploads))
    if found not in [contents_of(state) for state in promise.allowed]:
        raise Violation(f"{promise.project}: neither as it was answered nor as it was asked for: {differences(found, promise)}")
    for key in found or {}:
        if key.startswith("file "):
            _check_file(library, key.removeprefix("file "), " after a reindex")
    _check_uploads(library, promise)


def contents_of(state: State | None) -> State | None:
    """Names and contents; a file that a reindex took in again may have another time. What was being deleted may also lie in the
    trash while its name came back. Uploads in several goes make several changes, see `_check_uploads`."""
    if state is None:
        return None
    return {
        key: said["digest"] if key.startswith("file ") else {} if key.startswith("folder ") else said
        for key, said in state.items()
        if not key.startswith(("upload ", "trash "))
    }


def _check_uploads(library: Library, promise: Promise) -> None:
    """An offset that was answered never falls, and the bytes up to it are those that were sent: the rest is sent now."""
    uploads = library.resumable
    for id in promise.uploads:
        said = (promise.answered or {}).get(f"upload {id}")
        if said is None:
            continue
        if not uploads.has(id):
            raise Violation(f"the upload {id} is forgotten")
        upload = uploads.peek(id)
        if upload.offset < said["offset"]:
            raise Violation(f"the upload {id} fell from {said['offset']} to {upload.offset} bytes")
        rest = bytes_of(upload)[upload.offset :]
        whole = uploads.append(id, upload.offset, Body(rest), announced=len(rest)) if rest else uploads.look(id)
        result = whole.result or {}
        if result.get("sha256") != sha256(bytes_of(upload)).hexdigest():
            raise Violation(f"the upload {id} came to {result} instead of the bytes that were sent")


def _check_file(library: Library, path: str, when: str) -> None:
    """The library gives its bytes, and other programs see the same file under its name."""
    entry, blob = _check_readable(library, path, when)
    with blob:
        seen = os.stat(library.root / path, follow_symlinks=False) if os.path.lexists(library.root / path) else None
        if seen is None:
            raise Violation(f"{path}{when} is not on the disk under its name")
        if entry.digest != EMPTY.digest and seen.st_ino != os.fstat(blob.fd).st_ino:
            raise Violation(f"{path}{when} is another file than its blob")
        if seen.st_size != entry.size_bytes:
            raise Violation(f"{path}{when} has {seen.st_size} bytes instead of {entry.size_bytes}")


def _check_readable(library: Library, path: str, when: str) -> tuple[Entry, OpenBlob]:
    """That the file of a blob holds its bytes is known by now."""
    try:
        return library.open(path)
    except Exception as error:
        raise Violation(f"{path}{when} cannot be read: {error!r}") from error


def _reindex(library: Library) -> None:
    """What a server does when it starts. A second time there is nothing to do."""
    report = apply(library, plan(library))
    if report.failed or report.conflicts or report.edited or report.busy:
        raise Violation(f"reindex met what should not be there: {report}")
    if again := plan(library).steps:
        raise Violation(f"a second reindex finds more: {again}")


def _check_names(library: Library) -> None:
    """Every name that other programs see is a link of a blob, or an empty file; none is half. What followers write is whole."""
    known = {seal.inode for digest in library.store.blobs_on_disk if (seal := library.store.blobs_on_disk.seal(digest))}
    for folder, names, files in os.walk(library.root):
        inner = os.path.relpath(folder, library.root).split("/")
        names[:] = [name for name in names if name != ".filmcan" and not (inner != ["."] and is_generated(name))]
        for name in files:
            if name == "index.json":
                _check_json(Path(folder, name))
            stat = os.lstat(os.path.join(folder, name))
            if stat.st_size and stat.st_ino not in known and not is_generated(name):
                raise Violation(f"{'/'.join(inner)}/{name} is no link of a blob")


def _check_json(path: Path) -> None:
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        raise Violation(f"{path.parent.name}/{path.name} is broken: {error}") from error


def _check_use(library: Library) -> None:
    """It goes on working."""
    project = library.make_project("Afterwards").path
    data = os.urandom(3000)
    with library.receive() as body:
        body.write(data)
        library.put(f"{project}/a.mov", body)
    library.move(f"{project}/a.mov", f"{project}/b.mov")
    _, blob = library.open(f"{project}/b.mov")
    with blob:
        if os.read(blob.fd, 4000) != data or (library.root / project / "b.mov").read_bytes() != data:
            raise Violation("what is put afterwards is not there")


def differences(found: State | None, promise: Promise) -> str:
    answered, asked = (contents_of(state) or {} for state in (promise.answered, promise.asked or promise.answered))
    found = found or {}
    return "; ".join(
        f"“{key}”: found {found.get(key)}, answered {answered.get(key)}, asked {asked.get(key)}"
        for key in sorted({*found, *answered, *asked})
        if not found.get(key) == answered.get(key) == asked.get(key)
    )
