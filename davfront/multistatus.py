"""XML of WebDAV: request bodies in, within limits, and multistatus text out, without a tree.

Out, a response looks like this; a listing is these one after another, with the constant parts made once a request:

    <D:response><D:href>/dav/P1-Test/a.mov</D:href>
    <D:propstat><D:prop>…</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
    <D:propstat><D:prop>…</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from davfront.errors import DavError

XML_BYTES_MOST = 64 << 10  # counted while it arrives, chunked or not; real bodies are below 2 KiB
DEPTH_MOST = 32
PROPERTIES_MOST = 200
CONTENT_TYPE = 'application/xml; charset="utf-8"'
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
OPENING = DECLARATION + '<D:multistatus xmlns:D="DAV:">'
CLOSING = "</D:multistatus>"
# Kodi compares the string of the status line exactly.
FOUND_END = "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
MISSING_END = "</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PIECES = 256  # responses joined into one piece of the body: about 150 KiB


# ── in ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_body(stream: Readable) -> bytes:
    """A request body that should be XML or nothing.

    raises  DavError 413 as soon as it is longer than any honest one
    """
    pieces: list[bytes] = []
    size = 0
    while size <= XML_BYTES_MOST:
        piece = stream.read(XML_BYTES_MOST + 1 - size)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    raise DavError(413, f"An XML body may have {XML_BYTES_MOST} bytes here.")


def parse(body: bytes) -> Element:
    """The tree of a request body, tags written "{namespace}local".

    raises  DavError 400 for text that is not well-formed or uses an undeclared prefix, and for a document type:
            entities exist to be expanded into something large or foreign, and no client sends any
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MOST:
            raise DavError(400, f"The XML is nested deeper than {DEPTH_MOST} elements.")
        builder.start(_qualified(tag), {_qualified(name): value for name, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_qualified(tag))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise DavError(400, f"The XML cannot be read: {error}") from None
    return builder.close()


def _qualified(name: str) -> str:
    return "{" + name if "}" in name else name


def _refuse_doctype(*_: Any) -> None:
    raise DavError(400, "XML with a document type is not accepted.")


class Asked:
    """What a PROPFIND asks for.

    kind   "allprop", "propname" or "prop"
    names  the properties by name: those of <prop>, or those of <include> beside <allprop>
    """

    __slots__ = ("kind", "names")

    def __init__(self, kind: str, names: Sequence[str] = ()) -> None:
        self.kind = kind
        self.names = tuple(dict.fromkeys(names))

    @classmethod
    def from_body(cls, body: bytes) -> Asked:
        """An empty body means allprop (RFC 4918 §9.1); old Windows sends nothing else."""
        if not body.strip():
            return cls("allprop")
        root = parse(body)
        if root.tag != "{DAV:}propfind":
            raise DavError(400, "PROPFIND needs a <propfind> element.")
        names = [child.tag for node in root if node.tag in ("{DAV:}prop", "{DAV:}include") for child in node]
        if len(names) > PROPERTIES_MOST:
            raise DavError(400, f"More than {PROPERTIES_MOST} properties in one request.")
        kinds = [kind for node in root if (kind := node.tag.removeprefix("{DAV:}")) in ("allprop", "propname", "prop")]
        if len(kinds) != 1:
            raise DavError(400, "PROPFIND needs exactly one of <allprop>, <propname> and <prop>.")
        return cls(kinds[0], names)


# ── out ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def escape(text: str) -> str:
    """Text for XML content and for attribute values in double quotes; characters that XML cannot hold become U+FFFD."""
    if not text.isprintable():
        text = _NOT_IN_XML.sub("\ufffd", text)
    if "&" in text or "<" in text or ">" in text or '"' in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text


def empty_element(name: str) -> str:
    """An element without content for a property called "{namespace}local"."""
    namespace, _, local = name.rpartition("}")
    if namespace == "{DAV:":
        return f"<D:{local}/>"
    return f'<{local} xmlns="{escape(namespace[1:])}"/>'


def response(href: str, found: str, missing: str) -> str:
    """One response; `found` and `missing` are elements of properties, and a propstat without any is left out.

    A response needs one propstat at least, so one that found nothing it was asked for still says so.
    """
    parts = f"<D:response><D:href>{href}</D:href>"
    if found or not missing:
        parts += f"<D:propstat><D:prop>{found}{FOUND_END}"
    if missing:
        parts += f"<D:propstat><D:prop>{missing}{MISSING_END}"
    return parts + "</D:response>\n"


def status_response(href: str, status_line: str) -> str:
    """A response that tells how one member of a tree fared."""
    return f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {status_line}</D:status></D:response>\n"


def body(responses: Iterable[str]) -> Iterator[bytes]:
    """The whole document in pieces, made while it is sent: a folder of 100,000 names is never one string."""
    pieces = [OPENING]
    for one in responses:
        pieces.append(one)
        if len(pieces) >= _PIECES:
            yield "".join(pieces).encode()
            pieces.clear()
    pieces.append(CLOSING)
    yield "".join(pieces).encode()


def error_body(condition: str, hrefs: Iterable[str]) -> bytes:
    """The body of a refusal that RFC 4918 §16 has an element for."""
    inside = "".join(f"<D:href>{href}</D:href>" for href in hrefs)
    element = f"<D:{condition}>{inside}</D:{condition}>" if inside else f"<D:{condition}/>"
    return f'{DECLARATION}<D:error xmlns:D="DAV:">{element}</D:error>'.encode()
