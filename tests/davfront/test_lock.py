"""LOCK and UNLOCK over a real server, and what locks forbid."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cas.system import System
from davfront.app import DavApp
from davfront.body import FileBody
from davfront.server import Server
from tests.davfront.conftest import Answer, Client, mounted
from views.library import Library

FILE = "/dav/P1-Test/a.mov"


def wish(scope: str = "exclusive", owner: str = "<D:href>http://www.apple.com/webdav_fs/</D:href>") -> str:
    return (
        f'<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:{scope}/></D:lockscope>'
        f"<D:locktype><D:write/></D:locktype><D:owner>{owner}</D:owner></D:lockinfo>"
    )


def token_of(answer: Answer) -> str:
    assert re.fullmatch(r"<[^<>\s]+>", answer["Lock-Token"])
    return answer["Lock-Token"][1:-1]


@pytest.fixture
def clip(dav: Client) -> Client:
    dav("PUT", FILE, b"a")
    return dav


def test_the_answer_tells_everything_about_the_lock(clip: Client) -> None:
    answer = clip("LOCK", FILE, wish(), Depth="0", Timeout="Second-600")
    assert answer.status == 200 and answer["Content-Type"].startswith("application/xml")
    lock = answer.xml.find("{DAV:}lockdiscovery/{DAV:}activelock")
    assert lock is not None
    assert (
        lock.find("{DAV:}locktype/{DAV:}write") is not None and lock.find("{DAV:}lockscope/{DAV:}exclusive") is not None
    )
    assert (lock.findtext("{DAV:}depth"), lock.findtext("{DAV:}timeout")) == ("0", "Second-600")
    assert lock.findtext("{DAV:}locktoken/{DAV:}href") == token_of(answer)
    assert lock.findtext("{DAV:}lockroot/{DAV:}href") == FILE
    assert lock.findtext("{DAV:}owner/{DAV:}href") == "http://www.apple.com/webdav_fs/"
    ask = '<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>'
    assert token_of(answer) in clip("PROPFIND", FILE, ask, Depth="0").body.decode()


@pytest.mark.parametrize(("asked", "want"), [("", 600), ("Infinite, Second-4100000000", 3600), ("Second-60", 60)])
def test_time_is_granted_as_asked_up_to_an_hour(clip: Client, asked: str, want: int) -> None:
    """§13 row 20. Stock: a week when nothing is said, four weeks for Infinite."""
    headers = {"Timeout": asked} if asked else {}
    assert clip("LOCK", FILE, wish(), **headers).xml.findtext(".//{DAV:}timeout") == f"Second-{want}"


PATCH = '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x/></D:prop></D:set></D:propertyupdate>'
WRITES: list[tuple[str, Callable[..., Answer]]] = [
    ("PUT", lambda dav, **headers: dav("PUT", FILE, b"new", **headers)),
    ("DELETE", lambda dav, **headers: dav("DELETE", FILE, **headers)),
    ("MOVE", lambda dav, **headers: dav("MOVE", FILE, Destination="/dav/P1-Test/b.mov", **headers)),
    ("MOVE onto", lambda dav, **headers: dav("MOVE", "/dav/P1-Test/c.mov", Destination=FILE, **headers)),
    ("COPY onto", lambda dav, **headers: dav("COPY", "/dav/P1-Test/c.mov", Destination=FILE, **headers)),
    ("DELETE folder", lambda dav, **headers: dav("DELETE", "/dav/P1-Test", **headers)),
    ("MOVE folder", lambda dav, **headers: dav("MOVE", "/dav/P1-Test", Destination="/dav/P2-Other", **headers)),
    ("PROPPATCH", lambda dav, **headers: dav("PROPPATCH", FILE, PATCH, **headers)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write"), WRITES, ids=[name for name, _ in WRITES])
def test_a_lock_keeps_others_out_and_lets_its_owner_in(clip: Client, name: str, write: Callable[..., Answer]) -> None:
    """§13 rows 11 and 23. Stock: 412 or 423 for MOVE and DELETE around locked files even with the token; providers
    that delete by themselves are not asked for tokens at all."""
    clip("PUT", "/dav/P1-Test/c.mov", b"c")
    token = token_of(clip("LOCK", FILE, wish(), Depth="0"))
    refused = write(clip)
    assert refused.status == 423
    assert refused.xml.findtext("{DAV:}lock-token-submitted/{DAV:}href") == FILE
    assert write(clip, If=f"<{FILE}> (<{token}>)").status in (201, 204, 207)


def test_a_folder_can_be_moved_with_the_untagged_token_of_a_child(clip: Client) -> None:
    """What Finder sends when it holds a lock below the folder (WebDAVFS)."""
    token = token_of(clip("LOCK", FILE, wish(), Depth="0"))
    assert clip("MOVE", "/dav/P1-Test", Destination="/dav/P2-Other", If=f"(<{token}>)").status == 201


@pytest.mark.parametrize("tag", ["http://127.0.0.1:{port}" + FILE, FILE])
def test_tokens_come_with_urls_or_paths(clip: Client, tag: str) -> None:
    """§13 row 10. davfs2 and cadaver tag with a URL, Cyberduck with a path."""
    token = token_of(clip("LOCK", FILE, wish()))
    assert clip("PUT", FILE, b"x", If=f"<{tag.format(port=clip.port)}> (<{token}>)").status == 204


def test_a_second_lock_is_refused_with_the_root_of_the_first(clip: Client) -> None:
    clip("LOCK", "/dav/P1-Test", wish())
    answer = clip("LOCK", FILE, wish("shared"))
    assert answer.status == 423
    assert answer.xml.findtext("{DAV:}no-conflicting-lock/{DAV:}href") == "/dav/P1-Test/"


def test_of_many_who_want_a_lock_one_gets_it(clip: Client) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(Client(clip.port)("LOCK", FILE, wish()).status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [423] * 7


def test_too_many_locks_leave_nothing_behind(dav: Client) -> None:
    for number in range(100):
        dav("LOCK", f"/dav/P1-Test/{number}", wish())
    assert dav("LOCK", FILE, wish()).status == 507
    assert dav("PROPFIND", FILE, Depth="0").status == 404


def test_shared_locks_share(clip: Client) -> None:
    first, second = (token_of(clip("LOCK", FILE, wish("shared"))) for _ in range(2))
    assert clip("LOCK", FILE, wish()).status == 423
    assert clip("PUT", FILE, b"x").status == 423
    assert clip("PUT", FILE, b"x", If=f"(<{second}>)").status == 204
    assert clip("UNLOCK", FILE, Lock_Token=f"<{first}>").status == 204
    assert clip("PUT", FILE, b"y").status == 423


def test_a_lock_holds_for_every_name_of_a_project(dav: Client) -> None:
    dav("MKCOL", "/dav/Holiday")
    real = next(href for href in dav("PROPFIND", "/dav/", Depth="1").hrefs if "Holiday" in href)
    dav("PUT", "/dav/Holiday/a", b"x")
    dav("LOCK", "/dav/Holiday/a", wish())
    assert dav("PUT", real + "a", b"y").status == 423


def test_a_folder_locked_alone_keeps_its_members_names(clip: Client) -> None:
    token = token_of(clip("LOCK", "/dav/P1-Test/", wish(), Depth="0"))
    assert clip("PUT", "/dav/P1-Test/new", b"x").status == 423
    assert clip("DELETE", FILE).status == 423
    assert clip("PUT", FILE, b"x").status == 204
    assert clip("PUT", "/dav/P1-Test/new", b"x", If=f"</dav/P1-Test/> (<{token}>)").status == 201


def test_refresh(clip: Client) -> None:
    token = token_of(clip("LOCK", FILE, wish(), Timeout="Second-60"))
    answer = clip("LOCK", FILE, If=f"(<{token}>)", Timeout="Second-600", Content_Type="text/xml")
    assert (answer.status, answer.xml.findtext(".//{DAV:}timeout")) == (200, "Second-600")
    assert "Lock-Token" not in answer
    assert clip("LOCK", FILE, If="(<filmcan:other>)").status == 412
    assert clip("LOCK", FILE).status == 400


def test_unlock(clip: Client) -> None:
    token = token_of(clip("LOCK", FILE, wish()))
    assert clip("UNLOCK", FILE).status == 400
    assert clip("UNLOCK", FILE, Lock_Token="<filmcan:other>").status == 409
    assert clip("UNLOCK", "/dav/P1-Test", Lock_Token=f"<{token}>").status == 409
    assert clip("UNLOCK", FILE, Lock_Token=f"<{token}>").status == 204
    assert clip("PUT", FILE, b"x").status == 204


def test_what_nobody_made_yet_can_be_locked(dav: Client) -> None:
    """davfs2: LOCK on a new name, HEAD for the tag of the empty file, PUT with that tag and the token."""
    answer = dav("LOCK", FILE, wish(), Depth="0", If_None_Match="*")
    token = token_of(answer)
    assert answer.status == 201
    tag = dav("HEAD", FILE)["ETag"]
    assert dav("PUT", FILE, b"data", If_Match=tag, If=f"<http://127.0.0.1:{dav.port}{FILE}> (<{token}>)").status == 204
    assert dav("UNLOCK", FILE, Lock_Token=f"<{token}>").status == 204
    assert dav("GET", FILE).body == b"data"


def test_a_placeholder_goes_with_its_lock_if_nothing_was_written(dav: Client) -> None:
    token = token_of(dav("LOCK", FILE, wish()))
    assert dav("PROPFIND", FILE, Depth="0").status == 207
    dav("UNLOCK", FILE, Lock_Token=f"<{token}>")
    assert dav("PROPFIND", FILE, Depth="0").status == 404


def test_an_empty_file_that_was_written_stays(dav: Client) -> None:
    token = token_of(dav("LOCK", FILE, wish()))
    dav("PUT", FILE, b"", If=f"(<{token}>)")
    dav("UNLOCK", FILE, Lock_Token=f"<{token}>")
    assert dav("PROPFIND", FILE, Depth="0").status == 207


@pytest.mark.parametrize(
    ("path", "body", "headers", "want"),
    [(FILE, wish(), {"Depth": "1"}, 400), ("/dav/P1-Test/no/x", wish(), {}, 409), ("/dav/P1-Test/new/", wish(), {},
    409),
     (FILE, "<x/>", {}, 400), (FILE, wish("both"), {}, 400), (FILE, wish(owner="x" * 1100), {}, 413),
     (FILE, wish(), {"If-None-Match": "*"}, 412), ("/dav/P1-Test/index.json", wish(), {}, 403)],
)  # fmt: skip
def test_refusals(clip: Client, path: str, body: str, headers: dict[str, str], want: int) -> None:
    assert clip("LOCK", path, body, **headers).status == want


def test_a_refused_lock_makes_nothing(dav: Client) -> None:
    dav("LOCK", "/dav/P1-Test/", wish(), Depth="0")
    assert dav("LOCK", FILE, wish()).status == 423
    assert dav("PROPFIND", FILE, Depth="0").status == 404


def test_locks_do_not_move_and_go_with_what_is_deleted(clip: Client) -> None:
    token = token_of(clip("LOCK", FILE, wish()))
    clip("MOVE", FILE, Destination="/dav/P1-Test/b.mov", If=f"(<{token}>)")
    assert clip("PUT", "/dav/P1-Test/b.mov", b"x").status == 204
    assert clip("PUT", FILE, b"x").status == 201
    token = token_of(clip("LOCK", FILE, wish()))
    clip("DELETE", FILE, If=f"(<{token}>)")
    assert clip("PUT", FILE, b"x").status == 201


def test_locks_of_a_deleted_project_go_by_whatever_name_it_was_called(dav: Client) -> None:
    dav("MKCOL", "/dav/Holiday")
    dav("PUT", "/dav/Holiday/a", b"x")
    token = token_of(dav("LOCK", "/dav/Holiday/a", wish()))
    assert dav("DELETE", "/dav/Holiday", If=f"(<{token}>)").status == 204
    dav("MKCOL", "/dav/Holiday")
    assert dav("PUT", "/dav/Holiday/a", b"x").status == 201


def test_a_lock_lasts_over_a_restart(clip: Client, library: Library) -> None:
    clip("LOCK", FILE, wish())
    again = Server(mounted(DavApp(library)))
    again.start()
    try:
        assert Client(again.port)("PUT", FILE, b"x").status == 423
    finally:
        again.stop()


class Clock(System):
    """The system's clock, put forward by hand."""

    ahead_s = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.ahead_s * 10**9


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def late(tmp_path: Path, clock: Clock) -> Iterator[DavApp]:
    """An application without server, whose clock can be put forward."""
    library = Library(tmp_path / "late", clock)
    library.make_project("P1-Test")
    yield DavApp(library)
    library.close()


