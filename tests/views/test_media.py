"""Which names are media."""

from __future__ import annotations

import pytest

from views import media


@pytest.mark.parametrize(
    ("name", "kind"),
    [("A001.MOV", "video"), ("P1-Day/ingest/A001_C002.braw", "video"), ("take.BWF", "audio"), ("still.HEIC", "image"),
     ("x.cr3", "image"), ("notes.txt", "other"), ("A001.mov.part", "other"), ("mp4", "other"), (".mp4", "other"),
     ("folder.mov/readme", "other"), ("clip.", "other"), ("", "other")],
)  # fmt: skip
def test_the_extension_tells_the_kind(name: str, kind: str) -> None:
    assert media.kind_of(name) == kind
    assert media.is_media(name) == (kind != "other")


@pytest.mark.parametrize("ending", "mp4 mov avi mkv mp3 wav flac aac jpg jpeg png heic webm m4v gif webp m4a".split())
def test_every_extension_of_the_systems_being_replaced_is_known(ending: str) -> None:
    assert media.is_media(f"x.{ending}")
