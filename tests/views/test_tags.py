"""Tags belong to bytes: what keeps them, what does not, and where they are told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faulty import QuickSystem
from tests.state import check_replay, rows
from tests.views.stage import index, lines, put
from views.errors import TagInvalid
from views.followers import FollowerThread
from views.library import Library
from views.manifest import Manifest
from views.reindex import apply, plan
from views.tags import MOST_TAGS, TAG_CHARS, clean

A, B, C = "P1-A/ingest/originals/a.mov", "P1-A/ingest/originals/b.mov", "P2-B/ingest/originals/c.mov"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path / "root", QuickSystem())
    for label in ("P1-A", "P2-B"):
        library.make_project(label)
    put(library, A, b"clip")
    yield library
    library.close()


def tags(library: Library, path: str) -> tuple[str, ...]:
    digest = library.entry(path).digest
    assert digest is not None
    return library.tags_of(digest)


def test_tags_are_cleaned_joined_and_taken_away(library: Library) -> None:
    [said] = library.tag([A], add=[" Keeper ", "Cafe\u0301", "sea   side", "keeper"])
    assert said.tags == ("café", "keeper", "sea side") == tags(library, A)
    [said] = library.tag([A], add=["new", "café"], remove=["CAFÉ", "never there"])
    assert said.tags == ("keeper", "new", "sea side") and said.path == A
    library.tag([A], remove=said.tags)
    assert tags(library, A) == () and all(table != "tags" for table, _, _ in rows(library))


def test_a_path_without_a_file_has_no_entry_and_the_others_are_tagged(library: Library) -> None:
    told = library.tag(["P1-A/none.mov", "P1-A/ingest", A], add=["x"])
    assert [(item.entry is not None, item.tags) for item in told] == [(False, ()), (False, ()), (True, ("x",))]


@pytest.mark.parametrize("tag", ["", "  \t", "x" * (TAG_CHARS + 1), "a\0b", "\u202eevil", "\ud800"])
def test_what_cannot_be_a_tag_changes_nothing(library: Library, tag: str) -> None:
    with pytest.raises(TagInvalid):
        library.tag([A], add=["good", tag])
    assert tags(library, A) == ()


def test_a_content_has_no_more_than_so_many_tags(library: Library) -> None:
    put(library, B, b"other")
    library.tag([B], add=["first"])
    with pytest.raises(TagInvalid):
        library.tag([A, B], add=[f"tag {number}" for number in range(MOST_TAGS)])
    assert tags(library, A) == () and tags(library, B) == ("first",), "all or none"


@given(st.text())
def test_a_clean_tag_stays_as_it_is(text: str) -> None:
    try:
        kept = clean(text)
    except TagInvalid:
        return
    assert clean(kept) == kept


def test_tags_go_where_the_bytes_go(library: Library) -> None:
    library.tag([A], add=["keeper"])
    library.copy(A, C)
    library.move(A, B)
    assert tags(library, B) == tags(library, C) == ("keeper",)
    library.delete(B)
    library.delete(C)
    put(library, A, b"clip")
    assert tags(library, A) == ("keeper",)


def test_a_name_that_gets_other_bytes_has_their_tags(library: Library) -> None:
    library.tag([A], add=["keeper"])
    put(library, A, b"quite another clip")
    assert tags(library, A) == ()


def test_bytes_edited_in_place_are_still_that_clip(library: Library) -> None:
    library.tag([A], add=["keeper"])
    file = library.root / A
    file.chmod(0o644)
    file.write_bytes(b"clip, with a caption")
    apply(library, plan(library, "P1-A"))
    assert library.entry(A).size_bytes == 20 and tags(library, A) == ("keeper",)


def test_tags_outlive_the_index(library: Library) -> None:
    library.tag([A], add=["keeper"])
    again = check_replay(library)
    assert tags(again, A) == ("keeper",)
    again.close()


def test_every_project_that_shows_the_bytes_is_told(library: Library) -> None:
    library.copy(A, C)
    followers = FollowerThread(library.store, [Manifest(library.store, library.tree)])
    assert followers.flush()
    library.tag([A], add=["keeper"])
    assert followers.flush()
    for project, path in (("P1-A", "ingest/originals/a.mov"), ("P2-B", "ingest/originals/c.mov")):
        [entry] = index(library, project)["files"]
        assert entry["tags"] == ["keeper"]
        event = lines(library, project, "events.jsonl")[-1]
        assert event["event"] == "media_tags_updated"
        assert event["payload"] == {"paths": [path], "add_tags": ["keeper"], "remove_tags": [], "source": "primary"}


def test_a_change_that_changes_nothing_is_not_told(library: Library) -> None:
    library.tag([A], add=["keeper"])
    seq = library.store.journal.last_seq
    library.tag([A], add=["keeper"], remove=["none"])
    assert library.store.journal.last_seq == seq


def test_a_project_folder_brings_its_tags_to_another_root(library: Library, tmp_path: Path) -> None:
    library.tag([A], add=["keeper"])
    assert FollowerThread(library.store, [Manifest(library.store, library.tree)]).flush()
    shutil.copytree(library.root / "P1-A", tmp_path / "other/P1-A")
    other = Library(tmp_path / "other", QuickSystem())
    apply(other, plan(other))
    assert tags(other, A) == ("keeper",)
    other.close()
