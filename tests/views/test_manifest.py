"""index.json, files.jsonl and events.jsonl: exact bytes, each line once, and no more work than there is news."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cas.store import Store
from cas.system import System
from tests.views.stage import FULL, START_NS, StillSystem, index, lines, outputs, put
from views import manifest, reindex
from views.errors import NameProblem
from views.followers import FollowerThread
from views.index_json import index_of, render
from views.ledger import Ledger
from views.library import Library
from views.manifest import Manifest

GOLDEN = Path(__file__).parents[1] / "golden"
ORIGINALS = "ingest/originals"


class Desk:
    """A library and its manifest follower, driven by hand."""

    def __init__(self, root: Path) -> None:
        self.system = StillSystem()
        self.library = Library(root, self.system)
        self.begin()

    def begin(self) -> None:
        """As after a crash: whatever the follower knew is gone, what it saved and wrote is there."""
        self.manifest = Manifest(self.library.store, self.library.tree)
        self.thread = FollowerThread(self.library.store, [self.manifest])

    def project(self, label: str) -> str:
        return self.library.make_project(label).path

    def put(self, path: str, data: bytes = b"", via: str = "dav") -> None:
        put(self.library, path, data, via)

    def flush(self) -> None:
        assert self.thread.flush(), self.manifest.problem

    def wrote(self, name: str = "index.json") -> int:
        """How often a file was swapped in since the last time this was asked."""
        count, self.system.replaced = self.system.replaced.count(name), []
        return count


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.library.close()


def ops(desk: Desk, project: str) -> list[tuple[str, str]]:
    return [(line["op"], line["relative_path"]) for line in lines(desk.library, project)]


def names(desk: Desk, project: str) -> list[str]:
    return [line["event"] for line in lines(desk.library, project, "events.jsonl")]


def paths(desk: Desk, project: str) -> list[str]:
    return [entry["relative_path"] for entry in index(desk.library, project)["files"]]


# exact bytes


def story(desk: Desk) -> None:
    """One of everything that leaves a line."""
    library = desk.library
    library.make_project("Interview", notes="Tag eins – Büro")
    library.make_project("Other")
    day = f"P1-Interview/{ORIGINALS}"
    desk.put(f"{day}/IMG_0101.MOV", b"first", via="upload")
    desk.put(f"{day}/IMG_0101.MOV", b"first")
    desk.put(f"{day}/Zoë.wav", b"sound")
    desk.put(f"{day}/Zoë.wav", b"better sound")
    desk.put(f"{day}/notes.txt", b"words", via="import")
    library.make_folder(f"{day}/cam-b")
    desk.put(f"{day}/cam-b/A001.mov", b"b one")
    desk.put(f"{day}/cam-b/A002.mov", b"b two")
    library.move(f"{day}/cam-b", f"{day}/cam-c")
    library.move(f"{day}/notes.txt", f"P2-Other/{ORIGINALS}/notes.txt")
    library.copy(f"{day}/cam-c", f"P2-Other/{ORIGINALS}/cam-c")
    library.delete(f"P2-Other/{ORIGINALS}/cam-c")
    (library.root / day / "dropped.mov").write_bytes(b"by hand")
    os.utime(library.root / day / "dropped.mov", ns=(START_NS, START_NS))
    (library.root / day / "Zoë.wav").unlink()
    reindex.apply(library, reindex.plan(library))
    library.move("P2-Other", "P2-Else")


@pytest.mark.parametrize("name", ["P1-Interview/index.json", "P1-Interview/_manifest/files.jsonl",
                                  "P1-Interview/_manifest/events.jsonl", "P2-Else/_manifest/files.jsonl",
                                  "P2-Else/_manifest/events.jsonl"])  # fmt: skip
def test_the_files_of_a_project_are_these_bytes(desk: Desk, name: str) -> None:
    """A changed golden file is a change of format: it comes with words about it in CHANGELOG.md."""
    story(desk)
    desk.flush()
    assert (desk.library.root / name).read_bytes() == (GOLDEN / f"manifest-{name.replace('/', '-')}").read_bytes()


def test_index_json_is_what_the_contract_shows(desk: Desk) -> None:
    """§2.2.1: sorted keys, indent of two, letters as they are."""
    story(desk)
    desk.flush()
    data = (desk.library.root / "P1-Interview" / "index.json").read_bytes()
    assert data.decode() == json.dumps(json.loads(data), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert (desk.library.root / "P1-Interview" / "index.json").stat().st_mode & 0o777 == 0o644


def test_an_entry_tells_how_it_came_and_what_is_no_media(desk: Desk) -> None:
    project = desk.project("A")
    ways = {"dav": "uploaded_at", "upload": "uploaded_at", "import": "uploaded_at", "reindex": "indexed_at"}
    for via in ways:
        desk.put(f"{project}/{ORIGINALS}/{via}.mov", via=via)
    desk.put(f"{project}/{ORIGINALS}/shots.csv")
    desk.library.copy(f"{project}/{ORIGINALS}/dav.mov", f"{project}/{ORIGINALS}/again.mov")
    desk.flush()
    found = {Path(entry["relative_path"]).name: entry for entry in index(desk.library, project)["files"]}
    assert [when for via, when in ways.items() if when in found[f"{via}.mov"]] == list(ways.values())
    assert "indexed_at" in found["again.mov"]
    assert found["shots.csv"]["media"] is False and "media" not in found["dav.mov"]


def test_only_originals_are_in_the_index_but_every_file_has_its_lines(desk: Desk) -> None:
    project = desk.project("A")
    desk.library.make_folder(f"{project}/exports")
    desk.put(f"{project}/exports/cut.mov")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.flush()
    assert paths(desk, project) == [f"{ORIGINALS}/a.mov"]
    assert ops(desk, project) == [("stored", "exports/cut.mov"), ("stored", f"{ORIGINALS}/a.mov")]


# what clients do


def test_junk_leaves_no_line_and_a_safe_save_is_one(desk: Desk) -> None:
    """Office moves the original aside under a temporary name, then its new file into place."""
    project = desk.project("A")
    here = f"{project}/{ORIGINALS}"
    put(desk.library, f"{here}/._a.mov", writer="finder")
    desk.put(f"{here}/cut.docx", b"old")
    desk.put(f"{here}/~WRD0001.tmp", b"new")
    desk.library.move(f"{here}/cut.docx", f"{here}/~WRL0002.tmp")
    desk.library.move(f"{here}/~WRD0001.tmp", f"{here}/cut.docx")
    desk.library.delete(f"{here}/~WRL0002.tmp")
    desk.flush()
    name = f"{ORIGINALS}/cut.docx"
    assert ops(desk, project) == [("stored", name), ("deleted", name), ("stored", name)]
    assert paths(desk, project) == [name]


def test_a_folder_put_in_place_of_another_tells_what_was_in_that(desk: Desk) -> None:
    project = desk.project("A")
    for folder in ("old", "new"):
        desk.library.make_folder(f"{project}/{ORIGINALS}/{folder}")
        desk.put(f"{project}/{ORIGINALS}/{folder}/{folder}.mov")
    desk.flush()
    desk.library.move(f"{project}/{ORIGINALS}/new", f"{project}/{ORIGINALS}/old")
    desk.flush()
    assert ops(desk, project)[2:] == [
        ("deleted", f"{ORIGINALS}/old/"), ("deleted", f"{ORIGINALS}/old/old.mov"),
        ("relocated", f"{ORIGINALS}/old/"), ("relocated", f"{ORIGINALS}/old/new.mov"),
    ]  # fmt: skip


def test_a_folder_moved_before_the_follower_looked_tells_what_was_in_it_then(desk: Desk) -> None:
    """The journal has one row for it; what came or went since is told by its own event."""
    project = desk.project("A")
    here = f"{project}/{ORIGINALS}"
    desk.library.make_folder(f"{here}/day")
    for name in ("stays.mov", "goes.mov"):
        desk.put(f"{here}/day/{name}")
    desk.flush()
    desk.library.move(f"{here}/day", f"{here}/night")
    desk.put(f"{here}/night/comes.mov")
    desk.library.delete(f"{here}/night/goes.mov")
    desk.flush()
    night = f"{ORIGINALS}/night"
    assert ops(desk, project)[2:] == [
        ("relocated", f"{night}/"), ("relocated", f"{night}/stays.mov"), ("stored", f"{night}/comes.mov"),
        ("deleted", f"{night}/goes.mov"),
    ]  # fmt: skip
    check(desk, project)


def test_loose_files_have_lines_once_they_are_in_a_project(desk: Desk) -> None:
    project = desk.project("A")
    desk.put("clip.mov")
    desk.library.move("clip.mov", f"{project}/{ORIGINALS}/clip.mov")
    desk.flush()
    [line] = lines(desk.library, project)
    assert (line["op"], line["from"], line["project"]) == ("moved_in", "clip.mov", None)
    assert names(desk, project) == ["media_moved_in"]


def test_what_a_phone_said_of_its_album_is_kept_as_it_was_said(desk: Desk) -> None:
    project = desk.project("A")
    body = {"album": "Urlaub", "device": {"name": "Jos iPhone"}, "count": 12}
    desk.library.store.commit(lambda acts: acts.tell("sync-album", {"path": project, "body": body}))
    desk.flush()
    [line] = lines(desk.library, project, "events.jsonl")
    assert (line["event"], line["payload"]) == ("sync-album", body)


def test_a_duplicate_that_was_refused_is_told_with_the_path_that_has_the_bytes(desk: Desk) -> None:
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov", b"bytes")
    entry = desk.library.entry(f"{project}/{ORIGINALS}/a.mov")
    facts = {"path": f"{project}/{ORIGINALS}/a.mov", "digest": entry.raw_digest.hex(), "size": 5, "via": "upload"}
    desk.library.store.commit(lambda acts: acts.tell("duplicate", facts))
    desk.flush()
    assert ops(desk, project)[1:] == [("duplicate", f"{ORIGINALS}/a.mov")]
    [_, event] = lines(desk.library, project, "events.jsonl")
    assert event["event"] == "upload_duplicate_skipped"
    assert event["payload"] == {"path": f"{ORIGINALS}/a.mov", "sha256": lines(desk.library, project)[0]["sha256"]}


def test_bytes_edited_in_place_are_told_wherever_they_show(desk: Desk) -> None:
    one, two = desk.project("A"), desk.project("B")
    desk.put(f"{one}/{ORIGINALS}/a.mov", b"as it was")
    desk.library.copy(f"{one}/{ORIGINALS}/a.mov", f"{two}/{ORIGINALS}/b.mov")
    path = desk.library.root / one / ORIGINALS / "a.mov"
    path.chmod(0o644)
    path.write_bytes(b"as it is now")
    reindex.apply(desk.library, reindex.plan(desk.library))
    desk.flush()
    for project, name in ((one, "a.mov"), (two, "b.mov")):
        last = lines(desk.library, project)[-1]
        assert (last["op"], last["relative_path"], last["size"]) == ("indexed", f"{ORIGINALS}/{name}", 12)
        assert index(desk.library, project)["files"][0]["sha256"] == last["sha256"]
        assert last["replaced"] and names(desk, project)[-1] == "media_edited"


# projects


def test_files_move_with_a_project_that_is_renamed(desk: Desk) -> None:
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.flush()
    renamed = desk.library.move(project, "P1-Better").path
    desk.put(f"{renamed}/{ORIGINALS}/b.mov")
    desk.flush()
    assert index(desk.library, renamed)["project"] == renamed
    assert ops(desk, renamed) == [("stored", f"{ORIGINALS}/a.mov"), ("stored", f"{ORIGINALS}/b.mov")]
    assert names(desk, renamed) == ["upload_ingested", "project_renamed", "upload_ingested"]
    assert not (desk.library.root / project).exists()


def test_lines_reach_their_project_whatever_it_was_called_when_they_were_read(desk: Desk) -> None:
    """The follower was away while two projects exchanged their names; what it did before is on record already."""
    one, two = desk.project("One"), desk.project("Two")
    desk.put(f"{one}/{ORIGINALS}/first.mov")
    assert desk.thread.stop()
    desk.put(f"{one}/{ORIGINALS}/of-one.mov")
    desk.put(f"{two}/{ORIGINALS}/of-two.mov")
    aside = desk.library.move(one, "P9-Aside").path
    desk.library.move(two, one)
    desk.put(f"{one}/{ORIGINALS}/of-two-later.mov")
    desk.library.move(aside, two)
    desk.begin()
    desk.flush()
    assert [path for _, path in ops(desk, two)] == [f"{ORIGINALS}/first.mov", f"{ORIGINALS}/of-one.mov"]
    assert [path for _, path in ops(desk, one)] == [f"{ORIGINALS}/of-two.mov", f"{ORIGINALS}/of-two-later.mov"]
    assert paths(desk, two) == [f"{ORIGINALS}/first.mov", f"{ORIGINALS}/of-one.mov"]


def test_a_project_that_was_deleted_is_forgotten_and_its_name_can_be_had_again(desk: Desk) -> None:
    project = desk.project("P4-Film")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.flush()
    desk.library.delete(project)
    desk.put(f"{desk.project('P4-Film')}/{ORIGINALS}/b.mov")
    desk.flush()
    assert paths(desk, project) == [f"{ORIGINALS}/b.mov"]
    assert ops(desk, project) == [("stored", f"{ORIGINALS}/b.mov")]
    desk.library.delete(project)
    desk.flush()
    assert list(outputs(desk.library.root)) == []


def test_a_project_that_was_copied_gets_files_of_its_own(desk: Desk) -> None:
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    copied = desk.library.copy(project, "P7-Copy").path
    desk.flush()
    assert index(desk.library, copied)["project"] == copied
    assert ops(desk, copied) == [("indexed", f"{ORIGINALS}/a.mov")]
    assert paths(desk, copied) == paths(desk, project)


def test_a_folder_that_becomes_a_project_leaves_one_and_begins_another(desk: Desk) -> None:
    project = desk.project("A")
    desk.library.make_folder(f"{project}/ingest/originals/day")
    desk.put(f"{project}/{ORIGINALS}/day/a.mov")
    promoted = desk.library.move(f"{project}/{ORIGINALS}/day", "P2-Day").path
    desk.flush()
    assert ops(desk, project)[1:] == [("moved_out", f"{ORIGINALS}/day/"), ("moved_out", f"{ORIGINALS}/day/a.mov")]
    assert ops(desk, promoted) == [("moved_in", "a.mov")]
    assert paths(desk, promoted) == []


def test_notes_are_in_the_index(desk: Desk) -> None:
    project = desk.project("A")
    desk.flush()
    desk.library.set_notes(project, "two cameras")
    desk.flush()
    assert index(desk.library, project)["notes"] == "two cameras"


# each line once


def test_a_crash_before_the_position_was_saved_writes_nothing_twice(desk: Desk) -> None:
    story(desk)
    desk.flush()
    before = outputs(desk.library.root)
    desk.begin()
    desk.flush()
    assert outputs(desk.library.root) == before


@pytest.mark.parametrize("name", ["files.jsonl", "events.jsonl"])
def test_whatever_a_crash_left_of_the_last_event_is_made_whole(desk: Desk, name: str) -> None:
    """The last event is a folder's, with several lines: cut at every byte of them."""
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.library.make_folder(f"{project}/{ORIGINALS}/day")
    for number in range(3):
        desk.put(f"{project}/{ORIGINALS}/day/{number}.mov")
    desk.library.move(f"{project}/{ORIGINALS}/day", f"{project}/{ORIGINALS}/night")
    desk.flush()
    path = desk.library.root / project / "_manifest" / name
    whole = path.read_bytes()
    start = whole.index(b"media_relocated" if name == "events.jsonl" else b"relocated") - 200
    for end in range(start, len(whole), 7):
        path.write_bytes(whole[:end] + bytes(end % 3))  # some file systems leave zeros behind a power cut
        desk.begin()
        desk.flush()
        assert path.read_bytes() == whole


