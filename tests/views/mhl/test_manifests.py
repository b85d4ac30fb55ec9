"""Manifests on the disk: only ever added to, whole after a crash, and accepted by the reference tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cas.errors import Degraded
from tests.cas.test_told import Ticking
from tests.cas.test_verify import blob
from tests.faulty import Death, FaultySystem
from tests.rot import rot
from tests.state import put
from views.errors import HistoryUnfit
from views.library import Library
from views.mhl.manifests import Manifests
from views.reindex import apply, plan

FILM = "P1-Film"
TOOLS = Path(__file__).parents[3] / ".venv-ascmhl/bin"
LEFT_ALONE = ("exports", "ingest/proxies")
Judge = Callable[..., int]
OK, MISMATCH, NEW_FILES, MISSING, CHANGED = 0, 11, 21, 10, 31  # exit codes of ascmhl 1.2


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    library = Library(root, Ticking())
    library.make_project("Film")
    yield library
    library.close()


@pytest.fixture
def manifests(library: Library) -> Manifests:
    return Manifests(library, LEFT_ALONE)


@pytest.fixture
def judge(root: Path) -> Judge:
    """The ASC's own tool: `judge("diff")` is its exit code for the project. `verify` is in its debug half."""
    if not (TOOLS / "ascmhl").exists():
        if os.environ.get("CI"):
            pytest.fail("the reference tool ascmhl is missing; .ci/run installs it")
        pytest.skip("ascmhl is not installed: python3 -m venv .venv-ascmhl && .venv-ascmhl/bin/pip install ascmhl")

    def judge(verb: str, *words: str, at: Path | None = None) -> int:
        program = "ascmhl-debug" if verb == "verify" else "ascmhl"
        said = subprocess.run(
            [TOOLS / program, verb, *words, at or root / FILM], capture_output=True, text=True, timeout=60
        )
        print(said.stdout, said.stderr)
        return said.returncode

    return judge


def footage(library: Library) -> None:
    for name in ("A001.mov", "b [x]! #1.mov", "Ünï & <co>.mov"):
        put(library, f"{FILM}/ingest/originals/{name}", name.encode() * 500)
    put(library, f"{FILM}/ingest/originals/empty.txt", b"")
    put(library, f"{FILM}/notes.txt", b"careful")


def strangers(root: Path) -> None:
    """What lies in a living project and is no footage."""
    for name in ("exports/render.mov", "ingest/proxies/a.mov", "ingest/originals/._A001.mov", ".DS_Store", "Thumbs.db"):
        (root / FILM / name).parent.mkdir(parents=True, exist_ok=True)
        (root / FILM / name).write_bytes(b"stranger")
    (root / FILM / "index.json").write_text("{}")
    (root / FILM / "_manifest").mkdir(exist_ok=True)
    (root / FILM / "_manifest/files.jsonl").write_text("{}\n")


def shelf(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / FILM / "ascmhl").glob("*"))}


def flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_reference_tool_accepts_a_living_project(library: Library, manifests: Manifests, judge: Judge, root: Path) -> None:
    footage(library)
    strangers(root)
    written = manifests.write(FILM)
    assert (written.number, written.files, len(written.told.files)) == (1, 5, 5)
    assert [judge("diff"), judge("verify"), judge("verify", "-dh")] == [OK, OK, OK]
    put(library, f"{FILM}/ingest/originals/later.mov", b"later")
    assert judge("diff") == NEW_FILES
    assert manifests.write(FILM).number == 2 and judge("diff") == OK


def test_it_finds_a_flipped_byte(library: Library, manifests: Manifests, judge: Judge, root: Path, tmp_path: Path) -> None:
    footage(library)
    manifests.write(FILM)
    flip(root / FILM / "ingest/originals/b [x]! #1.mov")
    assert judge("verify") == MISMATCH
    shutil.copytree(root / FILM, tmp_path / FILM)
    assert judge("create", at=tmp_path / FILM) == MISMATCH  # it reads everything, and notes it in a generation of its own


