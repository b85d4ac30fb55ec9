"""The trash and the past over WebDAV: looked at, taken out of, never written."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.davfront.conftest import Client
from views.library import Library

LOCK = (
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
)
FINDER = "WebDAVFS/3.0.0 (03008000) Darwin/21.6.0 (x86_64)"
QUOTA = '<propfind xmlns="DAV:"><prop><quota-available-bytes/><supportedlock/><resourcetype/></prop></propfind>'


@pytest.fixture
def seq(dav: Client, library: Library) -> Iterator[int]:
    """The project after clip.mov held its first bytes; then it was written over, and another was deleted."""
    dav("PUT", "/dav/P1-Test/clip.mov", b"first")
    dav("PUT", "/dav/P1-Test/gone.mov", b"gone")
    seq = library.store.journal.last_seq
    dav("PUT", "/dav/P1-Test/clip.mov", b"second")
    dav("DELETE", "/dav/P1-Test/gone.mov")
    yield seq


def names(dav: Client, path: str) -> list[str]:
    answer = dav("PROPFIND", path, Depth="1")
    assert answer.status == 207
    return [href.removeprefix(path) for href in answer.hrefs[1:]]


def test_what_was_is_listed_and_read(dav: Client, seq: int) -> None:
    then = f"/dav/_history/P1-Test/seq-{seq}/"
    assert names(dav, then) == ["clip.mov", "gone.mov", "ingest/"]
    assert dav("GET", then + "clip.mov").body == b"first"
    assert dav("GET", then + "clip.mov", Range="bytes=1-2").body == b"ir"
    head = dav("HEAD", then + "clip.mov")
    assert head["ETag"] == dav("PROPFIND", then + "clip.mov", Depth="0").prop("{DAV:}getetag")
    assert b"gone.mov" in dav("GET", then).body


def test_moments_are_folders_and_each_is_a_time_that_can_be_asked_for(dav: Client, seq: int) -> None:
    moments = names(dav, "/dav/_history/P1-Test/")
    assert len(moments) == 5 and not any(":" in moment for moment in moments)
    assert dav("GET", f"/dav/_history/P1-Test/{moments[0]}clip.mov").body == b"second"
    assert dav("GET", f"/dav/_history/P1-Test/{moments[2]}clip.mov").body == b"first"
    assert dav("PROPFIND", "/dav/_history/P1-Test/2031-01-01T00-00-00Z/", Depth="0").status == 207
    assert dav("PROPFIND", "/dav/_history/P1-Test/1999-01-01T00-00-00Z/", Depth="0").status == 404
    assert names(dav, "/dav/_history/") == ["P1-Test/"]


def test_a_move_out_of_the_trash_brings_back(dav: Client, seq: int) -> None:
    [name] = names(dav, "/dav/_trash/")
    assert dav("GET", f"/dav/_trash/{name}").body == b"gone"
    answer = dav("MOVE", f"/dav/_trash/{name}", Destination="/dav/P1-Test/gone.mov")
    assert answer.status == 201 and answer["Location"] == "/dav/P1-Test/gone.mov"
    assert dav("GET", "/dav/P1-Test/gone.mov").body == b"gone"
    assert names(dav, "/dav/_trash/") == []
    assert dav("MOVE", f"/dav/_trash/{name}", Destination="/dav/P1-Test/again.mov").status == 404


def test_a_move_out_of_the_trash_keeps_to_overwrite_and_conditions(dav: Client, seq: int) -> None:
    [name] = names(dav, "/dav/_trash/")
    target = {"Destination": "/dav/P1-Test/clip.mov"}
    assert dav("MOVE", f"/dav/_trash/{name}", **target, Overwrite="F").status == 412
    assert dav("MOVE", f"/dav/_trash/{name}", **target, If_Match='"other"').status == 412
    etag = dav("HEAD", f"/dav/_trash/{name}")["ETag"]
    assert dav("MOVE", f"/dav/_trash/{name}", **target, If_Match=etag).status == 204
    assert dav("GET", "/dav/P1-Test/clip.mov").body == b"gone"


def test_a_lock_on_the_place_keeps_what_was_out(dav: Client, seq: int) -> None:
    [name] = names(dav, "/dav/_trash/")
    assert dav("LOCK", "/dav/P1-Test/clip.mov", LOCK).status == 200
    for method, source in (("MOVE", f"/dav/_trash/{name}"), ("COPY", f"/dav/_history/P1-Test/seq-{seq}/clip.mov")):
        assert dav(method, source, Destination="/dav/P1-Test/clip.mov").status == 423


def test_a_copy_out_of_the_past_is_a_link(dav: Client, library: Library, seq: int) -> None:
    then = f"/dav/_history/P1-Test/seq-{seq}"
    assert dav("COPY", f"{then}/clip.mov", Destination="/dav/P1-Test/before.mov").status == 201
    assert dav("COPY", then, Destination="/dav/Before").status == 201
    stats = [os.stat(library.root / path) for path in ("P1-Test/before.mov", "P2-Before/clip.mov")]
    assert stats[0].st_ino == stats[1].st_ino and stats[0].st_nlink == 3
    assert dav("GET", "/dav/Before/gone.mov").body == b"gone"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "MKCOL", "PROPPATCH", "LOCK", "UNLOCK", "MOVE"])
def test_nothing_is_changed_in_the_past(dav: Client, seq: int, method: str) -> None:
    body = b"" if method in ("DELETE", "MKCOL", "MOVE") else LOCK
    places = ["_trash", "_trash/", "_history/P1-Test", f"_history/P1-Test/seq-{seq}/clip.mov"]
    for place in places if method == "MOVE" else ["_trash/new.mov", *places]:
        answer = dav(method, f"/dav/{place}", body, Destination="/dav/P1-Test/x", Lock_Token="<filmcan:x>")
        assert answer.status == 403 and answer["Allow"].startswith("OPTIONS, GET, HEAD, PROPFIND, COPY"), place
        assert b"_history" in answer.body or b"_trash" in answer.body
    assert len(names(dav, "/dav/_trash/")) == 1


def test_nothing_is_put_into_the_past(dav: Client, seq: int) -> None:
    for method in ("COPY", "MOVE"):
        for target in ("_trash/clip.mov", "_trash", "_history", "_history/P1-Test/x"):
            assert dav(method, "/dav/P1-Test/clip.mov", Destination=f"/dav/{target}").status == 403
    assert dav("GET", "/dav/P1-Test/clip.mov").body == b"second"


def test_what_can_be_done_there_is_told(dav: Client, seq: int) -> None:
    [name] = names(dav, "/dav/_trash/")
    assert dav("OPTIONS", "/dav/_history/")["Allow"] == "OPTIONS, GET, HEAD, PROPFIND, COPY"
    assert dav("OPTIONS", f"/dav/_trash/{name}")["Allow"] == "OPTIONS, GET, HEAD, PROPFIND, COPY, MOVE"
    assert dav("OPTIONS", "/dav/")["DAV"] == dav("OPTIONS", "/dav/_trash")["DAV"]
    answer = dav("PROPFIND", "/dav/_history/", QUOTA, Depth="0")
    assert answer.prop("{DAV:}quota-available-bytes") == "0" and answer.prop("{DAV:}supportedlock") == ""


def test_file_managers_are_shown_both_at_the_top_and_programs_that_go_through_everything_are_not(dav: Client) -> None:
    def top(agent: str) -> list[str]:
        return dav("PROPFIND", "/dav/", Depth="1", User_Agent=agent).hrefs[1:]

    shown = ["/dav/P1-Test/", "/dav/_trash/", "/dav/_history/"]
    for agent in (FINDER, "Microsoft-WebDAV-MiniRedir/10.0.19045", "gvfs/1.50.3", "Mozilla/5.0 (X11; Linux x86_64) KIO/5.103"):
        assert top(agent) == shown
    for agent in ("rclone/v1.60.1", "davfs2/1.6.1 neon/0.32.5", "Infuse-Direct/7.5", "curl/7.88", "python-requests/2"):
        assert top(agent) == shown[:1]
    assert b"_history" in dav("GET", "/dav/").body


def test_a_copy_of_the_past_names_what_is_lost_and_has_the_rest(dav: Client, library: Library, seq: int) -> None:
    lost = library.entry(f"_history/P1-Test/seq-{seq}/gone.mov").digest
    assert lost is not None
    os.unlink(library.store.layout.blob(lost))
    answer = dav("COPY", f"/dav/_history/P1-Test/seq-{seq}/", Destination="/dav/Again")
    assert answer.status == 207
    assert answer.hrefs == [f"/dav/_history/P1-Test/seq-{seq}/gone.mov"]
    assert dav("GET", "/dav/Again/clip.mov").body == b"first"
    assert names(dav, "/dav/Again/") == ["clip.mov", "ingest/"]
    assert dav("COPY", f"/dav/_history/P1-Test/seq-{seq}/gone.mov", Destination="/dav/P1-Test/x.mov").status == 500