def test_lines_of_events_before_the_saved_position_are_left_alone(desk: Desk) -> None:
    """What people did to the file by hand stays, and what is new goes behind it."""
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.thread.stop()
    path = desk.library.root / project / "_manifest" / "files.jsonl"
    path.write_bytes(b'{"seq": 900000, "of": "another root"}\n' + path.read_bytes() + b"seen by Jo, 18 January\r\n")
    before = path.read_bytes()
    desk.begin()
    desk.put(f"{project}/{ORIGINALS}/b.mov")
    desk.flush()
    assert path.read_bytes().startswith(before)
    assert json.loads(path.read_bytes()[len(before) :])["relative_path"] == f"{ORIGINALS}/b.mov"


def test_a_line_longer_than_what_is_read_at_once_is_found_whole(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    project = desk.project("A")
    body = {"album": "x" * 300_000}
    for _ in range(2):
        desk.library.store.commit(lambda acts: acts.tell("sync-album", {"path": project, "body": body}))
    desk.flush()
    before = outputs(tmp_path)
    desk.begin()
    desk.flush()
    assert outputs(tmp_path) == before
    desk.library.close()


def test_files_removed_by_hand_are_made_again(desk: Desk) -> None:
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    assert desk.thread.stop()
    shutil.rmtree(desk.library.root / project / "_manifest")
    (desk.library.root / project / "index.json").unlink()
    desk.begin()
    desk.flush()
    assert paths(desk, project) == [f"{ORIGINALS}/a.mov"]
    desk.put(f"{project}/{ORIGINALS}/b.mov")
    desk.flush()
    assert ops(desk, project) == [("stored", f"{ORIGINALS}/b.mov")]


def test_a_file_that_shares_its_bytes_with_another_name_is_parted_from_it(desk: Desk) -> None:
    """A backup made of hard links must not grow along; nor a blob."""
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.flush()
    path, backup = desk.library.root / project / "_manifest" / "files.jsonl", desk.library.root / "backup.jsonl"
    backup.hardlink_to(path)
    before = backup.read_bytes()
    desk.put(f"{project}/{ORIGINALS}/b.mov")
    desk.flush()
    assert backup.read_bytes() == before
    assert len(ops(desk, project)) == 2


def test_everything_is_synced_before_the_position_that_stands_for_it_is_saved(desk: Desk) -> None:
    project = desk.project("A")
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.flush()
    assert desk.manifest.seq == desk.library.store.journal.last_seq
    before = desk.system.synced
    assert desk.manifest.settle() == desk.manifest.seq
    assert desk.system.synced - before == 5  # three files, two folders
    assert desk.manifest.settle() == desk.manifest.seq
    assert desk.system.synced - before == 5


# no more work than there is news


def test_two_thousand_puts_write_the_index_a_few_times(desk: Desk) -> None:
    project = desk.project("A")
    desk.flush()
    desk.wrote()
    for number in range(2000):
        desk.put(f"{project}/{ORIGINALS}/{number:04d}.mov")
        desk.system.pass_s(0.002)
        if number % 10 == 0:
            desk.thread.step()
    assert desk.wrote() <= 5  # four seconds, one a second
    desk.flush()
    assert desk.wrote() == 1
    assert len(paths(desk, project)) == len(ops(desk, project)) == 2000


def test_an_index_that_takes_long_is_written_rarely(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most a twentieth of the time goes into it."""

    def slowly(index: dict[str, Any]) -> bytes:
        desk.system.pass_s(0.5)
        return render(index)

    monkeypatch.setattr(manifest, "render", slowly)
    project = desk.project("A")
    desk.flush()
    desk.wrote()
    for number in range(100):
        desk.put(f"{project}/{ORIGINALS}/{number}.mov")
        desk.system.pass_s(0.3)
        desk.thread.step()
    assert 2 <= desk.wrote() <= 4  # in thirty seconds, ten apart


def test_a_project_left_alone_is_written_soon(desk: Desk) -> None:
    project = desk.project("A")
    desk.flush()
    desk.wrote()
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.thread.step()
    assert desk.wrote() == 0
    desk.system.pass_s(0.25)
    desk.thread.step()
    assert desk.wrote() == 1


def test_a_start_writes_only_what_is_behind(desk: Desk) -> None:
    projects = [desk.project(f"N{number}") for number in range(200)]
    assert desk.thread.stop()
    desk.put(f"{projects[3]}/{ORIGINALS}/a.mov")
    (desk.library.root / projects[5] / "index.json").unlink()
    (desk.library.root / projects[7] / "index.json").write_bytes(b"")
    desk.wrote()
    desk.begin()
    desk.flush()
    assert desk.wrote() == 3
    assert paths(desk, projects[3]) == [f"{ORIGINALS}/a.mov"]
    assert index(desk.library, projects[7])["project"] == projects[7]


# trouble


@pytest.mark.parametrize("refused", ["files.jsonl", "events.jsonl", "index.json"])
def test_a_project_that_cannot_be_written_is_caught_up_later(
    desk: Desk, refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    project = desk.project("A")
    desk.flush()
    desk.system.refused[refused] = FULL
    for number in range(5):
        desk.put(f"{project}/{ORIGINALS}/{number}.mov")
        desk.system.pass_s(5)
        assert not desk.thread.flush()
    assert desk.manifest.problem.startswith(project)
    assert len(caplog.records) == 1
    assert desk.manifest.settle() < desk.manifest.seq
    desk.system.refused.clear()
    desk.system.pass_s(60)
    desk.flush()
    assert desk.manifest.problem == ""
    assert ops(desk, project) == [("stored", f"{ORIGINALS}/{number}.mov") for number in range(5)]
    assert len(names(desk, project)) == len(paths(desk, project)) == 5
    assert desk.manifest.settle() == desk.manifest.seq


def test_the_trouble_of_one_project_is_not_that_of_others(desk: Desk) -> None:
    one, two = desk.project("A"), desk.project("B")
    desk.flush()
    shutil.rmtree(desk.library.root / one / "_manifest")
    (desk.library.root / one / "_manifest").write_bytes(b"not a folder")
    for project in (one, two):
        desk.put(f"{project}/{ORIGINALS}/a.mov")
    assert not desk.thread.flush()
    assert paths(desk, two) == [f"{ORIGINALS}/a.mov"] and len(ops(desk, two)) == 1
    (desk.library.root / one / "_manifest").unlink()
    desk.system.pass_s(60)
    desk.flush()
    assert paths(desk, one) == [f"{ORIGINALS}/a.mov"] and len(ops(desk, one)) == 1
    assert len(ops(desk, two)) == 1


def test_a_crash_amid_trouble_forgets_nothing(desk: Desk) -> None:
    project = desk.project("A")
    desk.flush()
    desk.system.refused["files.jsonl"] = FULL
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    assert not desk.thread.stop()
    desk.system.refused.clear()
    desk.begin()
    desk.flush()
    assert len(ops(desk, project)) == len(names(desk, project)) == 1


def test_an_event_nobody_understands_holds_nothing_up(desk: Desk) -> None:
    project = desk.project("A")
    desk.library.store.commit(lambda acts: acts.tell("put", {"path": f"{project}/x", "digest": 7}))
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    desk.flush()
    assert len(ops(desk, project)) == 1


def test_a_pipe_put_there_by_hand_holds_nobody_up(desk: Desk) -> None:
    project = desk.project("A")
    desk.flush()
    path = desk.library.root / project / "_manifest" / "files.jsonl"
    os.mkfifo(path)
    desk.put(f"{project}/{ORIGINALS}/a.mov")
    assert not desk.thread.flush()
    assert "not a plain file" in desk.manifest.problem


# any order of things

NAMES = st.sampled_from(["a.mov", "b.mov", "day", "night", "~$a.tmp"])
FOLDERS = st.sampled_from([f"P1-A/{ORIGINALS}", f"P1-A/{ORIGINALS}/day", f"P1-A/{ORIGINALS}/night", f"P2-B/{ORIGINALS}",
                           f"P2-B/{ORIGINALS}/day", "P2-B", ""])  # fmt: skip
PLACES = st.builds(lambda folder, name: f"{folder}/{name}" if folder else "P3-" + name, FOLDERS, NAMES)
PLACES |= st.sampled_from(["P1-A", "P2-B"])
EDITS = st.one_of(
    st.tuples(st.just("put"), PLACES, st.binary(min_size=1, max_size=1)),
    st.tuples(st.just("make_folder"), PLACES),
    st.tuples(st.just("make_project"), st.sampled_from(["P1-A", "P2-B"])),
    st.tuples(st.sampled_from(["move", "copy"]), PLACES, PLACES),
    st.tuples(st.just("move"), st.sampled_from(["P1-A", "P2-B"]), st.sampled_from(["P1-A", "P2-B", "P5-C", "P6-D"])),
    st.tuples(st.just("move"), st.sampled_from(["P5-C", "P6-D"]), st.sampled_from(["P1-A", "P2-B"])),
    st.tuples(st.just("delete"), PLACES),
    st.tuples(st.sampled_from(["flush", "crash", "stop"])),
)


def perform(desk: Desk, edit: tuple[Any, ...]) -> None:
    """One edit, as far as the library allows it."""
    verb, *values = edit
    if verb in ("crash", "stop"):
        if verb == "stop":
            desk.thread.stop()
        desk.begin()
    elif verb == "flush":
        desk.flush()
    else:
        call: Callable[..., Any] = desk.put if verb == "put" else getattr(desk.library, verb)
        try:
            call(*values)
        except NameProblem:
            return


def fold(records: list[dict[str, Any]]) -> dict[str, str]:
    """Which content each file of a project has, from files.jsonl alone."""
    files: dict[str, str] = {}
    for record in records:
        path, old = record["relative_path"], record.get("from") if record["op"] == "relocated" else None
        if path.endswith("/"):
            taken = old or path
            kept = {name: blake3 for name, blake3 in files.items() if not name.startswith(taken)}
            moved = {path + name[len(taken) :]: files[name] for name in files.keys() - kept.keys()} if old else {}
            files = kept | moved
        elif record["op"] in ("deleted", "missing", "moved_out"):
            files.pop(path, None)
        else:
            files.pop(old or "", None)
            files[path] = record["blake3"]
    return files


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, min_size=1, max_size=30))
def test_after_any_edits_the_files_tell_the_tree(edits: list[tuple[Any, ...]]) -> None:
    """index.json is a fresh rendering; who adds up files.jsonl has the tree; numbers rise; nothing stands twice."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        desk = Desk(Path(folder))
        for name in ("P1-A", "P2-B"):
            desk.project(name)
            desk.library.make_folder(f"{name}/{ORIGINALS}/day")
            desk.put(f"{name}/{ORIGINALS}/day/a.mov")
        for edit in edits:
            perform(desk, edit)
        desk.flush()
        for project in desk.library.projects():
            check(desk, project.name)
        desk.library.close()


def check(desk: Desk, name: str) -> None:
    library = desk.library
    project = library.project(name)
    with library.store.index.read() as txn:
        fresh = render(index_of(txn, library.tree, library.store.blobs, project.entry, project.row))
    assert (library.root / name / "index.json").read_bytes() == fresh
    files = ((path.partition("/")[2], entry) for path, entry in library.walk(name) if not entry.is_folder)
    known = {path: entry.raw_digest.hex() for path, entry in files}
    records = lines(library, name)
    assert fold(records) == known
    for written in (records, lines(library, name, "events.jsonl")):
        seqs = [record["seq"] for record in written]
        assert seqs == sorted(seqs)
        assert len({json.dumps(record) for record in written}) == len(written)


def test_a_ledger_starts_where_the_first_line_is_due(tmp_path: Path) -> None:
    """A project copied here by hand brings lines of its own: they stay, and new ones go behind them."""
    store = Store(tmp_path, System())
    (tmp_path / "x.jsonl").write_bytes(b'{"seq":7}\n')
    ledger = Ledger("x.jsonl", 99)
    ledger.append(store.home, store.system, store.home.root, [], 200)
    assert (tmp_path / "x.jsonl").read_bytes() == b'{"seq":7}\n' and ledger.seq == 99
    store.close()
