"""The bytes of one connection, in and out: every wait bounded, no buffer that grows with the client's wishes.

`Wire` knows nothing of HTTP but the empty line that ends a head. Bytes that came with the head, or with a chunk's
size line, are held (at most a few tens of KiB); everything else is received straight into the reader's own memory.
"""

import contextlib
import errno
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from davfront.head import BadRequest

READ_AHEAD_BYTES = 1 << 14  # one head, or a line between two chunks with a piece of the next
SENDFILE_BYTES = 1 << 24  # one call; between two calls the receiver's pace is looked at
_NO_SENDFILE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)  # some file systems cannot
_LINGER_S = 2.0
_LINGER_STRUCT = "hh" if os.name == "nt" else "ii"
_SCRATCH_BYTES = 1 << 16
_MORE = getattr(socket, "MSG_MORE", 0)  # Linux: the rest follows, do not send a small packet for the head alone


class PeerGone(Exception):
    """The other side closed the connection or takes nothing any more; nobody is left to answer."""


class Pace:
    """Bounds the time one side may keep us waiting: at least `bytes_s` in every `window_s` seconds of waiting.

    Only time spent waiting counts. A slow disk on our side never looks like a slow client.
    """

    def __init__(self, window_s: float, bytes_s: float) -> None:
        self._window_s = window_s
        self._least_bytes = window_s * bytes_s
        self.restart()

    def restart(self) -> None:
        """Forget what was counted; each request is judged by itself."""
        self._waited_s, self._bytes = 0.0, 0

    def count(self, waited_s: float, size_bytes: int) -> None:
        """raises  TimeoutError when the window is full and too little came"""
        self._waited_s += waited_s
        self._bytes += size_bytes
        if self._waited_s >= self._window_s:
            if self._bytes < self._least_bytes:
                raise TimeoutError("slower than the least rate")
            self.restart()


