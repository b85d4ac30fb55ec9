"""OPTIONS, PROPFIND and PROPPATCH over a real server."""

from __future__ import annotations

import hashlib

import pytest

from tests.davfront.conftest import Client
from views.library import Library

WIN = "Microsoft-WebDAV-MiniRedir/10.0.19045"


def asking(*names: str) -> str:
    return (
        '<D:propfind xmlns:D="DAV:"><D:prop>'
        + "".join(f'<x:{local} xmlns:x="{space}"/>' for space, local in map(split, names))
        + ("</D:prop></D:propfind>")
    )


def split(name: str) -> tuple[str, str]:
    space, _, local = name[1:].partition("}")
    return space, local


@pytest.mark.parametrize("path", ["/", "/dav", "/dav/", "/dav/P1-Test/", "/dav/missing/deep", "/dav/P1-Test/a"])
def test_options_say_the_same_everywhere(dav: Client, path: str) -> None:
    answer = dav("OPTIONS", path)
    assert (answer.status, answer["DAV"], answer["MS-Author-Via"]) == (200, "1, 2", "DAV")
    assert answer["Content-Length"] == "0"
    assert {"PROPFIND", "LOCK", "PUT", "MKCOL", "MOVE"} <= set(answer["Allow"].split(", "))


def test_the_parent_of_the_share_is_a_folder_with_the_share_in_it(dav: Client) -> None:
    answer = dav("PROPFIND", "/", Depth="1")
    assert (answer.status, answer.hrefs) == (207, ["/", "/dav/"])
    assert dav("PROPFIND", "/", Depth="0").hrefs == ["/"]


