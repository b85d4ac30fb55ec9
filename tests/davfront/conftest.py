"""A Library in a fresh folder behind a real server on the loopback."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from davfront.app import DavApp
from davfront.server import Server
from views.library import Library


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def __getitem__(self, header: str) -> str:
        return self.headers[header.lower()]

    def __contains__(self, header: str) -> bool:
        return header.lower() in self.headers

    @property
    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)

    @property
    def hrefs(self) -> list[str]:
        return [element.text or "" for element in self.xml.iterfind("{DAV:}response/{DAV:}href")]

    def prop(self, name: str, number: int = 0) -> str | None:
        """Text of a property found in the `number`th response; None when it is not there with 200."""
        for propstat in self.xml.findall("{DAV:}response")[number].iterfind("{DAV:}propstat"):
            element = propstat.find("{DAV:}prop/" + name)
            if element is not None and propstat.findtext("{DAV:}status") == "HTTP/1.1 200 OK":
                return "".join(element.itertext())
        return None


class Client:
    """Speaks HTTP to one server; a connection per request unless `keep` is set."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.kept: http.client.HTTPConnection | None = None

    def __call__(
        self, method: str, path: str, body: bytes | str | Iterable[bytes] | None = None, **headers: Any
    ) -> Answer:
        """Header names are written with underscores: `If_Match=...`."""
        connection = self.kept or http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        payload = body.encode() if isinstance(body, str) else body
        connection.request(method, path, payload, named, encode_chunked=named.get("Transfer-Encoding") == "chunked")
        response = connection.getresponse()
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
        if self.kept is None:
            connection.close()
        return answer


def mounted(app: DavApp) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == "/dav" or path.startswith("/dav/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/dav", path[4:]
            return app(environ, start_response)
        root = app.root_methods().get(environ["REQUEST_METHOD"])
        if path == "/" and root:
            return root(environ, start_response)
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    return application


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path / "media")
    yield library
    library.close()


@pytest.fixture
def server(library: Library) -> Iterator[Server]:
    server = Server(mounted(DavApp(library)))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def dav(server: Server) -> Client:
    """A client of a server that has the project P1-Test."""
    client = Client(server.port)
    assert client("MKCOL", "/dav/P1-Test").status == 201
    return client
