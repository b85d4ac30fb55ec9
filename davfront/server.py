"""cheroot with another mouth: it listens, watches idle connections and keeps the threads; the rest is ours.

cheroot 11 trusts its clients in ways a store of irreplaceable footage cannot (short bodies taken for whole ones, chunks
read into memory at the size the client names, slow clients holding everybody up). So a connection here speaks through
`head`, `wire`, `intake` and `answer`, and cheroot's own request, gateway and file classes are never made.

The only module that imports cheroot.
"""

import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from cheroot.connections import ConnectionManager
from cheroot.errors import FatalSSLAlert, NoSSLError
from cheroot.server import HTTPServer
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.workers.threadpool import ThreadPool, WorkerThread

from cas.system import System
from davfront.admission import Admission
from davfront.answer import Application
from davfront.connection import Connection, ServerOptions
from davfront.reply import http_date

__all__ = ["Server", "ServerOptions"]

log = logging.getLogger("filmcan.server")

_BACKLOG = 256
_STUCK_S = 5.0  # after connections were broken, requests get this long to notice
_OUT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server:
    """A WSGI application on a port.

    host     an address or name; "0.0.0.0" and "::" mean every interface
    port     0 lets the system choose; `port` then tells which
    now_ns   wall clock, for the Date of answers
    threads  start, stop and serve_forever from the thread that owns the server; the application is called from many
    """

    def __init__(
        self,
        app: Application,
        host: str = "127.0.0.1",
        port: int = 0,
        options: ServerOptions | None = None,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self._engine = _Engine(app, host, port, options or ServerOptions(), now_ns or System().now_ns)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port really listened on, once started."""
        return int(self._engine.bind_addr[1])

    def start(self) -> None:
        """Listen, serve from a background thread, and return; connecting works from here on."""
        self._engine.prepare()
        self._thread = threading.Thread(target=self._engine.serve, name="filmcan server", daemon=True)
        self._thread.start()

    def serve_forever(self) -> None:
        """Listen and serve in this thread until `stop` from another, or until an interrupt."""
        self._engine.prepare()
        try:
            self._engine.serve()
        finally:
            self.stop()

    def stop(self) -> None:
        """Take no more connections, let running requests end (at most `stop_s`), close everything."""
        self._engine.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


class _Engine(HTTPServer):
    """cheroot's server with our parts in the places where it looks for them."""

    _connections: Any

    def __init__(
        self, app: Application, host: str, port: int, options: ServerOptions, now_ns: Callable[[], int]
    ) -> None:
        super().__init__((host, port), gateway=None, server_name="filmcan")
        self.app = app
        self.options = options
        self._now_ns = now_ns
        self.admission = Admission(options.max_connections, options.per_address)
        self.requests = _Pool(self, options.threads)
        self.request_queue_size = _BACKLOG
        self.timeout = options.idle_s  # type: ignore[assignment]  # any number will do
        self.shutdown_timeout = options.stop_s  # type: ignore[assignment]
        self.keep_alive_conn_limit = None  # type: ignore[assignment]  # max_connections bounds them, without a 503
        self.expiration_interval = min(0.5, options.header_s / 4)
        if options.tls_cert and options.tls_key:
            self.ssl_adapter = BuiltinSSLAdapter(options.tls_cert, options.tls_key)

    def prepare(self) -> None:
        """Bind, listen, start the threads; then put our manager of connections in cheroot's place."""
        super().prepare()
        self._connections.close()
        self._connections = _Connections(self)
        host, port = self.bind_addr
        self.environ = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_SOFTWARE": "filmcan",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if self.ssl_adapter else "http",
            "wsgi.errors": _ErrorLog(),
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def put_conn(self, conn: Connection) -> None:
        """Watch a connection that rests. A raise here would end cheroot's worker for good."""
        try:
            super().put_conn(conn)
        except (OSError, ValueError, KeyError, RuntimeError):  # the selector was closed meanwhile: we are stopping
            conn.close()

    def keeps_connections(self) -> bool:
        """False once the server is stopping."""
        return bool(self.ready)

    def is_crowded(self) -> bool:
        """True while connections with a request wait for a thread."""
        return bool(self.requests.qsize)

    def date(self) -> str:
        """The Date field of an answer sent now."""
        return http_date(self._now_ns() // 10**9)

    def secure(self, sock: socket.socket) -> tuple[socket.socket, dict[str, Any]]:
        """The TLS handshake, within the time-out of the socket."""
        try:
            secured, environ = self.ssl_adapter.wrap(sock)
        except (FatalSSLAlert, NoSSLError) as error:
            raise ConnectionError(f"TLS handshake failed: {error}") from error
        return secured, environ

    def forget(self, address: str) -> None:
        """A connection from `address` is closed."""
        self.admission.forget(address)

    def _serve_unservicable(self) -> None:
        """Nothing is: the queue of connections has no end, so cheroot's thread for 503 answers is not needed."""

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Everything cheroot says, on one line."""
        log.log(level, "%s", ascii(msg), exc_info=traceback and log.isEnabledFor(logging.DEBUG))


class _Connections(ConnectionManager):
    """Accepts connections and watches the ones that rest.

    A new connection rests too until its first byte arrives, so that clients who only connect hold no thread, and
    handshakes are left to the workers, so that a slow one holds up nobody else.

    threads  `_from_server_socket` runs in the serving thread, `put` in any
    """

    def _from_server_socket(self, server_socket: socket.socket) -> None:
        """Never returns a connection: cheroot would give it to a worker at once."""
        try:
            sock, address = server_socket.accept()
        except OSError as error:
            if error.errno in _OUT_OF_SOCKETS:
                log.error("cannot accept: %s", error)
                time.sleep(0.1)  # the waiting connection stays readable; without a pause this would spin
            return
        if not self.server.admission.admit(address[0]):
            log.warning("connection from %s closed: too many are open", address[0])
            sock.close()
            return
        conn = Connection(self.server, sock, address)
        self.put(conn)
        options = self.server.options
        conn.last_used -= max(0.0, options.idle_s - options.header_s)  # idle_s is for those that spoke once

    def stop(self) -> None:
        """Wake the serving thread, which may sleep for `expiration_interval`, and wait until it has seen the stop."""
        self._stop_requested = True
        host, port = self.server.bind_addr
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        with contextlib.suppress(OSError):
            socket.create_connection((host, port), timeout=1).close()
        super().stop()


class _Pool(ThreadPool):
    """cheroot's threads, with an end that always comes."""

    def __init__(self, server: _Engine, threads: int) -> None:
        super().__init__(server, min=threads)

    def _spawn_worker(self) -> WorkerThread:
        """Daemons: a request that never ends must not keep the process."""
        worker = WorkerThread(self.server)  # type: ignore[no-untyped-call]
        worker.name = f"filmcan {worker.name}"
        worker.daemon = True
        worker.start()
        return worker

    def stop(self, timeout: float = 30.0) -> None:
        """Let requests end within `timeout` seconds, then break their connections; a stuck application is left."""
        ending = threading.Thread(target=super().stop, args=(timeout,), daemon=True)
        ending.start()
        ending.join(timeout + _STUCK_S)
        if ending.is_alive():
            log.error("stopped while a request was still running")

    @staticmethod
    def _force_close(conn: Connection | None) -> None:
        if conn is not None:
            with contextlib.suppress(OSError):
                conn.socket.shutdown(socket.SHUT_RDWR)


class _ErrorLog:
    """`wsgi.errors`: what an application prints goes to the log, a line at a time and escaped."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line:
                log.warning("application: %s", ascii(line))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is held back."""
