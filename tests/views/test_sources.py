"""The registry of sources: what may be in it, and that it is never lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faulty import Death, FaultySystem
from views.errors import SourceAway, SourceProblem, SourceRefused, SourcesUnreadable, SourceUnknown
from views.library import Library
from views.reindex import plan
from views.sources import Source, Sources
from views.status import status_of


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    return folder


@pytest.fixture
def sources(root: Path) -> Sources:
    return Sources(root)


def names(sources: Sources) -> list[str]:
    return [source.name for source in sources.list()]


def test_the_primary_source_is_always_there_and_asking_writes_nothing(sources: Sources, root: Path) -> None:
    assert sources.list() == [sources.get("primary")] == [Source(name="primary", root=root)]
    assert not root.exists()


def test_a_source_is_kept_by_its_name(sources: Sources, nas: Path, root: Path) -> None:
    made = sources.add("nas", nas, type="smb")
    assert made == Source(name="nas", root=nas, type="smb") == Sources(root).get("nas")
    assert names(sources) == ["primary", "nas"] and made.accessible
    assert os.listdir(nas) == []


def test_the_file_is_the_one_that_other_programs_know(sources: Sources, nas: Path, root: Path) -> None:
    sources.add("nas", nas)
    assert sources.file == root / "_sources/sources.json"
    assert sources.file.read_text() == f"""[
  {{
    "enabled": true,
    "name": "primary",
    "root": "{root}",
    "type": "local"
  }},
  {{
    "enabled": true,
    "name": "nas",
    "root": "{nas}",
    "type": "local"
  }}
]
"""
    assert sources.file.stat().st_mode & 0o777 == 0o644
    assert os.listdir(sources.file.parent) == ["sources.json"]


def test_a_list_of_the_program_before_is_understood_wherever_its_disk_is_now(sources: Sources, nas: Path, root: Path) -> None:
    sources.file.parent.mkdir(parents=True)
    sources.file.write_text(
        f'[{{"name":"nas","root":"{nas}","type":"nfs","enabled":false}},'
        '{"name":"primary","root":"/data/projects","type":"local","enabled":true}]'
    )
    assert sources.list() == [Source(name="primary", root=root), Source(name="nas", root=nas, type="nfs", enabled=False)]


def test_a_disabled_source_stays_registered_but_cannot_be_used(sources: Sources, nas: Path) -> None:
    sources.add("nas", nas)
    assert not sources.disable("nas").enabled
    assert names(sources) == ["primary", "nas"]
    with pytest.raises(SourceUnknown, match="disabled"):
        sources.get("nas")
    assert sources.enable("nas") == sources.get("nas")


def test_a_removed_source_leaves_its_files(sources: Sources, nas: Path) -> None:
    (nas / "a.mov").write_text("film")
    sources.add("nas", nas)
    sources.remove("nas")
    assert names(sources) == ["primary"] and os.listdir(nas) == ["a.mov"]
    with pytest.raises(SourceUnknown):
        sources.get("nas")


def test_a_source_whose_disk_is_away_is_told_and_comes_back(sources: Sources, nas: Path) -> None:
    sources.add("nas", nas)
    nas.rename(nas.with_name("elsewhere"))
    assert not sources.list()[1].accessible
    with pytest.raises(SourceAway):
        sources.get("nas")
    nas.with_name("elsewhere").rename(nas)
    assert sources.get("nas").accessible


@pytest.mark.parametrize("change", [Sources.remove, Sources.enable, Sources.disable])
def test_the_primary_source_is_protected_and_unknown_ones_are_told(
    sources: Sources, change: Callable[[Sources, str], Source]
) -> None:
    with pytest.raises(SourceRefused):
        change(sources, "primary")
    with pytest.raises(SourceUnknown):
        change(sources, "nas")
    assert not sources.file.exists()


@pytest.mark.parametrize("name", ["", ".nas", "_nas", "a/b", "a b", "ä", "primary", "Primary", "nas\n", "x" * 101])
def test_names_that_cannot_be_are_refused(sources: Sources, nas: Path, name: str) -> None:
    with pytest.raises(SourceRefused):
        sources.add(name, nas)
    assert not sources.file.exists()


def test_a_name_is_given_twice_only_when_that_is_meant(sources: Sources, nas: Path, tmp_path: Path) -> None:
    sources.add("nas", nas)
    before = sources.file.stat()
    sources.add("nas", nas)
    with pytest.raises(SourceRefused, match="taken"):
        sources.add("nas", nas, type="smb")
    assert sources.file.stat() == before
    (tmp_path / "other").mkdir()
    sources.add("last", tmp_path / "other")
    sources.add("nas", nas, type="smb", replacing=True)
    assert [(source.name, source.type) for source in sources.list()][1:] == [("nas", "smb"), ("last", "local")]


@pytest.mark.parametrize(
    "place",
    ["", "root", "root/P1-Film", "root/.filmcan", "root/.filmcan/blobs", "alias", "nas", "nas/inner", "store/P1-A", "no", "file"],
)
def test_roots_that_overlap_or_cannot_be_are_refused(sources: Sources, nas: Path, tmp_path: Path, place: str) -> None:
    for folder in ("root/P1-Film", "root/.filmcan/blobs", "nas/inner", "store/.filmcan", "store/P1-A"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "alias").symlink_to(tmp_path / "root/P1-Film")
    (tmp_path / "file").write_text("x")
    sources.add("nas", nas)
    with pytest.raises(SourceRefused):
        sources.add("more", tmp_path / place)
    assert names(sources) == ["primary", "nas"]


def test_a_root_that_holds_a_store_can_be_a_source(sources: Sources, tmp_path: Path) -> None:
    Library(tmp_path / "store").close()
    assert sources.add("store", tmp_path / "store").accessible


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_root_that_cannot_be_written_is_refused(sources: Sources, nas: Path) -> None:
    nas.chmod(0o555)
    with pytest.raises(SourceRefused, match="write"):
        sources.add("nas", nas)


def test_with_allowed_parents_only_what_lies_below_one_of_them_may_be_a_source(root: Path, tmp_path: Path) -> None:
    for folder in ("volumes/a", "volumes-2", "other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "volumes/out").symlink_to(tmp_path / "other")
    sources = Sources(root, [tmp_path / "volumes"])
    for place in ("volumes", "volumes-2", "other", "volumes/out", "volumes/../other"):
        with pytest.raises(SourceRefused, match="source_parents"):
            sources.add("a", tmp_path / place)
    assert sources.add("a", tmp_path / "volumes/a").accessible


def test_enabling_looks_at_the_root_again(sources: Sources, nas: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    sources.add("nas", nas)
    sources.disable("nas")
    nas.rmdir()
    nas.symlink_to(tmp_path / "root")
    with pytest.raises(SourceRefused, match="overlaps"):
        sources.enable("nas")


@pytest.mark.parametrize(
    "text",
    ["", "[", "{}", "null", '[{"name": "nas"}]', '[{"name": "nas", "root": "nas"}]', '[{"name": "_x", "root": "/x"}]', "\udcff",
     '[{"name": "a", "root": "/x", "type": "ftp"}]', '[{"name": "a", "root": "/x"}, {"name": "a", "root": "/y"}]'],
)  # fmt: skip
def test_a_list_that_cannot_be_understood_is_named_and_never_written_over(sources: Sources, nas: Path, text: str) -> None:
    sources.file.parent.mkdir(parents=True)
    sources.file.write_text(text, errors="surrogateescape")
    before = sources.file.read_bytes()
    acts: list[Callable[[], object]] = [
        sources.list, lambda: sources.get("primary"), lambda: sources.add("nas", nas), lambda: sources.remove("nas"),
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(SourcesUnreadable) as caught:
            act()
        assert str(sources.file) in str(caught.value)
    assert sources.file.read_bytes() == before


def test_a_death_at_any_moment_leaves_the_old_list_or_the_new_one(root: Path, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    Sources(root).add("old", tmp_path / "old")
    found, at = set[tuple[str, ...]](), 0
    while True:
        at += 1
        system = FaultySystem()
        system.arm(at)
        try:
            Sources(root, system=system).add("new", tmp_path / "new")
        except Death:
            found.add(tuple(names(Sources(root))))
            continue
        break
    assert at > 5 and found == {("primary", "old"), ("primary", "old", "new")}
    assert os.listdir(root / "_sources") == ["sources.json"]


def test_two_who_change_it_at_once_lose_nothing(root: Path, tmp_path: Path) -> None:
    def add(number: int) -> None:
        (tmp_path / f"n{number}").mkdir()
        Sources(root, system=FaultySystem()).add(f"n{number}", tmp_path / f"n{number}")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(Sources(root))) == sorted(["primary", *(f"n{number}" for number in range(16))])


def test_reindex_leaves_the_list_alone(library: Library, nas: Path) -> None:
    Sources(library.root).add("nas", nas)
    assert not plan(library, relocate=True).steps


@pytest.mark.parametrize(
    ("error", "status"),
    [(SourceUnknown("a"), 404), (SourceUnknown("a", disabled=True), 404), (SourceRefused("a", "b"), 400),
     (SourceAway("a", Path("/b")), 503), (SourcesUnreadable(Path("/b"), "c"), 500)],
)  # fmt: skip
def test_every_problem_with_a_source_has_its_status(error: SourceProblem, status: int) -> None:
    found = status_of(error)
    assert found is not None and found[0] == status
