"""A path that is asked for again costs no look into the index, and never shows what was."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.faulty import QuickSystem
from tests.state import put, read
from views.errors import NameNotFound
from views.library import Library

CLIP = "P1-Film/clip.mov"


def test_a_player_that_seeks_asks_the_index_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")
        put(library, CLIP, b"take one")
        looks = list[str]()
        found = library.tree.found
        monkeypatch.setattr(library.tree, "found", lambda txn, path: (looks.append(path), found(txn, path))[1])
        assert [read(library, CLIP) for _ in range(3)] == [b"take one"] * 3 and looks == [CLIP]
        put(library, "P1-Film/other.mov", b"another")
        assert read(library, CLIP) == b"take one" and looks == [CLIP] * 2


def test_what_was_read_before_is_read_as_it_is_after_every_change(root: Path) -> None:
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")
        for take in (b"one", b"two"):
            put(library, CLIP, take)
            assert read(library, CLIP) == take
        library.move(CLIP, "P1-Film/moved.mov")
        with pytest.raises(NameNotFound):
            read(library, CLIP)
        assert read(library, "P1-Film/moved.mov") == b"two"


def test_a_reader_beside_a_writer_never_goes_back(root: Path) -> None:
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")
        put(library, CLIP, b"0")
        answered, stop, wrong = [0], threading.Event(), list[tuple[int, int]]()

        def look() -> None:
            while not stop.is_set():
                least = answered[0]
                if (seen := int(read(library, CLIP))) < least:
                    wrong.append((seen, least))

        readers = [threading.Thread(target=look) for _ in range(3)]
        for reader in readers:
            reader.start()
        for number in range(1, 300):
            put(library, CLIP, b"%d" % number)
            answered[0] = number
        stop.set()
        for reader in readers:
            reader.join()
        assert wrong == []


def test_what_others_were_told_already_is_read_while_a_change_becomes_visible(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit of the index and the count of it, HEAD told of a new file and GET gave the old one."""
    with closing(Library(root, QuickSystem())) as library:
        library.make_project("Film")
        put(library, CLIP, b"one")
        assert read(library, CLIP) == b"one"
        seen, wrote = list[tuple[int, bytes]](), library.store.index.wrote

        def look() -> None:
            wrote()
            seen.append((library.entry(CLIP).size_bytes, read(library, CLIP)))

        monkeypatch.setattr(library.store.index, "wrote", look)
        put(library, CLIP, b"three")
        assert seen == [(5, b"three")] and read(library, CLIP) == b"three"
