"""curl's own ways: bodies of unknown length, asking before sending, pieces of files, giving up in the middle."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from .programs.base import Refused
from .programs.curl import Curl, curl
from .server import DavServer, Project

pytestmark = pytest.mark.client

FILM = Random("curl").randbytes(3_000_000)


@dataclass(frozen=True)
class Desk:
    curl: Curl
    project: Project
    folder: Path

    def url(self, name: str) -> str:
        return self.project.server.url_of(self.project.path(name))

    def local(self, data: bytes = FILM) -> str:
        path = self.folder / "local.mov"
        path.write_bytes(data)
        return str(path)

    def get(self, name: str, *options: str) -> bytes:
        """curl's standard output, byte for byte."""
        command = ["curl", "-fsS", "--noproxy", "*", *options, self.url(name)]
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def project(server: DavServer) -> Project:
    return server.project("curl-desk")


@pytest.fixture
def desk(server: DavServer, project: Project, tmp_path: Path) -> Iterator[Desk]:
    with curl(server, tmp_path) as program:
        yield Desk(program, project, tmp_path)


def test_a_body_of_unknown_length_arrives_whole(desk: Desk) -> None:
    command = ["curl", "-fsS", "--noproxy", "*", "-T", "-", desk.url("piped.mov")]
    subprocess.run(command, input=FILM, check=True, timeout=60)
    assert desk.project.holds("piped.mov") == FILM


def test_asking_before_sending_is_answered_at_once(desk: Desk) -> None:
    options = ("-H", "Expect: 100-continue", "--expect100-timeout", "20", "--max-time", "10")
    desk.curl("-T", desk.local(), *options, path=desk.project.path("asked.mov"))
    assert desk.project.holds("asked.mov") == FILM


def test_pieces_are_read_from_both_ends_and_the_middle(desk: Desk) -> None:
    desk.project.put("pieces.mov", FILM)
    assert desk.get("pieces.mov", "-r", "0-99") == FILM[:100]
    assert desk.get("pieces.mov", "-r", "1000000-1999999") == FILM[1_000_000:2_000_000]
    assert desk.get("pieces.mov", "-r", "-100") == FILM[-100:]


def test_a_broken_download_goes_on_where_it_stopped(desk: Desk) -> None:
    desk.project.put("resumed.mov", FILM)
    partial = desk.folder / "partial.mov"
    partial.write_bytes(FILM[:1_234_567])
    desk.curl("-C", "-", "-o", str(partial), path=desk.project.path("resumed.mov"))
    assert partial.read_bytes() == FILM


def test_an_upload_that_wants_to_go_on_in_the_middle_is_refused(desk: Desk) -> None:
    desk.project.put("half.mov", FILM)
    with pytest.raises(Refused, match="400"):
        desk.curl("-C", "1000000", "-T", desk.local(), path=desk.project.path("half.mov"))
    assert desk.project.holds("half.mov") == FILM


def test_an_upload_given_up_leaves_nothing_behind(desk: Desk) -> None:
    with pytest.raises(Refused, match="exit 28"):
        limits = ("--limit-rate", "1M", "--max-time", "1")
        desk.curl("-T", desk.local(), *limits, path=desk.project.path("given up.mov"))
    assert desk.project.holds("given up.mov") is None


def test_an_upload_given_up_leaves_the_old_version(desk: Desk) -> None:
    desk.project.put("kept.mov", b"the old version")
    with pytest.raises(Refused, match="exit 28"):
        limits = ("--limit-rate", "1M", "--max-time", "1")
        desk.curl("-T", desk.local(), *limits, path=desk.project.path("kept.mov"))
    assert desk.project.holds("kept.mov") == b"the old version"


def test_what_has_not_changed_is_not_sent_again(desk: Desk) -> None:
    desk.project.put("cached.mov", FILM)
    tag = desk.folder / "tag"
    assert desk.get("cached.mov", "--etag-save", str(tag)) == FILM
    assert desk.get("cached.mov", "--etag-compare", str(tag)) == b""


def test_twenty_uploads_at_once_all_arrive(desk: Desk) -> None:
    names = [f"parallel {number}.mov" for number in range(20)]
    options: list[str] = []
    for number, name in enumerate(names):
        local = desk.folder / f"{number}.mov"
        local.write_bytes(Random(name).randbytes(200_000))
        options += ["-T", str(local), desk.url(name)]
    command = ["curl", "-fsS", "--noproxy", "*", "-Z", "--parallel-max", "8", *options]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    for name in names:
        assert desk.project.holds(name) == Random(name).randbytes(200_000)
