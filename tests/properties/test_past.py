"""After random changes, every project is at every moment of the journal what it was then."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import CasError
from tests.faulty import QuickSystem
from tests.state import Tree, in_index, put, read, without_index
from views.errors import NameProblem
from views.library import Library

TOPS = ("P1-One", "P2-Two")
NAMES = ("a.mov", "A.mov", "b", "caf\u00e9", "cafe\u0301", "~$b")
CONTENTS = (b"", b"one", b"two", b"three")

names = st.sampled_from(NAMES)
paths = st.builds("/".join, st.lists(names, min_size=1, max_size=3))
places = st.builds("{}/{}".format, st.sampled_from(TOPS), paths)
tops = st.sampled_from((*TOPS, "Three"))
changes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), places, st.sampled_from(CONTENTS)),
        st.tuples(st.just("make_folder"), st.one_of(places, places, tops)),
        st.tuples(st.just("delete"), st.one_of(places, places, places, tops)),
        st.tuples(st.sampled_from(("move", "copy")), st.one_of(places, tops), st.one_of(places, places, tops)),
        st.tuples(st.just("put_back"), st.integers(0, 9)),
        st.tuples(st.just("take_back"), st.integers(0, 9), places),
        st.tuples(st.just("copy_back"), st.integers(0, 9), places, places),
    ),
    min_size=5,
    max_size=30,
)


def apply(library: Library, change: tuple[Any, ...], seqs: list[int]) -> None:
    """Do it, whether or not it can be done."""
    verb, *args = change
    acts: dict[str, Callable[[], object]] = {
        "put": lambda: put(library, args[0], args[1]),
        "put_back": lambda: library.put_back(f"_trash/{trash(library)[args[0]]}"),
        "take_back": lambda: library.move(f"_trash/{trash(library)[args[0]]}", args[1]),
        "copy_back": lambda: library.copy(then(args[1], seqs[args[0] % len(seqs)]), args[2]),
    }
    try:
        acts.get(verb, lambda: getattr(library, verb)(*args))()
    except (NameProblem, CasError, IndexError):
        return


def trash(library: Library) -> list[str]:
    return [entry.name for entry in library.listing("_trash")[1]]


def then(path: str, seq: int) -> str:
    project, _, inner = path.partition("/")
    return f"_history/{project}/seq-{seq}/{inner}".rstrip("/")


def was(library: Library, seq: int) -> Tree:
    """Every project of today as it was."""
    found: Tree = {}
    for project in library.projects():
        base = then(project.name, seq)
        if library.find(base) is not None:
            found[str(project.entry.id)] = None
            for path, entry in library.walk(base):
                found[f"{project.entry.id}{path.removeprefix(base)}"] = None if entry.is_folder else read(library, path)
    return found


def now(library: Library) -> Tree:
    """The same as it is: paths begin with the number of the project, which stays when it gets another name."""
    ids = {project.name: str(project.entry.id) for project in library.projects()}
    parts = ((path.partition("/"), data) for path, data in in_index(library).items())
    return {ids[name] + slash + inner: data for (name, slash, inner), data in parts if name in ids}


@settings(max_examples=20, deadline=None)
@given(changes=changes)
def test_every_project_is_at_every_number_what_it_was_then(changes: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with closing(Library(Path(folder) / "root", QuickSystem())) as library:
            for top in TOPS:
                library.make_project(top)
            seqs, states = [library.store.journal.last_seq], [now(library)]
            for change in changes:
                apply(library, change, seqs)
                seqs.append(library.store.journal.last_seq)
                states.append(now(library))
            check(library, seqs, states)
        with closing(without_index(library.root)) as again:
            check(again, seqs, states)


def check(library: Library, seqs: list[int], states: list[Tree]) -> None:
    today = {str(project.entry.id) for project in library.projects()}
    for seq, state in zip(seqs, states, strict=True):
        expected = {path: data for path, data in state.items() if path.partition("/")[0] in today}
        assert was(library, seq) == expected, seq
