"""Random changes to a real library, against a tree of plain dictionaries that knows the rules and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import CasError
from tests.faulty import QuickSystem
from tests.state import Tree, check_links, in_index, on_disk, put, rows, without_index
from views import naming
from views.errors import (
    AlreadyThere,
    IntoItself,
    IsAFolder,
    NameNotFound,
    NameProblem,
    NameReserved,
    NotAFolder,
    ParentMissing,
)  # fmt: skip
from views.library import Library

NAMES = ("a.mov", "A.mov", "b", "caf\u00e9", "cafe\u0301", "._a.mov", "~$b", ".DS_Store")
TOPS = ("P1-One", "P2-Two")
CONTENTS = (b"", b"one", b"two", b"a longer piece of film" * 9)


@dataclass
class Node:
    """A name in the model. `members` is None for a file."""

    name: str
    data: bytes = b""
    members: dict[str, Node] | None = None
    hidden: bool = False

    @property
    def is_folder(self) -> bool:
        return self.members is not None

    def copy(self, name: str, hidden: bool) -> Node:
        hidden = hidden or naming.is_junk(name)
        members = None if self.members is None else {k: n.copy(n.name, hidden) for k, n in self.members.items()}
        return Node(name, self.data, members, hidden)


@dataclass
class Model:
    """The rules of the tree, said a second time and without a disk."""

    top: Node = field(default_factory=lambda: Node("", members={}))

    def spot(self, path: str) -> tuple[list[Node], str, Node | None]:
        """The folders down to the parent, the key of the name, and what has it."""
        *folders, name = path.split("/")
        chain = [self.top]
        for step in folders:
            node = (chain[-1].members or {}).get(normalize("NFC", step))
            if node is None:
                raise ParentMissing(path)
            if not node.is_folder:
                raise NotAFolder(path)
            chain.append(node)
        key = normalize("NFC", name)
        return chain, key, (chain[-1].members or {}).get(key)

    def found(self, path: str) -> tuple[list[Node], str, Node]:
        try:
            chain, key, node = self.spot(path)
        except (ParentMissing, NotAFolder):
            raise NameNotFound(path) from None
        if node is None:
            raise NameNotFound(path)
        return chain, key, node

    def put(self, path: str, data: bytes) -> None:
        chain, key, node = self.spot(path)
        if node is not None and node.is_folder:
            raise IsAFolder(path)
        name = node.name if node else path.split("/")[-1]
        self._set(chain, key, Node(name, data, hidden=chain[-1].hidden or naming.is_junk(name)))

    def make_folder(self, path: str) -> None:
        chain, key, node = self.spot(path)
        if node is not None:
            raise AlreadyThere(path)
        name = path.split("/")[-1]
        self._set(chain, key, Node(name, members={}, hidden=chain[-1].hidden or naming.is_junk(name)))

    def delete(self, path: str) -> None:
        chain, key, _ = self.found(path)
        self._drop(chain, key)

    def move(self, source: str, target: str, overwrite: bool) -> None:
        src_chain, src_key, node = self.found(source)
        chain, key, there = self._target(src_chain, node, target, overwrite)
        name = self._name(target, node, there)
        hidden = chain[-1].hidden or naming.is_junk(name)
        if node.is_folder and hidden and not node.hidden:
            raise NameReserved(source, why="")
        self._drop(src_chain, src_key)
        self._set(chain, key, node.copy(name, hidden))

    def copy(self, source: str, target: str, overwrite: bool) -> None:
        src_chain, _, node = self.found(source)
        chain, key, there = self._target(src_chain, node, target, overwrite)
        if there is node:
            raise IntoItself(source)
        name = self._name(target, node, there)
        self._set(chain, key, node.copy(name, chain[-1].hidden))

    def _target(self, src: list[Node], node: Node, target: str, overwrite: bool) -> tuple[list[Node], str, Node | None]:
        chain, key, there = self.spot(target)
        if any(folder is node for folder in chain) or (there is not None and any(folder is there for folder in src)):
            raise IntoItself(target)
        if there is not None and there is not node and not overwrite:
            raise AlreadyThere(target)
        return chain, key, there

    @staticmethod
    def _name(target: str, node: Node, there: Node | None) -> str:
        """A replaced file keeps its spelling; everything else is called as asked."""
        keeps = there is not None and there is not node and not there.is_folder
        return there.name if keeps and there else target.split("/")[-1]

    @staticmethod
    def _set(chain: list[Node], key: str, node: Node) -> None:
        members = chain[-1].members
        assert members is not None
        members[key] = node

    @staticmethod
    def _drop(chain: list[Node], key: str) -> None:
        members = chain[-1].members
        assert members is not None
        del members[key]

    def flat(self, *, hidden: bool) -> Tree:
        found: Tree = {}

        def walk(node: Node, path: str) -> None:
            for child in (node.members or {}).values():
                if hidden or not child.hidden:
                    inner = f"{path}/{child.name}" if path else child.name
                    found[inner] = None if child.is_folder else child.data
                    walk(child, inner)

        walk(self.top, "")
        return found


Pick = int | str  # the n-th thing that is there, or a path that mostly is not
names = st.sampled_from(NAMES)
picks = st.one_of(st.integers(0, 50), st.builds("{}/{}".format, st.sampled_from(TOPS), names))
places = st.tuples(st.integers(0, 20), names)  # a name in the n-th folder
puts = st.tuples(st.just("put"), places, st.sampled_from(CONTENTS))
folders = st.tuples(st.just("make_folder"), places)
deletes = st.tuples(st.just("delete"), picks)
twos = st.tuples(st.sampled_from(("move", "copy")), picks, st.one_of(places, places, picks), st.booleans())
changes = st.lists(st.one_of(puts, folders, twos, twos, deletes), min_size=10, max_size=40)


def path_of(model: Model, pick: Pick | tuple[int, str]) -> str:
    there = model.flat(hidden=True)
    if isinstance(pick, tuple):
        folders = [path for path, data in there.items() if data is None]
        return f"{folders[pick[0] % len(folders)]}/{pick[1]}"
    inside = [path for path in there if "/" in path]
    return inside[pick % len(inside)] if isinstance(pick, int) and inside else str(pick)


def outcome(act: Callable[[], object]) -> str:
    """The class of the refusal, or "done"."""
    try:
        act()
    except (NameProblem, CasError) as error:
        return type(error).__name__
    return "done"


def apply(library: Library, model: Model, change: tuple[Any, ...]) -> tuple[str, str]:
    """Do the same to both; what came of it in each."""
    verb, *args = change
    if verb == "put":
        path, data = path_of(model, args[0]), args[1]
        return outcome(lambda: put(library, path, data)), outcome(lambda: model.put(path, data))
    if verb in ("move", "copy"):
        source, target, overwrite = path_of(model, args[0]), path_of(model, args[1]), args[2]
        return (
            outcome(lambda: getattr(library, verb)(source, target, overwrite=overwrite)),
            outcome(lambda: getattr(model, verb)(source, target, overwrite)),
        )
    path = path_of(model, args[0])
    return outcome(lambda: getattr(library, verb)(path)), outcome(lambda: getattr(model, verb)(path))


@settings(max_examples=40, deadline=None)
@given(changes=changes)
def test_tree_model_and_disk_stay_the_same_whatever_is_done(changes: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with closing(Library(Path(folder) / "root", QuickSystem())) as library:
            model = Model()
            for top in TOPS:
                library.make_project(top)
            for path, _ in library.walk(""):
                model.make_folder(path)
            for change in changes:
                done, expected = apply(library, model, change)
                assert done == expected, change
            assert in_index(library, hidden=True) == model.flat(hidden=True)
            assert on_disk(library.root) == model.flat(hidden=False)
            check_links(library)
            assert not list(library.store.layout.quarantine.iterdir())
            before = rows(library)
        with closing(without_index(library.root)) as again:
            assert rows(again) == before
