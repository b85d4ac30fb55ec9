"""One story for every program: what it sends is what lies on disk and what everybody else reads."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from .programs import PROGRAMS, Program
from .server import DavServer, Project

pytestmark = pytest.mark.client

NAMES = {
    "plain": "clip.mov",
    "spaces": "two words  and (2).mov",
    "composed": unicodedata.normalize("NFC", "Zürich Größe é.mov"),
    "decomposed": unicodedata.normalize("NFD", "Zürich Größe é.mov"),
    "emoji": "🎬🇨🇭 👨‍👩‍👧 première.mov",
    "semicolon": "part;one.mov",
    "question": "what?.mov",
    "number-sign": "take #4.mov",
    "percent": "100%41 %2e.mov",
    "plus-and": "a+b&c=d@e$f,!'g.mov",
    "long": "n" * 196 + ".mov",
    "dots": "...before and after...mov",
}

# What a program cannot do with any server, and why.
UNABLE = {
    ("webdav4", name): "webdav4 does not escape this sign in a path" for name in ("question", "number-sign", "percent")
}


@dataclass(frozen=True)
class Stage:
    """Two projects and one program that is about to work in them."""

    name: str
    program: Program
    one: Project
    two: Project
    desk: Path

    def file(self, size: int, seed: str) -> Path:
        """A local file whose content nobody else has."""
        local = self.desk / "local.mov"
        local.write_bytes(Random(f"{self.one.name} {seed}").randbytes(size))
        return local


@pytest.fixture(scope="module", params=PROGRAMS)
def stage(
    request: pytest.FixtureRequest, server: DavServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    desk = tmp_path_factory.mktemp(request.param)
    one, two = (server.project(f"{request.param}-{word}") for word in ("one", "two"))
    with PROGRAMS[request.param](server, desk) as program:
        yield Stage(request.param, program, one, two, desk)


def test_an_upload_arrives_whole(stage: Stage) -> None:
    local = stage.file(700_001, "upload")
    stage.program.upload(local, stage.one.path("fresh.mov"))
    assert stage.one.holds("fresh.mov") == local.read_bytes()


def test_an_empty_file_arrives_empty(stage: Stage) -> None:
    stage.program.upload(stage.file(0, "nothing"), stage.one.path("empty.mov"))
    assert stage.one.holds("empty.mov") == b""


def test_an_overwrite_replaces_the_bytes(stage: Stage) -> None:
    stage.program.upload(stage.file(300_000, "first"), stage.one.path("again.mov"))
    local = stage.file(200_000, "second")
    stage.program.upload(local, stage.one.path("again.mov"))
    assert stage.one.holds("again.mov") == local.read_bytes()


def test_a_rename_keeps_the_file_itself(stage: Stage) -> None:
    local = stage.file(50_000, "rename")
    stage.program.upload(local, stage.one.path("before.mov"))
    inode = _inode(stage.one, "before.mov")
    stage.program.move(stage.one.path("before.mov"), stage.one.path("after.mov"))
    assert stage.one.holds("before.mov") is None
    assert stage.one.holds("after.mov") == local.read_bytes()
    assert _inode(stage.one, "after.mov") == inode


def test_a_move_to_another_project_keeps_the_file_itself(stage: Stage) -> None:
    local = stage.file(50_000, "travel")
    stage.program.upload(local, stage.one.path("travels.mov"))
    inode = _inode(stage.one, "travels.mov")
    stage.program.move(stage.one.path("travels.mov"), stage.two.path("has travelled.mov"))
    assert stage.one.holds("travels.mov") is None
    assert stage.two.holds("has travelled.mov") == local.read_bytes()
    assert _inode(stage.two, "has travelled.mov") == inode


def test_a_deleted_file_is_gone_for_everybody(stage: Stage) -> None:
    stage.program.upload(stage.file(10_000, "delete"), stage.one.path("unwanted.mov"))
    stage.program.delete(stage.one.path("unwanted.mov"))
    assert stage.one.holds("unwanted.mov") is None
    assert "unwanted.mov" not in stage.one.names()


def test_a_folder_is_made_filled_renamed_and_deleted(stage: Stage) -> None:
    local = stage.file(10_000, "folder")
    stage.program.make_folder(stage.one.path("Tag 1 ä"))
    stage.program.upload(local, stage.one.path("Tag 1 ä/in it.mov"))
    stage.program.move(stage.one.path("Tag 1 ä"), stage.one.path("Tag 2 ö"))
    assert stage.one.holds("Tag 2 ö/in it.mov") == local.read_bytes()
    stage.program.delete_folder(stage.one.path("Tag 2 ö"))
    assert not {"Tag 1 ä", "Tag 2 ö"} & stage.one.names()
    assert stage.one.on_disk("Tag 2 ö") is None


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_goes_there_and_back(stage: Stage, kind: str) -> None:
    if reason := UNABLE.get((stage.name, kind)):
        pytest.skip(reason)
    name = NAMES[kind]
    local, back = stage.file(5_000, name), stage.desk / "back.mov"
    stage.program.upload(local, stage.one.path(name))
    assert stage.one.holds(name) == local.read_bytes()
    assert unicodedata.normalize("NFC", name) in {unicodedata.normalize("NFC", n) for n in _names(stage)}
    stage.program.download(stage.one.path(name), back)
    assert back.read_bytes() == local.read_bytes()
    stage.program.move(stage.one.path(name), stage.two.path(name))
    assert stage.two.holds(name) == local.read_bytes()
    stage.program.delete(stage.two.path(name))
    assert stage.one.holds(name) is stage.two.holds(name) is None


def test_the_same_bytes_under_two_names_are_one_file(stage: Stage, server: DavServer) -> None:
    if not server.shares_blobs:
        pytest.skip("a plain folder keeps every copy")
    local = stage.file(80_000, "twin")
    stage.program.upload(local, stage.one.path("twin.mov"))
    stage.program.upload(local, stage.two.path("other twin.mov"))
    assert _inode(stage.one, "twin.mov") == _inode(stage.two, "other twin.mov")
    file = stage.one.on_disk("twin.mov")
    assert file is not None and file.stat().st_nlink == 3, "two names and the blob itself"


def _names(stage: Stage) -> list[str]:
    return stage.program.names(stage.one.name)


def _inode(project: Project, name: str) -> int:
    file = project.on_disk(name)
    assert file is not None, f"{name} does not lie in {project.name}"
    return file.stat().st_ino