def test_renames_deletions_and_what_comes_back_are_accepted(library: Library, manifests: Manifests, judge: Judge) -> None:
    originals = f"{FILM}/ingest/originals"
    footage(library)
    manifests.write(FILM)
    library.move(f"{originals}/A001.mov", f"{originals}/first [take].mov")
    assert manifests.write(FILM).told.renamed == {"ingest/originals/first [take].mov": "ingest/originals/A001.mov"}
    assert [judge("diff"), judge("verify")] == [OK, OK]
    library.make_folder(f"{originals}/day-1")
    library.move(f"{originals}/first [take].mov", f"{originals}/day-1/second.mov")
    library.delete(f"{originals}/b [x]! #1.mov")
    manifests.write(FILM)
    assert [judge("diff"), judge("verify")] == [OK, OK]
    library.move(f"{originals}/day-1", f"{FILM}/days")
    put(library, f"{originals}/b [x]! #1.mov", b"b [x]! #1.mov" * 500)
    manifests.write(FILM)
    assert [judge("diff"), judge("verify")] == [OK, OK]
    assert manifests.write(FILM, everything=True).name and [judge("diff"), judge("verify")] == [OK, OK]


def test_a_project_keeps_its_history_under_another_label(
    library: Library, manifests: Manifests, judge: Judge, root: Path
) -> None:
    footage(library)
    strangers(root)
    manifests.write(FILM)
    library.move(FILM, "P1-Wedding")
    assert [judge("diff", at=root / "P1-Wedding"), judge("verify", at=root / "P1-Wedding")] == [OK, OK]
    assert manifests.write("P1-Wedding").name == ""
    put(library, "P1-Wedding/new.mov", b"new")
    assert manifests.write("P1-Wedding").name.startswith("0002_P1-Wedding_") and judge("diff", at=root / "P1-Wedding") == OK


def test_a_replaced_file_stands_as_failed_and_the_tool_names_it(library: Library, manifests: Manifests, judge: Judge) -> None:
    """The standard knows no replacing: a file is what it was at first, or it failed."""
    footage(library)
    manifests.write(FILM)
    put(library, f"{FILM}/notes.txt", b"careless")
    assert manifests.write(FILM).told.replaced == ["notes.txt"]
    assert [judge("diff"), judge("verify")] == [OK, MISMATCH]


def test_a_history_of_the_tool_itself_is_continued(library: Library, manifests: Manifests, judge: Judge, root: Path) -> None:
    footage(library)
    assert judge("create", "-h", "md5", "-h", "xxh128") == OK
    assert manifests.write(FILM).number == 2
    assert judge("create") == OK and [judge("diff"), judge("verify")] == [OK, OK]
    put(library, f"{FILM}/more.mov", b"more")
    assert manifests.write(FILM).number == 4 and [judge("diff"), judge("verify")] == [OK, OK]
    assert len(shelf(root)) == 5


def test_a_card_that_came_with_a_history_keeps_it(
    library: Library, manifests: Manifests, judge: Judge, root: Path, tmp_path: Path
) -> None:
    card = tmp_path / "CARD"
    card.mkdir()
    (card / "A001.mov").write_bytes(b"clip")
    assert judge("create", at=card) == OK
    library.make_folder(f"{FILM}/ingest/originals/CARD")
    library.make_folder(f"{FILM}/ingest/originals/CARD/ascmhl")
    for file in (card / "A001.mov", *(card / "ascmhl").iterdir()):
        put(library, f"{FILM}/ingest/originals/CARD/{file.relative_to(card)}", file.read_bytes())
    footage(library)
    manifests.write(FILM)
    assert [judge("diff"), judge("verify")] == [OK, OK]
    [(_, generation)] = [item for item in shelf(root).items() if item[0].startswith("0001")]
    assert b"<hashlistreference>" in generation and b"CARD/ascmhl/0001_CARD" in generation


def test_generations_are_only_added(library: Library, manifests: Manifests, root: Path) -> None:
    footage(library)
    manifests.write(FILM)
    first = shelf(root)
    assert manifests.write(FILM).name == "" and shelf(root) == first
    put(library, f"{FILM}/more.mov", b"more")
    manifests.write(FILM)
    second = shelf(root)
    del first["ascmhl_chain.xml"]
    assert first.items() <= second.items() and len(second) == 3
    assert second["ascmhl_chain.xml"].count(b"<hashlist ") == 2


