"""A fault at every lasting act of every change: an error once, a full disk, the end of the process.

Each change is first done well, to learn what it turns into what and how many acts it takes. Then it is done again for
each act with the fault there, each time in a folder of its own, and the library is opened again: the change has happened
whole or not at all, what was acknowledged before is there bit for bit, nothing is half visible, nothing is left staged, and
the index is what the journal says.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cas.errors import CasError
from tests.faulty import Death, FaultySystem
from tests.state import Tree, in_index, on_disk, put, read, rows, without_index
from views.library import Library
from views.reindex import plan

FILM = "P1-Film"
Act = Callable[[Library, str], object]
CHANGES: dict[str, Act] = {
    "put a new file": lambda library, at: put(library, f"{at}/new", f"{at} new".encode()),
    "put over a file": lambda library, at: put(library, f"{at}/a", f"{at} new".encode()),
    "put known bytes": lambda library, at: put(library, f"{at}/new", f"{at} A".encode()),
    "put an empty file": lambda library, at: put(library, f"{at}/new", b""),
    "put junk": lambda library, at: put(library, f"{at}/._new", f"{at} new".encode()),
    "move a file": lambda library, at: library.move(f"{at}/a", f"{at}/day/new"),
    "move over a file": lambda library, at: library.move(f"{at}/a", f"{at}/b"),
    "move over the same bytes": lambda library, at: library.move(f"{at}/a", f"{at}/day/x"),
    "move a folder": lambda library, at: library.move(f"{at}/day", f"{at}/night"),
    "move over a folder": lambda library, at: library.move(f"{at}/day", f"{at}/other"),
    "save aside and rename": lambda library, at: library.move(f"{at}/~$doc.tmp", f"{at}/b"),
    "move aside": lambda library, at: library.move(f"{at}/b", f"{at}/b.tmp"),
    "copy a file": lambda library, at: library.copy(f"{at}/a", f"{at}/new"),
    "copy over a file": lambda library, at: library.copy(f"{at}/a", f"{at}/b"),
    "copy a folder": lambda library, at: library.copy(f"{at}/day", f"{at}/night"),
    "copy over a folder": lambda library, at: library.copy(f"{at}/day", f"{at}/other"),
    "delete a file": lambda library, at: library.delete(f"{at}/a"),
    "delete a folder": lambda library, at: library.delete(f"{at}/day"),
    "bring a file back": lambda library, at: library.put_back(trashed(library, at, "gone")),
    "bring a folder back": lambda library, at: library.put_back(trashed(library, at, "away")),
    "bring a file back over another": lambda library, at: library.move(trashed(library, at, "gone"), f"{at}/b"),
    "bring one of a folder back": lambda library, at: library.move(f"{trashed(library, at, 'away')}/x", f"{at}/new"),
    "bring an earlier version back": lambda library, at: library.copy(then(library, at, "b"), f"{at}/b"),
    "bring an earlier folder back": lambda library, at: library.copy(then(library, at, "day"), f"{at}/night"),
    "make a folder": lambda library, at: library.make_folder(f"{at}/new"),
    "tag a file": lambda library, at: library.tag([f"{at}/a"], add=["keeper"]),
    "amend": lambda library, at: library.amend(f"{at}/a", set_props={"{DAV:}x": "<x/>"}),
}
FAULTS: dict[str, int | type[Death]] = {"death": Death, "EIO": errno.EIO, "ENOSPC": errno.ENOSPC}


def prepare(library: Library, at: str) -> None:
    """A folder with something of everything. Contents name the folder, so that each case has blobs of its own."""
    for folder in (at, f"{at}/day", f"{at}/other"):
        library.make_folder(folder)
    for name, data in (("a", "A"), ("b", "B"), ("day/x", "A"), ("day/y", "Y"), ("other/z", "Z"), ("~$doc.tmp", "D")):
        put(library, f"{at}/{name}", f"{at} {data}".encode())
    put(library, f"{at}/day/empty", b"")
    library.make_folder(f"{at}/away")
    put(library, f"{at}/away/x", f"{at} A".encode())
    put(library, f"{at}/gone", f"{at} G".encode())
    library.delete(f"{at}/away")
    library.delete(f"{at}/gone")
    put(library, f"{at}/b", f"{at} later".encode())


def trashed(library: Library, at: str, name: str) -> str:
    """Where something of the folder lies in the trash."""
    with library.store.index.read() as txn:
        rows = list(library.tree.trashed.scan(txn))
    [key] = [key for key, row in rows if row.path == f"{at}/{name}"]
    return f"_trash/{key.decode().partition(chr(0))[2]}"


def then(library: Library, at: str, name: str) -> str:
    """Something in the folder as it was before the last thing that was done."""
    project, _, inner = at.partition("/")
    return f"_history/{project}/seq-{library.store.journal.last_seq - 1}/{inner}/{name}"


def tree(library: Library, at: str) -> Tree:
    """What is in the folder by the index, without its name: the same for every case."""
    return {
        path.removeprefix(f"{at}/"): None if data is None else data.replace(at.encode(), b"")
        for path, data in in_index(library, hidden=True).items()
        if path.startswith(f"{at}/")
    }


def disk(root: Path, at: str) -> Tree:
    return {path: None if data is None else data.replace(at.encode(), b"") for path, data in on_disk(root / at).items()}


def count_acts(root: Path, act: Act, at: str) -> tuple[Tree, Tree, int]:
    """What the change starts from, what it makes of it, and in how many acts."""
    system = FaultySystem()
    with closing(Library(root, system)) as library:
        library.make_project("Film")
        prepare(library, at)
        before = tree(library, at)
        system.acts.clear()
        act(library, at)
        return before, tree(library, at), len(system.acts)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_whole_or_not_at_all(name: str, fault: str, root: Path) -> None:
    act = CHANGES[name]
    before, after, acts = count_acts(root, act, f"{FILM}/well")
    assert before != after or name in ("amend", "tag a file")
    for at_act in range(1, acts + 1):
        at = f"{FILM}/{at_act}"
        strike(root, at, act, at_act, FAULTS[fault])
        with closing(Library(root, FaultySystem())) as library:
            check(library, at, before, after, {"other"} if name.endswith("over a folder") else set())
    with closing(Library(root, FaultySystem())) as library:
        kept = rows(library)
    with closing(without_index(root)) as library:
        assert rows(library) == kept


def strike(root: Path, at: str, act: Act, at_act: int, fault: int | type[Death]) -> None:
    """Do the change with the fault at one of its acts, and leave as an ended process does."""
    system = FaultySystem()
    library = Library(root, system)
    prepare(library, at)
    system.arm(at_act, fault)
    try:
        act(library, at)
    except (Death, CasError, OSError):
        assert system.struck
    finally:
        library.store._give_up()


def check(library: Library, at: str, before: Tree, after: Tree, away: set[str]) -> None:
    """`away`: names that may be gone from disk although they have rows: the old folder is in the trash, the new not here."""
    found = tree(library, at)
    assert found in (before, after)
    for path, data in found.items():
        if data:
            assert read(library, f"{at}/{path}").replace(at.encode(), b"") == data
    contents = {*before.values(), *after.values()}
    for path, data in disk(library.root, at).items():
        assert data in contents, path
        if path in before and path in after and before[path] == after[path]:
            assert data == before[path], path
    stays = {path for path in before.keys() & after.keys() if not library.entry(f"{at}/{path}").hidden}
    assert stays - away <= set(disk(library.root, at))
    assert not os.listdir(library.store.layout.incoming)
    assert not os.listdir(library.store.layout.quarantine)
    assert library.store.state.name == "ok"
    put(library, f"{at}/afterwards", b"works")


def upload(library: Library, path: str, data: bytes) -> None:
    body = library.receive()
    body.write(data)
    library.upload(path.partition("/")[0], path.rpartition("/")[2], body)


@pytest.mark.parametrize("send", [put, upload])
def test_what_is_sent_again_after_a_kill_is_one_file(send: Callable[[Library, str, bytes], None], root: Path) -> None:
    """A kill between link and journal leaves a name without a row, which is the same file that is sent again."""
    at_act, struck = 0, True
    while struck:
        at_act += 1
        system = FaultySystem()
        library = Library(root, system)
        project = library.make_project(f"Film{at_act}").path
        path = f"{project}/ingest/originals/clip.mov"
        upload(library, f"{project}/other.mov", f"{at_act} other".encode())
        system.arm(at_act)
        try:
            send(library, path, f"{at_act} clip".encode())
        except Death:
            pass
        struck = system.struck
        library.store._give_up()
        with closing(Library(root, FaultySystem())) as library:
            send(library, path, f"{at_act} clip".encode())
            assert sorted(os.listdir(root / project / "ingest/originals")) == ["clip.mov", "other.mov"]
            assert not os.listdir(library.store.layout.quarantine)
            assert not plan(library, project).steps
    assert at_act > 5
