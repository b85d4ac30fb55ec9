"""XML in, within limits; multistatus text out."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import multistatus
from davfront.errors import DavError
from davfront.multistatus import Asked


def refusal(body: bytes) -> int:
    with pytest.raises(DavError) as caught:
        Asked.from_body(body)
    return caught.value.status


def test_an_empty_body_asks_for_everything() -> None:
    assert Asked.from_body(b"").kind == "allprop"
    assert Asked.from_body(b" \r\n").kind == "allprop"


def test_names_are_read_with_their_namespace_once_each() -> None:
    asked = Asked.from_body(
        b'<a:propfind xmlns:a="DAV:" xmlns:b="urn:b"><a:prop><a:getetag/><b:x/><a:getetag/><c/></a:prop></a:propfind>'
    )
    assert (asked.kind, asked.names) == ("prop", ("{DAV:}getetag", "{urn:b}x", "c"))


def test_include_adds_to_allprop() -> None:
    asked = Asked.from_body(b'<propfind xmlns="DAV:"><allprop/><include><supportedlock/></include></propfind>')
    assert (asked.kind, asked.names) == ("allprop", ("{DAV:}supportedlock",))


def test_propname_is_understood() -> None:
    """§13 row 12. Stock knows no propname and answers without a propstat."""
    assert Asked.from_body(b'<propfind xmlns="DAV:"><propname/></propfind>').kind == "propname"


@pytest.mark.parametrize(
    "body",
    [b"<", b"<a/>", b'<propfind xmlns="DAV:"/>', b'<propfind xmlns="DAV:"><prop/><allprop/></propfind>', b"\xff\xfe",
     b'<x:propfind xmlns="DAV:"/>', b'<D:propfind xmlns:D="DAV:"><D:prop><x xmlns:n=""/></D:prop></D:propfind>'],
)  # fmt: skip
def test_what_is_not_a_question_is_400(body: bytes) -> None:
    assert refusal(body) == 400


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    body = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><propfind xmlns="DAV:"><prop>&b;</prop></propfind>'
    assert refusal(body) == 400


def test_a_file_of_the_host_cannot_be_named() -> None:
    assert refusal(b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><propfind xmlns="DAV:"><allprop/></propfind>') == 400


def test_deep_nesting_and_many_names_are_refused() -> None:
    assert refusal(b"<a>" * 33 + b"</a>" * 33) == 400
    names = b"".join(b"<p%d/>" % n for n in range(201))
    assert refusal(b'<propfind xmlns="DAV:"><prop>' + names + b"</prop></propfind>") == 400


def test_a_long_body_is_refused_while_it_arrives() -> None:
    stream = io.BytesIO(b" " * (10 << 20))
    with pytest.raises(DavError) as caught:
        multistatus.read_body(stream)
    assert caught.value.status == 413
    assert stream.tell() <= multistatus.XML_BYTES_MOST + 1


def test_a_body_in_small_segments_is_read_whole() -> None:
    """§13 row 3. Stock ignores XML that is sent chunked and answers allprop."""

    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(3, size or 0))

    assert multistatus.read_body(Dribble(b"<propfind/>")) == b"<propfind/>"


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    try:
        Asked.from_body(body)
    except DavError as error:
        assert error.status == 400


def test_a_name_that_xml_cannot_hold_does_not_make_its_folder_unreadable() -> None:
    assert multistatus.escape("a\uffff\x01b") == "a\ufffd\ufffdb"


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=50))
def test_any_text_survives_xml(text: str) -> None:
    assert (
        ElementTree.fromstring(f'<a b="{multistatus.escape(text)}">{multistatus.escape(text)}</a>').text or ""
    ) == text


def test_a_response_is_exactly_this() -> None:
    assert multistatus.response("/dav/a", "<D:x/>", "<D:y/>") == (
        "<D:response><D:href>/dav/a</D:href>"
        "<D:propstat><D:prop><D:x/></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
        "<D:propstat><D:prop><D:y/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"
        "</D:response>\n"
    )


def test_a_response_always_has_a_propstat() -> None:
    assert "HTTP/1.1 200 OK" in multistatus.response("/dav/a", "", "")


@pytest.mark.parametrize("count", [0, 1, 255, 256, 1000])
def test_the_document_is_whole_however_it_is_cut(count: int) -> None:
    text = b"".join(multistatus.body(multistatus.response(f"/{n}", "", "") for n in range(count)))
    assert len(ElementTree.fromstring(text)) == count


@pytest.mark.parametrize(
    ("name", "want"), [("{DAV:}a", "{DAV:}a"), ("{urn:b&c}a", "{urn:b&c}a"), ("a", "a"), ("{}a", "a")]
)
def test_an_empty_element_has_its_name(name: str, want: str) -> None:
    text = f'<x xmlns:D="DAV:">{multistatus.empty_element(name)}</x>'
    assert ElementTree.fromstring(text)[0].tag == want


def test_an_error_body_names_its_condition() -> None:
    root = ElementTree.fromstring(multistatus.error_body("lock-token-submitted", ["/dav/a"]))
    assert (root.tag, root[0].tag, root[0][0].text) == ("{DAV:}error", "{DAV:}lock-token-submitted", "/dav/a")
