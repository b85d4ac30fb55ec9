"""The WSGI application for `/dav/`, and the two answers that `/` gives beside it.

Requests for the methods of `davfront.methods` are answered straight away; the rest goes through wsgidav, whose own way
(middleware, decoding the path again, a line of log) costs more than listing a folder does.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from wsgidav.dav_error import DAVError, get_http_status_string
from wsgidav.wsgidav_app import WsgiDAVApp

from cas.index import WriteTxn
from davfront import multistatus, proppatch, quirks
from davfront.errors import DavError
from davfront.locks import LockRow, Locks
from davfront.methods import find, lock, past, read, tree, write
from davfront.methods.response import XML, Response, StartResponse, allowed_on, of_error
from davfront.methods.share import Environ, Request, Share
from davfront.resources import REQUEST, LibraryProvider, Resolver
from views.library import Library
from views.past import is_past

Method = Callable[[Share, Request], Response]
METHODS: dict[str, Method] = {
    "OPTIONS": find.options,
    "GET": read.get,
    "HEAD": read.get,
    "PUT": write.put,
    "PROPFIND": find.propfind,
    "DELETE": tree.delete,
    "MOVE": tree.move,
    "COPY": tree.copy,
    "MKCOL": tree.mkcol,
    "LOCK": lock.lock,
    "UNLOCK": lock.unlock,
}


@dataclass(frozen=True, slots=True)
class DavOptions:
    """label: the name of the whole share, where clients show one. share_name: what `/` lists it as."""

    label: str = "filmcan"
    share_name: str = "dav"


class LockShelf:
    """Locks in the index table `locks`, key: the token.

    They survive a kill. They are not journaled: an index made anew, as after a power cut, has forgotten them, as if each had
    timed out (RFC 4918 §6.6 allows that at any time). A file that LOCK made is journaled.
    """

    def __init__(self, library: Library) -> None:
        self._store = library.store
        self._table = library.store.index.table("locks", LockRow, journaled=False)

    def load(self) -> list[LockRow]:
        with self._store.index.read() as txn:
            return [row for _, row in self._table.scan(txn)]

    def save(self, row: LockRow) -> None:
        self._store.note(lambda txn: self._table.put(txn, row.token.encode(), row))

    def drop(self, tokens: list[str]) -> None:
        def delete(txn: WriteTxn) -> None:
            for token in tokens:
                self._table.delete(txn, token.encode())

        self._store.note(delete)


class DavApp(WsgiDAVApp):  # type: ignore[misc]
    """WebDAV over one Library. Mounted with SCRIPT_NAME "/dav"; safe from any thread.

    errors  foreseen ones become answers; `BodyBroken` and unforeseen ones go on to the server, which knows what to do
    """

    def __init__(self, library: Library, options: DavOptions = DavOptions()) -> None:
        now_ns = library.store.system.now_ns
        self.share = Share(library, Locks(LockShelf(library), now_ns), label=options.label, now_ns=now_ns)
        self._share_name = options.share_name
        provider = LibraryProvider(self.share)
        super().__init__(
            {
                "provider_mapping": {"/": provider},
                "middleware_stack": [Resolver(provider)],
                "lock_storage": False,  # ours, see `davfront.locks`
                "property_manager": False,  # dead properties lie in the entries
                "http_authenticator": {"accept_basic": False},  # the server's affair; wsgidav warns of it otherwise
                "logging": {"enable": False},
                "verbose": 0,
            }
        )
        logging.getLogger("wsgidav").setLevel(logging.ERROR)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self._answer(environ)
        if quirks.wants_closed_connections(quirks.family(environ.get("HTTP_USER_AGENT", ""))):
            response.headers.append(("Connection", "close"))
        return response.send(start_response)

    def _answer(self, environ: Environ) -> Response:
        try:
            request = Request(environ)
            self.share.settle(request)
            past.refuse_change(request.method, request.path)
            method = METHODS.get(request.method)
            with self.share.library.brake.minding():
                return method(self.share, request) if method is not None else self._through_wsgidav(request)
        except Exception as error:
            response = of_error(error)
            if response is None:
                raise
            return response

    def _through_wsgidav(self, request: Request) -> Response:
        if request.method != "PROPPATCH":
            path = request.path
            allowed = past.allowed(path) if is_past(path) else allowed_on(self.share.library.find(path))
            raise DavError(405, f"{request.method} is not known here.", headers=[allowed])
        environ = request.environ
        environ[REQUEST] = request
        _vet_body(environ)
        reply = _Reply()
        try:
            pieces = list(super().__call__(environ, reply))
        except DAVError as error:
            return _of_wsgidav(error)
        return Response.whole(reply.status, [XML], b"".join(pieces))

    # the parent of the share

    def root_methods(self) -> dict[str, Callable[[Environ, StartResponse], Iterable[bytes]]]:
        """OPTIONS and PROPFIND for `/` itself, to be mounted beside the pages there."""
        return {"OPTIONS": self._root_options, "PROPFIND": self._root_propfind}

    def _root_options(self, _environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return Response.empty(200, find.CAPABILITIES).send(start_response)

    def _root_propfind(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = find.root_propfind(Request(environ), self._share_name)
        except DavError as error:
            response = of_error(error) or Response.empty(500)
        return response.send(start_response)


class _Reply:
    """Catches what wsgidav says to `start_response`."""

    status = 500

    def __call__(self, status: str, _headers: Any, _exc_info: Any = None) -> None:
        self.status = int(status[:3])


def _vet_body(environ: Environ) -> None:
    """Read the XML within our limits, chunked or not, and hand it on to wsgidav, which reads by Content-Length only."""
    body = multistatus.read_body(environ["wsgi.input"])
    root = multistatus.parse(body)
    if len(root.findall("*/{DAV:}prop/*")) > multistatus.PROPERTIES_MOST:
        raise DavError(400, f"More than {multistatus.PROPERTIES_MOST} properties in one request.")
    proppatch.pass_on_language(root)
    body = ElementTree.tostring(root)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _of_wsgidav(error: DAVError) -> Response:
    condition = error.err_condition
    if condition is not None:
        local = condition.condition_code.rpartition("}")[2]
        return Response.whole(error.value, [XML], multistatus.error_body(local, condition.hrefs))
    return Response.sentence(error.value, error.context_info or get_http_status_string(error))
