"""A blob that is not finished yet: staged on the store's own disk, hashed and counted while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cas.digest import Buffer, Hasher, Sums
from cas.errors import BodyIncomplete, ChecksumWrong, TooLarge
from cas.state import State
from cas.system import System

READ_BYTES = 1 << 20
WRITEBACK_BYTES = 8 << 20  # durability reference §3 step 2: the last sync of a 5 GiB file then takes a fraction of a second
READ_ONLY = 0o444

Took = Callable[[int], None]  # hears of every block that was read, with its size; what it raises ends the work


class Incoming:
    """Bytes on their way in. One thread at a time.

    It ends in exactly one of two ways: given to a put, or `abandon`. Until then nothing of it is visible anywhere; a crash
    leaves at most a file in `incoming/`, removed at the next start.
    """

    def __init__(
        self,
        system: System,
        folder: int,
        mark: int,
        state: State,
        *,
        expected_bytes: int | None = None,
        most_bytes: int | None = None,
        extra: Iterable[str] = (),
    ) -> None:
        """Stage in `folder` (`.filmcan/incoming`, a descriptor that outlives this).

        mark             see System.write_out
        expected_bytes   what the sender announced, or None; finish compares
        most_bytes       the size it may grow to, or None; one byte more is TooLarge
        extra            further sums wanted, of `digest.EXTRA_KINDS`
        """
        self._system, self._folder, self._mark, self._state = system, folder, mark, state
        self.expected_bytes, self._most_bytes = expected_bytes, most_bytes
        self._check_size(expected_bytes or 0)
        self.name: str | None = None
        self.fd: int | None = None
        with self._state.told(self.expected_bytes or 0):
            self.fd = system.create_unnamed(folder, READ_ONLY)
            if self.fd is None:
                self.name = system.token()
                self.fd = system.create(folder, self.name, READ_ONLY)
        self._promised_bytes = expected_bytes or 0
        state.promise(self._promised_bytes)
        self._hasher = Hasher(extra)
        self._flushed_bytes = 0
        self.size_bytes = 0
        self.shares_blocks = False
        self.sums: Sums | None = None
        self.told: set[str] = set()  # what becomes BlobRow.told

    def _check_size(self, size_bytes: int) -> None:
        if self._most_bytes is not None and size_bytes > self._most_bytes:
            raise TooLarge(size_bytes, self._most_bytes)

    def write(self, data: Buffer) -> None:
        """Take the next bytes. Best in whole pieces of 1 MiB: each call is one system call and one round of hashing.

        Raises TooLarge, NoSpace, Degraded.
        """
        assert self.fd is not None and self.sums is None, "an Incoming takes bytes only until it is finished or abandoned"
        self._check_size(self.size_bytes + len(data))
        with self._state.told(self.expected_bytes or 0):
            self._system.write(self.fd, data)
        self._hasher.update(data)
        self.size_bytes += len(data)
        self._kept(min(len(data), self._promised_bytes))
        if self.size_bytes - self._flushed_bytes >= WRITEBACK_BYTES:
            self._system.start_writeback(self.fd, self._flushed_bytes, self.size_bytes - self._flushed_bytes)
            self._flushed_bytes = self.size_bytes

    def _kept(self, size_bytes: int) -> None:
        """So much of the promise is on the disk, or is needed no more."""
        if size_bytes:
            self._promised_bytes -= size_bytes
            self._state.promise(-size_bytes)

    def take_file(self, fd: int, took: Took | None = None) -> None:
        """Take all bytes of an open file, as the only ones: its blocks are shared where the file system can do that
        (`shares_blocks` tells), else they are copied. The file stays as it is. Raises as `write` does.

        A file that is written meanwhile gives what it was at one moment when blocks are shared, else a mixture: compare its
        time and size before and after.
        """
        assert self.fd is not None and not self.size_bytes, "a file is taken into an Incoming that is still empty"
        self._check_size(self._system.fstat(fd).st_size)
        self.shares_blocks = self._clone(fd)
        source = self.fd if self.shares_blocks else fd
        buffer = memoryview(bytearray(READ_BYTES))
        while count := self._system.readinto(source, buffer, self.size_bytes):
            if self.shares_blocks:
                self._hasher.update(buffer[:count])
                self.size_bytes += count
            else:
                self.write(buffer[:count])
            if took is not None:
                took(count)

    def _clone(self, fd: int) -> bool:
        """Share the blocks of another file; False where that cannot be, and nothing was done."""
        assert self.fd is not None
        try:
            self._system.clone(fd, self.fd)
        except OSError:
            if self._system.fstat(self.fd).st_size:
                self._system.truncate(self.fd, 0)  # it ended half-way
            return False
        return True

    def finish(self, *, modified_ns: int | None = None) -> Sums:
        """Check the length, set the time, bring the bytes to the disk: a name given now and made to last keeps them.

        Raises BodyIncomplete; twice is once.

        modified_ns   the time other programs will see on the file; None leaves the time of arrival
        """
        if self.sums is not None:
            return self.sums
        assert self.fd is not None, "an abandoned Incoming cannot be finished"
        if self.expected_bytes is not None and self.size_bytes != self.expected_bytes:
            raise BodyIncomplete(self.expected_bytes, self.size_bytes)
        with self._state.told(self.expected_bytes or 0):
            if modified_ns is not None:
                self._system.set_modified(self.fd, modified_ns)
            if self.size_bytes:  # an empty file is never linked to from here, see Store.link
                self._sync(self.fd)
        self.sums = self._hasher.finish()
        return self.sums

    def _sync(self, fd: int) -> None:
        """Data before names. A failed sync is final, for the whole store: a second one would lie (fsync(2))."""
        try:
            if self.shares_blocks:
                self._system.sync_file(fd)
            else:
                self._system.write_out(fd, self._mark)
        except OSError as error:
            self._state.lost_sync("received bytes", error)
            raise

    def require(self, kind: str, expected: bytes) -> None:
        """After finish: the sum of `kind` must be `expected`, else ChecksumWrong. What its sender told is remembered with it."""
        assert self.sums is not None
        found = {"blake3": self.sums.digest.raw, "sha256": self.sums.sha256, **self.sums.extra}[kind]
        if found != expected:
            raise ChecksumWrong(kind, expected.hex(), found.hex())
        self.told.add(kind)

    def link_to(self, folder: int, name: str) -> None:
        """Give the finished bytes a name; FileExistsError when it is taken. The staged name, if there is one, goes at once:
        taken away later, it would look as if somebody had touched the file (cas/calm.py)."""
        assert self.fd is not None and self.sums is not None
        if self.name is None:
            self._system.link_open(self.fd, folder, name)
        else:
            self._system.link(self._folder, self.name, folder, name)
            self._unstage()

    def abandon(self) -> None:
        """Leave no trace, except names that were linked. Any time, any number of times."""
        if self.fd is None:
            return
        fd, self.fd = self.fd, None
        self._kept(self._promised_bytes)
        self._system.close(fd)
        self._unstage()

    def _unstage(self) -> None:
        if self.name is not None:
            self._system.unlink(self._folder, self.name)
            self.name = None

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()
