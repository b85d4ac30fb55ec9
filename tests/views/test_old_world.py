"""A root of the replaced system, built byte by byte as contract §2.2 tells it, opens with nothing lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cas.errors import CasError
from tests.faulty import Death, FaultySystem, QuickSystem
from tests.state import check_links, check_replay, put, rows
from views import old_world, reindex
from views.entry import Kind
from views.followers import FollowerThread
from views.library import Library
from views.manifest import Manifest
from views.previews import Previews
from views.reindex import Report
from views.sources import Sources
from views.tree import pack_id

PROJECT = "P3-Interview"
ALBUM = "{'album': 'Wedding', 'count': 2}\n"  # sync-album of the old program: Python's own spelling, no JSON
ORIGINALS = "ingest/originals"
FILMS = {"IMG_0101.MOV": b"first", "cam-b/A001.mov": b"second", "Zoë.mov": b"third", "again.mov": b"first"}
TIMES = {
    "IMG_0101.MOV": ("uploaded_at", "2026-01-18T20:16:00.000001+00:00"),
    "cam-b/A001.mov": ("indexed_at", "2026-01-18T20:20:00.000001+00:00"),
    "Zoë.mov": ("indexed_at", "2026-01-18T20:20:00.000001+00:00"),  # the same moment: the order is that of the list
    "again.mov": ("uploaded_at", "2026-01-19T08:00:00.500000+00:00"),
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(name: str, data: bytes) -> dict[str, Any]:
    key, when = TIMES.get(name, ("uploaded_at", "2026-01-20T00:00:00.000001+00:00"))
    return {"relative_path": f"{ORIGINALS}/{name}", "sha256": sha256(data), "size": len(data), key: when}


def old_index(**more: Any) -> dict[str, Any]:
    return {
        "project": PROJECT, "notes": "interview day", "created_at": "2026-01-18T20:15:00.000001+00:00",
        "files": [entry(name, data) for name, data in FILMS.items()],
        "counts": {"videos": 4, "duplicates_skipped": 5, "removed_missing_records": 7}, **more,
    }  # fmt: skip


def rendered(index: dict[str, Any]) -> bytes:
    return json.dumps(index, indent=2, sort_keys=True).encode()


OLD_EVENTS = "".join(
    json.dumps({"timestamp": "2026-01-18T20:16:00+00:00", "event": "upload_ingested", "payload": entry(name, FILMS[name])}) + "\n"
    for name in ("IMG_0101.MOV", "again.mov")
) + ALBUM  # fmt: skip


def database(path: Path, films: dict[str, bytes]) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE files (sha256 TEXT PRIMARY KEY, relative_path TEXT NOT NULL, recorded_at TEXT NOT NULL)")
        for name, data in films.items():
            row = sha256(data), f"{ORIGINALS}/{name}", TIMES[name][1]
            connection.execute("INSERT OR IGNORE INTO files VALUES (?, ?, ?)", row)
    connection.close()


def save(root: Path, path: str, data: bytes) -> Path:
    target = root / PROJECT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A root as the old program left it."""
    root = tmp_path / "projects"
    for name, data in FILMS.items():
        save(root, f"{ORIGINALS}/{name}", data)
    save(root, "ingest/thumbnails/IMG_0101.jpg", b"\xff\xd8 picture")
    save(root, "index.json", rendered(old_index()))
    save(root, "_manifest/events.jsonl", OLD_EVENTS.encode())
    database(root / PROJECT / "_manifest/manifest.db", FILMS)
    sources = [{"name": "primary", "root": str(root), "type": "local", "enabled": True},
               {"name": "nas", "root": str(tmp_path / "nas"), "type": "smb", "enabled": False}]  # fmt: skip
    (root / "_sources").mkdir()
    (root / "_sources/sources.json").write_text(json.dumps(sources))
    return root


def start(root: Path) -> tuple[Library, Report]:
    """A first, or a next, start: open, look, take in, write what followers write."""
    library = Library(root, QuickSystem())
    report = reindex.apply(library, reindex.plan(library))
    flush(library)
    return library, report


