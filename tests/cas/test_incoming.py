"""A body on its way in: how large it may grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cas.errors import TooLarge
from tests.faulty import QuickSystem
from views.library import Library, Options


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    library = Library(root, QuickSystem(), Options(max_upload_bytes=10))
    yield library
    library.close()


def test_what_is_announced_to_be_too_large_never_begins(library: Library) -> None:
    with pytest.raises(TooLarge) as caught:
        library.receive(11)
    assert (caught.value.size_bytes, caught.value.most_bytes) == (11, 10)
    assert not list(library.store.layout.incoming.iterdir())


def test_what_grows_too_large_ends_with_the_byte_that_is_too_many(library: Library) -> None:
    with library.receive() as body:
        body.write(b"x" * 10)
        with pytest.raises(TooLarge, match="larger than 10 bytes"):
            body.write(b"x")
        assert body.size_bytes == 10
    assert not list(library.store.layout.incoming.iterdir())


def test_the_largest_that_is_taken_is_taken(library: Library) -> None:
    body = library.receive(10)
    body.write(b"x" * 10)
    assert library.put("a.mov", body).entry.size_bytes == 10


@pytest.mark.parametrize("most_bytes", [None, 0])
def test_without_a_limit_everything_is_taken(root: Path, most_bytes: int | None) -> None:
    library = Library(root, QuickSystem(), Options(max_upload_bytes=most_bytes))
    with library.receive(1 << 20) as body:
        body.write(bytes(1 << 20))
    library.close()


def test_a_limit_is_told_in_the_unit_it_was_set_in() -> None:
    assert "than 3 MiB," in str(TooLarge(1 << 30, 3 << 20))
