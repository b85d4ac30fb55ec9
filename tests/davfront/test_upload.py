"""What a sender promises about a body, and the loop that takes it in."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import upload
from davfront.errors import DavError
from davfront.upload import Buffers, Promise

SHA256 = hashlib.sha256(b"x").digest()


def promise(**environ: Any) -> Promise:
    return Promise.from_environ(environ)


def test_nothing_promised_is_nothing_checked() -> None:
    assert promise() == Promise(None, {}, None)


@pytest.mark.parametrize(
    ("field", "text", "kind", "value"),
    [("HTTP_OC_CHECKSUM", "SHA1:" + "ab" * 20, "sha1", b"\xab" * 20), ("HTTP_OC_CHECKSUM", "md5:" + "AB" * 16, "md5",
    b"\xab" * 16),
     ("HTTP_OC_CHECKSUM", "ADLER32:01020304", "adler32", b"\1\2\3\4"),
     ("HTTP_REPR_DIGEST", f"sha-256=:{base64.b64encode(SHA256).decode()}:", "sha256", SHA256),
     ("HTTP_CONTENT_DIGEST", f"sha-512=:AAAA:, sha-256=:{base64.b64encode(SHA256).decode()}:", "sha256", SHA256),
     ("HTTP_DIGEST", f"SHA-256={base64.b64encode(SHA256).decode()}", "sha256", SHA256)],
)  # fmt: skip
def test_sums_are_understood_in_all_their_spellings(field: str, text: str, kind: str, value: bytes) -> None:
    assert promise(**{field: text}).sums == {kind: value}


def test_unknown_sums_are_ignored() -> None:
    assert promise(HTTP_OC_CHECKSUM="CRC64:ff", HTTP_REPR_DIGEST="unixsum=:AA==:").sums == {}


@pytest.mark.parametrize(
    "environ",
    [{"HTTP_OC_CHECKSUM": "SHA1:zz"}, {"HTTP_OC_CHECKSUM": "MD5:ab"}, {"HTTP_REPR_DIGEST": "sha-256=:AAAA:"},
     {"HTTP_CONTENT_RANGE": "bytes 5-9/10"}, {"CONTENT_LENGTH": "-1"}, {"CONTENT_LENGTH": "1e3"},
     {"HTTP_X_EXPECTED_ENTITY_LENGTH": "many"}, {"CONTENT_LENGTH": "5", "HTTP_X_EXPECTED_ENTITY_LENGTH": "6"}],
)  # fmt: skip
def test_a_promise_that_cannot_be_kept_is_400(environ: dict[str, str]) -> None:
    with pytest.raises(DavError) as caught:
        promise(**environ)
    assert caught.value.status == 400


def test_finder_tells_the_size_of_a_chunked_body() -> None:
    assert promise(HTTP_X_EXPECTED_ENTITY_LENGTH="7").expected_bytes == 7


@pytest.mark.parametrize(
    ("text", "want"),
    [("1700000000", 1700000000 * 10**9), ("1700000000.25", 1700000000250000000), ("-1", None), ("soon", None)],
)
def test_x_oc_mtime(text: str, want: int | None) -> None:
    assert promise(HTTP_X_OC_MTIME=text).modified_ns == want


class Segments(io.RawIOBase):
    """A body that arrives in pieces of the sizes given, then in whatever is asked."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content, self._sizes = io.BytesIO(content), sizes

    def readinto(self, buffer: Any) -> int:
        size = self._sizes.pop(0) if self._sizes else len(buffer)
        return self._content.readinto(buffer[: max(1, size)])


class Pieces:
    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.content = b""

    def write(self, data: memoryview) -> None:
        self.sizes.append(len(data))
        self.content += bytes(data)


@given(st.binary(max_size=2000), st.lists(st.integers(1, 300), max_size=20))
def test_the_body_arrives_as_it_was_sent(content: bytes, sizes: list[int]) -> None:
    sink = Pieces()
    assert upload.pour(Segments(content, sizes), sink, Buffers(1)) == len(content)
    assert sink.content == content


def test_small_segments_become_one_write() -> None:
    sink = Pieces()
    upload.pour(Segments(b"x" * (3 << 20), [1000] * 50), sink, Buffers(1))
    assert sink.sizes == [1 << 20] * 3


def test_buffers_are_used_again_and_bounded() -> None:
    buffers = Buffers(2)
    first, second, third = buffers.take(), buffers.take(), buffers.take()
    assert [len(one) for one in (first, second, third)] == [1 << 20, 1 << 20, 64 << 10]
    for one in (first, second, third):
        buffers.give_back(one)
    assert {id(buffers.take()), id(buffers.take())} == {id(first), id(second)}
    assert len(buffers.take()) == 64 << 10


def test_a_buffer_comes_back_when_the_body_breaks() -> None:
    class Broken(io.RawIOBase):
        def readinto(self, buffer: Any) -> int:
            raise ConnectionError

    buffers = Buffers(1)
    with pytest.raises(ConnectionError):
        upload.pour(Broken(), Pieces(), buffers)
    assert len(buffers.take()) == upload.BUFFER_BYTES