def ask(app: DavApp, method: str, user: str = "ann", body: str = "", **headers: str) -> tuple[int, dict[str, str]]:
    told: list[Any] = []
    environ = {"REQUEST_METHOD": method, "SCRIPT_NAME": "/dav", "PATH_INFO": FILE.removeprefix("/dav")}
    environ |= {"REMOTE_USER": user, **headers}
    answer = app(
        {**environ, "wsgi.input": io.BytesIO(body.encode())},
        lambda status, fields, _=None: told.extend((status, fields)),
    )
    if isinstance(answer, FileBody):
        answer.close()
    return int(told[0][:3]), dict(told[1])


def test_a_lock_ends_by_itself_and_takes_its_placeholder_along(late: DavApp, clock: Clock) -> None:
    status, fields = ask(late, "LOCK", body=wish(), HTTP_TIMEOUT="Second-60")
    assert status == 201
    clock.ahead_s = 59
    assert ask(late, "PUT", body="x")[0] == 423
    clock.ahead_s = 61
    ask(late, "UNLOCK", HTTP_LOCK_TOKEN=fields["Lock-Token"])
    ask(late, "LOCK", HTTP_IF="(<filmcan:any>)")
    assert ask(late, "GET")[0] == 404


def test_what_was_written_after_the_lock_ended_stays(late: DavApp, clock: Clock) -> None:
    ask(late, "LOCK", body=wish(), HTTP_TIMEOUT="Second-60")
    clock.ahead_s = 61
    assert ask(late, "PUT", body="x")[0] == 204
    ask(late, "LOCK", HTTP_IF="(<filmcan:any>)")
    assert ask(late, "GET")[0] == 200


