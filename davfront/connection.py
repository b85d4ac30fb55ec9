"""A client's connection between accept and close: one request after another, each read whole or refused.

Knows nothing of cheroot but the few attributes that its watcher of idle connections reads.
"""

import logging
import socket
from dataclasses import dataclass
from typing import Any, Protocol

from davfront.answer import Answer, Application
from davfront.head import BadRequest, Head, parse
from davfront.intake import ChunkedBody, Intake, KnownBody
from davfront.reply import refuse
from davfront.wire import PeerGone, Wire

log = logging.getLogger("filmcan.server")

_NEXT_REQUEST_S = 0.01  # a client in the middle of a series sends its next request within this
_TLS_HANDSHAKE = 0x16  # first byte of a TLS connection (RFC 8446 §5.1)


@dataclass(frozen=True)
class ServerOptions:
    """How patient and how large the server is. Seconds, bytes, counts.

    threads            requests in flight; more than the slow transfers that may run at once
    idle_s             an open connection without a request is closed after this
    header_s           for a whole head, from its first byte, and for a TLS handshake
    stall_s            longest wait for a body or a receiver to move; the window of `body_bytes_s`
    body_bytes_s       slower transfers are cut
    max_headers        fields in one head, max_header_bytes: all of it with the request line
    max_connections    open at once, idle ones included
    per_address        connections of one address; loopback is exempt, as proxies and tests come from there
    stop_s             running requests get this long when the server stops
    tls_cert, tls_key  PEM files; both or none
    """

    threads: int = 64
    idle_s: float = 60.0
    header_s: float = 10.0
    stall_s: float = 60.0
    body_bytes_s: float = 1024.0
    max_headers: int = 100
    max_header_bytes: int = 32 << 10
    max_connections: int = 900
    per_address: int | None = 32
    stop_s: float = 30.0
    tls_cert: str | None = None
    tls_key: str | None = None

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")


class Engine(Protocol):
    """What a connection asks of the server it belongs to. All of it may be called from any thread."""

    app: Application
    options: ServerOptions
    environ: dict[str, Any]

    def keeps_connections(self) -> bool:
        """False once the server is stopping."""

    def is_crowded(self) -> bool:
        """True while connections with a request wait for a thread."""

    def date(self) -> str:
        """The Date field of an answer sent now."""

    def secure(self, sock: socket.socket) -> tuple[socket.socket, dict[str, Any]]:
        """The TLS handshake: the socket to use from now on, and what it adds to every environ. raises OSError"""

    def forget(self, address: str) -> None:
        """A connection from `address` is closed."""


class Connection:
    """One client's connection: cheroot watches it, a worker lends its thread for one or more requests.

    socket, rfile, last_used and remote_* are what cheroot reads.
    """

    def __init__(self, server: Engine, sock: socket.socket, address: tuple[str, int]) -> None:
        self.server = server
        self.socket = sock
        self.remote_addr, self.remote_port = address[:2]
        self.last_used = 0.0
        self._environ = server.environ | {"REMOTE_ADDR": self.remote_addr, "REMOTE_PORT": str(self.remote_port)}
        self._is_closed = False
        self._has_leftovers = False
        self._is_plain = server.options.tls_cert is not None  # until the handshake
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._use(sock)

    def _use(self, sock: socket.socket) -> None:
        options = self.server.options
        self.socket = sock
        self.wire = self.rfile = Wire(sock, options.stall_s, options.body_bytes_s)

    def communicate(self) -> bool:
        """Answer requests until the client pauses; True when the connection should be watched for another.

        Staying for a moment saves two changes of thread per request while a client works through a series. When other
        connections wait for a thread, nobody stays.
        """
        try:
            if self._is_plain and not self._secure():
                return False
            while self._exchange():
                if self.server.is_crowded() or not self.wire.next_within(_NEXT_REQUEST_S):
                    return True
        except (OSError, PeerGone) as error:
            log.debug("%s: %s", self.remote_addr, error)
        return False

    def _exchange(self) -> bool:
        """One request and its answer; True when another may follow."""
        options = self.server.options
        try:
            raw = self.wire.head(options.header_s, options.max_header_bytes)
            if raw is None:
                return False
            head = parse(raw, options.max_headers)
        except BadRequest as error:
            self._turn_away(error.status, error.reason)
            return False
        intake: Intake
        if head.length is None:
            intake = ChunkedBody(self.wire, head.expects_100)
        else:
            intake = KnownBody(self.wire, head.length, head.expects_100)
        persistent = head.persistent and self.server.keeps_connections()
        answer = Answer(self.wire, self._request_environ(head, intake), intake, persistent, self.server.date)
        persistent = answer.run(self.server.app)
        self._has_leftovers = not intake.finished
        return persistent

    def _request_environ(self, head: Head, intake: Intake) -> dict[str, Any]:
        environ = self._environ.copy()
        environ.update(head.fields)
        environ["REQUEST_METHOD"] = head.method
        environ["REQUEST_URI"] = head.raw_target
        environ["PATH_INFO"] = head.path
        environ["QUERY_STRING"] = head.query
        environ["SERVER_PROTOCOL"] = head.version
        environ["wsgi.input"] = intake
        return environ

    def _secure(self) -> bool:
        """The TLS handshake. Plain HTTP on this port gets an answer that says so."""
        self.socket.settimeout(self.server.options.header_s)
        first = self.socket.recv(1, socket.MSG_PEEK)
        if first and first[0] != _TLS_HANDSHAKE:
            self._turn_away("400 Bad Request", "this port speaks HTTPS only")
            return False
        sock, environ = self.server.secure(self.socket)
        self._is_plain = False
        self._environ.update(environ)
        self._use(sock)
        return True

    def _turn_away(self, status: str, reason: str) -> None:
        log.info("%s: %s: %s", self.remote_addr, status, reason)
        self._has_leftovers = True
        refuse(self.wire, self.server.date(), status, reason)

    def close(self) -> None:
        """Close, gently when the client may still be sending.

        threads  workers, and the serving thread for connections that rest; must not raise into either
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._has_leftovers or self.wire.has_data():
            self.wire.close_gently()
        else:
            self.wire.close()
        self.server.forget(self.remote_addr)
