"""Properties of entries, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import props
from davfront.errors import DavError
from davfront.multistatus import Asked
from davfront.proppatch import Change, Protected
from davfront.props import Sheet
from views.entry import Entry, Kind

DEAD = '<n:note xmlns:n="urn:n">x</n:note>'
FILE = Entry(1, Kind.FILE, "a & b.mov", 1_000_000_000_500_000_000, 999_999_999_000_000_000, 7, bytes(32))


class Around:
    def quota(self) -> tuple[int, int]:
        return 5, -3

    def sums(self, entry: Entry) -> Mapping[str, bytes]:
        return {"sha1": b"\1", "md5": b"\2"}

    def locks(self, path: str) -> str:
        return "<D:lockdiscovery/>"


def text(asked: Asked, entry: Entry = FILE) -> str:
    return Sheet(asked, Around()).response(entry, entry.name, entry.name, "/dav/a")


@given(st.integers(0, (1 << 33) - 1))
def test_dates_are_those_of_the_calendar(seconds: int) -> None:
    assert props.http_date(seconds) == formatdate(seconds, usegmt=True)


def test_allprop_of_a_file_is_exactly_this() -> None:
    assert text(Asked("allprop")) == (
        "<D:response><D:href>/dav/a</D:href><D:propstat><D:prop><D:resourcetype/>"
        "<D:creationdate>2001-09-09T01:46:39Z</D:creationdate>"
        "<D:getlastmodified>Sun, 09 Sep 2001 01:46:40 GMT</D:getlastmodified>"
        "<D:getcontentlength>7</D:getcontentlength><D:getcontenttype>video/quicktime</D:getcontenttype>"
        f'<D:getetag>"{"00" * 32}"</D:getetag><D:displayname>a &amp; b.mov</D:displayname>'
        "<D:iscollection>0</D:iscollection>"
        "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
    )


def test_the_short_way_to_allprop_says_the_same_as_the_long_one() -> None:
    assert text(Asked("allprop")) == text(Asked("prop", props.ALLPROP))


def test_dead_properties_stand_in_allprop_and_propname() -> None:
    entry = Entry(1, Kind.FILE, "a", 0, 0, 0, bytes(32), props={"{urn:n}note": DEAD})
    assert DEAD in text(Asked("allprop"), entry)
    assert '<note xmlns="urn:n"/>' in text(Asked("propname"), entry)
    assert DEAD in text(Asked("prop", ["{urn:n}note"]), entry)


def test_quota_is_never_negative() -> None:
    folder = Entry(1, Kind.FOLDER, "f", 0, 0)
    answer = text(Asked("prop", ["{DAV:}quota-used-bytes", "{DAV:}quota-available-bytes"]), folder)
    assert "<D:quota-used-bytes>0</D:quota-used-bytes><D:quota-available-bytes>5<" in answer


@pytest.mark.parametrize("name", ["{DAV:}getetag", "{DAV:}resourcetype", "{DAV:}lockdiscovery", "{DAV:}displayname"])
def test_protected_properties_cannot_be_set_nor_removed(name: str) -> None:
    with pytest.raises(Protected):
        Change().set(name, "x", "<x/>")
    with pytest.raises(Protected):
        Change().remove(name)


@pytest.mark.parametrize("value", ["", "soon", "-5", "99999999999999"])
def test_a_time_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(DavError) as caught:
        Change().set("{DAV:}lastmodified", value, "")
    assert caught.value.status == 409


def test_creationdate_is_read_as_it_is_written() -> None:
    change = Change()
    change.set("{DAV:}creationdate", "2001-09-09T01:46:40Z", "")
    assert change.created_ns == 1_000_000_000 * 10**9


def test_the_last_word_about_a_property_counts() -> None:
    change = Change()
    change.set("{urn:n}a", "", "<a/>")
    change.remove("{urn:n}a")
    change.remove("{urn:n}b")
    change.set("{urn:n}b", "", "<b/>")
    assert (change.set_props, list(change.remove_props)) == ({"{urn:n}b": "<b/>"}, ["{urn:n}a"])
