"""tools → davfront → views → cas: imports point right only."""

from __future__ import annotations

from tests.house.code import ORDER, imports


def test_imports_point_right_only() -> None:
    wrong = [
        use
        for use in imports()
        if (target := use.what.split(".")[0]) in ORDER and ORDER.index(target) < ORDER.index(use.room.split("/")[0])
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_nothing_shipped_imports_the_tests() -> None:
    wrong = [use for use in imports() if use.what.split(".")[0] == "tests"]
    assert not wrong, "\n".join(map(str, wrong))
