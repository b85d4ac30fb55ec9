"""GET and HEAD over a real server."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.davfront.conftest import Client
from views.library import Library

DATA = bytes(range(256)) * 8
CLIP = "/dav/P1-Test/a.mp4"


@pytest.fixture
def clip(dav: Client) -> Client:
    dav("PUT", CLIP, DATA, X_OC_Mtime="1000000000")
    return dav


def test_the_whole_with_all_that_players_and_browsers_need(clip: Client) -> None:
    answer = clip("GET", CLIP)
    assert (answer.status, answer.body, answer["Content-Length"]) == (200, DATA, str(len(DATA)))
    assert (answer["Content-Type"], answer["Accept-Ranges"]) == ("video/mp4", "bytes")
    assert (answer["Cache-Control"], answer["X-Content-Type-Options"]) == ("private, no-cache", "nosniff")
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["Content-Disposition"].startswith("inline;")
    assert answer["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"


def test_what_could_carry_script_is_saved_not_shown(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/a.html", b"<script>")
    assert dav("GET", "/dav/P1-Test/a.html")["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("header", "first", "stop"),
    [("bytes=0-1", 0, 2), ("bytes=0-", 0, 2048), ("bytes=-5", 2043, 2048), ("bytes=2000-9999", 2000, 2048)],
)
def test_a_range(clip: Client, header: str, first: int, stop: int) -> None:
    answer = clip("GET", CLIP, Range=header)
    assert (answer.status, answer.body) == (206, DATA[first:stop])
    assert answer["Content-Range"] == f"bytes {first}-{stop - 1}/2048"
    assert answer["Content-Length"] == str(stop - first)


@pytest.mark.parametrize("header", ["bytes=-0", "bytes=2048-"])
def test_a_range_of_nothing_is_416(clip: Client, header: str) -> None:
    answer = clip("GET", CLIP, Range=header)
    assert (answer.status, answer["Content-Range"]) == (416, "bytes */2048")


@pytest.mark.parametrize("header", ["seconds=0-1", "bytes=5-1", "bytes=0-5,3-9", "bytes=" + ",".join(["1-1"] * 9)])
def test_a_range_that_is_ignored_gives_the_whole(clip: Client, header: str) -> None:
    answer = clip("GET", CLIP, Range=header)
    assert (answer.status, answer.body) == (200, DATA)


def test_several_ranges_come_in_parts(clip: Client) -> None:
    answer = clip("GET", CLIP, Range="bytes=0-1,10-12")
    assert answer.status == 206 and len(answer.body) == int(answer["Content-Length"])
    boundary = answer["Content-Type"].removeprefix("multipart/byteranges; boundary=").encode()
    first, second = answer.body.split(b"--" + boundary)[1:3]
    assert b"Content-Range: bytes 0-1/2048\r\n\r\n" + DATA[0:2] in first
    assert b"Content-Range: bytes 10-12/2048\r\n\r\n" + DATA[10:13] in second


def test_if_range_with_the_tag_or_the_date(clip: Client) -> None:
    head = clip("HEAD", CLIP)
    for good in (head["ETag"], head["Last-Modified"]):
        assert clip("GET", CLIP, Range="bytes=0-1", If_Range=good).status == 206
    for bad in ('"other"', "Sun, 09 Sep 2001 01:46:41 GMT", "W/" + head["ETag"]):
        assert clip("GET", CLIP, Range="bytes=0-1", If_Range=bad).status == 200


def test_head_ignores_range_and_has_no_body(clip: Client) -> None:
    """§13 row 13. Stock answers HEAD with 206."""
    answer = clip("HEAD", CLIP, Range="bytes=0-1")
    assert (answer.status, answer["Content-Length"], answer.body) == (200, "2048", b"")


def test_not_modified_keeps_its_validators_and_no_length(clip: Client) -> None:
    """§13 row 8. Stock: `Content-Length: 0`, no ETag, no Last-Modified."""
    head = clip("HEAD", CLIP)
    answer = clip("GET", CLIP, If_None_Match=head["ETag"])
    assert (answer.status, answer["ETag"], answer["Last-Modified"]) == (304, head["ETag"], head["Last-Modified"])
    assert "Content-Length" not in answer


def test_finder_asks_by_the_date_it_got(clip: Client) -> None:
    """§13 row 6. Stock sends the whole file again."""
    date = clip("HEAD", CLIP)["Last-Modified"]
    assert clip("GET", CLIP, If_Modified_Since=date).status == 304


@pytest.mark.parametrize("path", [CLIP, "/dav/P1-Test/missing", "/dav/P1-Test/"])
@pytest.mark.parametrize("headers", [{}, {"If-Match": '"no"'}, {"Range": "bytes=99999-"}])
def test_no_answer_to_head_has_a_body(clip: Client, path: str, headers: dict[str, str]) -> None:
    """§13 row 14. Stock sends bodies with 401 and 412, so the next answer on the connection is garbage."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", clip.port), timeout=10) as sock:
        sock.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        sock.sendall(b"OPTIONS /dav/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        _, _, rest = sock.makefile("rb").read().partition(b"\r\n\r\n")
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_tag_of_a_listing_is_the_tag_of_the_header(clip: Client) -> None:
    """§13 row 5. Stock leaves the quotes out in PROPFIND, so gvfs sends a malformed If-Match."""
    assert clip("PROPFIND", CLIP, Depth="0").prop("{DAV:}getetag") == clip("GET", CLIP)["ETag"]


def test_a_depth_on_get_is_ignored(clip: Client) -> None:
    """§13 row 22. Stock: 400 when GET has another Depth than 0 (rclone sends one)."""
    assert clip("GET", CLIP, Depth="1").status == 200


@pytest.mark.parametrize("path", ["/dav", "/dav/", "/dav/P1-Test", "/dav/P1-Test/"])
def test_a_folder_is_a_plain_page_with_and_without_slash(clip: Client, path: str) -> None:
    """§13 row 28. Stock redirects (301) when the slash is missing."""
    answer = clip("GET", path)
    assert answer.status == 200 and answer["Content-Type"].startswith("text/html")
    assert clip("HEAD", path).body == b""


def test_a_name_cannot_write_into_the_page_of_its_folder(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/%3Cscript%3Ea.mp4", b"x")
    assert b"<script>" not in dav("GET", "/dav/P1-Test/").body


def test_an_old_reader_keeps_what_it_began_to_read(dav: Client) -> None:
    """§13 row 21. Stock: a GET during a PUT sees a torn file."""
    old, new = b"o" * 8_000_000, b"n" * 8_000_000
    dav("PUT", CLIP, old)
    with socket.create_connection(("127.0.0.1", dav.port), timeout=10) as sock:
        sock.sendall(f"GET {CLIP} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        stream = sock.makefile("rb")
        first = stream.read(1000)
        assert dav("PUT", CLIP, new).status == 204
        body = (first + stream.read()).partition(b"\r\n\r\n")[2]
    assert body == old and dav("GET", CLIP).body == new


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_no_way_to_read_leaves_a_descriptor_open(clip: Client, library: Library) -> None:
    (library.root / "P1-Test" / "index.json").write_text("{}")
    tag = clip("HEAD", CLIP)["ETag"]
    ways: list[tuple[str, str, dict[str, str]]] = [
        ("GET", CLIP, {}),
        ("HEAD", CLIP, {}),
        ("GET", CLIP, {"If-None-Match": tag}),
        ("GET", CLIP, {"If-Match": '"x"'}),
        ("GET", CLIP, {"Range": "bytes=9999-"}),
        ("GET", CLIP, {"Range": "bytes=0-1,5-6"}),
        ("HEAD", "/dav/P1-Test/index.json", {}),
        ("GET", "/dav/P1-Test/index.json", {"If-None-Match": "*"}),
        ("PROPFIND", "/dav/P1-Test/index.json", {"Depth": "0"}),
    ]

    def opened() -> int:
        return len(
            [link for fd in Path("/proc/self/fd").iterdir() if (link := _link(fd)).startswith(str(library.root))]
        )

    before = opened()
    for method, path, headers in ways * 3:
        clip(method, path, **headers)
    assert opened() == before


def _link(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except FileNotFoundError:
        return ""


def test_generated_files_can_be_read_but_are_in_no_listing(dav: Client, library: Library) -> None:
    (library.root / "P1-Test" / "index.json").write_text("{}")
    answer = dav("GET", "/dav/P1-Test/index.json")
    assert (answer.status, answer.body, answer["Content-Type"]) == (200, b"{}", "application/json")
    assert dav("PROPFIND", "/dav/P1-Test/index.json", Depth="0").prop("{DAV:}getcontentlength") == "2"
    assert not [href for href in dav("PROPFIND", "/dav/P1-Test/", Depth="1").hrefs if "index" in href]


def test_finder_believes_that_it_must_not_index(dav: Client) -> None:
    finder = {"User-Agent": "WebDAVFS/3.0.0 (03008000) Darwin/24.1.0 (arm64)"}
    assert dav("PROPFIND", "/dav/.metadata_never_index", Depth="0", **finder).status == 207
    assert dav("GET", "/dav/P1-Test/.ql_disablethumbnails", **finder).status == 200
    assert dav("GET", "/dav/.metadata_never_index").status == 404
    assert "/dav/.metadata_never_index" not in dav("PROPFIND", "/dav/", Depth="1", **finder).hrefs


def test_windows_gets_one_answer_a_connection(dav: Client) -> None:
    answer = dav("OPTIONS", "/dav/", User_Agent="Microsoft-WebDAV-MiniRedir/10.0.19045")
    assert answer["Connection"] == "close"
