"""The FUSE protocol as far as one folder of a few plain files needs it (linux/fuse.h, version 7.31). Linux only, as root.

Requests are drained from the kernel in batches and answered after a whole batch was read: so a flush can be told from
the writes that were not answered yet when it was asked for, which it need not cover.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from tests.faults.power.kernel import mount

ROOT = 1
FOREVER_S = 1 << 30
MAX_WRITE_BYTES = 1 << 20
BUFFER_BYTES = MAX_WRITE_BYTES + 4096
MAJOR, MINOR = 7, 31
ASYNC_READ, BIG_WRITES, ASYNC_DIO, MAX_PAGES = 1 << 0, 1 << 5, 1 << 15, 1 << 22
DIRECT_IO = 1  # open flag: nothing of the file is kept in the page cache, what is written is asked of us at once

IN = struct.Struct("<IIQQIIIHH")
OUT = struct.Struct("<IiQ")
INIT_IN = struct.Struct("<IIII")
INIT_OUT = struct.Struct("<IIIIHHIIHHI28x")
TRANSFER_IN = struct.Struct("<QQII")  # of READ and WRITE: handle, offset, size, flags
TRANSFER_BYTES = 40
WRITE_OUT = struct.Struct("<II")
OPEN_OUT = struct.Struct("<QII")
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
ENTRY = struct.Struct("<QQQQII")
ATTR_OUT = struct.Struct("<QII")
STATFS = struct.Struct("<QQQQQIIII24x")


class Op(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    ACCESS = 34
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


SILENT = {Op.FORGET, Op.BATCH_FORGET, Op.INTERRUPT}  # requests nobody waits for


class File(Protocol):
    """What is served under one name. Calls come from one thread, in the order of the requests."""

    size_bytes: int

    def read(self, offset: int, count: int) -> bytes: ...

    def write(self, batch: int, offset: int, data: memoryview) -> None: ...

    def sync(self, batch: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its body copied out of the buffer."""

    op: int
    id: int
    node: int
    body: memoryview


class Served:
    """Files under names, mounted at a folder. `serve` returns when it was unmounted."""

    def __init__(self, folder: Path, files: Sequence[tuple[str, File]]) -> None:
        self._files = dict(enumerate((file for _, file in files), ROOT + 1))
        self._nodes = {name.encode(): node for node, (name, _) in enumerate(files, ROOT + 1)}
        self._batch = 0
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        mount("recorder", folder, "fuse", f"fd={self._fd},rootmode=40000,user_id=0,group_id=0,allow_other")

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        try:
            while True:
                poll.poll()
                self._batch += 1
                for request in list(self._waiting()):
                    self._answer(request)
        except OSError as error:
            if error.errno != errno.ENODEV:  # unmounted
                raise
        finally:
            os.close(self._fd)

    def _waiting(self) -> Iterator[Request]:
        """Every request that waits now."""
        while True:
            try:
                data = os.read(self._fd, BUFFER_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):  # taken back while it was read (fuse(4))
                    continue
                raise
            _, op, id, node, *_ = IN.unpack_from(data)
            yield Request(op, id, node, memoryview(data)[IN.size :])

    def _answer(self, request: Request) -> None:
        if request.op in SILENT:
            return
        try:
            data, code = self._do(request), 0
        except OSError as error:
            data, code = b"", -(error.errno or errno.EIO)
        try:
            os.write(self._fd, OUT.pack(OUT.size + len(data), code, request.id) + data)
        except FileNotFoundError:
            return  # nobody waits for it any more: it was interrupted, or the folder is being unmounted (fuse(4))

    def _do(self, request: Request) -> bytes:
        match request.op:
            case Op.WRITE:
                return self._write(request)
            case Op.READ:
                _, offset, size, _ = TRANSFER_IN.unpack_from(request.body)
                return self._files[request.node].read(offset, size)
            case Op.FSYNC:
                self._files[request.node].sync(self._batch)
                return b""
            case Op.INIT:
                return self._init(request)
            case Op.LOOKUP:
                node = self._nodes.get(bytes(request.body).rstrip(b"\0"))
                if node is None:
                    raise OSError(errno.ENOENT, "")
                return ENTRY.pack(node, 0, FOREVER_S, FOREVER_S, 0, 0) + self._attributes(node)
            case Op.GETATTR | Op.SETATTR:
                return ATTR_OUT.pack(FOREVER_S, 0, 0) + self._attributes(request.node)
            case Op.OPEN:
                return OPEN_OUT.pack(0, DIRECT_IO, 0)
            case Op.OPENDIR:
                return OPEN_OUT.pack(0, 0, 0)
            case Op.STATFS:
                return STATFS.pack(1 << 30, 1 << 29, 1 << 29, 100, 50, 4096, 255, 4096, 0)
            case Op.READDIR | Op.FLUSH | Op.RELEASE | Op.RELEASEDIR | Op.DESTROY:
                return b""
        raise OSError(errno.ENOSYS, "")  # discards and holes too: the kernel writes zeros instead

    def _init(self, request: Request) -> bytes:
        _, _, readahead, offered = INIT_IN.unpack_from(request.body)
        wanted = offered & (ASYNC_READ | BIG_WRITES | ASYNC_DIO | MAX_PAGES)
        return INIT_OUT.pack(MAJOR, MINOR, readahead, wanted, 64, 48, MAX_WRITE_BYTES, 1, MAX_WRITE_BYTES // 4096, 0, 0)

    def _write(self, request: Request) -> bytes:
        _, offset, size, _ = TRANSFER_IN.unpack_from(request.body)
        self._files[request.node].write(self._batch, offset, request.body[TRANSFER_BYTES : TRANSFER_BYTES + size])
        return WRITE_OUT.pack(size, 0)

    def _attributes(self, node: int) -> bytes:
        size, mode = (0, stat.S_IFDIR | 0o700) if node == ROOT else (self._files[node].size_bytes, stat.S_IFREG | 0o600)
        return ATTR.pack(node, size, -(-size // 512), 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
