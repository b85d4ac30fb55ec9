"""The rules of locks, and the keeper that makes them last."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from davfront import locks, paths
from davfront.errors import DavError
from davfront.locks import LockBook, LockRow, Locks, NoConflictingLock

SECOND = 1_000_000_000
PATHS = st.sampled_from(["", "a", "a/b", "a/b/c", "a/bb", "d"])


def row(
    token: str, path: str, *, exclusive: bool = True, deep: bool = True, user: str = "ann", expires_ns: int = SECOND
) -> LockRow:
    return LockRow(token, path, "/dav/" + path, exclusive, deep, "", user, 600, expires_ns)


@pytest.mark.parametrize(
    ("header", "want"),
    [("", 600), ("Second-5", 5), ("Second-4100000000", 3600), ("Infinite", 3600), ("Infinite, Second-4100000000", 3600),
     ("Second-1800", 1800), ("Second-0", 1), ("Extend, Second-7", 7), ("nonsense", 600), ("second-9", 9)],
)  # fmt: skip
def test_locks_last_as_long_as_asked_but_an_hour_at_most(header: str, want: int) -> None:
    """§13 row 20. Stock: 7 days without a Timeout, 28 days for "Infinite"."""
    assert locks.granted_seconds(header) == want


_rows = st.lists(st.tuples(PATHS, st.booleans(), st.booleans()), max_size=8)


def granted(wishes: list[tuple[str, bool, bool]]) -> LockBook:
    """The book after each wish that conflicts with nothing was granted."""
    book = LockBook()
    for number, (path, exclusive, deep) in enumerate(wishes):
        if not book.conflicts(path, exclusive=exclusive, deep=deep, now_ns=0):
            book.add(row(f"t{number}", path, exclusive=exclusive, deep=deep))
    return book


@given(_rows, PATHS)
def test_whatever_lies_under_an_exclusive_lock_lies_under_no_other(
    wishes: list[tuple[str, bool, bool]], path: str
) -> None:
    covering = granted(wishes).covering(path, 0)
    assert len(covering) == 1 or not any(one.exclusive for one in covering)


@given(_rows, PATHS, st.booleans(), st.booleans())
def test_conflicts_are_mutual(wishes: list[tuple[str, bool, bool]], path: str, exclusive: bool, deep: bool) -> None:
    """If a lock may not be added to the others, then none of those may be added after it."""
    book = granted(wishes)
    for other in book.conflicts(path, exclusive=exclusive, deep=deep, now_ns=0):
        alone = LockBook([row("new", path, exclusive=exclusive, deep=deep)])
        assert alone.conflicts(other.path, exclusive=other.exclusive, deep=other.deep, now_ns=0)


@given(_rows, PATHS, st.booleans(), st.booleans())
def test_with_all_tokens_nothing_is_missing(
    wishes: list[tuple[str, bool, bool]], path: str, members: bool, membership: bool
) -> None:
    book = granted(wishes)
    tokens = frozenset(one.token for one in book)
    assert book.missing(path, tokens, "ann", 0, members=members, membership=membership) == []


@given(_rows, PATHS, st.sets(st.sampled_from([f"t{n}" for n in range(8)])), st.booleans())
def test_more_tokens_never_forbid_more(
    wishes: list[tuple[str, bool, bool]], path: str, some: set[str], members: bool
) -> None:
    book = granted(wishes)
    few = book.missing(path, frozenset(some), "ann", 0, members=members, membership=True)
    more = book.missing(path, frozenset(some | {"t0"}), "ann", 0, members=members, membership=True)
    assert {one.token for one in more} <= {one.token for one in few}


@given(_rows, PATHS)
def test_a_write_is_free_exactly_where_no_lock_covers_it(wishes: list[tuple[str, bool, bool]], path: str) -> None:
    book = granted(wishes)
    free = not book.missing(path, frozenset(), "ann", 0, members=False, membership=False)
    expected = any(one.path == path or (one.deep and paths.is_below(path, one.path)) for one in book)
    assert free is not expected


def test_the_token_of_somebody_else_opens_nothing() -> None:
    book = LockBook([row("t", "a", user="bob")])
    assert book.missing("a", frozenset(("t",)), "ann", 0, members=False, membership=False)


def test_a_lock_on_a_folder_alone_guards_its_membership() -> None:
    book = LockBook([row("t", "a", deep=False)])
    assert book.missing("a/new", frozenset(), "ann", 0, members=False, membership=True)
    assert not book.missing("a/old", frozenset(), "ann", 0, members=False, membership=False)


def test_any_one_of_several_shared_locks_is_enough() -> None:
    book = LockBook([row("t1", "a", exclusive=False), row("t2", "a", exclusive=False, user="bob")])
    assert not book.missing("a", frozenset(("t1",)), "ann", 0, members=False, membership=False)


def test_every_locked_member_needs_its_token() -> None:
    """§13 row 11. Stock: 423 for locked children even with their tokens."""
    book = LockBook([row("t1", "a/x"), row("t2", "a/y")])
    assert [one.token for one in book.missing("a", frozenset(("t1",)), "ann", 0, members=True, membership=False)] == [
        "t2"
    ]
    assert not book.missing("a", frozenset(("t1", "t2")), "ann", 0, members=True, membership=False)


def test_an_expired_lock_binds_nobody() -> None:
    book = LockBook([row("t", "a", expires_ns=5)])
    assert book.covering("a", 4) and not book.covering("a", 5)
    assert [one.token for one in book.expired(5)] == ["t"]


# ── the keeper ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Shelf:
    def __init__(self) -> None:
        self.rows: dict[str, LockRow] = {}
        self.full = False

    def load(self) -> list[LockRow]:
        return list(self.rows.values())

    def save(self, row: LockRow) -> None:
        if self.full:
            raise OSError("disk full")
        self.rows[row.token] = row

    def drop(self, tokens: list[str]) -> None:
        for token in tokens:
            self.rows.pop(token, None)


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(shelf: Shelf, clock: Clock) -> Locks:
    return Locks(shelf, clock)


def test_a_lock_lasts_over_a_restart(keeper: Locks, shelf: Shelf, clock: Clock) -> None:
    keeper.grant(row("t", "a"))
    assert [one.token for one in Locks(shelf, clock).covering("a/b")] == ["t"]


def test_a_second_exclusive_lock_is_refused_with_the_root_of_the_first(keeper: Locks) -> None:
    keeper.grant(row("t", "a"))
    with pytest.raises(NoConflictingLock) as caught:
        keeper.grant(row("u", "a/b"))
    assert (caught.value.status, caught.value.hrefs) == (423, ("/dav/a",))


def test_a_lock_that_cannot_be_kept_is_not_held(keeper: Locks, shelf: Shelf) -> None:
    shelf.full = True
    with pytest.raises(OSError):
        keeper.grant(row("t", "a"))
    assert keeper.covering("a") == []


def test_refreshing_begins_the_time_anew(keeper: Locks, clock: Clock) -> None:
    keeper.grant(row("t", "a"))
    clock.now_ns = 599 * SECOND
    assert keeper.refresh("t", 600)
    clock.now_ns = 1198 * SECOND
    assert keeper.get("t")
    clock.now_ns = 1199 * SECOND
    assert keeper.get("t") is None and keeper.refresh("t", 600) is None


def test_what_is_deleted_takes_its_locks_along(keeper: Locks, shelf: Shelf) -> None:
    for token, path in (("t1", "a"), ("t2", "b/c"), ("t3", "bb")):
        keeper.grant(row(token, path))
    keeper.forget("b")
    assert set(shelf.rows) == {"t1", "t3"}


def test_expired_locks_are_handed_out_once(keeper: Locks, clock: Clock, shelf: Shelf) -> None:
    keeper.grant(msgspec.structs.replace(row("t", "a"), placeholder_id=7))
    clock.now_ns = 600 * SECOND
    assert [one.placeholder_id for one in keeper.take_expired()] == [7]
    assert keeper.take_expired() == [] and not shelf.rows


def test_nobody_can_fill_the_house_with_locks(keeper: Locks) -> None:
    for number in range(locks.PER_USER_MOST):
        keeper.grant(row(f"t{number}", f"f{number}"))
    with pytest.raises(DavError) as caught:
        keeper.grant(row("more", "more"))
    assert caught.value.status == 507
    keeper.grant(row("bob's", "more", user="bob"))


def test_all_users_together_have_a_limit_too(keeper: Locks) -> None:
    for number in range(locks.IN_ALL_MOST):
        keeper.grant(row(f"t{number}", f"f{number}", user=f"u{number}"))
    with pytest.raises(DavError) as caught:
        keeper.grant(row("more", "more", user="new"))
    assert caught.value.status == 507
