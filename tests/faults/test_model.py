"""Random changes, power cuts and restarts over a simulated file system that loses what was not synced, against a dictionary of
what was answered. FILMCAN_FAULTS_MODEL sets how many stories of 50 steps are told."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from cas.file_system import Names
from cas.home import Home
from cas.verify import verify
from tests.faults import figures
from tests.faults.power.simulated import ForgetfulSystem, LosingSystem
from tests.faulty import Death
from tests.state import Tree, in_index, on_disk, put
from views.library import Library
from views.reindex import apply, plan

FILM = "P1-Film"
MEMORY = Path("/dev/shm")
STEPS = 50
CONTENTS = (b"", b"one", b"two", b"a longer piece of film" * 90)
INDEXES = ("gone", "as it was", "old")
paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map(lambda names: "/".join((FILM, *names)))
deaths = st.none() | st.integers(0, 25)


def below(tree: Tree, path: str) -> Tree:
    """A name, and all in it when it is a folder."""
    return {inner: data for inner, data in tree.items() if inner == path or inner.startswith(f"{path}/")}


class Story(RuleBasedStateMachine):
    """`told` is what was answered: path → bytes, None for a folder."""

    kind = LosingSystem

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.told: Tree = {}
        self.library: Library | None = None

    @initialize(names=st.sampled_from(Names), number=st.integers(0, 1 << 30))
    def begin(self, names: Names, number: int) -> None:
        self.chance = random.Random(number)
        self.system = self.kind(self.base, names, self.chance)
        self.library = Library(self.system.root, self.system)
        self.library.make_project("Film")
        self.told = in_index(self.library)
        self._keep_index()

    def teardown(self) -> None:
        if self.library is not None:
            self.system.die_in(None)
            self.library.store._give_up()
        shutil.rmtree(self.base)

    # changes; `dies` is after how many acts the power goes, None for not at all

    @rule(path=paths, data=st.sampled_from(CONTENTS), dies=deaths)
    def put(self, path: str, data: bytes, dies: int | None) -> None:
        if self._is_free_for(path) and self.told.get(path, b"") is not None:
            self._do(lambda library: put(library, path, data), self.told | {path: data}, dies)

    @rule(path=paths, dies=deaths)
    def make_folder(self, path: str, dies: int | None) -> None:
        if self._is_free_for(path) and path not in self.told:
            self._do(lambda library: library.make_folder(path), self.told | {path: None}, dies)

    @rule(path=paths, dies=deaths)
    def delete(self, path: str, dies: int | None) -> None:
        if path in self.told:
            self._do(lambda library: library.delete(path), self._without(path), dies)

    @rule(path=paths, to=paths, dies=deaths)
    def move(self, path: str, to: str, dies: int | None) -> None:
        if self._may_go(path, to):
            after = {inner: data for inner, data in self._without(to).items() if inner not in below(self.told, path)}
            self._do(lambda library: library.move(path, to), after | self._as(path, to), dies)

    @rule(path=paths, to=paths, dies=deaths)
    def copy(self, path: str, to: str, dies: int | None) -> None:
        if self._may_go(path, to):
            self._do(lambda library: library.copy(path, to), self._without(to) | self._as(path, to), dies)

    @rule(word=st.sampled_from(("one", "two")), dies=deaths)
    def set_notes(self, word: str, dies: int | None) -> None:
        self._do(lambda library: library.set_notes(FILM, word), self.told, dies)

    def _is_free_for(self, path: str) -> bool:
        return self.told.get(path.rpartition("/")[0], b"") is None

    def _may_go(self, path: str, to: str) -> bool:
        apart = not f"{to}/".startswith(f"{path}/") and not f"{path}/".startswith(f"{to}/")
        return path in self.told and self._is_free_for(to) and apart

    def _without(self, path: str) -> Tree:
        gone = below(self.told, path)
        return {inner: data for inner, data in self.told.items() if inner not in gone}

    def _as(self, path: str, to: str) -> Tree:
        return {to + inner.removeprefix(path): data for inner, data in below(self.told, path).items()}

    def _do(self, act: Callable[[Library], Any], after: Tree, dies: int | None) -> None:
        assert self.library is not None
        self.system.die_in(dies)
        try:
            act(self.library)
        except Death:
            self._cut(after)
        else:
            self.system.die_in(None)
            self.told = after

    # ends and beginnings

    @rule()
    def cut(self) -> None:
        self._cut(self.told)

    @rule()
    def restart(self) -> None:
        assert self.library is not None
        self.library.close()
        self._keep_index()
        self._open()

    @rule()
    @precondition(lambda self: self.library is not None)
    def look(self) -> None:
        assert self.library is not None
        assert in_index(self.library) == self.told

    def _cut(self, asked: Tree) -> None:
        """The power goes while `asked` was asked for: all that was answered is there, and that is there whole or not at all."""
        assert self.library is not None
        self.system.die_in(0)
        self.library.store._give_up()
        shutil.copytree(self._index, self.base / "index", dirs_exist_ok=True)
        self.system.cut()
        self._put_index(self.chance.choice(INDEXES))
        self._open()
        assert self.library is not None
        if asked == self.told:
            assert in_index(self.library) == self.told, "before a reindex"
        apply(self.library, plan(self.library))
        assert not plan(self.library).steps
        found = in_index(self.library)
        assert found in (self.told, asked), f"found {found}, answered {self.told}, asked {asked}"
        self.told = found
        self._check()

    def _check(self) -> None:
        assert self.library is not None
        assert on_disk(self.library.root) == self.told
        for path, entry in self.library.walk():
            if entry.digest is not None and entry.size_bytes:
                assert os.path.samefile(self.library.root / path, self.library.store.layout.blob(entry.digest)), path
        assert [finding for finding in verify(self.library.store, full=True).findings if finding.kind != "unknown"] == []
        assert self.library.store.state.name == "ok"

    def _open(self) -> None:
        self.library = Library(self.system.root, self.system)

    @property
    def _index(self) -> Path:
        return self.system.root / ".filmcan/index"

    def _keep_index(self) -> None:
        """As it is on the disk after it was closed well."""
        shutil.copytree(self._index, self.base / "old", dirs_exist_ok=True)

    def _put_index(self, which: str) -> None:
        """LMDB's own files are not simulated: after a cut they are gone, as they were, or old."""
        if which != "gone" and self._index.parent.is_dir():
            shutil.copytree(self.base / ("old" if which == "old" else "index"), self._index)