def test_a_token_is_good_only_in_the_hands_of_its_owner(late: DavApp) -> None:
    token = ask(late, "LOCK", body=wish())[1]["Lock-Token"]
    assert ask(late, "PUT", "bob", "x", HTTP_IF=f"({token})")[0] == 423
    assert ask(late, "LOCK", "bob", HTTP_IF=f"({token})")[0] == 412
    assert ask(late, "UNLOCK", "bob", HTTP_LOCK_TOKEN=token)[0] == 403
    assert ask(late, "PUT", "ann", "x", HTTP_IF=f"({token})")[0] == 204


def test_a_lock_can_be_taken_while_an_upload_runs(clip: Client) -> None:
    """§13 row 21. Stock: LOCK is 423 while a PUT to the same URL runs, and Finder sends that PUT twice."""
    with socket.create_connection(("127.0.0.1", clip.port), timeout=10) as sock:
        sock.sendall(f"PUT {FILE} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nm".encode())
        assert clip("LOCK", FILE, wish()).status == 200
        sock.sendall(b"e")
        assert b" 423 " in sock.makefile("rb").readline()
    assert clip("GET", FILE).body == b"a"


def test_finder_creates_and_writes_a_file(dav: Client) -> None:
    """PUT empty, LOCK, chunked PUT with the token and the size, UNLOCK (WebDAVFS)."""
    agent = {"User-Agent": "WebDAVFS/3.0.0 (03008000) Darwin/24.1.0 (arm64)"}
    assert dav("PUT", FILE, b"", **agent).status == 201
    token = token_of(dav("LOCK", FILE, wish(), Depth="0", Timeout="Second-600", **agent))
    answer = dav("PUT", FILE, iter([b"ab", b"cd"]), If=f"(<{token}>)", X_Expected_Entity_Length=4,
                 Transfer_Encoding="chunked", **agent)  # fmt: skip
    assert answer.status == 204 and "ETag" in answer and "Last-Modified" in answer
    assert dav("UNLOCK", FILE, Lock_Token=f"<{token}>", **agent).status == 204
    assert dav("GET", FILE).body == b"abcd"


def test_explorer_copies_a_file_in(dav: Client) -> None:
    """PUT empty, LOCK infinite, PROPPATCH, HEAD, PUT, PROPPATCH, UNLOCK (MiniRedir)."""
    agent = {"User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.19045", "translate": "f"}
    assert dav("PUT", FILE, b"", **agent).status == 201
    token = token_of(dav("LOCK", FILE, wish(owner="PC\\ann"), Timeout="Second-3600", **agent))
    held = {**agent, "If": f"(<{token}>)"}
    patch = (
        '<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>'
        "<Z:Win32LastModifiedTime>Sun, 09 Sep 2001 01:46:40 GMT</Z:Win32LastModifiedTime>"
        "<Z:Win32FileAttributes>00000000</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"
    )
    assert dav("PROPPATCH", FILE, patch, **held).status == 207
    assert dav("HEAD", FILE, **agent).status == 200
    assert dav("PUT", FILE, b"data", **held).status == 204
    assert dav("PROPPATCH", FILE, patch, **held).status == 207
    assert dav("UNLOCK", FILE, Lock_Token=f"<{token}>", **agent).status == 204
    assert dav("HEAD", FILE)["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
