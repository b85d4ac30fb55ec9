"""Sources that are in use: opened when they are named, hidden when they are off, looked for again when they come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faulty import QuickSystem
from views.errors import SourceAway, SourceUnknown
from views.followers import FollowerThread
from views.libraries import Libraries, Opened
from views.library import Library
from views.sources import Sources


@contextmanager
def opener(root: Path, source: str) -> Iterator[Opened]:
    library = Library(root, QuickSystem())
    try:
        yield Opened(library, FollowerThread(library.store, []))
    finally:
        library.close()


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name in ("root", "nas"):
        (tmp_path / name).mkdir()
    return Sources(tmp_path / "root")


@pytest.fixture
def libraries(sources: Sources) -> Iterator[Libraries]:
    found = Libraries(sources, opener)
    yield found
    found.close()


def test_a_source_registered_later_is_opened_when_it_is_asked_for(libraries: Libraries, sources: Sources, tmp_path: Path) -> None:
    assert list(libraries) == ["primary"] and "nas" not in libraries
    sources.add("nas", tmp_path / "nas")
    assert list(libraries) == ["primary", "nas"] and len(libraries) == 2
    assert libraries["nas"] is libraries.get_open("nas") and libraries["nas"].root == tmp_path / "nas"


def test_a_source_that_is_off_is_hidden_and_comes_back_as_it_was(libraries: Libraries, sources: Sources, tmp_path: Path) -> None:
    sources.add("nas", tmp_path / "nas")
    before = libraries["nas"]
    sources.disable("nas")
    assert list(libraries) == ["primary"]
    with pytest.raises(SourceUnknown):
        libraries.get_open("nas")
    assert before.projects() == []  # whoever reads from it may go on
    sources.enable("nas")
    assert libraries["nas"] is before


def test_a_root_that_is_gone_is_away_until_it_is_there_again(libraries: Libraries, sources: Sources, tmp_path: Path) -> None:
    sources.add("nas", tmp_path / "nas")
    assert "nas" in libraries
    (tmp_path / "nas").rename(tmp_path / "unplugged")
    assert list(libraries) == ["primary"]
    with pytest.raises(SourceAway):
        libraries.get_open("nas")
    (tmp_path / "unplugged").rename(tmp_path / "nas")
    assert "nas" in libraries


def test_a_root_that_another_program_has_open_is_away_meanwhile(libraries: Libraries, sources: Sources, tmp_path: Path) -> None:
    sources.add("nas", tmp_path / "nas")
    with opener(tmp_path / "nas", "nas"):
        assert list(libraries) == ["primary"]
        with pytest.raises(SourceAway):
            libraries.get_open("nas")
    assert "nas" in libraries


def test_a_registry_that_cannot_be_read_leaves_the_primary_source(libraries: Libraries, sources: Sources, tmp_path: Path) -> None:
    sources.add("nas", tmp_path / "nas")
    sources.file.write_text("[")
    assert list(libraries) == ["primary"] and libraries["primary"] is libraries.primary and libraries.flush()