class Forgetful(Story):
    kind = ForgetfulSystem


def told(story: type[Story], count: int, *phases: Phase) -> None:
    health = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    seed(figures.SEED)(story)
    run_state_machine_as_test(
        story,
        settings=settings(
            max_examples=count, stateful_step_count=STEPS, deadline=None, phases=phases, suppress_health_check=health,
            database=None, print_blob=True, report_multiple_bugs=False,
        ),
    )  # fmt: skip


@pytest.mark.timeout(300 + 2 * figures.count("MODEL"))  # a fifth of a second each, alone
def test_what_was_answered_outlives_every_power_cut_of_every_story() -> None:
    count = figures.count("MODEL")
    told(Story, count, Phase.generate, Phase.shrink)
    figures.tell(f"stories of {STEPS} steps over a simulated disk", count)


@pytest.mark.parametrize("names", Names)
def test_a_small_file_that_was_swapped_in_is_the_old_one_or_the_new(names: Names, tmp_path: Path) -> None:
    """`index.json` was empty after a power cut: its name had reached the disk and its bytes had not."""
    for number in range(20):
        base = tmp_path / str(number)
        base.mkdir()
        system = LosingSystem(base, names, random.Random(number))
        home = Home(system.root, system)
        home.replace(home.home, "note", b"old" * 1000, 0o644, lasting=True)
        home.replace(home.home, "note", b"new" * 2000, 0o644, lasting=False)
        home.close()
        system.cut()
        assert (system.root / ".filmcan/note").read_bytes() in (b"old" * 1000, b"new" * 2000)


@pytest.mark.parametrize("verb", ["move", "copy"])
@pytest.mark.parametrize(("path", "to"), [("folder", "other"), ("folder", "file"), ("file", "folder"), ("empty", "other")])
def test_what_makes_room_for_a_folder_is_still_there_or_the_folder_is_whenever_the_power_goes(
    verb: str, path: str, to: str
) -> None:
    """The old folder went to the trash, and the new one had not come yet: a power cut left neither."""
    for names, dies in product(Names, range(30)):
        story = Story()
        story.begin(names, dies)
        for folder in ("folder", "other", "empty"):
            story.make_folder(f"{FILM}/{folder}", None)
        for file in ("file", "folder/a", "folder/b", "other/c"):
            story.put(f"{FILM}/{file}", file.encode(), None)
        getattr(story, verb)(f"{FILM}/{path}", f"{FILM}/{to}", dies)
        story.look()
        story.teardown()


def test_a_store_that_syncs_no_folder_is_caught() -> None:
    with pytest.raises(AssertionError):
        told(Forgetful, 50, Phase.generate)
