"""What a library holds, as plain values: in the index, on disk, and whether the two agree."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.faulty import QuickSystem
from views.library import Library

Tree = dict[str, bytes | None]  # path → content; None for a folder
GENERATED = ("index.json", "_manifest")


def put(library: Library, path: str, data: bytes) -> None:
    body = library.receive()
    body.write(data)
    library.put(path, body)


def read(library: Library, path: str) -> bytes:
    _, blob = library.open(path)
    with blob:
        return os.pread(blob.fd, blob.size_bytes + 1, 0)


def in_index(library: Library, *, hidden: bool = False) -> Tree:
    """Every name below the top with its content; client junk too when `hidden`."""
    found: Tree = {}
    with library.store.index.read() as txn:
        entries = list(library.tree.walk(txn, library.tree.top(txn), ""))
    for path, entry in entries:
        if hidden or not entry.hidden:
            if entry.digest is None:
                found[path] = None
            else:
                with library.store.open(entry.digest) as blob:
                    found[path] = os.pread(blob.fd, blob.size_bytes + 1, 0)
    return found


def on_disk(root: Path) -> Tree:
    """Every name that other programs see, except what followers generate."""
    found: Tree = {}
    for folder, names, files in os.walk(root):
        inner = os.path.relpath(folder, root)
        if inner == ".":
            names[:] = [name for name in names if name != ".filmcan"]
        elif os.sep not in inner:
            names[:] = [name for name in names if name not in GENERATED]
            files = [name for name in files if name not in GENERATED]
        found |= {os.path.normpath(os.path.join(inner, name)): None for name in names}
        found |= {os.path.normpath(os.path.join(inner, name)): Path(folder, name).read_bytes() for name in files}
    return found


def check_links(library: Library) -> None:
    """Every shown file is the inode of its blob; an empty one is a file of its own."""
    for path, entry in library.walk(""):
        if entry.digest is None:
            continue
        stat = os.stat(library.root / path)
        if entry.size_bytes:
            assert stat.st_ino == os.stat(library.store.layout.blob(entry.digest)).st_ino, path
        else:
            assert stat.st_nlink == 1, path
            assert entry.own is not None and entry.own.inode == stat.st_ino, path


def rows(library: Library) -> list[tuple[str, bytes, bytes]]:
    return list(library.store.index.dump())


def without_index(root: Path) -> Library:
    """The library again after its index was thrown away."""
    shutil.rmtree(root / ".filmcan" / "index")
    return Library(root, QuickSystem())


def check_replay(library: Library) -> Library:
    """Close, throw the index away, open: the same rows. The library to go on with."""
    before = rows(library)
    library.close()
    again = without_index(library.root)
    assert rows(again) == before
    return again
