"""The Library as wsgidav sees it, as far as wsgidav still answers by itself: PROPPATCH, and what nobody knows.

wsgidav's PROPPATCH reads the XML, tries every property (`dry_run`), then sets all of them or none, and writes the 207.
Here the trial collects a `proppatch.Change`, and the first real call makes the whole change in one event.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from wsgidav.dav_error import ERROR_DESCRIPTIONS, DAVError
from wsgidav.dav_provider import DAVProvider, _DAVResource
from wsgidav.request_server import RequestServer

from davfront.errors import DavError
from davfront.methods.share import Environ, Request, Share, Touch
from davfront.proppatch import Change
from views.entry import Entry
from views.status import status_of

# wsgidav knows no name for 507 and would write "HTTP/1.1 507 Status" into the multistatus.
ERROR_DESCRIPTIONS.setdefault(507, "507 Insufficient Storage")
REQUEST = "filmcan.request"  # where `app` leaves the Request for the classes here


class LibraryProvider(DAVProvider):  # type: ignore[misc]
    """One share of wsgidav: every path of the Library."""

    def __init__(self, share: Share) -> None:
        super().__init__()
        self.share = share

    def get_resource_inst(self, path: str, environ: Environ) -> LibraryResource | None:
        entry = self.share.library.find(environ[REQUEST].path)
        return None if entry is None else LibraryResource(path, entry, environ)


class LibraryResource(_DAVResource):  # type: ignore[misc]
    """One entry during one PROPPATCH."""

    def __init__(self, path: str, entry: Entry, environ: Environ) -> None:
        super().__init__(path, entry.is_folder, environ)
        self._entry = entry
        self._request: Request = environ[REQUEST]
        self._change = Change()
        self._made: DAVError | bool = False

    def get_content_length(self) -> int:
        return self._entry.size_bytes

    def get_href(self) -> str:
        return self._request.href(self.is_collection)

    def set_property_value(self, name: str, value: ElementTree.Element | None, *, dry_run: bool = False) -> None:
        """Plan one property, or make the whole plan true; `value` None removes. Raises DAVError."""
        if not dry_run:
            self._make()
            return
        try:
            if value is None:
                self._change.remove(name)
            else:
                value.tail = None
                self._change.set(name, value.text or "", ElementTree.tostring(value, encoding="unicode"))
            self._change.check_room(self._entry.props)
        except DavError as error:
            raise _as_wsgidav(error) from error

    def _make(self) -> None:
        """All or nothing, once: every further call tells what became of the first."""
        if self._made is False:
            try:
                self._amend()
                self._made = True
            except Exception as error:
                self._made = _as_wsgidav(error)
        if isinstance(self._made, DAVError):
            raise self._made

    def _amend(self) -> None:
        share, request = self.provider.share, self._request
        share.library.amend(
            request.path,
            modified_ns=self._change.modified_ns,
            created_ns=self._change.created_ns,
            set_props=self._change.set_props,
            remove_props=self._change.remove_props,
            guard=share.guard(request, Touch(request.path, membership=False)),
        )


def _as_wsgidav(error: Exception) -> DAVError:
    """An error in wsgidav's own words; one that nobody foresaw goes on as it is."""
    if isinstance(error, DavError):
        condition = f"{{DAV:}}{error.condition}" if error.condition else None
        wrapped = DAVError(error.status, error.sentence, err_condition=condition)
        for href in error.hrefs:
            wrapped.err_condition.add_href(href)
        return wrapped
    found = status_of(error, webdav=True)
    if found is None:
        raise error
    return DAVError(found[0], str(error))


class LibraryRequests(RequestServer):  # type: ignore[misc]
    """wsgidav's methods with our preconditions and locks."""

    def _evaluate_if_headers(self, res: LibraryResource | None, environ: Environ) -> None:
        request: Request = environ[REQUEST]
        share: Share = self._davProvider.share
        share.permit(request, share.library.find, Touch(request.path, membership=False))


class Resolver:
    """The end of wsgidav's middleware, and the only one: hands the request to `LibraryRequests`.

    Its own ends in a stock `RequestServer`, and the middleware before it logs to stdout, prints HTML and authenticates.
    """

    def __init__(self, provider: LibraryProvider) -> None:
        self._requests = LibraryRequests(provider)

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        return self._requests(environ, start_response)
