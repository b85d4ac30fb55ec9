"""The algebra of names: which are one, which share a fold, how they sort."""

from __future__ import annotations

from unicodedata import normalize

from hypothesis import assume, given
from hypothesis import strategies as st

from cas.digest import Digest
from views import naming

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=120)
plain = st.text("abcXYZ éÉß.-_1", min_size=1, max_size=30)


@given(names)
def test_every_normal_form_of_a_name_has_one_key(name: str) -> None:
    assert naming.key(normalize("NFD", name)) == naming.key(normalize("NFC", name)) == naming.key(name)


@given(names, names)
def test_names_have_one_key_only_when_they_are_one_name(one: str, other: str) -> None:
    assert (naming.key(one) == naming.key(other)) == (normalize("NFC", one) == normalize("NFC", other))


@given(st.one_of(names, plain))
def test_names_that_differ_by_case_share_a_fold(name: str) -> None:
    assert naming.fold(name) == naming.fold(name.casefold())
    assert naming.fold(normalize("NFD", name)) == naming.fold(name)


@given(plain)
def test_upper_and_lower_case_share_a_fold(name: str) -> None:
    assert naming.fold(name.upper()) == naming.fold(name.lower()) == naming.fold(name)


@given(names)
def test_a_key_is_its_fold_and_more_and_short_enough(name: str) -> None:
    assert naming.key(name).startswith(naming.fold(name) + b"\0")
    assert len(naming.key(name)) + len(Digest(bytes(32)).raw) + 8 <= 511


@given(st.text(min_size=150, max_size=400))
def test_the_key_of_a_name_that_is_too_long_still_fits(name: str) -> None:
    assert len(naming.key(name)) + 40 <= 511


@given(plain, plain)
def test_keys_sort_as_folded_names_do(one: str, other: str) -> None:
    assume(naming.fold(one) != naming.fold(other))
    assert (naming.key(one) < naming.key(other)) == (naming.fold(one) + b"\0" < naming.fold(other) + b"\0")


@given(names)
def test_every_project_name_is_a_name_and_names_itself(text: str) -> None:
    name = naming.project_name(text, {3})
    naming.check(name)
    assert naming.is_project_name(name)
    assert naming.project_name(name, {9}) == name
