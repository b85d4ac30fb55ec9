"""The share as a folder: an ordinary program copies a card in and a colleague's program reads it back."""

from __future__ import annotations

import filecmp
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.samples import make_samples

from .programs.base import Refused
from .programs.gvfs import Gvfs, gvfs
from .programs.mounted import Mounted, davfs2, rclone_mount
from .server import DavServer, Project

pytestmark = pytest.mark.client

LISTED_AGAIN_WITHIN_S = 10  # both keep listings for a moment, whatever they are told
MOUNTS = {"davfs2": davfs2, "rclone-mount": rclone_mount}


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    make_samples(folder, 25, seed=11)
    return folder


@pytest.fixture(scope="module", params=MOUNTS)
def mounted(
    request: pytest.FixtureRequest, server: DavServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Mounted, Project]]:
    project = server.project(f"{request.param}-card")
    with MOUNTS[request.param](server, tmp_path_factory.mktemp(request.param)) as mount:
        yield mount, project


def test_a_card_copied_in_is_the_same_card_for_the_next_reader(
    mounted: tuple[Mounted, Project], card: Path, tmp_path: Path
) -> None:
    mount, project = mounted
    for folder in sorted(path for path in card.rglob("*") if path.is_dir()):
        mount.make_folder(project.path(str(folder.relative_to(card))))
    files = sorted(path for path in card.rglob("*") if path.is_file())
    for file in files:
        mount.upload(file, project.path(str(file.relative_to(card))))
    for file in files:
        name = str(file.relative_to(card))
        assert project.holds(name) == file.read_bytes()
        assert filecmp.cmp(mount.folder / project.path(name), file, shallow=False)


def test_it_shows_how_much_room_is_left(mounted: tuple[Mounted, Project]) -> None:
    assert shutil.disk_usage(mounted[0].folder).free > 0


def test_a_file_put_by_somebody_else_can_be_read(mounted: tuple[Mounted, Project]) -> None:
    mount, project = mounted
    mount.make_folder(project.path("shared"))
    project.put("shared/from a phone.mov", b"phone" * 5000)
    seen = mount.folder / project.path("shared/from a phone.mov")
    deadline = time.monotonic() + LISTED_AGAIN_WITHIN_S
    while not seen.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert seen.read_bytes() == b"phone" * 5000


@pytest.fixture
def desktop(server: DavServer, tmp_path: Path) -> Iterator[Gvfs]:
    with gvfs(server, tmp_path) as program:
        yield program


def test_gnome_notices_that_somebody_else_has_saved(desktop: Gvfs, server: DavServer, tmp_path: Path) -> None:
    """`gio save` sends the tag from the listing back as `If-Match`."""
    project = server.project("gvfs-save")
    project.put("note.txt", b"one")
    url = desktop.base + project.path("note.txt")
    tag = desktop("info", "--attributes=etag::value", url).rsplit("etag::value: ", 1)[1].strip()
    desktop("save", f"--etag={tag}", url, input="two")
    assert project.holds("note.txt") == b"two"
    with pytest.raises(Refused):
        desktop("save", f"--etag={tag}", url, input="three")
    assert project.holds("note.txt") == b"two"
