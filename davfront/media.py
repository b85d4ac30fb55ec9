"""`/media/<project>/<path>` and `/media/<project>/download/<path>`: files of projects for players and browsers.

The same `serve` as WebDAV's GET answers: ranges, HEAD, 304, the kernel's sendfile. Only what lies below `ingest/` and
`exports/` can be had here; projects keep their records beside these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from davfront import paths
from davfront.errors import DavError
from davfront.methods.read import Closer, Content, serve
from davfront.methods.response import Header, Response
from davfront.paths import Target
from views.catalogue import Generated
from views.errors import IsAFolder, NameNotFound, NameReserved, NotAFolder, ParentMissing
from views.library import Library
from views.past import HISTORY_NAME
from views.previews import THUMBNAILS, Previews
from views.status import status_of

OPEN_FOLDERS = ("ingest", "exports")
UNTRACKED = ("exports/", "ingest/proxies/", f"{THUMBNAILS}/")  # other programs work there: files may have no row
LONGEST_NUMBER = 19
ALLOW = ("Allow", "GET, HEAD, OPTIONS")
Find = Callable[[str], Library]  # source → its library; SourceProblem


class Media:
    """A WSGI application for everything below `/media/`."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self._answer(environ).send(start_response)

    def _answer(self, environ: dict[str, Any]) -> Response:
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            return Response.empty(204, [ALLOW])
        if method not in ("GET", "HEAD"):
            return _said(405, f"{method} is not known here", [ALLOW])
        try:
            return self._served(environ)
        except DavError as error:
            return _said(error.status, error.sentence, error.headers)
        except NotAFolder as error:
            return _said(404, str(error))
        except Exception as error:
            found = status_of(error)
            if found is None:
                raise
            return _said(found[0], str(error))

    def _served(self, environ: dict[str, Any]) -> Response:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        version, at = (query.get(name, [""])[0] for name in ("version", "at"))
        project, inner, download = _asked(paths.from_environ(environ), of_past=bool(version or at))
        library = self._find(query.get("source", ["primary"])[0])
        if version or at:
            content = _then(library, project, inner, version, at)
        else:
            content = _content(library, library.project(project).name, inner)
        response = serve(content, environ)
        if download:
            response.headers = [_attached(field) for field in response.headers]
        return response


def _asked(target: Target, *, of_past: bool = False) -> tuple[str, str, bool]:
    """Project, path inside it, whether to be saved; DavError for what cannot be had here. Of the past, everything can."""
    _, *names = target.path.split("/")
    if len(names) < 2 or names[0][0] in "._":
        raise DavError(404, "There is no such file.")
    project, download = names.pop(0), len(names) > 1 and names[0] == "download"
    if download:
        names.pop(0)
    if target.slash or (not of_past and (names[0] not in OPEN_FOLDERS or len(names) < 2)):
        raise DavError(404, "Only files below ingest/ and exports/ can be had here.")
    return project, "/".join(names), download


def _then(library: Library, project: str, inner: str, version: str, at: str) -> Content:
    """The file as it was: `?version=<number of an event>`, or where it was in the project then, `?at=<moment>`."""
    try:
        if at and "/" not in at:
            return Content.of(*library.open(f"{HISTORY_NAME}/{project}/{at}/{inner}"))
        if version.isascii() and version.isdigit() and len(version) < LONGEST_NUMBER:
            return Content.of(*library.open_version(f"{library.project(project).name}/{inner}", int(version)))
    except (IsAFolder, ParentMissing, NameReserved):
        pass  # nothing that could be opened was there
    raise NameNotFound(f"{project}/{inner}")


def _content(library: Library, project: str, inner: str) -> Content:
    try:
        entry, blob = library.open(f"{project}/{inner}")
        if entry.hidden:  # client junk is for those who wrote it, over WebDAV
            blob.close()
            raise NameNotFound(inner)
        return Content.of(entry, blob)
    except IsAFolder:
        raise NameNotFound(f"{project}/{inner}") from None
    except NameNotFound:
        preview = Previews(library, project).behind(inner)
        if preview is not None:
            return Content.of(*library.open(f"{project}/{preview}"))
        found = library.untracked(f"{project}/{inner}") if inner.startswith(UNTRACKED) else None
        if found is None:
            raise
        return _of_file(found)


def _of_file(file: Generated) -> Content:
    return Content(os.path.basename(file.path), file.size_bytes, file.etag, file.modified_ns, file.fd, Closer(file.fd))


def _attached(field: Header) -> Header:
    name, value = field
    return (name, value.replace("inline;", "attachment;", 1)) if name == "Content-Disposition" else field


def _said(status: int, sentence: str, headers: Iterable[Header] = ()) -> Response:
    """An error as the rest of the API says it."""
    body = msgspec.json.encode({"detail": sentence, "message": sentence})
    return Response.whole(status, [("Content-Type", "application/json"), *headers], body)
