"""Digests are a type, and one pass computes every sum."""

from __future__ import annotations

import hashlib
import zlib

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from cas.digest import EMPTY, EXTRA_KINDS, Digest, Hasher, c4, sums_of, tag
from cas.errors import DigestInvalid

OF_ABC = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"  # from the BLAKE3 reference


def test_the_digest_of_known_bytes_is_the_published_one() -> None:
    assert sums_of(b"abc").digest.hex == OF_ABC
    assert EMPTY.digest.hex.startswith("af1349b9f5f9a1a6") and EMPTY.size_bytes == 0


def test_hexadecimal_digits_of_either_case_are_the_same_digest() -> None:
    assert Digest.from_hex(OF_ABC.upper()) == Digest.from_hex(OF_ABC) == Digest(bytes.fromhex(OF_ABC))
    assert len({Digest.from_hex(OF_ABC), Digest.from_hex(OF_ABC.upper())}) == 1
    assert str(Digest.from_hex(OF_ABC)) == OF_ABC


@pytest.mark.parametrize(
    "text", ["", "ab", OF_ABC[:-1], OF_ABC + "0", "g" * 64, " " + OF_ABC[1:], "１" * 64, OF_ABC[:-2] + "\n0"]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest.from_hex(text)


def test_a_digest_is_32_bytes() -> None:
    with pytest.raises(DigestInvalid):
        Digest(b"short")


@given(pieces=st.lists(st.binary(max_size=200), max_size=10))
def test_sums_do_not_depend_on_how_the_bytes_arrive(pieces: list[bytes]) -> None:
    hasher, data = Hasher(EXTRA_KINDS), b"".join(pieces)
    for piece in pieces:
        hasher.update(memoryview(piece))
    sums = hasher.finish()
    assert sums.digest == sums_of(data).digest and sums.size_bytes == len(data)
    assert sums.sha256 == hashlib.sha256(data).digest()
    assert sums.extra == {
        "sha1": hashlib.sha1(data).digest(),
        "md5": hashlib.md5(data).digest(),
        "adler32": zlib.adler32(data).to_bytes(4, "big"),
        "sha512": hashlib.sha512(data).digest(),
        "xxh128": xxhash.xxh3_128(data).digest(),
    }


def test_a_c4_id_is_the_sha512_to_the_base_of_58() -> None:
    # the id that the standard itself gives for the empty content, and a number that needs its leading digits
    empty = "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT"
    assert c4(hashlib.sha512(b"").digest()) == empty
    assert c4(bytes(63) + b"\x3a") == "c4" + "1" * 86 + "21" and len(c4(b"\xff" * 64)) == 90


def test_a_tag_is_short_and_tells_contents_apart() -> None:
    assert len(tag(b"a" * 500)) == 16 and tag(b"a" * 500) != tag(b"a" * 501)
