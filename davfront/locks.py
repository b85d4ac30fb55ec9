"""Locks of RFC 4918 §6 and §7: which exist, whom they bind, and how they last over a restart.

`LockBook` is the rules: an in-memory picture without clock, disk or threads. `Locks` is the book kept under one mutex
and written to the index table `locks`, through the committer, before a client is told of a lock. Locks belong to a URL,
not to the content there: they do not move with a MOVE and vanish with a DELETE.

Paths here are canonical (`paths.key`, aliases resolved); "" is the top.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from davfront import paths
from davfront.errors import DavError

DEFAULT_S = 600  # what Finder asks for; a client that says nothing and dies keeps nobody out for a week
LONGEST_S = 3600
OWNER_BYTES = 1024
PER_USER_MOST = 100
IN_ALL_MOST = 1000
_SECOND_NS = 1_000_000_000
_TIMEOUT = re.compile(r"\s*Second-(\d{1,10})\s*\Z", re.IGNORECASE)


class LockRow(msgspec.Struct, array_like=True, frozen=True):
    """One lock, as it lies in the table `locks` under its token.

    path            of the lock root, canonical
    href            of the lock root as its owner asked for it
    deep            Depth: infinity
    owner           the <owner> element as the client sent it, "" when it sent none
    placeholder_id  the entry that LOCK made because nothing was there, 0 when something was
    placeholder_ns  that entry's modified time when it was made: an entry that still has it was never written
    """

    token: str
    path: str
    href: str
    exclusive: bool
    deep: bool
    owner: str
    user: str
    seconds: int
    expires_ns: int
    placeholder_id: int = 0
    placeholder_ns: int = 0


def granted_seconds(header: str) -> int:
    """How long a lock lasts when `Timeout` says `header`: the first kind we know, an hour at most."""
    for wish in header.split(","):
        match = _TIMEOUT.match(wish)
        if match is not None:
            return min(max(int(match[1]), 1), LONGEST_S)
        if wish.strip().lower() == "infinite":
            return LONGEST_S
    return DEFAULT_S


class LockBook:
    """The rules. Expired locks bind nobody; `expired` names them so that their keeper can take them away."""

    def __init__(self, rows: Iterable[LockRow] = ()) -> None:
        self._by_token: dict[str, LockRow] = {}
        self._by_path: dict[str, set[str]] = {}
        for row in rows:
            self.add(row)

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[LockRow]:
        return iter(list(self._by_token.values()))

    def get(self, token: str) -> LockRow | None:
        return self._by_token.get(token)

    def add(self, row: LockRow) -> None:
        """Write a lock down, or write it anew. Whether it may be granted is for `conflicts` to say, before."""
        self.remove(row.token)
        self._by_token[row.token] = row
        self._by_path.setdefault(row.path, set()).add(row.token)

    def remove(self, token: str) -> LockRow | None:
        row = self._by_token.pop(token, None)
        if row is not None:
            tokens = self._by_path[row.path]
            tokens.discard(token)
            if not tokens:
                del self._by_path[row.path]
        return row

    def covering(self, path: str, now_ns: int) -> list[LockRow]:
        """The locks that `path` lies under: its own, and those of infinite depth above it."""
        found = []
        for at in _upwards(path):
            for token in self._by_path.get(at, ()):
                row = self._by_token[token]
                if row.expires_ns > now_ns and (row.deep or at == path):
                    found.append(row)
        return sorted(found, key=lambda row: row.token)

    def below(self, path: str, now_ns: int) -> list[LockRow]:
        """The locks whose roots lie inside `path`."""
        inside = (row for row in self._by_token.values() if row.expires_ns > now_ns and paths.is_below(row.path, path))
        return sorted(inside, key=lambda row: row.token)

    def conflicts(self, path: str, *, exclusive: bool, deep: bool, now_ns: int) -> list[LockRow]:
        """The locks that forbid a new one: any with an exclusive one, an exclusive one with any (RFC 4918 §6.2)."""
        near = self.covering(path, now_ns) + (self.below(path, now_ns) if deep else [])
        return [row for row in near if exclusive or row.exclusive]

    def missing(
        self, path: str, tokens: frozenset[str], user: str, now_ns: int, *, members: bool, membership: bool
    ) -> list[LockRow]:
        """The locks that forbid a write to `path` because none of their tokens came with it.

        Of several shared locks on one resource any one token is enough (RFC 4918 §6.2).

        tokens      submitted ones; they count only for the user who took the lock (§6.4)
        members     the write reaches everything below `path` too
        membership  the write adds or removes `path` itself, which a lock on its folder forbids even at depth 0 (§7.4)
        """
        asked = [self.covering(path, now_ns)]
        if membership and path:
            asked.append(self.covering(paths.parent(path), now_ns))
        if members:
            roots = sorted({row.path for row in self.below(path, now_ns)})
            asked.extend(self.covering(root, now_ns) for root in roots)
        unmet = [rows for rows in asked if rows and not any(row.token in tokens and row.user == user for row in rows)]
        return list({row.token: row for rows in unmet for row in rows}.values())

    def expired(self, now_ns: int) -> list[LockRow]:
        return [row for row in self._by_token.values() if row.expires_ns <= now_ns]

    def held_by(self, user: str, now_ns: int) -> int:
        return sum(row.user == user and row.expires_ns > now_ns for row in self._by_token.values())


def _upwards(path: str) -> Iterator[str]:
    """The path itself, its folder, and so on to the top."""
    yield path
    while path:
        path = paths.parent(path)
        yield path


class Shelf(Protocol):
    """Where lock rows last: `save` and `drop` return when they are durable."""

    def load(self) -> list[LockRow]: ...
    def save(self, row: LockRow) -> None: ...
    def drop(self, tokens: list[str]) -> None: ...


class NoConflictingLock(DavError):
    """LOCK of something that a lock forbids to lock (RFC 4918 §16, no-conflicting-lock)."""

    def __init__(self, rows: Iterable[LockRow]) -> None:
        roots = sorted({row.href for row in rows})
        super().__init__(423, "This is locked by somebody else.", condition="no-conflicting-lock", hrefs=roots)


class Locks:
    """The book of one share, safe from any thread.

    The mutex is never held while something is written to disk. A new lock is in the book, and so binds others, before
    it is durable; if it cannot be made durable it is taken out again and the client is told so.
    """

    def __init__(self, shelf: Shelf, now_ns: Callable[[], int]) -> None:
        self._shelf = shelf
        self._now_ns = now_ns
        self._mutex = threading.Lock()
        self._book = LockBook(shelf.load())

    @property
    def is_empty(self) -> bool:
        """No lock at all, the usual case: nothing has to be looked up then."""
        return not len(self._book)

    def covering(self, path: str) -> list[LockRow]:
        if self.is_empty:
            return []
        with self._mutex:
            return self._book.covering(path, self._now_ns())

    def below(self, path: str) -> list[LockRow]:
        if self.is_empty:
            return []
        with self._mutex:
            return self._book.below(path, self._now_ns())

    def missing(
        self, path: str, tokens: frozenset[str], user: str, *, members: bool = False, membership: bool = False
    ) -> list[LockRow]:
        """See `LockBook.missing`."""
        if self.is_empty:
            return []
        with self._mutex:
            return self._book.missing(path, tokens, user, self._now_ns(), members=members, membership=membership)

    def get(self, token: str) -> LockRow | None:
        """The lock with this token, if it still binds."""
        with self._mutex:
            row = self._book.get(token)
            return row if row is not None and row.expires_ns > self._now_ns() else None

    def grant(self, row: LockRow) -> LockRow:
        """Take a lock; its end is `row.seconds` from now.

        raises  NoConflictingLock; DavError 507 when there are too many locks already
        """
        with self._mutex:
            now_ns = self._now_ns()
            conflicts = self._book.conflicts(row.path, exclusive=row.exclusive, deep=row.deep, now_ns=now_ns)
            if conflicts:
                raise NoConflictingLock(conflicts)
            self._check_room(row.user, now_ns)
            row = msgspec.structs.replace(row, expires_ns=now_ns + row.seconds * _SECOND_NS)
            self._book.add(row)
        return self._lasting(row, before=None)

    def _check_room(self, user: str, now_ns: int) -> None:
        if len(self._book) - len(self._book.expired(now_ns)) >= IN_ALL_MOST:
            raise DavError(507, f"There are {IN_ALL_MOST} locks already; some have to be given back first.")
        if self._book.held_by(user, now_ns) >= PER_USER_MOST:
            raise DavError(507, f"You hold {PER_USER_MOST} locks already; give some back first.")

    def refresh(self, token: str, seconds: int) -> LockRow | None:
        """Let a lock last `seconds` from now; None when it is gone."""
        with self._mutex:
            now_ns = self._now_ns()
            before = self._book.get(token)
            if before is None or before.expires_ns <= now_ns:
                return None
            row = msgspec.structs.replace(before, seconds=seconds, expires_ns=now_ns + seconds * _SECOND_NS)
            self._book.add(row)
        return self._lasting(row, before=before)

    def _lasting(self, row: LockRow, before: LockRow | None) -> LockRow:
        try:
            self._shelf.save(row)
        except BaseException:
            with self._mutex:
                self._book.remove(row.token)
                if before is not None:
                    self._book.add(before)
            raise
        return row

    def release(self, tokens: list[str]) -> None:
        """Give locks back. Ones that are gone already are no error."""
        with self._mutex:
            held = [token for token in tokens if self._book.remove(token) is not None]
        if held:
            self._shelf.drop(held)

    def forget(self, path: str) -> None:
        """`path` is gone, and with it the locks on it and below it (RFC 4918 §9.6.1)."""
        if self.is_empty:
            return
        with self._mutex:
            now_ns = self._now_ns()
            rows = [row for row in self._book.covering(path, now_ns) if row.path == path] + self._book.below(
                path, now_ns
            )
        self.release([row.token for row in rows])

    def take_expired(self) -> list[LockRow]:
        """The locks whose time is over, now gone from the book; the caller clears up the placeholders they leave."""
        if self.is_empty:
            return []
        with self._mutex:
            rows = self._book.expired(self._now_ns())
        self.release([row.token for row in rows])
        return rows
