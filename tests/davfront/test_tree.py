"""MKCOL, DELETE, COPY and MOVE over a real server."""

from __future__ import annotations

import pytest

from tests.davfront.conftest import Client


@pytest.fixture
def clip(dav: Client) -> Client:
    dav("PUT", "/dav/P1-Test/a.mov", b"a")
    return dav


def names(dav: Client, folder: str = "/dav/P1-Test/") -> set[str]:
    hrefs = dav("PROPFIND", folder, Depth="1").hrefs[1:]
    return {href.removeprefix(folder) for href in hrefs} - {"ingest/"}


# ── MKCOL ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "want"),
    [("/dav/P1-Test/new", 201), ("/dav/P1-Test/new/", 201), ("/dav/P1-Test", 405), ("/dav/P1-Test/a.mov", 405),
     ("/dav/P1-Test/a.mov/", 405), ("/dav/", 405), ("/dav/P1-Test/no/new", 409), ("/dav/Holiday",
     201)],
)  # fmt: skip
def test_mkcol(clip: Client, path: str, want: int) -> None:
    answer = clip("MKCOL", path)
    assert answer.status == want
    if want == 405:
        assert "DELETE" in answer["Allow"]


def test_mkcol_takes_no_body_but_minds_no_content_type(dav: Client) -> None:
    """KDE sends `Content-Type: text/xml` with nothing behind it."""
    assert dav("MKCOL", "/dav/P1-Test/x", b"<x/>").status == 415
    assert dav("MKCOL", "/dav/P1-Test/x", iter([b"<x/>"]), Transfer_Encoding="chunked").status == 415
    assert dav("MKCOL", "/dav/P1-Test/x", Content_Type="text/xml").status == 201


def test_a_folder_changes_its_time_when_a_member_comes(dav: Client) -> None:
    def time() -> str | None:
        return dav("PROPFIND", "/dav/P1-Test/", Depth="0").prop("{DAV:}getlastmodified")

    before = time()
    dav("PUT", "/dav/P1-Test/new", b"x")
    assert time() != before


# ── DELETE ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "headers", "want"),
    [("/dav/P1-Test/a.mov", {}, 204), ("/dav/P1-Test/", {}, 204), ("/dav/P1-Test", {"Depth": "infinity"}, 204),
     ("/dav/P1-Test/no", {}, 404), ("/dav/", {}, 403), ("/dav/P1-Test", {"Depth": "0"}, 400),
     ("/dav/P1-Test/a.mov", {"Depth": "0"}, 204), ("/dav/P1-Test/a.mov", {"If-Match": '"x"'}, 412)],
)  # fmt: skip
def test_delete(clip: Client, path: str, headers: dict[str, str], want: int) -> None:
    assert clip("DELETE", path, **headers).status == want


# ── COPY and MOVE ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize(
    ("target", "headers", "want"),
    [("/dav/P1-Test/new.mov", {}, 201), ("/dav/P1-Test/b.mov", {}, 204), ("/dav/P1-Test/b.mov", {"Overwrite": "T"},
    204),
     ("/dav/P1-Test/b.mov", {"Overwrite": "F"}, 412), ("/dav/P1-Test/new.mov", {"Overwrite": "F"}, 201),
     ("/dav/P1-Test/a.mov", {}, 403), ("/dav/P1-Test/no/new.mov", {}, 409), ("http://other.example/dav/x", {}, 502),
     ("/elsewhere/x", {}, 502), ("/dav/P1-Test/index.json", {}, 403), ("/dav/P1-Test/%01", {}, 400), ("relative", {},
     400),
     ("/dav/P1-Test/b.mov", {"Overwrite": "maybe"}, 400), ("/dav/P1-Test/new.mov", {"If-Match": '"x"'}, 412)],
)  # fmt: skip
def test_where_names_may_go(clip: Client, method: str, target: str, headers: dict[str, str], want: int) -> None:
    """§13 row 23. Stock always answers 204 when the provider moves by itself."""
    clip("PUT", "/dav/P1-Test/b.mov", b"b")
    answer = clip(method, "/dav/P1-Test/a.mov", Destination=target, **headers)
    assert answer.status == want
    if want in (201, 204):
        assert clip("GET", target).body == b"a"
        assert clip("GET", "/dav/P1-Test/a.mov").status == (404 if method == "MOVE" else 200)


def test_a_destination_is_needed(clip: Client) -> None:
    assert clip("MOVE", "/dav/P1-Test/a.mov").status == 400


def test_what_is_not_there_cannot_be_moved(clip: Client) -> None:
    assert clip("MOVE", "/dav/P1-Test/no", Destination="/dav/P1-Test/new").status == 404


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_a_folder_does_not_go_into_itself(clip: Client, method: str) -> None:
    assert clip(method, "/dav/P1-Test/ingest/", Destination="/dav/P1-Test/ingest/originals/x").status == 403