class Wire:
    """One socket with its held bytes.

    sock     connected; owned by the wire from here on
    stall_s  longest wait for one read or write to move at all, and the window of the pace, seconds
    bytes_s  least rate over that window
    threads  one at a time; `end_input` from any
    errors   reading: TimeoutError, OSError, and 0 or b"" at the end; writing: PeerGone
    """

    def __init__(self, sock: socket.socket, stall_s: float, bytes_s: float) -> None:
        self.sock = sock
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.deadline: float | None = None
        self._stall_s = stall_s
        self._held = bytearray()
        self._timeout_s: float | None = None
        self._inward = Pace(stall_s, bytes_s)
        self._outward = Pace(stall_s, bytes_s)

    # -- in

    def has_data(self) -> bool:
        """True when bytes wait here that the kernel no longer shows as readable."""
        return bool(self._held) or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0)

    def next_within(self, seconds: float) -> bool:
        """Wait shortly for the first bytes of another request; False when none came.

        raises  PeerGone when the connection ended instead, OSError
        """
        if self._held:
            return True
        self._limit(seconds)
        try:
            data = self.sock.recv(READ_AHEAD_BYTES)
        except TimeoutError:
            return False
        if not data:
            raise PeerGone("closed between requests")
        self._held += data
        return True

    def head(self, deadline_s: float, max_bytes: int) -> bytes | None:
        """The next head without its empty line; None when the connection ended before its first byte.

        deadline_s  for the whole head, seconds; a byte now and then does not prolong it
        raises      BadRequest (too long, lone LF, cut), TimeoutError
        """
        held = self._held
        until = time.monotonic() + deadline_s
        while True:
            if held.startswith(b"\r\n"):  # RFC 9112 §2.2: an empty line before the request line is ignored
                del held[:2]
            end = held.find(b"\r\n\r\n")
            if end > max_bytes or (end < 0 and len(held) > max_bytes):
                raise _too_long(held, max_bytes)
            if end >= 0:
                raw = bytes(held[:end])
                del held[: end + 4]
                self._inward.restart()
                self._outward.restart()
                return raw
            if held.count(b"\n") != held.count(b"\r\n"):
                raise BadRequest("lines must end in CR LF")
            if not self._more_of_head(until):
                return None

    def _more_of_head(self, until: float) -> bool:
        self._limit(max(until - time.monotonic(), 0.001))
        try:
            data = self.sock.recv(READ_AHEAD_BYTES)
        except TimeoutError:
            if not self._held:
                return False
            raise BadRequest("the head did not arrive in time", "408 Request Timeout") from None
        if not data and self._held:
            raise BadRequest("the connection ended inside the head")
        self._held += data
        return bool(data)

    def receive_into(self, target: memoryview) -> int:
        """Bytes put into `target`: what is held, or else what one call brings. 0 at the end of the stream."""
        held = self._held
        if not held:
            return int(self._receive(self.sock.recv_into, target))
        size = min(len(held), len(target))
        with memoryview(held) as source:
            target[:size] = source[:size]
        del held[:size]
        return size

    def line(self, max_bytes: int) -> bytes:
        """The next line without its CR LF, reading ahead.

        raises  BadRequest when it is longer, ends in a lone LF, or the stream ends inside it
        """
        held = self._held
        while (end := held.find(b"\n", 0, max_bytes + 2)) < 0:
            if len(held) >= max_bytes + 2:
                raise BadRequest("a line of the body's framing is too long")
            data = self._receive(self.sock.recv, READ_AHEAD_BYTES)
            if not data:
                raise BadRequest("the connection ended inside the body's framing")
            held += data
        raw = bytes(held[:end])
        del held[: end + 1]
        if not raw.endswith(b"\r") or raw.count(b"\r") > 1:
            raise BadRequest("lines must end in CR LF")
        return raw[:-1]

    def _receive(self, call: Callable[[Any], Any], argument: Any) -> Any:
        began = time.monotonic()
        wait_s = self._stall_s if self.deadline is None else min(self._stall_s, self.deadline - began)
        self._limit(max(wait_s, 0.001))
        got = call(argument)
        self._inward.count(time.monotonic() - began, got if isinstance(got, int) else len(got))
        return got

    # -- out

    def send(self, *pieces: bytes, more: bool = False) -> None:
        """Send all of these; `more` promises that the next bytes follow at once."""
        sent = 0 if more or self.is_tls else self._send_at_once(pieces)
        if sent == sum(map(len, pieces)):
            return
        flags = _MORE if more and not self.is_tls else 0
        data: bytes | memoryview = memoryview(b"".join(pieces))[sent:]
        self._limit(self._stall_s)
        try:
            while (sent := self._send_some(data, flags)) < len(data):
                data = memoryview(data)[sent:]
        except OSError as error:
            raise PeerGone(str(error)) from error

    def _send_at_once(self, pieces: Sequence[bytes]) -> int:
        """What the kernel takes without waiting, which is nearly always all: how many bytes. No time-out is set for it and
        nothing joined; whatever time-out holds is good enough for a first try."""
        if self._timeout_s is None:
            self._limit(self._stall_s)
        began = time.monotonic()
        try:
            try:
                sent = self.sock.sendmsg(pieces)
            except TimeoutError:
                sent = 0
            self._outward.count(time.monotonic() - began, sent)
        except OSError as error:
            raise PeerGone(str(error)) from error
        return sent

    def _send_some(self, data: bytes | memoryview, flags: int) -> int:
        """`sendall` would bound the whole transfer, not the wait for each piece."""
        began = time.monotonic()
        sent = self.sock.send(data, flags)
        self._outward.count(time.monotonic() - began, sent)
        return sent

    def can_send_file(self) -> bool:
        """True when the kernel can copy from a file to this socket by itself."""
        return hasattr(os, "sendfile") and hasattr(select, "poll") and not self.is_tls

    def send_file(self, fd: int, offset: int, size_bytes: int) -> int:
        """Let the kernel send a part of a file; returns how much it sent before the file ended or it could not.

        A socket with a time-out does not block, so a full one is waited for here.

        raises  PeerGone; OSError when the file cannot be read
        """
        self._limit(self._stall_s)
        end = offset + size_bytes
        try:
            while offset < end:
                try:
                    sent = os.sendfile(self.sock.fileno(), fd, offset, min(end - offset, SENDFILE_BYTES))
                except BlockingIOError:
                    self._outward.count(self._await_room(), 0)
                    continue
                if not sent:
                    break
                self._outward.count(0, sent)
                offset += sent
        except (ConnectionError, TimeoutError) as error:
            raise PeerGone(str(error)) from error
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
        return size_bytes - (end - offset)

    def _await_room(self) -> float:
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        began = time.monotonic()
        if not poll.poll(self._stall_s * 1000):
            raise TimeoutError("the receiver takes nothing")
        return time.monotonic() - began

    # -- end

    def close_gently(self, seconds: float = _LINGER_S) -> None:
        """Close so that the other side can still read the answer.

        Closing a socket with unread bytes makes the kernel send a reset, which throws away the answer on its way
        (RFC 9112 §9.6). So: no more from us, drop what comes until the other side closes too or time is up.
        """
        with contextlib.suppress(OSError, TimeoutError):
            self._end_output()
            scratch = bytearray(_SCRATCH_BYTES)
            until = time.monotonic() + seconds
            while (left_s := until - time.monotonic()) > 0:
                self._limit(left_s)
                if not self.sock.recv_into(scratch):
                    break
        self.close()

    def close(self) -> None:
        """Close at once; a second time does nothing. Never raises, as cheroot's worker would die of that."""
        with contextlib.suppress(OSError):
            self._end_output()
        with contextlib.suppress(OSError):
            self.sock.close()

    def end_input(self) -> None:
        """Wake a thread that waits for bytes: there are no more. Below TLS, whose own shutdown would hand it ciphertext."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RD)

    def cut(self) -> None:
        """Close with a reset, so that nobody takes what was sent for the whole answer."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER_STRUCT, 1, 0))
        with contextlib.suppress(OSError):
            self.sock.close()

    def _end_output(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.sock.settimeout(0)
                self.sock = self.sock.unwrap()  # sends close_notify, does not wait for the other's
        self.sock.shutdown(socket.SHUT_WR)

    def _limit(self, seconds: float) -> None:
        if seconds != self._timeout_s:
            self._timeout_s = seconds
            self.sock.settimeout(seconds)


def _too_long(held: bytearray, max_bytes: int) -> BadRequest:
    if held.find(b"\r\n", 0, max_bytes) < 0:
        return BadRequest("the request line is too long", "414 URI Too Long")
    return BadRequest("the head is too long", "431 Request Header Fields Too Large")