def test_a_history_that_was_changed_is_not_built_upon(library: Library, manifests: Manifests, root: Path) -> None:
    footage(library)
    name = manifests.write(FILM).name
    path = root / FILM / "ascmhl" / name
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole.replace(b"original", b"verified", 1))
    put(library, f"{FILM}/more.mov", b"more")
    with pytest.raises(HistoryUnfit, match="changed since it was written"):
        manifests.write(FILM)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(HistoryUnfit, match="it is gone"):
        manifests.write(FILM)
    path.with_suffix(".away").rename(path)
    path.write_bytes(whole)
    assert manifests.write(FILM).number == 2


def test_sums_are_computed_once(library: Library, manifests: Manifests) -> None:
    footage(library)
    manifests.write(FILM)
    seq = library.store.journal.last_seq
    assert manifests.write(FILM, everything=True).number == 2 and library.store.journal.last_seq == seq


def test_a_rotten_file_is_left_out_and_told(library: Library, manifests: Manifests, root: Path) -> None:
    footage(library)
    rot(library, blob(library, b"A001.mov" * 500), b"x" * 4000)
    written = manifests.write(FILM)
    assert [finding.kind for finding in written.findings] == ["damaged"] and written.files == 4
    assert written.as_json()["left_out"]


def test_a_name_that_xml_cannot_hold_is_ignored_and_told(library: Library, manifests: Manifests, judge: Judge) -> None:
    footage(library)
    library.make_folder(f"{FILM}/odd\uffff")
    put(library, f"{FILM}/odd\uffff/b\ufffe.mov", b"unspeakable")
    put(library, f"{FILM}/c\ufffe.mov", b"unspeakable too")
    written = manifests.write(FILM)
    assert written.as_json()["left_out"] == ["c\ufffe.mov", "odd\uffff", "odd\uffff/b\ufffe.mov"]
    assert [judge("diff"), judge("verify"), judge("verify", "-dh")] == [OK, OK, OK]
    assert manifests.write(FILM).name == ""


def test_a_store_that_only_reads_writes_none(library: Library, manifests: Manifests, root: Path) -> None:
    library.store.state.degrade("a test")
    with pytest.raises(Degraded):
        manifests.write(FILM)
    assert not (root / FILM / "ascmhl").exists()


def test_the_folder_is_filmcans_own(library: Library, manifests: Manifests, root: Path) -> None:
    footage(library)
    name = manifests.write(FILM).name
    seen = plan(library, FILM)
    assert not seen.steps
    apply(library, seen)
    assert library.find(f"{FILM}/ascmhl") is None and name in shelf(root)
    found = library.generated(f"{FILM}/ascmhl/{name}")
    assert found is not None and found.size_bytes == len(shelf(root)[name])
    os.close(found.fd)


@pytest.mark.parametrize("generations", [0, 1])
def test_a_death_at_any_act_leaves_a_valid_history(tmp_path: Path, judge: Judge, generations: int) -> None:
    """Either without the new generation or with it, also where the chain did not come any more; and it goes on."""
    for at in range(1, 40):
        root = tmp_path / f"{generations}-{at}"
        system = FaultySystem()
        library = Library(root, system)
        library.make_project("Film")
        footage(library)
        manifests = Manifests(library)
        for _ in range(generations):
            manifests.write(FILM)
        put(library, f"{FILM}/more.mov", b"more")
        system.arm(at)
        try:
            manifests.write(FILM)
        except Death:
            pass
        struck = system.struck
        system.dead = False
        system.disarm()
        library.close()
        if not struck:
            assert at > 8
            break
        _goes_on(root, judge if at % 5 == 0 else None)
    else:
        raise AssertionError("it takes more acts than that")


def _goes_on(root: Path, judge: Judge | None) -> None:
    library = Library(root, Ticking())
    manifests = Manifests(library)
    held = manifests.held(FILM)
    assert [number for number, _, _ in held.chain] == list(range(1, held.history.last + 1))
    if judge is not None and held.history.last:
        assert judge("diff", at=root / FILM) in (OK, NEW_FILES)
    put(library, f"{FILM}/last.mov", b"last")
    manifests.write(FILM)
    assert not list((root / ".filmcan/incoming").iterdir())
    if judge is not None:
        assert judge("diff", at=root / FILM) == OK
    library.close()
