"""Systems that tests put in the place of the real one: quick, with a clock of their own, failing or dying on purpose."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from cas.system import System

LASTING = (
    "make_folder", "remove_folder", "create", "create_unnamed", "write", "write_at", "truncate", "set_mode", "set_modified",
    "link", "link_open", "rename", "unlink", "clone", "sync_file", "sync_data", "sync_folder", "write_out",
)  # fmt: skip


class Death(BaseException):
    """The process ends here. Nobody may catch it and go on, so it is no Exception."""


class QuickSystem(System):
    """The real system without waiting for the disk: for tests that are not about power cuts."""

    def sync_file(self, fd: int) -> None:
        os.fstat(fd)  # a wrong descriptor is still an error

    def sync_data(self, fd: int) -> None:
        os.fstat(fd)

    def write_out(self, fd: int, mark: int) -> None:
        os.fstat(fd)
        os.fstat(mark)

    def sync_folder(self, fd: int) -> None:
        os.fstat(fd)


class FaultySystem(QuickSystem):
    """Counts the calls that change the disk, and fails at the k-th of them: once, for ever after, or by dying there.

    acts   names of the counted methods, in the order they were called
    """

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.dead = False
        self.arm(0)

    def arm(
        self,
        at: int,
        error: int | type[Death] = Death,
        methods: Collection[str] = LASTING,
        *,
        lasting: bool = False,
        late: bool = False,
    ) -> None:
        """Fail at the `at`-th call of `methods` from now on (0: never).

        error     an errno, or Death: from there on every call fails, as nothing runs after the end of a process
        lasting   every later call of these methods fails too
        late      the act is done and fails afterwards, as an interrupted one may
        """
        self.acts.clear()
        self._at, self._error, self._methods = at, error, frozenset(methods)
        self._lasting, self._late, self._seen = lasting, late, 0

    def disarm(self) -> None:
        """Other threads may be in the middle of a call; none of them shall find half of another plan."""
        self._at = 0
        self.acts.clear()

    @property
    def struck(self) -> bool:
        """Has the armed fault happened?"""
        return 0 < self._at <= self._seen

    def act(self, name: str, *args: Any, **kwargs: Any) -> Any:
        real = getattr(QuickSystem, name)
        if self.dead:
            raise Death(name)
        self.acts.append(name)
        if name not in self._methods:
            return real(self, *args, **kwargs)
        self._seen += 1
        if not self._at or self._seen < self._at or (self._seen > self._at and not self._lasting):
            return real(self, *args, **kwargs)
        if self._late:
            done = real(self, *args, **kwargs)
            if type(done) is int:
                os.close(done)  # nobody gets the descriptor
        if self._error is Death:
            self.dead = True
            raise Death(name)
        assert isinstance(self._error, int)
        raise OSError(self._error, os.strerror(self._error))


def _counted(name: str) -> Any:
    def act(self: FaultySystem, *args: Any, **kwargs: Any) -> Any:
        return self.act(name, *args, **kwargs)

    return act


for _name in LASTING:
    setattr(FaultySystem, _name, _counted(_name))


class Clock(QuickSystem):
    """Time stands still until somebody moves `at_ns`."""

    at_ns = 1_790_000_000 * 10**9

    def now_ns(self) -> int:
        return self.at_ns


class RoomySystem(QuickSystem):
    """Tells the space it is told to tell."""

    total_bytes, free_bytes = 1 << 40, 1 << 39
    total_inodes, free_inodes = 10**8, 10**7

    def space(self, fd: int) -> os.statvfs_result:
        blocks, free = self.total_bytes // 4096, self.free_bytes // 4096
        return os.statvfs_result(
            (4096, 4096, blocks, free, free, self.total_inodes, self.free_inodes, self.free_inodes, 0, 255)
        )