def test_a_listing(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/a%20b(1).mov", b"x")
    answer = dav("PROPFIND", "/dav/P1-Test/", Depth="1")
    assert answer.status == 207 and answer["Content-Type"].startswith("application/xml")
    assert answer.hrefs == ["/dav/P1-Test/", "/dav/P1-Test/a%20b(1).mov", "/dav/P1-Test/ingest/"]
    assert answer.prop("{DAV:}displayname", 1) == "a b(1).mov"
    assert answer.prop("{DAV:}getcontentlength", 1) == "1"
    assert answer.prop("{DAV:}resourcetype", 1) == ""
    assert answer.prop("{DAV:}iscollection", 2) == "1"


@pytest.mark.parametrize(("depth", "count"), [("0", 1), ("1", 2), ("1,noroot", 1), ("1, NoRoot", 1)])
def test_depth(dav: Client, depth: str, count: int) -> None:
    """§13 row 22. Stock: 400 for `1,noroot`."""
    assert len(dav("PROPFIND", "/dav/P1-Test", Depth=depth).hrefs) == count


@pytest.mark.parametrize("headers", [{"Depth": "infinity"}, {}])
def test_infinity_is_refused_and_says_why(dav: Client, headers: dict[str, str]) -> None:
    answer = dav("PROPFIND", "/dav/", **headers)
    assert answer.status == 403 and answer.xml.find("{DAV:}propfind-finite-depth") is not None


def test_infinity_on_a_file_is_the_file(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/a", b"x")
    assert dav("PROPFIND", "/dav/P1-Test/a").hrefs == ["/dav/P1-Test/a"]


def test_a_project_answers_to_the_name_it_was_made_with(dav: Client) -> None:
    assert dav("MKCOL", "/dav/Holiday%202026").status == 201
    answer = dav("PROPFIND", "/dav/Holiday%202026", Depth="1")
    assert answer.hrefs[0] == "/dav/Holiday%202026/" and all(
        href.startswith("/dav/Holiday%202026/") for href in answer.hrefs
    )
    assert answer.prop("{DAV:}displayname") == "Holiday 2026"


def test_rclone_asks_depth_1_of_a_file(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/a", b"x")
    assert dav("PROPFIND", "/dav/P1-Test/a", Depth="1").hrefs == ["/dav/P1-Test/a"]


def test_all_live_properties_by_name(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/a.mov", b"xyz", X_OC_Mtime="1000000000")
    names = ["{DAV:}getlastmodified", "{DAV:}lastmodified", "{DAV:}creationdate", "{DAV:}supportedlock",
    "{DAV:}lockdiscovery",
             "{http://owncloud.org/ns}size", "{http://owncloud.org/ns}checksums",
             "{urn:schemas-microsoft-com:}Win32LastModifiedTime", "{DAV:}getcontenttype"]  # fmt: skip
    answer = dav("PROPFIND", "/dav/P1-Test/a.mov", asking(*names), Depth="0")
    found = {name: answer.prop(name) for name in names}
    assert found["{DAV:}getlastmodified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert found["{urn:schemas-microsoft-com:}Win32LastModifiedTime"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert (found["{DAV:}lastmodified"], found["{http://owncloud.org/ns}size"]) == ("1000000000", "3")
    assert (found["{DAV:}creationdate"] or "").endswith("Z")
    assert "SHA1:" + hashlib.sha1(b"xyz").hexdigest() in (found["{http://owncloud.org/ns}checksums"] or "").split()
    assert found["{DAV:}getcontenttype"] == "video/quicktime"
    assert None not in found.values()


def test_quota_is_a_matter_of_folders(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/a", b"x")
    names = ("{DAV:}quota-available-bytes", "{DAV:}quota-used-bytes")
    answer = dav("PROPFIND", "/dav/P1-Test/", asking(*names), Depth="1")
    assert all(int(answer.prop(name) or -1) >= 0 for name in names)
    assert [answer.prop(name, 1) for name in names] == [None, None]


def test_unknown_properties_are_404_each_for_itself(dav: Client) -> None:
    names = ["{http://apache.org/dav/props/}executable", "{http://www.apple.com/webdav_fs/props/}appledoubleheader"]
    answer = dav("PROPFIND", "/dav/P1-Test/", asking(*names), Depth="0")
    assert answer.status == 207
    assert [element.text for element in answer.xml.iter("{DAV:}status")] == ["HTTP/1.1 404 Not Found"]


def test_names_of_properties_alone(dav: Client) -> None:
    """§13 row 12. Stock: a response without propstat."""
    dav("PUT", "/dav/P1-Test/a", b"x")
    answer = dav("PROPFIND", "/dav/P1-Test/a", '<propfind xmlns="DAV:"><propname/></propfind>', Depth="0")
    names = [element.tag for element in answer.xml.find("{DAV:}response/{DAV:}propstat/{DAV:}prop") or []]
    assert "{DAV:}getetag" in names and "{DAV:}lockdiscovery" in names
    assert answer.prop("{DAV:}displayname") == ""


def test_xml_that_is_sent_chunked_is_read(dav: Client) -> None:
    """§13 row 3. Stock ignores it and answers allprop."""
    body = iter([asking("{DAV:}getetag")[:10].encode(), asking("{DAV:}getetag")[10:].encode()])
    answer = dav("PROPFIND", "/dav/P1-Test/", body, Depth="0", Transfer_Encoding="chunked")
    assert answer.status == 207 and answer.prop("{DAV:}resourcetype") is None


def test_an_entry_of_allprop_is_small_enough_for_explorer(dav: Client) -> None:
    """Windows refuses answers above 1,000,000 bytes, so a thousand names must fit."""
    for number in range(20):
        dav("PUT", f"/dav/P1-Test/ingest/A001_C{number:03}_0101XY.mov", b"x")
    body = dav("PROPFIND", "/dav/P1-Test/ingest", Depth="1").body
    assert len(body) / 21 <= 700


def test_a_large_listing_is_whole_though_it_is_streamed(dav: Client, library: Library) -> None:
    for number in range(700):
        library.make_folder(f"P1-Test/ingest/originals/{number}")
    answer = dav("PROPFIND", "/dav/P1-Test/ingest/originals", Depth="1")
    assert len(answer.hrefs) == 701 and "Content-Length" not in answer


def test_a_missing_name_is_404(dav: Client) -> None:
    assert dav("PROPFIND", "/dav/P1-Test/no", Depth="0").status == 404


def test_windows_is_shown_names_that_it_can_hold(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/10%3A30%3F.mov", b"x")
    href = dav("PROPFIND", "/dav/P1-Test/", Depth="1", User_Agent=WIN).hrefs[1]
    assert href == "/dav/P1-Test/10%EF%80%A230%EF%80%A5.mov"
    assert dav("GET", href, User_Agent=WIN).body == b"x"
    assert dav("PROPFIND", href, Depth="0", User_Agent=WIN).hrefs == [href]
    assert "/dav/P1-Test/10:30%3F.mov" in dav("PROPFIND", "/dav/P1-Test/", Depth="1").hrefs


def test_both_spellings_of_an_accent_are_the_same_name(dav: Client) -> None:
    dav("PUT", "/dav/P1-Test/caf%C3%A9", b"x")
    assert dav("GET", "/dav/P1-Test/cafe%CC%81").body == b"x"


@pytest.mark.parametrize("path", ["/dav//P1-Test", "//dav/P1-Test", "/dav/P1-Test//"])
def test_doubled_slashes_are_one(dav: Client, path: str) -> None:
    """§13 row 19. Stock: 400."""
    assert dav("PROPFIND", path, Depth="0").status in (207, 404)
    assert dav("PROPFIND", "/dav//P1-Test//", Depth="0").status == 207


# ── PROPPATCH ───────────────────────────────────────────────────────────────────────────────────────────────────────


def setting(*elements: str, remove: str = "") -> str:
    removal = f"<D:remove><D:prop>{remove}</D:prop></D:remove>" if remove else ""
    return (
        '<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:" xmlns:S="SAR:">'
        f"<D:set><D:prop>{''.join(elements)}</D:prop></D:set>{removal}</D:propertyupdate>"
    )


@pytest.fixture
def clip(dav: Client) -> Client:
    dav("PUT", "/dav/P1-Test/a.mov", b"x")
    return dav


TIME = "Sun, 09 Sep 2001 01:46:40 GMT"


@pytest.mark.parametrize(
    "element",
    [f"<Z:Win32LastModifiedTime>{TIME}</Z:Win32LastModifiedTime>", "<D:lastmodified>1000000000</D:lastmodified>",
     f"<D:getlastmodified>{TIME}</D:getlastmodified>"],
)  # fmt: skip
def test_times_can_be_set_in_every_clients_words(clip: Client, element: str) -> None:
    """§13 row 25. Stock: stored as a dead property or refused with 403; times are lost."""
    assert clip("PROPPATCH", "/dav/P1-Test/a.mov", setting(element)).status == 207
    assert clip("HEAD", "/dav/P1-Test/a.mov")["Last-Modified"] == TIME
    assert clip("PROPFIND", "/dav/P1-Test/a.mov", Depth="0").prop("{DAV:}getlastmodified") == TIME


def test_explorer_sets_four_properties_at_once(clip: Client) -> None:
    body = setting(
        f"<Z:Win32CreationTime>{TIME}</Z:Win32CreationTime>", f"<Z:Win32LastAccessTime>{TIME}</Z:Win32LastAccessTime>",
        f"<Z:Win32LastModifiedTime>{TIME}</Z:Win32LastModifiedTime>",
        "<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>",
    )  # fmt: skip
    answer = clip("PROPPATCH", "/dav/P1-Test/a.mov", body)
    assert [element.text for element in answer.xml.iter("{DAV:}status")] == ["HTTP/1.1 200 OK"]
    assert answer.hrefs == ["/dav/P1-Test/a.mov"]
    found = clip("PROPFIND", "/dav/P1-Test/a.mov", Depth="0")
    assert found.prop("{urn:schemas-microsoft-com:}Win32FileAttributes") == "00000020"
    assert found.prop("{DAV:}creationdate") == "2001-09-09T01:46:40Z"


def test_dead_properties_are_kept_moved_and_removed(clip: Client) -> None:
    clip("PROPPATCH", "/dav/P1-Test/a.mov", setting("<S:note>good <b>take</b> &amp; clean</S:note>"))
    clip("MOVE", "/dav/P1-Test/a.mov", Destination="/dav/P1-Test/b.mov")
    name = "{SAR:}note"
    assert clip("PROPFIND", "/dav/P1-Test/b.mov", asking(name), Depth="0").prop(name) == "good take & clean"
    clip("PROPPATCH", "/dav/P1-Test/b.mov", setting("<S:x/>", remove="<S:note/>"))
    assert clip("PROPFIND", "/dav/P1-Test/b.mov", asking(name), Depth="0").prop(name) is None


def test_a_property_keeps_the_language_it_was_written_in(clip: Client) -> None:
    body = (
        '<D:propertyupdate xmlns:D="DAV:" xml:lang="de"><D:set><D:prop><note xmlns="SAR:">gut</note></D:prop></D:set>'
    )
    clip("PROPPATCH", "/dav/P1-Test/a.mov", body + "</D:propertyupdate>")
    found = clip("PROPFIND", "/dav/P1-Test/a.mov", asking("{SAR:}note"), Depth="0")
    assert [note.get("{http://www.w3.org/XML/1998/namespace}lang") for note in found.xml.iter("{SAR:}note")] == ["de"]


def test_one_refusal_refuses_all(clip: Client) -> None:
    answer = clip("PROPPATCH", "/dav/P1-Test/a.mov", setting("<S:note>x</S:note>", "<D:getetag>y</D:getetag>"))
    statuses = {element.text for element in answer.xml.iter("{DAV:}status")}
    assert statuses == {"HTTP/1.1 403 Forbidden", "HTTP/1.1 424 Failed Dependency"}
    assert clip("PROPFIND", "/dav/P1-Test/a.mov", asking("{SAR:}note"), Depth="0").prop("{SAR:}note") is None


def test_properties_cannot_fill_the_index(clip: Client) -> None:
    for number in range(3):
        answer = clip("PROPPATCH", "/dav/P1-Test/a.mov", setting(f"<S:n{number}>{'x' * 30_000}</S:n{number}>"))
    assert "HTTP/1.1 507 Insufficient Storage" in [element.text for element in answer.xml.iter("{DAV:}status")]


def test_proppatch_sent_chunked_is_read(clip: Client) -> None:
    body = setting("<S:note>x</S:note>").encode()
    answer = clip("PROPPATCH", "/dav/P1-Test/a.mov", iter([body[:9], body[9:]]), Transfer_Encoding="chunked")
    assert answer.status == 207


@pytest.mark.parametrize(
    ("path", "body", "headers", "want"),
    [("/dav/P1-Test/no", setting("<S:x/>"), {}, 404), ("/dav/P1-Test/a.mov", "<x/>", {}, 400), ("/dav/P1-Test/a.mov",
    "", {}, 400),
     ("/dav/P1-Test/a.mov", "<!DOCTYPE x []><x/>", {}, 400), ("/dav/P1-Test/a.mov", setting("<S:x/>"),
     {"If-Match": '"n"'}, 412),
     ("/dav/P1-Test/a.mov", " " * 70_000, {}, 413)],
)  # fmt: skip
def test_proppatch_refusals(clip: Client, path: str, body: str, headers: dict[str, str], want: int) -> None:
    assert clip("PROPPATCH", path, body, **headers).status == want


@pytest.mark.parametrize("method", ["POST", "PATCH", "BREW", "TRACE"])
@pytest.mark.parametrize("path", ["/dav/", "/dav/P1-Test/a.mov", "/dav/missing"])
def test_every_405_says_what_is_allowed(clip: Client, method: str, path: str) -> None:
    """§13 row 15. Stock: 405 without Allow."""
    answer = clip(method, path)
    assert answer.status in (405, 501)
    if answer.status == 405:
        assert "PROPFIND" in answer["Allow"]


def test_nonsense_credentials_are_not_our_business(dav: Client) -> None:
    """§13 row 15. Stock: malformed Authorization is 500."""
    assert dav("PROPFIND", "/dav/", Depth="0", Authorization="Basic %%%").status == 207
