"""Every room of the API lists its own routes; here they are put together, with errors, JSON and CORS as the contract has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import falcon
import msgspec

from views.web import errors
from views.web.desk import Desk

Routes = Sequence[tuple[str, object]]  # URI template, resource with on_get, on_post …
EXPOSED = "Content-Disposition, Content-Range, Accept-Ranges, ETag"


class Cors:
    """Cross-origin access for the origins of the settings only, `*` for any (contract §1.2)."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """A preflight is answered here: the routes need not know it."""
        if req.method == "OPTIONS" and req.get_header("Access-Control-Request-Method") and self._allowed(req):
            resp.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
            resp.set_header("Access-Control-Allow-Headers", req.get_header("Access-Control-Request-Headers") or "*")
            resp.set_header("Access-Control-Max-Age", "600")
            resp.status, resp.complete = 204, True

    def process_response(self, req: falcon.Request, resp: falcon.Response, _resource: object, _ok: bool) -> None:
        origin = req.get_header("Origin")
        if origin and self._allowed(req):
            resp.set_header("Access-Control-Allow-Origin", "*" if "*" in self._origins else origin)
            resp.set_header("Access-Control-Expose-Headers", EXPOSED)
            resp.append_header("Vary", "Origin")

    def _allowed(self, req: falcon.Request) -> bool:
        return "*" in self._origins or (req.get_header("Origin") or "") in self._origins


def make_app(desk: Desk, rooms: Sequence[Callable[[Desk], Routes]]) -> Any:
    """The WSGI application of the API and pages. `rooms` are the `routes` functions of the modules beside this one."""
    app: Any = falcon.App(middleware=[Cors(desk.cors_origins)])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    handler = falcon.media.JSONHandler(dumps=_dumps, loads=msgspec.json.decode)
    app.req_options.media_handlers[falcon.MEDIA_JSON] = handler
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
    app.add_error_handler(Exception, errors.on_foreseen)
    app.add_error_handler(falcon.HTTPError, errors.on_http_error)
    app.add_error_handler(errors.ApiError, errors.on_api_error)
    for room in rooms:
        for template, resource in room(desk):
            app.add_route(template, resource)
    return app


def _dumps(value: object) -> str:
    return msgspec.json.encode(value).decode()
