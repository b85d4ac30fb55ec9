"""Any request at all gets an answer that is meant, and leaves the share as it should be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from davfront.app import METHODS, DavApp
from views.library import Library

SEGMENTS = st.sampled_from(
    [
        *("P1-Test", "P2-Other", "Holiday 2026", "ingest", "a.mov", "b.mov", "A.MOV", "x?y", "CON"),
        *("caf\u00e9", "cafe\u0301", "a\uffff", "\u202e", "\uf022", "x" * 201, "..", ""),
        *(".DS_Store", "._a.mov", "~$a.docx", ".metadata_never_index", "index.json", "_manifest", "_new", ".filmcan"),
    ]
)
PATHS = st.lists(SEGMENTS, max_size=3).map(lambda names: "/" + "/".join(names))
ETAGS = st.sampled_from(['"x"', "*", 'W/"x"', "", '"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"'])
DATES = st.sampled_from(["Sun, 06 Nov 1994 08:49:37 GMT", "never", "0"])
TOKENS = st.sampled_from(["filmcan:1", "DAV:no-lock"])
HEADERS = {
    "HTTP_DEPTH": st.sampled_from(["0", "1", "infinity", "1,noroot", "2", ""]),
    "HTTP_DESTINATION": PATHS.map(lambda path: "/dav" + path)
    | st.sampled_from(["http://h/dav/P1-Test/z", "http://o/", ""]),
    "HTTP_OVERWRITE": st.sampled_from(["T", "F", "x"]),
    "HTTP_IF": st.builds("(<{}> [{}])".format, TOKENS, ETAGS) | st.builds("</dav/P1-Test> (Not <{}>)".format, TOKENS),
    "HTTP_IF_MATCH": ETAGS,
    "HTTP_IF_NONE_MATCH": ETAGS,
    "HTTP_IF_MODIFIED_SINCE": DATES,
    "HTTP_IF_UNMODIFIED_SINCE": DATES,
    "HTTP_RANGE": st.sampled_from(["bytes=0-", "bytes=-1", "bytes=5-1", "bytes=0-0,2-3", "bytes=9-", "x"]),
    "HTTP_IF_RANGE": ETAGS | DATES,
    "HTTP_TIMEOUT": st.sampled_from(["Second-1", "Infinite", "x"]),
    "HTTP_LOCK_TOKEN": st.sampled_from(["<filmcan:1>", "x", ""]),
    "HTTP_X_OC_MTIME": st.sampled_from(["1000000000", "x", "99999999999"]),
    "HTTP_OC_CHECKSUM": st.sampled_from(["SHA1:00", "MD5:" + "0" * 32, "x"]),
    "HTTP_CONTENT_RANGE": st.just("bytes 0-1/2"),
    "HTTP_USER_AGENT": st.sampled_from(["WebDAVFS/3.0.0", "Microsoft-WebDAV-MiniRedir/10.0", "rclone/1"]),
}
BODIES = st.sampled_from(
    [
        b"",
        b"data",
        b"<",
        b'<propfind xmlns="DAV:"><propname/></propfind>',
        b'<propfind xmlns="DAV:"><prop><getetag/><quota-used-bytes/></prop></propfind>',
        b'<propfind xmlns="DAV:"><prop><checksums xmlns="http://owncloud.org/ns"/></prop></propfind>',
        b'<propertyupdate xmlns="DAV:"><set><prop><x>1</x><lastmodified>5</lastmodified></prop></set></propertyupdate>',
        b'<propertyupdate xmlns="DAV:"><remove><prop><getetag/></prop></remove></propertyupdate>',
        b'<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>',
        b'<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>',
    ]
)
REQUESTS = st.tuples(
    st.sampled_from([*METHODS, "PROPPATCH", "POST", "PUT", "PUT", "MKCOL"]),
    PATHS,
    st.fixed_dictionaries({}, optional=HEADERS).map(lambda found: dict(list(found.items())[:3])),
    BODIES,
)


def ask(app: DavApp, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "/dav", "PATH_INFO": path.encode().decode("latin-1"), "HTTP_HOST": "h",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), **headers,
    }  # fmt: skip
    answer = app(environ, lambda status, fields, _=None: told.extend((status, fields)))
    try:
        content = b"".join(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    return int(told[0][:3]), dict(told[1]), content


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    library = Library(Path(tmp_path_factory.mktemp("anything")) / "media")
    yield library
    library.close()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=8))
def test_every_request_is_answered_and_no_answer_is_a_failure(library: Library, requests: list[Any]) -> None:
    app = DavApp(library)
    for method, path, headers, body in requests:
        status, fields, content = ask(app, method, path, headers, body)
        assert status < 500 or status in (502, 507), (status, content)
        if status == 405:
            assert fields["Allow"]
        if fields.get("Content-Type", "").startswith("application/xml") and method in ("PROPFIND", "PROPPATCH", "LOCK"):
            ElementTree.fromstring(content)
        if "Content-Length" in fields and method != "HEAD":
            assert int(fields["Content-Length"]) == len(content)
        if status in (200, 206) and method == "HEAD":
            assert content == b"" or fields["Content-Type"].startswith("text/html")


def test_after_all_that_everything_can_be_listed_and_read(library: Library) -> None:
    app = DavApp(library)
    for path, entry in library.walk():
        status, _, content = ask(app, "PROPFIND", "/" + path, {"HTTP_DEPTH": "1"}, b"")
        assert status == 207 and ElementTree.fromstring(content) is not None
        if not entry.is_folder:
            assert len(ask(app, "GET", "/" + path, {}, b"")[2]) == entry.size_bytes
