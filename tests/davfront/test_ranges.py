"""The Range header, and the body of several ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import ranges
from davfront.ranges import Span, Unsatisfiable


@pytest.mark.parametrize(
    ("header", "want"),
    [("bytes=0-0", [(0, 1)]), ("bytes=0-", [(0, 100)]), ("bytes=99-", [(99, 100)]), ("bytes=-5", [(95, 100)]),
     ("bytes=-500", [(0, 100)]), ("bytes=90-500", [(90, 100)]), ("Bytes = 0-1", [(0, 2)]), ("bytes=0-1, 4-5", [(0, 2),
     (4, 6)]),
     ("bytes=4-5,0-1", [(4, 6), (0, 2)]), ("bytes=0-1,200-", [(0, 2)])],
)  # fmt: skip
def test_what_is_asked_is_sent(header: str, want: list[tuple[int, int]]) -> None:
    assert [(span.start, span.stop) for span in ranges.parse(header, 100)] == want


@pytest.mark.parametrize(
    "header",
    ["lines=0-1", "bytes=", "bytes=a-b", "bytes=5-1", "bytes=-", "bytes=1", "bytes=0-10,5-20", "bytes 0-1",
    "bytes=+1-2",
     "bytes=" + ",".join(f"{n}-{n}" for n in range(9)), "bytes=0-0,0-0", "bytes=0-1,x"],
)  # fmt: skip
def test_what_cannot_be_read_or_is_too_much_is_ignored(header: str) -> None:
    """§13 row 13. Stock: any unit counts as bytes, of several ranges the last one is sent."""
    assert ranges.parse(header, 100) == ()


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=-0,200-"])
def test_nothing_to_send_is_416(header: str) -> None:
    """§13 row 13. Stock: 206 with `bytes 4-3/4` for `-0`."""
    with pytest.raises(Unsatisfiable):
        ranges.parse(header, 100)


def test_an_empty_file_has_no_first_byte_but_has_an_end() -> None:
    with pytest.raises(Unsatisfiable):
        ranges.parse("bytes=0-", 0)
    assert ranges.parse("bytes=-5", 0) == ()


@given(st.binary(min_size=1, max_size=200), st.integers(0, 250), st.integers(0, 250))
def test_a_range_is_a_slice(content: bytes, first: int, last: int) -> None:
    try:
        spans = ranges.parse(f"bytes={first}-{last}", len(content))
    except Unsatisfiable:
        assert first >= len(content)
        return
    if last < first:
        assert spans == ()
    else:
        assert content[spans[0].start : spans[0].stop] == content[first : last + 1]


@given(st.text(alphabet="bytes=0123456789-, ", max_size=40), st.integers(0, 1000))
def test_spans_never_leave_the_file_nor_overlap(text: str, size: int) -> None:
    try:
        spans = ranges.parse("bytes=" + text, size)
    except Unsatisfiable:
        return
    assert all(0 <= span.start < span.stop <= size for span in spans)
    assert sum(span.size_bytes for span in spans) <= size


def test_ten_thousand_ranges_cost_nothing() -> None:
    assert ranges.parse("bytes=" + ",".join(f"{n}-{n}" for n in range(10_000)), 1 << 30) == ()


def test_the_length_of_a_multipart_body_is_known_before_it_is_read() -> None:
    spans = (Span(0, 2), Span(4, 7))
    headers = ranges.part_headers(spans, 10, "video/mp4", "edge")
    content = b"0123456789"
    body = b"".join(head + content[span.start : span.stop] for head, span in zip(headers, spans, strict=True))
    body += ranges.closing("edge")
    assert len(body) == ranges.multipart_bytes(spans, headers, "edge")
    assert b"Content-Range: bytes 4-6/10\r\n\r\n456\r\n--edge--\r\n" in body