@pytest.mark.parametrize("name", ["a%3Bb.txt", "a%3Fb.txt", "a%23b.txt", "a;b.txt", "100%25", "a%2525b"])
def test_no_mark_in_a_destination_cuts_its_name(clip: Client, name: str) -> None:
    """§13 row 4. Stock stores all of these under the part before the mark: files overwrite each other."""
    assert clip("MOVE", "/dav/P1-Test/a.mov", Destination=f"/dav/P1-Test/{name}").status == 201
    assert clip("GET", f"/dav/P1-Test/{name}").body == b"a"
    assert len(names(clip)) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "ann@127.0.0.1:{port}"])
@pytest.mark.parametrize("scheme", ["http", "https", "webdav", "davs"])
def test_the_host_of_a_destination_is_ours_however_it_is_written(clip: Client, scheme: str, host: str) -> None:
    """§13 row 24. Stock: 502 unless it equals the Host header letter by letter."""
    target = f"{scheme}://{host.format(port=clip.port)}/dav/P1-Test/b.mov"
    assert clip("MOVE", "/dav/P1-Test/a.mov", Destination=target).status == 201


def test_a_shallow_copy_of_a_folder_has_no_members(clip: Client) -> None:
    """§13 row 27. Stock copies the members too (RFC 4918 §9.8.3)."""
    clip("PUT", "/dav/P1-Test/ingest/x", b"x")
    assert clip("COPY", "/dav/P1-Test/ingest", Destination="/dav/P1-Test/c1", Depth="0").status == 201
    assert clip("COPY", "/dav/P1-Test/ingest", Destination="/dav/P1-Test/c2", Depth="infinity").status == 201
    assert names(clip, "/dav/P1-Test/c1/") == set()
    assert "x" in names(clip, "/dav/P1-Test/c2/")
    assert clip("COPY", "/dav/P1-Test/ingest", Destination="/dav/P1-Test/c3", Depth="1").status == 400


def test_a_moved_name_keeps_content_tag_and_time(clip: Client) -> None:
    before = clip("HEAD", "/dav/P1-Test/a.mov")
    clip("MOVE", "/dav/P1-Test/a.mov", Destination="/dav/P1-Test/b.mov")
    after = clip("HEAD", "/dav/P1-Test/b.mov")
    assert (before["ETag"], before["Last-Modified"]) == (after["ETag"], after["Last-Modified"])


def test_rclone_sets_the_time_while_it_moves(clip: Client) -> None:
    answer = clip("MOVE", "/dav/P1-Test/a.mov", Destination="/dav/P1-Test/b.mov", X_OC_Mtime="1000000000")
    assert answer["X-OC-Mtime"] == "accepted"
    assert clip("HEAD", "/dav/P1-Test/b.mov")["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"


def test_finder_makes_a_folder_and_names_it(dav: Client) -> None:
    """MKCOL "untitled folder", then MOVE without Overwrite: one project in the end, at the name that was given last."""
    assert dav("MKCOL", "/dav/untitled%20folder").status == 201
    assert dav("PROPFIND", "/dav/untitled%20folder", Depth="0").status == 207
    assert dav("MOVE", "/dav/untitled%20folder", Destination=f"http://127.0.0.1:{dav.port}/dav/Holiday").status == 201
    assert dav("PROPFIND", "/dav/Holiday/", Depth="1").hrefs[0] == "/dav/Holiday/"
    assert len([name for name in names(dav, "/dav/") if "Holiday" in name]) == 1
    assert dav("PROPFIND", "/dav/untitled%20folder", Depth="0").status == 404


def test_a_tagged_condition_is_asked_on_its_own_resource(clip: Client) -> None:
    """§13 rows 10 and 11. Stock ignores tags with absolute URLs, and asks untagged lists of the destination too."""
    clip("PUT", "/dav/P1-Test/b.mov", b"b")
    tag = clip("HEAD", "/dav/P1-Test/b.mov")["ETag"]
    url = f"http://127.0.0.1:{clip.port}/dav/P1-Test/b.mov"
    wrong = clip("MOVE", "/dav/P1-Test/a.mov", Destination=url, If=f'<{url}> (["other"])')
    assert wrong.status == 412
    own = clip("HEAD", "/dav/P1-Test/a.mov")["ETag"]
    assert clip("COPY", "/dav/P1-Test/a.mov", Destination=url, If=f"([{own}])").status == 204
    clip("PUT", "/dav/P1-Test/b.mov", b"b")
    assert clip("MOVE", "/dav/P1-Test/a.mov", Destination=url, If=f"<{url}> ([{tag}])").status == 204


def test_windows_renames_to_a_name_it_was_shown(clip: Client) -> None:
    agent = {"User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.19045"}
    assert clip("MOVE", "/dav/P1-Test/a.mov", Destination="/dav/P1-Test/x%EF%80%A5.mov", **agent).status == 201
    assert clip("GET", "/dav/P1-Test/x%3F.mov").body == b"a"
