"""One request handed to the application and its answer put on the wire (the server side of PEP 3333).

What the wire must never show is decided here: a body where HTTP allows none, a clean end of an answer that is not
whole, a 2xx for a request whose body did not arrive, a second request read out of the leftovers of the first.
"""

import logging
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from davfront.body import BodyBroken, FileBody
from davfront.intake import Intake
from davfront.reply import AnswerWrong, Headers, refuse, serialised
from davfront.wire import PeerGone, Wire

log = logging.getLogger("filmcan.server")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

JOIN_BYTES = 1 << 16  # up to here copying head and body together is cheaper than a second system call
DRAIN_BYTES, DRAIN_S = 1 << 20, 2.0  # an unread body smaller than this is dropped to keep the connection
_JUDGED = {"connection", "transfer-encoding"}
_STATUS = re.compile(r"[1-9]\d\d(?: [^\x00-\x1f\x7f]*)?")


class Answer:
    """The answer to one request.

    wire        where it goes
    environ     of the request, with "wsgi.input"
    intake      the same body, of which the server may drop the rest
    persistent  client and server are both ready for another request after this one
    date        the Date field of an answer sent now
    """

    def __init__(
        self, wire: Wire, environ: dict[str, Any], intake: Intake, persistent: bool, date: Callable[[], str]
    ) -> None:
        self._wire = wire
        self._date = date
        self._environ = environ
        self._intake = intake
        self._persistent = persistent
        self._is_head = environ["REQUEST_METHOD"] == "HEAD"
        self._modern = environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        self._status = ""
        self._headers: Headers = []
        self._length: int | None = None  # of the body, as the application declares it
        self._sent_bytes = 0
        self._bodiless = False
        self._chunked = False
        self._head_sent = False
        self._whole = False
        environ["filmcan.inform"] = self.inform

    def run(self, application: Application) -> bool:
        """Ask the application and send what it says; True when the connection can take another request.

        Never raises. Whatever the application does, the client gets one whole answer or sees the connection break.
        """
        try:
            result = application(self._environ, self.start_response)
            try:
                self._send(result)
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
        except PeerGone as error:
            log.debug("%s: client went away (%s)", self._request(), error)
            self._persistent = False
            self._wire.cut()
        except BodyBroken as error:
            log.info("%s: %s", self._request(), error.reason)
            self._refuse("408 Request Timeout" if error.stalled else "400 Bad Request", error.reason)
        except BaseException as error:  # SystemExit too: an application cannot stop the server
            self._failed(error)
        return self._persistent and self._intake.finished

    def start_response(
        self, status: str, headers: Headers, exc_info: _ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """PEP 3333; nothing is sent before the first byte of the body."""
        if exc_info and exc_info[1] is not None:
            if self._head_sent:
                raise exc_info[1]
        elif self._status:
            raise AnswerWrong("start_response was called twice")
        self._status = _status_line(status)
        self._headers = headers
        self._length = _declared_length(headers)
        self._bodiless = self._is_head or status[:3] in ("204", "304")
        return self._write

    def inform(self, status: str, headers: Headers) -> None:
        """An interim answer while the body is still coming, such as 104 (RFC 9110 §15.2). HTTP/1.0 knows none and gets none.

        raises  PeerGone; leave it to the server
        """
        if not status.startswith("1") or status.startswith(("100", "101")):
            raise AnswerWrong("an interim answer is 102 to 199; 100 is sent by the server itself")
        if self._modern and not self._head_sent:
            self._wire.send(serialised(status, headers))

    # -- sending

    def _send(self, result: Iterable[bytes]) -> None:
        if isinstance(result, FileBody):
            self._send_file(result)
        elif isinstance(result, (list, tuple)):
            self._send_pieces(result)
        else:
            self._send_stream(result)
        self._whole = True

    def _send_pieces(self, pieces: list[bytes] | tuple[bytes, ...]) -> None:
        """A body that is all there: its length is known, and head and body leave in one piece when they are small."""
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._head_sent:  # after the write function of PEP 3333
            if body:
                self._write(body)
            self._finish()
            return
        head = self._head(len(body))
        if self._bodiless:
            self._put(head)
        elif len(body) <= JOIN_BYTES:
            self._put(head, body)
        else:
            self._put(head, more=True)
            self._put(body)

    def _send_file(self, body: FileBody) -> None:
        """Small files leave with their head in one packet, large ones by the kernel's own copy."""
        if self._length is None:
            self._length = body.length
            self._headers = [*self._headers, ("Content-Length", str(body.length))]
        head = self._head(body.length)
        if self._bodiless or not body.length:
            self._put(head)
        elif body.length <= JOIN_BYTES or not self._wire.can_send_file():
            for block in body:
                self._put(head, block)
                head = b""
        else:
            self._put(head, more=True)
            sent = self._wire.send_file(body.fd, body.offset, body.length)
            for block in FileBody(body.fd, body.offset + sent, body.length - sent):
                self._put(block)

    def _send_stream(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if piece:
                self._write(piece)
            if self._bodiless:
                break
        self._finish()

    def _write(self, piece: bytes) -> None:
        """Send one piece, with the head before the first."""
        self._count(piece)
        head = b"" if self._head_sent else self._head(None, whole=self._sent_bytes == self._length)
        if self._bodiless:
            self._put(head)
            return
        if self._chunked:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        if head and len(piece) > JOIN_BYTES:
            self._put(head, more=True)
            head = b""
        self._put(head, piece)

    def _count(self, piece: bytes) -> None:
        if not isinstance(piece, bytes):
            raise AnswerWrong(f"an application yielded {type(piece).__name__} instead of bytes")
        self._sent_bytes += len(piece)
        if self._length is not None and self._sent_bytes > self._length and not self._bodiless:
            raise AnswerWrong("the body is longer than its Content-Length")

    def _finish(self) -> None:
        if not self._head_sent:
            self._put(self._head(0))
        elif self._chunked:
            self._put(b"0\r\n\r\n")
        if not self._bodiless and self._length is not None and self._sent_bytes < self._length:
            raise AnswerWrong("the body is shorter than its Content-Length")

    def _put(self, *pieces: bytes, more: bool = False) -> None:
        """From the first byte on, a failure can only be shown by breaking the connection."""
        self._head_sent = True
        self._wire.send(*pieces, more=more)

    # -- the head

    def _head(self, size_bytes: int | None, whole: bool = True) -> bytes:
        """The head of the answer, after the last decision about the connection.

        size_bytes  of the whole body, None when it is not known yet
        whole       the application has no more use for the body of the request
        """
        code = self._check()
        names = {name.lower() for name, _ in self._headers}
        if names.isdisjoint(_JUDGED) and code not in (204, 304):
            headers = self._headers.copy()
        else:
            headers = [(name, value) for name, value in self._headers if self._may_send(name, value, code)]
        if not self._bodiless:
            self._settle_length(headers, size_bytes)
        self._settle_connection(headers, whole)
        if "date" not in names:
            headers.append(("Date", self._date()))
        if "server" not in names:
            headers.append(("Server", "filmcan"))
        return serialised(self._status, headers)

    def _check(self) -> int:
        if not self._status:
            raise AnswerWrong("the application never called start_response")
        code = int(self._status[:3])
        if self._intake.broken is not None and code < 400:
            raise self._intake.broken
        if code < 200:
            raise AnswerWrong("an application cannot send interim answers")
        return code

    def _may_send(self, name: str, value: str, code: int) -> bool:
        """Drop Content-Length where it would lie (RFC 9110 §8.6); note Connection: close (RFC 9112 §9.6)."""
        lower = name.lower()
        if lower == "connection":
            if "close" in value.lower():
                self._persistent = False
            return False
        if lower == "transfer-encoding":
            raise AnswerWrong("the framing of an answer is not the application's")
        return not (lower == "content-length" and code in (204, 304))

    def _settle_length(self, headers: Headers, size_bytes: int | None) -> None:
        if self._length is not None:
            if size_bytes not in (None, self._length):
                raise AnswerWrong(f"Content-Length is {self._length}, the body has {size_bytes} bytes")
        elif size_bytes is not None:
            headers.append(("Content-Length", str(size_bytes)))
        elif self._modern:
            self._chunked = True
            headers.append(("Transfer-Encoding", "chunked"))
        else:
            self._persistent = False  # HTTP/1.0: the end of the connection is the end of the body

    def _settle_connection(self, headers: Headers, whole: bool) -> None:
        """Keep the connection only when the next request can be found on it.

        A streaming application may still read its input, so only behind a whole answer is the rest dropped.
        """
        if self._persistent and not self._intake.finished:
            self._persistent = whole and self._intake.drain(DRAIN_BYTES, DRAIN_S)
        if not self._persistent:
            headers.append(("Connection", "close"))
        elif not self._modern:
            headers.append(("Connection", "keep-alive"))

    # -- failing

    def _failed(self, error: BaseException) -> None:
        log.error("%s: %s: %s (%s)", self._request(), type(error).__name__, ascii(str(error)), _place(error))
        log.debug("where it happened", exc_info=error)
        if self._whole:
            self._persistent = False
        else:
            self._refuse("500 Internal Server Error", "the server failed; its log knows more")

    def _refuse(self, status: str, sentence: str) -> None:
        self._persistent = False
        if self._head_sent:
            self._wire.cut()
        else:
            refuse(self._wire, self._date(), status, sentence, with_body=not self._is_head)

    def _request(self) -> str:
        return ascii(f"{self._environ['REQUEST_METHOD']} {self._environ['REQUEST_URI']}")


def _place(error: BaseException) -> str:
    """Where it was raised, for a log of one line each."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "nowhere"


@lru_cache(maxsize=64)
def _status_line(status: str) -> str:
    if not _STATUS.fullmatch(status):
        raise AnswerWrong("malformed status")
    return status if len(status) > 3 else status + " "  # RFC 9112 §4: the space stays


def _declared_length(headers: Headers) -> int | None:
    for name, value in headers:
        if len(name) == len("content-length") and name.lower() == "content-length":
            return int(value)
    return None
