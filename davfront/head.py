"""The head of a request: bytes in, a checked `Head` out, or `BadRequest`.

Everything here is pure, so that the rules can be tested as a table. They are stricter than RFC 9112 allows where two
readers of one byte stream could disagree about where a request ends (request smuggling), and wider where harmless
clients need it: doubled slashes, raw UTF-8 in a path. `davfront/wire.py` brings the bytes, `davfront/intake.py` reads
the body that a head announces.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

_CONTROLS = bytes(set(range(32)) - set(b"\t\r\n")) + b"\x7f"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_VERSION = re.compile(r"HTTP/(\d)\.(\d)")
_HOST = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")  # RFC 3986 §3.2.2, as wide as it gets
_ABSOLUTE = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?:2[Ff]|00|(?![0-9A-Fa-f]{2}))")
_SLASHES = re.compile(r"//+")
_LENGTH_DIGITS = 18  # below 2**63, so that no length overflows anything downstream

# Fields of which a second one would let two readers see two different requests. Other repeated fields are lists.
_SINGLE = frozenset({
    "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_AUTHORIZATION", "HTTP_DESTINATION", "HTTP_EXPECT", "HTTP_HOST",
    "HTTP_TRANSFER_ENCODING",
})  # fmt: skip


class BadRequest(Exception):
    """A request that is answered by the server itself, with `status` and one line; the connection then ends."""

    def __init__(self, reason: str, status: str = "400 Bad Request") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Head:
    """Request line and header fields, checked.

    method       as sent; a token
    raw_target   path and query exactly as sent, escapes untouched; without scheme and host
    path         decoded once, doubled slashes made one; latin-1 text standing for UTF-8 bytes (PEP 3333)
    query        after the "?", escapes untouched
    version      "HTTP/1.0" or "HTTP/1.1"
    fields       by their name in a WSGI environ: HTTP_HOST, CONTENT_TYPE, …; lists joined by ", "
    length       bytes of the body, None when it comes in chunks
    persistent   the client is ready to send another request on this connection
    expects_100  the client waits for "100 Continue" before it sends the body
    """

    __slots__ = ("expects_100", "fields", "length", "method", "path", "persistent", "query", "raw_target", "version")

    def __init__(self, method: str, target: str, version: str, fields: dict[str, str]) -> None:
        self.method = method
        self.version = version
        self.fields = fields
        self.raw_target, authority = _origin(method, target)
        self.path, self.query = _path_and_query(self.raw_target)
        _check_host(fields, version, authority)
        self.length = _body_length(fields, version)
        self.persistent = _is_persistent(fields, version)
        self.expects_100 = _expects_100(fields, version)


def parse(raw: bytes, max_headers: int = 100) -> Head:
    """The head that stands in `raw`.

    raw      request line and fields, without the empty line at the end
    raises   BadRequest
    """
    lines = _lines(raw)
    if len(lines) - 1 > max_headers:
        raise BadRequest("too many header fields", "431 Request Header Fields Too Large")
    words = lines[0].split(" ")
    if len(words) != 3:
        raise BadRequest("the request line is not: method, target, version")
    method, target, version = words
    if not _is_token(method):
        raise BadRequest("the method is not a token")
    return Head(method, target, _known_version(version), _fields(lines))


def _lines(raw: bytes) -> list[str]:
    """Lines end in CR LF and only so (a lone LF or CR is a line end to some readers and text to others)."""
    lines = raw.decode("latin-1").split("\r\n")
    breaks = len(lines) - 1
    if raw.count(b"\n") != breaks or raw.count(b"\r") != breaks:
        raise BadRequest("lines must end in CR LF")
    if len(raw.translate(None, _CONTROLS)) != len(raw):
        raise BadRequest("control character in the head")
    return lines


def _fields(lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = _environ_key(name)
        if not colon:
            raise BadRequest("a header line without a colon")
        if not key:
            continue
        value = value.strip(" \t")
        if key in fields:
            value = _joined(key, fields[key], value)
        fields[key] = value
    return fields


@lru_cache(maxsize=256)
def _environ_key(name: str) -> str:
    """`Content-Type` → CONTENT_TYPE, `Depth` → HTTP_DEPTH; "" for a field that must not reach the application.

    A name with "_" would become the same key as its twin with "-", so that a client could slip a field past a proxy
    that only knows the twin. Folded lines (RFC 9112 §5.2) begin with a space, so they are no token and refused here.
    """
    if not _is_token(name):
        raise BadRequest("a header name is not a token")
    if "_" in name:
        return ""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def _joined(key: str, first: str, second: str) -> str:
    if key in _SINGLE:
        raise BadRequest("a header field that must stand alone is repeated")
    return f"{first}; {second}" if key == "HTTP_COOKIE" else f"{first}, {second}"


@lru_cache(maxsize=256)
def _is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


@lru_cache(maxsize=16)
def _known_version(text: str) -> str:
    """HTTP/1.7 would speak 1.1 with us (RFC 9110 §2.5); another major version would not."""
    match = _VERSION.fullmatch(text)
    if not match:
        raise BadRequest("the HTTP version is malformed")
    if match[1] != "1":
        raise BadRequest("this server speaks HTTP/1.1", "505 HTTP Version Not Supported")
    return "HTTP/1.0" if match[2] == "0" else "HTTP/1.1"


def _origin(method: str, target: str) -> tuple[str, str | None]:
    """Path and query of any form of target (RFC 9112 §3.2), and the host that an absolute one names."""
    if "#" in target:
        raise BadRequest("a fragment in the request target")
    if target.startswith("/"):
        return target, None
    if target == "*" and method == "OPTIONS":
        return target, None
    match = _ABSOLUTE.fullmatch(target)
    if not match or not match[1]:
        raise BadRequest("the request target must be a path")
    return (match[2] if match[2].startswith("/") else "/" + match[2]), match[1]


@lru_cache(maxsize=512)
def _path_and_query(raw_target: str) -> tuple[str, str]:
    """The one place where a path is decoded.

    An escaped slash has no meaning that a tree of names could keep (it is neither a separator nor part of a name), and
    NUL ends a name on disk: both are refused. Names are text, so bytes that are not UTF-8 are refused too.
    """
    if raw_target == "*":
        return "/", ""
    path, _, query = raw_target.partition("?")
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if path.isascii() and "%" not in path:
        return path, query
    if _BAD_ESCAPE.search(path):
        raise BadRequest("the path holds %2F, %00 or a broken escape")
    octets = unquote_to_bytes(path.encode("latin-1"))
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8") from None
    return octets.decode("latin-1"), query


@lru_cache(maxsize=64)
def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None


def _check_host(fields: dict[str, str], version: str, authority: str | None) -> None:
    """One Host for HTTP/1.1; a host in the target replaces it (RFC 9112 §3.2, §3.2.2)."""
    host = fields.get("HTTP_HOST")
    if host is None:
        if version == "HTTP/1.1":
            raise BadRequest("HTTP/1.1 needs a Host field")
    elif not _is_host(host):
        raise BadRequest("the Host field is malformed")
    if authority is not None:
        if not _is_host(authority):
            raise BadRequest("the host in the target is malformed")
        fields["HTTP_HOST"] = authority


def _body_length(fields: dict[str, str], version: str) -> int | None:
    """How the body ends (RFC 9112 §6.3). Whatever could be read in two ways is refused."""
    coding = fields.get("HTTP_TRANSFER_ENCODING")
    length = fields.get("CONTENT_LENGTH")
    if coding is None:
        if length is None:
            return 0
        if not (length.isascii() and length.isdigit() and len(length) <= _LENGTH_DIGITS):
            raise BadRequest("Content-Length is not one number")
        return int(length)
    if length is not None:
        raise BadRequest("Content-Length together with Transfer-Encoding")
    if version == "HTTP/1.0":
        raise BadRequest("Transfer-Encoding in HTTP/1.0")
    if coding.lower() != "chunked":
        raise BadRequest("the only transfer coding here is chunked")
    return None


def _is_persistent(fields: dict[str, str], version: str) -> bool:
    options = fields.get("HTTP_CONNECTION")
    if options is None:
        return version == "HTTP/1.1"
    words = {word.strip() for word in options.lower().split(",")}
    if "close" in words:
        return False
    return version == "HTTP/1.1" or "keep-alive" in words


def _expects_100(fields: dict[str, str], version: str) -> bool:
    """RFC 9110 §10.1.1; an HTTP/1.0 client does not know interim answers, so its Expect is ignored."""
    expected = fields.get("HTTP_EXPECT")
    if expected is None or version == "HTTP/1.0":
        return False
    if expected.lower() != "100-continue":
        raise BadRequest("an expectation this server cannot meet", "417 Expectation Failed")
    return True
