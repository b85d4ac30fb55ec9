"""Where everything is put together: settings become the objects that the other rooms are made of.

The lower rooms take plain arguments; this is the only module that knows both them and the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cas.system import System
from tools.config import Settings
from views.followers import FollowerThread
from views.library import Library, Options
from views.manifest import Manifest
from views.sources import Sources

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from davfront.app import DavApp
    from davfront.server import Server

DAV = "/dav"
WELCOME = "filmcan serves WebDAV at /dav/; README.md tells how to connect.\n"


@contextmanager
def open_library(settings: Settings, system: System | None = None) -> Iterator[Library]:
    """The library of the root with what follows its journal, closed at the end. LockHeld, RootUnfit."""
    options = Options(
        refuse_clashes=settings.case_collisions == "refuse",
        reserve_bytes=settings.reserve_bytes,
        max_upload_bytes=settings.max_upload_bytes,
    )
    library = Library(settings.root, system or System(), options)
    try:
        followers = FollowerThread(library.store, [Manifest(library.store, library.tree)]).start()
        try:
            yield library
        finally:
            followers.stop()
    finally:
        library.close()


def open_sources(settings: Settings) -> Sources:
    """The registry of sources of the root."""
    return Sources(settings.root, settings.source_parents)


def make_server(library: Library, settings: Settings) -> Server:
    """The server, not yet listening."""
    from davfront.app import DavApp
    from davfront.server import Server, ServerOptions

    options = ServerOptions(
        threads=settings.threads,
        tls_cert=str(settings.tls_cert) if settings.tls_cert else None,
        tls_key=str(settings.tls_key) if settings.tls_key else None,
    )
    return Server(mounted(DavApp(library)), settings.address, settings.port, options)


def mounted(dav: DavApp) -> WSGIApplication:
    """WebDAV under /dav/, its parent at /, and one sentence for people who come with a browser."""
    at_root = dav.root_methods()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == DAV or path.startswith(f"{DAV}/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = DAV, path.removeprefix(DAV)
            return dav(environ, start_response)
        if path == "/" and method in at_root:
            return at_root[method](environ, start_response)
        found = path == "/" and method in ("GET", "HEAD")
        text = WELCOME if found else f"There is nothing here. {WELCOME}"
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text.encode())))]
        start_response("200 OK" if found else "404 Not Found", headers)
        return [] if method == "HEAD" else [text.encode()]

    return application


def left_alone(settings: Settings) -> tuple[str, ...]:
    """Folders inside a project that reindex never enters; previews are filmcan's own."""
    return ("ingest/thumbnails", *settings.left_alone)


@contextmanager
def background(library: Library, settings: Settings) -> Iterator[None]:
    """What runs beside the server: taking in what other programs put into project folders."""
    from views.watch import Watcher

    if not settings.auto_reindex:
        yield
        return
    watcher = Watcher(
        library,
        watching=settings.watch,
        interval_s=settings.reindex_interval_s,
        quiet_s=settings.quiet_s,
        left_alone=left_alone(settings),
    )
    watcher.start()
    try:
        yield
    finally:
        watcher.stop()
