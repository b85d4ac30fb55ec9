"""RFC 9110 §13 and the If header of RFC 4918 §10.4, as pure functions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import conditions
from davfront.conditions import ABSENT, Condition, IfList, Present, Standing
from davfront.errors import DavError, NotModified, PreconditionFailed

HERE = Present(True, '"aa"', 784111777)
SAME_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"


def outcome(present: Present, method: str = "GET", **headers: str) -> int:
    environ: dict[str, Any] = {"REQUEST_METHOD": method, **{f"HTTP_{name}": value for name, value in headers.items()}}
    try:
        conditions.check(environ, present)
    except NotModified:
        return 304
    except PreconditionFailed:
        return 412
    return 200


@pytest.mark.parametrize("text", [SAME_DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
def test_all_three_forms_of_a_date_are_read(text: str) -> None:
    assert conditions.parse_date(text) == 784111777


@pytest.mark.parametrize("text", ["", "yesterday", "Sun, 99 Nov 1994 99:99:99 GMT"])
def test_a_date_that_is_none_is_ignored(text: str) -> None:
    assert outcome(HERE, IF_MODIFIED_SINCE=text) == 200
    assert outcome(HERE, IF_UNMODIFIED_SINCE=text) == 200


def test_the_very_same_date_is_not_modified() -> None:
    """§13 row 6. Stock: 200 for the date that Last-Modified had, so Finder downloads everything again."""
    assert outcome(HERE, IF_MODIFIED_SINCE=SAME_DATE) == 304


@pytest.mark.parametrize("date", [LATER, EARLIER])
def test_any_other_date_is_modified_because_times_may_be_set_into_the_past(date: str) -> None:
    assert outcome(HERE, IF_MODIFIED_SINCE=date) == 200


def test_if_modified_since_means_nothing_to_a_write() -> None:
    assert outcome(HERE, "PUT", IF_MODIFIED_SINCE=SAME_DATE) == 200


def test_if_none_match_comes_before_if_modified_since() -> None:
    """§13 row 7. Stock: 412 on GET when the tag matches and the date is later."""
    assert outcome(HERE, IF_NONE_MATCH='"aa"', IF_MODIFIED_SINCE=EARLIER) == 304
    assert outcome(HERE, IF_NONE_MATCH='"bb"', IF_MODIFIED_SINCE=SAME_DATE) == 200


@pytest.mark.parametrize(
    ("method", "tag", "want"),
    [("GET", '"aa"', 304), ("HEAD", 'W/"aa"', 304), ("PUT", '"aa"', 412), ("PUT", "*", 412), ("GET", '"b", "aa"', 304),
     ("PUT", '"bb"', 200), ("GET", "*", 304)],
)  # fmt: skip
def test_if_none_match(method: str, tag: str, want: int) -> None:
    assert outcome(HERE, method, IF_NONE_MATCH=tag) == want


def test_if_none_match_star_lets_a_new_name_through() -> None:
    assert outcome(ABSENT, "PUT", IF_NONE_MATCH="*") == 200


@pytest.mark.parametrize(("tag", "want"), [('"aa"', 200), ("*", 200), ('"bb"', 412), ('W/"aa"', 412), ("aa", 412)])
def test_if_match_compares_strongly(tag: str, want: int) -> None:
    assert outcome(HERE, "PUT", IF_MATCH=tag) == want


@pytest.mark.parametrize("tag", ["*", '"aa"'])
def test_if_match_on_nothing_fails(tag: str) -> None:
    """§13 row 9. Stock: ignored on an unmapped URL, 201."""
    assert outcome(ABSENT, "PUT", IF_MATCH=tag) == 412


def test_if_match_star_holds_for_a_folder_too() -> None:
    assert outcome(Present(True), "PUT", IF_MATCH="*") == 200


@pytest.mark.parametrize(("date", "want"), [(SAME_DATE, 200), (LATER, 200), (EARLIER, 412)])
def test_if_unmodified_since(date: str, want: int) -> None:
    assert outcome(HERE, "PUT", IF_UNMODIFIED_SINCE=date) == want


def test_if_unmodified_since_is_not_asked_beside_if_match() -> None:
    assert outcome(HERE, "PUT", IF_MATCH='"aa"', IF_UNMODIFIED_SINCE=EARLIER) == 200


@pytest.mark.parametrize(
    ("text", "want"), [(None, True), ('"aa"', True), ('W/"aa"', False), (SAME_DATE, True), (LATER, False), ("x", False)]
)
def test_if_range_needs_the_same_strong_tag_or_the_same_date(text: str | None, want: bool) -> None:
    assert conditions.range_holds(text, HERE) is want


# ── the If header ───────────────────────────────────────────────────────────────────────────────────────────────────

_tokens = st.sampled_from(["urn:uuid:1", "opaquelocktoken:2", "DAV:no-lock"])
_tags = st.sampled_from(['"aa"', '"bb"', 'W/"aa"'])
_conditions = st.builds(Condition, token=_tokens, negated=st.booleans()) | st.builds(
    Condition, etag=_tags, negated=st.booleans()
)
_lists = st.builds(IfList, tag=st.just(""), conditions=st.lists(_conditions, min_size=1, max_size=4).map(tuple))
_headers = st.lists(_lists, min_size=1, max_size=4).map(tuple)
_standings = st.builds(Standing, etag=st.sampled_from([None, '"aa"', '"bb"']), tokens=st.frozensets(_tokens))


def written(lists: tuple[IfList, ...]) -> str:
    def one(condition: Condition) -> str:
        return ("Not " if condition.negated else "") + (
            f"<{condition.token}>" if condition.token else f"[{condition.etag}]"
        )

    return " ".join(
        (f"<{each.tag}> " if each.tag else "") + f"({' '.join(map(one, each.conditions))})" for each in lists
    )


@given(_headers)
def test_what_is_written_is_read_back(lists: tuple[IfList, ...]) -> None:
    assert conditions.parse_if(written(lists)) == lists


@given(_headers, _lists, _standings)
def test_one_more_list_never_makes_a_header_fail(lists: tuple[IfList, ...], more: IfList, standing: Standing) -> None:
    if conditions.holds(lists, lambda _: standing):
        assert conditions.holds((*lists, more), lambda _: standing)


@given(_lists, _conditions, _standings)
def test_one_more_condition_never_makes_a_list_hold(one: IfList, more: Condition, standing: Standing) -> None:
    longer = IfList("", (*one.conditions, more))
    if conditions.holds((longer,), lambda _: standing):
        assert conditions.holds((one,), lambda _: standing)


@given(_conditions, _standings)
def test_not_turns_a_condition_round(condition: Condition, standing: Standing) -> None:
    turned = Condition(condition.token, condition.etag, not condition.negated)
    alone = (IfList("", (condition,)),)
    assert conditions.holds(alone, lambda _: standing) is not conditions.holds(
        (IfList("", (turned,)),), lambda _: standing
    )


def test_each_list_is_asked_on_its_own_resource() -> None:
    """§13 rows 10 and 11. Stock: a tag with an absolute URL never matches, untagged lists are asked everywhere."""
    lists = conditions.parse_if('<http://host/dav/a> (["aa"]) </dav/b> (<urn:uuid:1>)')
    asked = []

    def look(tag: str) -> Standing:
        asked.append(tag)
        return Standing('"bb"', frozenset(("urn:uuid:1",)) if tag.endswith("b") else frozenset())

    assert conditions.holds(lists, look)
    assert asked == ["http://host/dav/a", "/dav/b"]


def test_a_long_header_asks_about_each_resource_once() -> None:
    asked = []

    def look(tag: str) -> Standing:
        asked.append(tag)
        return Standing(None, frozenset())

    conditions.holds(conditions.parse_if("(<a>)" * 1000), look)
    assert asked == [""]


def test_a_tag_holds_for_all_lists_that_follow_it() -> None:
    lists = conditions.parse_if("</a> (<urn:uuid:1>) (<urn:uuid:2>) </b> (<urn:uuid:3>)")
    assert [one.tag for one in lists] == ["/a", "/a", "/b"]


def test_every_token_mentioned_counts_as_submitted() -> None:
    lists = conditions.parse_if('</a> (<urn:uuid:1> ["x"]) (Not <urn:uuid:2>)')
    assert conditions.submitted(lists) == {"urn:uuid:1", "urn:uuid:2"}


@pytest.mark.parametrize("header", ["(<urn:uuid:1>)", "( <urn:uuid:1> )", "(<urn:uuid:1>)(<urn:uuid:1>)"])
def test_space_means_nothing(header: str) -> None:
    assert conditions.submitted(conditions.parse_if(header)) == {"urn:uuid:1"}


@pytest.mark.parametrize(
    "header", ["", "()", "(<a>", "<a>", "(Not)", "(Not Not <a>)", "x", "((<a>))", '["a"]', "(<a>) junk"]
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(DavError) as caught:
        conditions.parse_if(header)
    assert caught.value.status == 400


@given(st.text(alphabet='()<>[]"NotaW/ ', max_size=40))
def test_no_header_makes_the_parser_fail_otherwise(header: str) -> None:
    try:
        conditions.parse_if(header)
    except DavError as error:
        assert error.status == 400