def flush(library: Library) -> None:
    assert FollowerThread(library.store, [Manifest(library.store, library.tree)]).stop()


def index(root: Path, project: str = PROJECT) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / project / "index.json").read_bytes())
    return found


def events(root: Path) -> str:
    return (root / PROJECT / "_manifest/events.jsonl").read_text()


def times(root: Path) -> dict[str, tuple[str, str]]:
    """When each file came, and how, as our index.json tells it."""
    told = {}
    for file in index(root)["files"]:
        [(key, when)] = [(key, file[key]) for key in ("uploaded_at", "indexed_at") if key in file]
        told[file["relative_path"].removeprefix(f"{ORIGINALS}/")] = key, when
    return told


def test_an_old_root_opens_with_nothing_lost(old: Path) -> None:
    library, report = start(old)
    assert index(old) == old_index()
    assert (len(report.indexed), report.conflicts, report.failed, report.busy) == (4, [], {}, [])
    assert (library.root / PROJECT / "_manifest/old/index.json").read_bytes() == rendered(old_index())
    check_links(library)
    check_replay(library).close()


def test_old_events_stay_at_the_beginning_as_they_are_and_ours_follow(old: Path) -> None:
    library, _ = start(old)
    assert events(old).startswith(OLD_EVENTS)
    ours = [json.loads(line) for line in events(old).removeprefix(OLD_EVENTS).splitlines()]
    assert [line["event"] for line in ours] == ["media_indexed"] * 4
    assert sorted(line["seq"] for line in ours) == [line["seq"] for line in ours]
    assert {line["payload"]["relative_path"]: line["payload"] for line in ours} == {
        file["relative_path"]: file for file in old_index()["files"]
    }
    library.close()


def test_a_second_start_changes_nothing(old: Path) -> None:
    start(old)[0].close()
    before = {path: path.read_bytes() for path in (old / PROJECT).rglob("*") if path.is_file()}
    library, report = start(old)
    assert report == Report()
    assert {path: path.read_bytes() for path in (old / PROJECT).rglob("*") if path.is_file()} == before
    library.close()


def test_previews_and_sources_are_there_as_before(old: Path) -> None:
    library, _ = start(old)
    preview = library.untracked(f"{PROJECT}/ingest/thumbnails/IMG_0101.jpg")
    assert preview is not None and os.read(preview.fd, 100) == b"\xff\xd8 picture"
    os.close(preview.fd)
    assert Previews(library, PROJECT).of(sha256(b"first")) == f"ingest/thumbnails/{sha256(b'first')}.jpg"
    assert Previews(library, PROJECT).of(sha256(b"second")) is None
    assert "thumbnails" not in events(old)
    assert [(source.name, source.enabled) for source in Sources(old).list()] == [("primary", True), ("nas", False)]
    library.close()


def test_an_entry_whose_file_is_gone_counts_as_removed(old: Path) -> None:
    (old / PROJECT / ORIGINALS / "cam-b/A001.mov").unlink()
    library, _ = start(old)
    assert "cam-b/A001.mov" not in times(old)
    assert index(old)["counts"] == {"videos": 3, "duplicates_skipped": 5, "removed_missing_records": 8}
    library.close()


@pytest.mark.parametrize("data", [b"FIRST", b"another"])
def test_of_a_file_whose_content_changed_the_file_is_the_truth(old: Path, data: bytes) -> None:
    save(old, f"{ORIGINALS}/IMG_0101.MOV", data)
    library, _ = start(old)
    told = {file["relative_path"]: file for file in index(old)["files"]}[f"{ORIGINALS}/IMG_0101.MOV"]
    assert (told["sha256"], told["size"]) == (sha256(data), len(data))
    assert "indexed_at" in told and told["indexed_at"] > "2026-01-20"
    assert index(old)["counts"]["removed_missing_records"] == 7
    library.close()


