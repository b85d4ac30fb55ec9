"""Heads of answers as bytes, and the short answers that the server gives by itself."""

import logging
from email.utils import formatdate
from functools import lru_cache

from davfront.wire import PeerGone, Wire

log = logging.getLogger("filmcan.server")

Headers = list[tuple[str, str]]


class AnswerWrong(Exception):
    """The application broke WSGI or its own Content-Length."""


def refuse(wire: Wire, date: str, status: str, sentence: str, with_body: bool = True) -> None:
    """Answer for the server itself: one plain line, then no more requests on this connection."""
    body = sentence.encode() + b"\n"
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Date", date),
        ("Server", "filmcan"),
        ("Connection", "close"),
    ]
    try:
        wire.send(serialised(status, headers) + (body if with_body else b""))
    except PeerGone as error:
        log.debug("client went away before %s (%s)", status, error)


def serialised(status: str, headers: Headers) -> bytes:
    """One place looks at every header that leaves: no value can end its line and begin another."""
    text = "".join([f"HTTP/1.1 {status}\r\n", *[f"{name}: {value}\r\n" for name, value in headers], "\r\n"])
    breaks = len(headers) + 2
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise AnswerWrong("line break in a header of the answer")
    return text.encode("latin-1")


@lru_cache(maxsize=2)
def http_date(now_s: int) -> str:
    """Seconds since 1970 as RFC 9110 §5.6.7 wants them; many answers share one second."""
    return formatdate(now_s, usegmt=True)
