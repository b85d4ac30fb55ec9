"""A disk that loses bits: other bytes in a file, and nothing that tells of it, not even the change time of its inode.

Nobody can set that time, so the index is told that the one of today is the one it knows (cas/calm.py). Without that it would be
an edit whose time was set back, which is another story.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from tests.faulty import QuickSystem
from views.library import Library


def rot(library: Library, path: Path, data: bytes, offset: int = 0) -> None:
    """`data` lies in the file at `offset`, of an open library."""
    stat = path.stat()
    fd = os.open(path, os.O_RDWR)
    try:
        os.pwrite(fd, data, offset)
        os.utime(fd, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        after = os.fstat(fd)
    finally:
        os.close(fd)
    library.store.note(lambda txn: library.store.contents.calm.note(txn, after))


def rot_at_rest(root: Path, path: Path, data: bytes, offset: int = 0) -> None:
    """The same while nobody has the library open."""
    with closing(Library(root, QuickSystem())) as library:
        rot(library, path, data, offset)
