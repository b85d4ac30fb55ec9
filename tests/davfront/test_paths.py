"""URLs, Destination and hrefs."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import paths
from davfront.errors import DavError

ENVIRON: dict[str, Any] = {"HTTP_HOST": "box.local:8787", "SCRIPT_NAME": "/dav"}
NAMES = st.text(
    min_size=1, max_size=20, alphabet=st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\0")
)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4).map("/".join)


def destination(url: str, **environ: str) -> str:
    return paths.from_url(url, {**ENVIRON, **environ}).path


@pytest.mark.parametrize(
    ("url", "want"),
    [("http://box.local:8787/dav/a%3Fb.txt", "a?b.txt"), ("/dav/a%3Bb.txt", "a;b.txt"), ("/dav/a;b.txt", "a;b.txt"),
     ("/dav/a%23b", "a#b"), ("/dav/100%25", "100%"), ("/dav/a%2525", "a%25"), ("/dav/caf%c3%a9", "café"),
     ("/dav/caf%C3%A9", "café"), ("/dav/a+b", "a+b"), ("/dav//a///b", "a/b"), ("/dav", ""), ("/dav/", ""),
     ("/d%61v/a", "a"), (" /dav/a ", "a")],
)  # fmt: skip
def test_a_destination_is_taken_apart_before_it_is_decoded(url: str, want: str) -> None:
    """§13 row 4. Stock decodes first, so tails after `%3B` and `%3F` are cut: two files land on one name."""
    assert destination(url) == want


@pytest.mark.parametrize(
    ("url", "host"),
    [("http://BOX.local:8787/dav/a", "box.local:8787"), ("http://box.local:80/dav/a", "box.local"),
     ("https://box.local/dav/a", "box.local"), ("http://box.local/dav/a", "box.local:80"),
     ("https://box.local:443/dav/a", "box.local"), ("webdavs://box.local/dav/a", "box.local"),
     ("dav://box.local:8787/dav/a", "box.local:8787"), ("http://ann:pw@box.local/dav/a", "box.local"),
     ("http://[::1]:8787/dav/a", "[::1]:8787"), ("http://[::1]/dav/a", "[::1]")],
)  # fmt: skip
def test_the_same_host_may_be_written_in_many_ways(url: str, host: str) -> None:
    """§13 row 24. Stock compares literally: `:80`, or https behind a TLS proxy, is 502."""
    assert destination(url, HTTP_HOST=host) == "a"


def test_a_proxy_may_call_us_otherwise() -> None:
    assert destination("https://films.example/dav/a", HTTP_X_FORWARDED_HOST="films.example") == "a"


@pytest.mark.parametrize(
    "url", ["http://other/dav/a", "ftp://box.local:8787/dav/a", "/davx/a", "/elsewhere", "http://box.local:99/dav/a"]
)
def test_another_server_or_share_is_502(url: str) -> None:
    with pytest.raises(DavError) as caught:
        destination(url)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "url", ["", "a", "/dav/a?b", "/dav/a#b", "/dav/%E9", "/dav/../x", "/dav/a%2Fb", "/dav/.", "/dav/%00", "http:"]
)
def test_what_could_be_misread_is_400(url: str) -> None:
    with pytest.raises(DavError) as caught:
        destination(url)
    assert caught.value.status == 400


def test_the_path_of_a_request_is_decoded_from_its_bytes() -> None:
    info = "/caf\u00e9 \U0001f3ac/".encode().decode("latin-1")
    target = paths.from_environ({"PATH_INFO": info})
    assert (target.path, target.slash, target.name) == ("café \U0001f3ac", True, "café \U0001f3ac")


@pytest.mark.parametrize("info", ["/caf\u00e9", "/a/../b", "/./a"])
def test_a_path_that_is_not_utf8_or_climbs_is_400(info: str) -> None:
    """§13 row 15. Stock drops the connection on `%E9` without an answer."""
    with pytest.raises(DavError) as caught:
        paths.from_environ({"PATH_INFO": info})
    assert caught.value.status == 400


@pytest.mark.parametrize("info", ["", "/"])
def test_the_share_itself_is_the_top(info: str) -> None:
    assert paths.from_environ({"PATH_INFO": info}).path == ""


@given(PATHS, st.booleans())
def test_an_href_leads_back_to_its_path(path: str, is_folder: bool) -> None:
    href = paths.href("/dav", path, is_folder)
    assert href.endswith("/") is is_folder
    target = paths.from_url(href, ENVIRON)
    assert (target.path, target.slash) == (path, is_folder)


@given(PATHS)
def test_an_href_stands_in_xml_and_in_a_url_as_it_is(path: str) -> None:
    href = paths.href("/dav", path, False)
    assert href.isascii() and not set(href) & set(' <>&"?#;')
    assert unquote(href) == "/dav/" + path


def test_marks_that_clients_choke_on_escaped_stay_bare() -> None:
    """gvfs does not find `%28` again (webdav-clients.md §6)."""
    assert paths.href("/dav", "take (1)!*',", False) == "/dav/take%20(1)!*',"


def test_the_top_has_one_slash() -> None:
    assert paths.href("/dav", "", True) == "/dav/"


def test_both_spellings_of_an_accent_are_one_key() -> None:
    assert paths.key("cafe\u0301") == paths.key("caf\u00e9")
