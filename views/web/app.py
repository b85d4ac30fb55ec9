"""Every room of the API lists its own routes; here they are put together, with errors and JSON as the contract has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import falcon
import msgspec

from views.web import errors, openapi
from views.web.cors import Cors
from views.web.desk import Desk

Routes = Sequence[tuple[str, object]]  # URI template, resource with on_get, on_post …
Room = Callable[[Desk], Routes]


def make_app(desk: Desk, rooms: Sequence[Room]) -> Any:
    """The WSGI application of the API and pages. `rooms` are the `routes` functions of the modules beside this one."""
    app: Any = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    handler = falcon.media.JSONHandler(dumps=_dumps, loads=msgspec.json.decode)
    app.req_options.media_handlers[falcon.MEDIA_JSON] = handler
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
    app.add_error_handler(Exception, errors.on_foreseen)
    app.add_error_handler(falcon.HTTPError, errors.on_http_error)
    app.add_error_handler(errors.ApiError, errors.on_api_error)
    routes = [(template, _with_head(resource)) for room in rooms for template, resource in room(desk)]
    for template, resource in (*routes, ("/openapi.json", openapi.Document(routes)), ("/docs", openapi.Docs(routes))):
        app.add_route(template, resource)
    return Cors(app, desk.cors_origins)


def _with_head(resource: Any) -> Any:
    """HEAD as GET, where a room does not answer it itself; the server leaves the body out."""
    if hasattr(resource, "on_get") and not hasattr(resource, "on_head"):
        resource.on_head = resource.on_get
    return resource


def _dumps(value: object) -> str:
    return msgspec.json.encode(value).decode()
