"""What a name may be, which names are one, how projects are called."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from views import naming
from views.errors import NameInvalid


@pytest.mark.parametrize(
    "name", ["a", "é", "a b.mov", "<?>", "CON", "a.", " a", "x" * 200, "日本語.mov", "-", "🎞.mov", "a\u200db"]
)
def test_names_that_people_use_are_allowed(name: str) -> None:
    naming.check(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a\0",
        "a\nb",
        "\x7f",
        "x" * 201,
        "é" * 101,
        "\ud800",
        "a\u202eb",
        "\u200fa",
        ".filmcan",
        ".FilmCan",
    ],
)
def test_names_nothing_may_have_are_refused(name: str) -> None:
    with pytest.raises(NameInvalid):
        naming.check(name)


def test_a_decomposed_name_counts_as_what_it_becomes() -> None:
    naming.check(normalize("NFD", "é" * 100))


@pytest.mark.parametrize(
    "name", ["._a.mov", ".DS_Store", "Thumbs.db", "desktop.ini", "~$doc.docx", "~WRL0001.tmp", "A1B2C3D4.tmp", ".~lock.a.odt#",
             "a.txt.sb-12345678-AbCdEf", ".a.swp", "4913", ".goutputstream-X1", "film.mov.part"],
)  # fmt: skip
def test_what_systems_leave_behind_is_junk(name: str) -> None:
    assert naming.is_junk(name)


@pytest.mark.parametrize(
    "name", ["a.mov", ".hidden", "DS_Store", "tmp", "part", "~", "._", "desktop.ini.mov", "a.partial"]
)
def test_what_people_made_is_not(name: str) -> None:
    assert not naming.is_junk(name)


@pytest.mark.parametrize("name", ["a:b", "con", "CON.txt", "LPT1", "a.", "a ", 'a"b'])
def test_what_windows_cannot_hold_is_told(name: str) -> None:
    assert naming.windows_cannot(name)


def test_what_windows_can_hold_is_not() -> None:
    for name in ("a.b", "com0", "conx", " a", "é"):
        assert naming.windows_cannot(name) == ""


@pytest.mark.parametrize(
    "wanted, numbers, name",
    [
        (("Holiday 2026", {1, 2}, "P3-Holiday-2026")),
        (("a//b", set(), "P1-a-b")),
        (("  ", {4}, "P5-Project")),
        ((None, set(), "P1-Project")),
        (("_x", set(), "P1-x")),
        (("P9-Mine", {1}, "P9-Mine")),
        (("P9-a b", {1}, "P9-a-b")),
        (("P9-", {1}, "P2-P9")),
        (("P9- -", {1}, "P2-P9")),
        (("Unsorted-Loose", {1}, "Unsorted-Loose")),
        (("P007-x", set(), "P007-x")),
        (("Ünï", set(), "P1-Ünï")),
        (("...", set(), "P1-Project")),
        (("a..b...c.d", set(), "P1-a.b.c.d")),
        (("x" * 400, set(), "P1-" + "x" * 180)),
    ],
)  # fmt: skip
def test_projects_are_named_from_what_was_wanted(wanted: str | None, numbers: set[int], name: str) -> None:
    assert naming.project_name(wanted, numbers) == name
    naming.check(name)


@pytest.mark.parametrize(
    "name, number", [("P1-a", 1), ("P007-x", 7), ("P1-", None), ("p1-a", None), ("P-a", None), ("XP1-a", None)]
)
def test_the_number_of_a_project_is_in_its_name(name: str, number: int | None) -> None:
    assert naming.project_number(name) == number
