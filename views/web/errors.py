"""What goes wrong on the way of a request, as the contract wants it said: a status and `{"detail": …}`."""

from __future__ import annotations

from typing import Any

import falcon
import msgspec

from views.status import status_of

_encode = msgspec.json.encode


class ApiError(Exception):
    """An answer nobody hoped for. `detail` is a sentence, or the list of a 422; `message` repeats it for old pages."""

    def __init__(self, status: int, detail: str | list[dict[str, Any]], **headers: str) -> None:
        self.status, self.detail, self.headers = status, detail, headers
        super().__init__(str(detail))


def shape(where: str, field: str, what: str, got: object = None) -> ApiError:
    """422: a body or query of the wrong shape; `loc`, `type`, `msg`, `input` as clients of the replaced system know them."""
    item = {"type": "value_error", "loc": [where, field] if field else [where], "msg": what, "input": got}
    return ApiError(422, [item])


def answer_error(resp: falcon.Response, error: ApiError) -> None:
    said: dict[str, Any] = {"detail": error.detail}
    if isinstance(error.detail, str):
        said["message"] = error.detail
    resp.status, resp.data, resp.content_type = error.status, _encode(said), falcon.MEDIA_JSON
    for name, value in error.headers.items():
        resp.set_header(name.replace("_", "-"), value)


def on_api_error(_req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]) -> None:
    assert isinstance(error, ApiError)
    answer_error(resp, error)


def on_http_error(_req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]) -> None:
    """falcon's own: unknown route, wrong method (with Allow), malformed JSON."""
    assert isinstance(error, falcon.HTTPError)
    answer_error(resp, ApiError(error.status_code, error.description or error.title or "refused"))
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)


def on_foreseen(_req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]) -> None:
    """Errors of the lower rooms, by the one table; one that nobody foresaw goes on to the server, which says 500 and no more."""
    found = status_of(error)
    if found is None:
        raise error
    answer_error(resp, ApiError(found[0], str(error)))
