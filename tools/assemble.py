"""Where everything is put together: settings become the objects that the other rooms are made of.

The lower rooms take plain arguments; this is the only module that knows both them and the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cas.collect import DAY_NS
from cas.pulse import Pulse
from cas.system import System
from tools.settings import Settings
from views.derived.darkroom import Darkroom
from views.followers import FollowerThread
from views.keeper import Keeper, Keeping
from views.libraries import Libraries, Opened
from views.library import Library, Options
from views.manifest import Manifest
from views.sources import PRIMARY, Sources

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from cas.store import Store
    from davfront.app import DavApp
    from davfront.server import Server
    from views.web.app import Room
    from views.web.desk import Desk

DAV, MEDIA = "/dav", "/media"


def options_of(settings: Settings) -> Options:
    return Options(
        refuse_clashes=settings.case_collisions == "refuse",
        reserve_bytes=settings.reserve_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        only_media=settings.other_files == "refuse",
        brake_limit=settings.mass_delete_limit,
        scrub_period_ns=settings.scrub_days * DAY_NS,
        grace_ns=settings.collect_after_days * DAY_NS,
    )


def keeping_of(settings: Settings) -> Keeping:
    return Keeping(settings.keep_days, settings.keep_free or 0)


@contextmanager
def opened(settings: Settings, root: Path, source: str = PRIMARY, system: System | None = None) -> Iterator[Opened]:
    """A library with what follows its journal, closed at the end. LockHeld, RootUnfit."""
    library = Library(root, system or System(), options_of(settings))
    try:
        followers = FollowerThread(library.store, [Manifest(library.store, library.tree, source), library.history]).start()
        try:
            yield Opened(library, followers)
        finally:
            followers.stop()
    finally:
        library.close()


@contextmanager
def open_library(settings: Settings, system: System | None = None) -> Iterator[Library]:
    """The library of the root alone, as commands use it. LockHeld, RootUnfit."""
    with opened(settings, settings.root, system=system) as found:
        yield found.library


@contextmanager
def open_libraries(settings: Settings, system: System | None = None) -> Iterator[Libraries]:
    """The library of the root and those of all sources, as a server uses them: followed, and watched when settings say so."""

    served: list[Libraries] = []

    def others() -> list[tuple[str, Store]]:
        """Where lost bytes may still be whole."""
        return [(name, library.store) for each in served for name, library in each.items()]

    @contextmanager
    def opener(root: Path, source: str) -> Iterator[Opened]:
        with (
            opened(settings, root, source, system) as found,
            background(found.library, settings),
            sweeping(found.library),
            keeping(found.library, settings),
            beating(found.library),
        ):
            found.library.healer.replicas = others
            with caring(found.library, settings):
                yield found

    libraries = Libraries(open_sources(settings, system), opener, darkroom_of(settings))
    served.append(libraries)
    try:
        yield libraries
    finally:
        served.clear()
        libraries.close()


def darkroom_of(settings: Settings) -> Darkroom:
    """What looks at footage; its process begins with the first question."""
    return Darkroom(width=settings.thumb_max_w, at_s=settings.thumb_seek_s, timeout_s=settings.thumb_timeout_s)


@contextmanager
def open_all(settings: Settings, system: System | None = None) -> Iterator[Libraries]:
    """As `open_libraries`, for a command: nothing runs beside it but what follows the journals."""
    libraries = Libraries(open_sources(settings), lambda root, source: opened(settings, root, source, system))
    try:
        yield libraries
    finally:
        libraries.close()


def open_sources(settings: Settings, system: System | None = None) -> Sources:
    """The registry of sources of the root."""
    return Sources(settings.root, settings.source_parents, system)


def make_server(libraries: Libraries, settings: Settings) -> Server:
    """The server, not yet listening."""
    from davfront.app import DavApp
    from davfront.media import Media
    from davfront.server import Server, ServerOptions
    from views.web.app import make_app
    from views.web.cors import Cors

    options = ServerOptions(
        threads=settings.threads,
        tls_cert=str(settings.tls_cert) if settings.tls_cert else None,
        tls_key=str(settings.tls_key) if settings.tls_key else None,
    )
    api = make_app(desk_of(libraries, settings), rooms())
    media = Cors(Media(libraries.get_open), settings.cors_origins)
    return Server(mounted(DavApp(libraries.primary), media, api), settings.address, settings.port, options)


def rooms() -> Sequence[Room]:
    """Every room of the API. Imported here, because most commands need none of them."""
    from views.web import (
        batches,
        brake,
        care,
        health,
        listing,
        lookback,
        media,
        needed,
        pages,
        past,
        projects,
        receipt,
        registry,
        reindex,
        resolve,
        resumable,
        sources,
        thumbnails,
        upload,
        workflow,
        works,
    )  # fmt: skip

    return (
        health.routes, care.routes, projects.routes, upload.routes, batches.routes, listing.routes, media.routes,
        thumbnails.routes, reindex.routes, sources.routes, works.routes, registry.routes, receipt.routes, needed.routes,
        resolve.routes, resumable.routes, workflow.routes, past.routes, brake.routes, pages.routes,
        lookback.routes,
    )  # fmt: skip


def desk_of(libraries: Libraries, settings: Settings) -> Desk:
    """What the rooms of the API need."""
    from views.web.desk import Desk

    return Desk(
        libraries,
        libraries.sources,
        flush=libraries.flush,
        max_upload_bytes=settings.max_upload_bytes or 0,
        cors_origins=settings.cors_origins,
        left_alone=left_alone(settings),
        quiet_s=settings.quiet_s,
        hide_others=settings.other_files == "hide",
        works=libraries.works,
        darkroom=libraries.darkroom,
        safe_copies=settings.safe_copies,
    )


def mounted(dav: DavApp, media: WSGIApplication, api: WSGIApplication) -> WSGIApplication:
    """WebDAV under /dav/, its parent at /, files for players under /media/, the API and its pages everywhere else."""
    at_root = dav.root_methods()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == DAV or path.startswith(f"{DAV}/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = DAV, path.removeprefix(DAV)
            return dav(environ, start_response)
        if path == "/" and method in at_root:
            return at_root[method](environ, start_response)
        return (media if path.startswith(f"{MEDIA}/") else api)(environ, start_response)

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


@contextmanager
def caring(library: Library, settings: Settings) -> Iterator[None]:
    """Clips are read again, lost ones brought back, space given back."""
    from views.care import Caretaker

    caretaker = Caretaker(library.care, library.store, collect=settings.collect).start()
    try:
        yield
    finally:
        caretaker.stop()


@contextmanager
def sweeping(library: Library) -> Iterator[None]:
    """Uploads in several goes expire, and are placed when they were complete but nobody was left to do it."""
    from views.sweeper import Sweeper

    sweeper = Sweeper(library.resumable).start()
    try:
        yield
    finally:
        sweeper.stop()


@contextmanager
def beating(library: Library) -> Iterator[None]:
    """The index is looked at, a full disk is told, the journal stays short."""
    pulse = Pulse(library.store, library.foldable_seq).start()
    try:
        yield
    finally:
        pulse.stop()


@contextmanager
def keeping(library: Library, settings: Settings) -> Iterator[None]:
    """The trash is emptied and moments are forgotten, as settings say."""
    keeper = Keeper(library, keeping_of(settings)).start()
    try:
        yield
    finally:
        keeper.stop()
