"""What is done for one client only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import media_types, quirks


@pytest.mark.parametrize(
    ("agent", "want"),
    [("WebDAVFS/3.0.0 (03008000) Darwin/24.1.0 (arm64)", "apple"), ("WebDAVLib/1.3", "apple"),
     ("Microsoft-WebDAV-MiniRedir/10.0.19045", "windows"), ("DavClnt", "windows"),
     ("Microsoft Office Existence Discovery", "office"), ("gvfs/1.50.3", "gvfs"), ("davfs2/1.6.1 neon/0.32.5",
     "davfs2"),
     ("Mozilla/5.0 (X11; Linux x86_64) KIO/5.103", "kde"), ("rclone/v1.60.1", "rclone"),
     ("cadaver/0.24 neon/0.32.5", "cadaver"), ("curl/7.88.1", "curl"), ("Infuse-Direct/8.0 CFNetwork/1494 Darwin/23",
     "infuse"),
     ("FE%20File%20Explorer/1 CFNetwork/1494 Darwin/23", "ios"), ("", "other"), ("Mozilla/5.0 Firefox", "other")],
)  # fmt: skip
def test_families(agent: str, want: str) -> None:
    assert quirks.family(agent) == want


def test_finder_is_told_not_to_index() -> None:
    assert quirks.is_pretended(".metadata_never_index", "apple")
    assert quirks.is_pretended("P1-Test/.ql_disablethumbnails", "apple")
    assert not quirks.is_pretended("P1-Test/a/.metadata_never_index", "apple")
    assert not quirks.is_pretended(".metadata_never_index", "gvfs")
    assert not quirks.is_pretended(".DS_Store", "apple")


@given(st.text(alphabet='a .:"<>?*|', max_size=20))
def test_a_shown_name_is_safe_and_leads_back(name: str) -> None:
    shown = quirks.name_for(name, "windows")
    assert not set(shown) & set(':"<>?*|') and not shown.endswith((" ", "."))
    assert quirks.real_path(shown) == name
    assert quirks.has_shown_name(shown, "windows") is (shown != name)


def test_nobody_else_sees_other_names() -> None:
    assert quirks.name_for("10:30?", "apple") == "10:30?"


@pytest.mark.parametrize(
    ("name", "want"),
    [("a.MOV", "video/quicktime"), ("a.mp4", "video/mp4"), ("a.b.mp3", "audio/mpeg"), ("a.braw", "application/x-braw"),
     ("README", "application/octet-stream"), ("a.", "application/octet-stream"), ("a.html", "text/html")],
)  # fmt: skip
def test_media_types(name: str, want: str) -> None:
    assert media_types.of(name) == want


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.xml", "a.pdf", "a", "a.js"])
def test_what_could_carry_script_is_an_attachment(name: str) -> None:
    assert media_types.disposition(name, media_types.of(name)).startswith("attachment")


@given(st.text(max_size=30))
def test_no_name_ends_the_header_it_stands_in(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    header = media_types.disposition(name, "video/mp4")
    assert header.isascii() and header.isprintable() and header.count('"') == 2
