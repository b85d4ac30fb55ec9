"""rclone as people run it at night: a card copied, checked by checksum, synced again, and nothing sent twice."""

from __future__ import annotations

import hashlib
import json
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.samples import make_samples

from .programs.base import run
from .programs.rclone import Rclone, rclone
from .server import DavServer, Project

pytestmark = pytest.mark.client

SENT_NOTHING = "There was nothing to transfer"


@dataclass(frozen=True)
class Night:
    """A card with clips, already copied into a project once."""

    rclone: Rclone
    card: Path
    project: Project

    @property
    def remote(self) -> str:
        return self.rclone.remote + self.project.name

    def log(self, *arguments: str) -> str:
        """What rclone says on standard error, which is all it says about its work."""
        command = ["rclone", "--config", "/dev/null", "-v", *arguments]
        done = subprocess.run(command, capture_output=True, timeout=120)
        said = done.stderr.decode(errors="replace")
        assert done.returncode == 0, said
        return said


@pytest.fixture(scope="module")
def night(server: DavServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    desk = tmp_path_factory.mktemp("rclone-night")
    make_samples(desk / "card", 40, seed=7)
    with rclone(server, desk) as program:
        night = Night(program, desk / "card", server.project("rclone-night"))
        night.log("copy", str(night.card), night.remote)
        yield night


def test_every_clip_is_checked_by_its_hash(night: Night) -> None:
    said = night.log("check", "--checksum", str(night.card), night.remote)
    assert "0 differences found" in said
    assert "could not be checked" not in said


def test_the_hashes_are_those_of_the_bytes(night: Night) -> None:
    theirs = _by_name(run("rclone", "--config", "/dev/null", "hashsum", "SHA1", night.remote).splitlines())
    files = [path for path in night.card.rglob("*") if path.is_file()]
    assert theirs == _by_name(
        f"{hashlib.sha1(path.read_bytes()).hexdigest()}  {path.relative_to(night.card)}" for path in files
    )


def test_the_times_are_those_of_the_card(night: Night) -> None:
    listing = json.loads(run("rclone", "--config", "/dev/null", "lsjson", "-R", "--files-only", night.remote))
    assert listing
    for entry in listing:
        [original] = [path for path in night.card.rglob("*") if _same(path.relative_to(night.card), entry["Path"])]
        assert entry["ModTime"] == _utc(original.stat().st_mtime)


def test_a_second_sync_sends_nothing(night: Night) -> None:
    for how in ("--checksum", "--update"):
        assert SENT_NOTHING in night.log("sync", how, str(night.card), night.remote)


def test_a_sync_follows_what_was_changed_and_deleted(night: Night, tmp_path: Path) -> None:
    files = sorted(path for path in night.card.rglob("*") if path.is_file())
    kept, removed = files[0], files[1]
    content = removed.read_bytes()
    removed.unlink()
    kept.write_bytes(b"recut " * 1000)
    night.log("sync", "--checksum", str(night.card), night.remote)
    assert night.project.holds(str(kept.relative_to(night.card))) == kept.read_bytes()
    assert night.project.holds(str(removed.relative_to(night.card))) is None
    removed.write_bytes(content)


def test_a_purged_folder_is_gone(night: Night) -> None:
    night.project.put("doomed.mov", b"doomed")
    night.rclone.make_folder(night.project.path("folder"))
    night.rclone.move(night.project.path("doomed.mov"), night.project.path("folder/doomed.mov"))
    night.rclone.delete_folder(night.project.path("folder"))
    assert night.project.on_disk("folder") is None


def test_an_upload_of_unknown_length_arrives_whole(night: Night) -> None:
    target = night.rclone.remote + night.project.path("from a pipe.mov")
    data = b"0123456789abcdef" * 40_000
    done = subprocess.run(["rclone", "--config", "/dev/null", "rcat", target], input=data, timeout=60)
    assert done.returncode == 0
    assert night.project.holds("from a pipe.mov") == data


def test_it_sees_how_much_room_is_left(night: Night) -> None:
    about = json.loads(run("rclone", "--config", "/dev/null", "about", "--json", night.rclone.remote))
    assert about["free"] > 0


def _by_name(lines: Iterator[str] | list[str]) -> dict[str, str]:
    pairs = (line.split("  ", 1) for line in lines)
    return {unicodedata.normalize("NFC", name): digest for digest, name in pairs}


def _same(path: Path, name: str) -> bool:
    return unicodedata.normalize("NFC", str(path)) == unicodedata.normalize("NFC", name)


def _utc(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