def test_unknown_keys_and_entries_without_sense_are_left_out(old: Path) -> None:
    files: list[Any] = [{**file, "normalized_at": "x", "reels": ["a"]} for file in old_index()["files"]]
    files += [7, {"relative_path": "../../x"}, {"relative_path": None}, {"size": "?"}]
    strange = {**old_index(files=files), "counts": {"videos": "many", "duplicates_skipped": 5, "removed_missing_records": 7}}
    save(old, "index.json", rendered({**strange, "owner": "me"}))
    library, _ = start(old)
    assert index(old) == old_index()
    library.close()


def test_an_index_that_was_broken_off_is_told_and_kept_and_its_times_come_from_all_records(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = rendered(old_index())
    torn = whole[: whole.index(b'"relative_path": "ingest/originals/Zo')]
    save(old, "index.json", torn)
    library, report = start(old)
    assert times(old) == TIMES
    assert list(times(old)) == list(FILMS)
    assert index(old)["counts"] == old_index()["counts"]
    assert index(old)["created_at"] == old_index()["created_at"]
    assert (old / PROJECT / "_manifest/old/index.json").read_bytes() == torn
    assert [conflict.path for conflict in report.conflicts] == [f"{PROJECT}/index.json"]
    assert f"{PROJECT}/index.json is broken off" in caplog.text
    library.close()


@pytest.mark.parametrize("torn", [b"", b"{", b"\0" * 100, b"[1, 2]", b'{"counts": {"duplicates_skipped": 5'])
def test_of_an_index_that_says_nothing_the_database_still_tells_times(old: Path, torn: bytes) -> None:
    save(old, "index.json", torn)
    library, report = start(old)
    assert times(old) == {**TIMES}
    assert len(report.conflicts) == 1
    library.close()


def test_without_events_and_database_files_come_now(old: Path) -> None:
    for name in ("_manifest/events.jsonl", "_manifest/manifest.db", "index.json"):
        (old / PROJECT / name).unlink()
    library, report = start(old)
    assert {key for key, _ in times(old).values()} == {"indexed_at"} and not report.conflicts
    assert not (old / PROJECT / "_manifest/old").exists()
    library.close()


def test_a_database_that_is_none_hinders_nothing_and_nothing_is_made_beside_it(old: Path) -> None:
    save(old, "_manifest/manifest.db", b"no database at all")
    library, _ = start(old)
    assert index(old) == old_index()
    assert sorted(os.listdir(old / PROJECT / "_manifest")) == ["events.jsonl", "files.jsonl", "manifest.db", "old"]
    library.close()


def test_a_project_whose_records_may_not_be_read_is_not_taken_in(old: Path) -> None:
    class Shut(QuickSystem):
        def open_read(self, folder: int, name: str) -> int:
            if name == "index.json":
                raise PermissionError(errno.EACCES, "Permission denied", name)
            return super().open_read(folder, name)

    library = Library(old, Shut())
    assert PROJECT in reindex.apply(library, reindex.plan(library)).failed
    library.close()
    start(old)[0].close()
    assert index(old) == old_index()


def test_old_events_without_a_last_line_end_are_not_cut(old: Path) -> None:
    kept = OLD_EVENTS.rstrip("\n")
    save(old, "_manifest/events.jsonl", kept.encode())
    library, _ = start(old)
    assert events(old).startswith(kept + "\n{")
    library.close()


def test_a_crash_between_project_and_files_forgets_nothing(old: Path) -> None:
    library = Library(old, QuickSystem())
    steps = reindex.plan(library).steps
    reindex.apply(library, reindex.Plan(steps[:1]))  # the project alone
    flush(library)  # index.json is ours now, without a file
    assert index(old)["files"] == [] and index(old)["notes"] == "interview day"
    library.close()
    start(old)[0].close()
    assert index(old) == old_index()


@pytest.mark.parametrize("at_act", range(1, 60, 6))
def test_a_crash_at_any_act_forgets_nothing(old: Path, at_act: int) -> None:
    system = FaultySystem()
    library = Library(old, system)
    system.arm(at_act)
    try:
        reindex.apply(library, reindex.plan(library))
    except (Death, CasError, OSError):
        assert system.struck
    finally:
        library.store._give_up()
    start(old)[0].close()
    assert index(old) == old_index()
    assert events(old).startswith(OLD_EVENTS)


def test_a_project_asked_for_by_name_takes_what_lies_there_on(old: Path) -> None:
    library = Library(old, QuickSystem())
    assert library.make_project(PROJECT, "").created
    library.close()
    start(old)[0].close()
    assert index(old) == old_index()


def test_our_own_index_is_read_the_same_way_after_the_journal_was_lost(old: Path) -> None:
    library, _ = start(old)
    library.set_notes(PROJECT, "two cameras")
    put(library, f"{PROJECT}/{ORIGINALS}/new.mov", b"new")
    flush(library)
    library.close()
    before, lines = index(old), events(old)
    files = (old / PROJECT / "_manifest/files.jsonl").read_text()
    (old / ".filmcan").rename(old.parent / "lost")
    library, _ = start(old)
    assert index(old) == before
    assert events(old).startswith(lines) and events(old).count("\n") == lines.count("\n") + 5
    told = (old / PROJECT / "_manifest/files.jsonl").read_text()
    assert told.startswith(files) and told.count("\n") == files.count("\n") + 5
    kept = old / PROJECT / "_manifest/old"
    assert json.loads((kept / "index.json").read_bytes()) == old_index()
    assert json.loads((kept / "index_1.json").read_bytes()) == before
    library.close()


def test_what_was_known_of_a_file_is_used_once(old: Path) -> None:
    library, _ = start(old)
    with library.store.index.read() as txn:
        assert list(library.tree.past.scan(txn)) == []
    path = f"{PROJECT}/{ORIGINALS}/IMG_0101.MOV"
    library.delete(path)
    save(old, f"{ORIGINALS}/IMG_0101.MOV", b"first")
    reindex.apply(library, reindex.plan(library))
    flush(library)
    assert times(old)["IMG_0101.MOV"][0] == "indexed_at"
    library.close()


def test_a_project_that_goes_takes_along_what_was_still_known(old: Path) -> None:
    library = Library(old, QuickSystem())
    project = library.make_project(PROJECT).entry
    assert project.kind is Kind.PROJECT
    library.delete(PROJECT)
    with library.store.index.read() as txn:
        assert list(library.tree.past.scan(txn, pack_id(project.id))) == []
    assert check_replay(library).find(PROJECT) is None
    library.close()


def test_a_new_project_has_no_past(tmp_path: Path) -> None:
    library = Library(tmp_path, QuickSystem())
    library.make_project("Film")
    assert not {"past", "kept"} & {table for table, _, _ in rows(library)}
    library.close()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("1970-01-01T00:00:01Z", 10**9), ("1970-01-01T02:00:01+02:00", 10**9), ("1970-01-01T00:00:01", 10**9),
        ("1970-01-01T00:00:00.000001+00:00", 1000), ("yesterday", None), (None, None), (7, None), ("1969-01-01T00:00:00Z", None),
    ],
)  # fmt: skip
def test_times_are_read_as_they_were_written(told: Any, expected: int | None) -> None:
    assert old_world.at_ns(told) == expected


def test_tags_in_sidecars_become_tags_of_the_contents(old: Path) -> None:
    film = FILMS["IMG_0101.MOV"]
    tags = {"manual": ["Keeper", "day  1", "", 7, "keeper"], "derived": ["outdoor"]}
    kept = save(old, f"ingest/_metadata/{sha256(film)}.json", json.dumps({"schema_version": 1, "tags": tags}).encode())
    save(old, f"ingest/_metadata/{'0' * 64}.json", b'{"tags": {"manual": ["nobody"]}}')
    save(old, f"ingest/_metadata/{sha256(FILMS['again.mov'])}x.json", b"{")
    before = kept.read_bytes()
    library, _ = start(old)
    told = {file["relative_path"]: file.get("tags") for file in index(old)["files"]}
    assert told[f"{ORIGINALS}/IMG_0101.MOV"] == ["day 1", "keeper"] and kept.read_bytes() == before
    assert {file["sha256"] for file in index(old)["files"] if "tags" in file} == {sha256(film)}
    library.close()
