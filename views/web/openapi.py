"""/openapi.json and /docs: every route there is, read from the rooms themselves, with the bodies that JSON clients send.

Templates, methods and sentences come from the resources, so the document cannot tell of a route that is not there. What is
sent is told in BODIES; what comes back is an object whose keys the contract names, and every error has one shape.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import falcon

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
TEXT, PATHS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
MAYBE = {"type": ["string", "null"]}
FILES = {
    "multipart/form-data": {
        "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    }
}
BYTES = {"schema": {"type": "string", "format": "binary"}}
BARE = {"application/octet-stream": BYTES}
PIECES = {"application/partial-upload": BYTES, "application/offset+octet-stream": BYTES}  # the IETF draft; tus
SUMS = {"name": TEXT, "size": {"type": "integer", "minimum": 0}, "sha256": TEXT, "blake3": TEXT, "modified": {}}


def _json(required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"application/json": {"schema": schema if required else {"type": "object", "properties": properties}}}


BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("/api/projects", "post"): _json(name=MAYBE, notes=MAYBE, editable={"type": "boolean"}),
    ("/api/projects/{project}/sync-album", "post"): _json(),
    ("/api/projects/{project}/upload", "post"): {**FILES, **BARE},
    ("/api/projects/{project}/upload-batch/finalize", "post"): _json(["batch_id"], batch_id=TEXT),
    ("/api/projects/{project}/upload/{name}", "put"): BARE,
    ("/api/projects/{project}/upload/{name}", "post"): BARE,
    ("/api/projects/{project}/upload-needed", "post"): _json(
        ["items"], items={"type": "array", "items": {"type": "object", "properties": SUMS, "required": ["name"]}}
    ),
    ("/api/projects/{project}/place", "post"): _json(["name"], name=TEXT, sha256=TEXT, blake3=TEXT),
    ("/api/projects/{project}/media/delete", "post"): _json(["relative_paths"], relative_paths=PATHS),
    ("/api/projects/{project}/media/copy", "post"): _json(
        ["relative_paths", "target_project"], relative_paths=PATHS, target_project=TEXT
    ),
    ("/api/projects/{project}/media/move", "post"): _json(
        ["relative_paths", "target_project"], relative_paths=PATHS, target_project=TEXT, target_source=MAYBE
    ),
    ("/api/projects/{project}/media/tags", "post"): _json(
        ["relative_paths"], relative_paths=PATHS, add_tags=PATHS, remove_tags=PATHS
    ),
    ("/api/projects/{project}/media/thumbnail", "post"): _json(["relative_path", "data_url"], relative_path=TEXT, data_url=TEXT),
    ("/api/uploads", "post"): {**BARE, **PIECES},
    ("/api/uploads", "put"): BARE,
    ("/api/uploads/{id}", "patch"): PIECES,
    ("/api/trash/restore", "post"): _json(["names"], names=PATHS, to=MAYBE),
    ("/api/projects/{project}/history/{moment}/fork", "post"): _json(name=MAYBE),
    ("/api/projects/{project}/versions/restore", "post"): _json(
        ["relative_path", "seq"], relative_path=TEXT, seq={"type": "integer", "minimum": 1}, to=MAYBE
    ),
    ("/api/brake/release", "post"): _json(["device"], device=TEXT),
    ("/api/sources", "post"): _json(
        ["name", "root"], name=TEXT, root=TEXT, type={"enum": ["local", "smb", "nfs"]}, enabled={"type": "boolean"}
    ),
    ("/cli", "post"): _json(action=TEXT, workflow={"type": "array", "items": {"type": "object"}}),
    ("/api/registry/resolve", "post"): _json(asset_ids=PATHS, fallback_paths={"type": "object"}),
    ("/api/resolve/open", "post"): _json(
        ["project", "media_rel_paths"], project=TEXT, new_project_name=MAYBE, media_rel_paths=PATHS, mode=TEXT
    ),
}
NO_JSON = ("/api/projects/{project}/mhl/{name}",)  # below /api, and yet bytes
QUERIES = {
    "source": "Name of the source; primary when it is not given.",
    "op": "start, finalize or snapshot a batch of uploads; upload, or nothing, takes files.",
    "batch_id": "The batch that the files belong to.",
    "filename": "Name of the file, where the bare bytes are the body.",
    "sha256": "What the bytes must hash to, in hexadecimal digits: other bytes are refused, and the receipt remembers it.",
    "copies": "On how many disks a file has to be to be safe.",
    "files": "false leaves the list of files out.",
    "enabled": "true switches the source on, false switches it off.",
    "limit": "At most so many.",
    "claimed_by": "Name of the agent.",
    "status": "Only jobs that are pending, claimed, done or failed.",
    "error": "Why it failed; a JSON body may say it instead.",
    "created_after": "Only what arrived at this time or later (ISO 8601).",
    "created_before": "Only what arrived before this time.",
    "project": "Name of the project.",
    "relative_path": "The file, by its path inside the project.",
    "tag": "Only media that have this tag; several of them are asked for together.",
    "origin": "Only media whose names tell of this device: iphone, nikon_z7, obs or unknown.",
    "path": "A folder inside the project; the project itself when it is not given.",
    "after": "Where the page before ended, as it told by `next`.",
    "offset": "How many to leave out at the beginning.",
    "background": "true: answer 202 at once with a job that can be followed.",
}
ASKED = {
    "/upload": ("filename", "sha256", "op", "batch_id"), "/upload/{name}": ("sha256", "batch_id"),
    "/uploads": ("project", "filename"), "/toggle": ("enabled",), "/reindex": ("background",), "/auto-organize": ("background",),
    "/media/move": ("background",), "/jobs/next": ("limit", "claimed_by"),
    "/receipt": ("copies", "files"),
    "/resolve/jobs": ("status", "limit"), "/fail": ("error", "claimed_by"), "/heartbeat": ("claimed_by",),
    "/api/trash": ("limit", "after"), "/history/{moment}": ("path",), "{project}/versions": ("relative_path",),
    "/media/facts": ("project", "relative_path"), "{project}/media": ("tag", "origin"),
    "/media/query": ("tag", "origin", "created_after", "created_before", "offset", "limit"),
}  # fmt: skip
GOING = ("Tus-Resumable", "Upload-Draft-Interop-Version")
FIELDS = {
    ("/api/uploads", "post"): (*GOING, "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat",
                               "Upload-Checksum", "Upload-Complete", "Repr-Digest"),
    ("/api/uploads", "put"): (GOING[1], "Upload-Length", "Upload-Complete", "Repr-Digest"),
    ("/api/uploads/{id}", "patch"): (*GOING, "Upload-Offset", "Upload-Length", "Upload-Checksum", "Upload-Complete"),
    ("/api/uploads/{id}", "post"): (*GOING, "X-HTTP-Method-Override", "Upload-Offset"),
    ("/api/uploads/{id}", "head"): GOING,
    ("/api/uploads/{id}", "delete"): GOING,
}  # fmt: skip
ERROR = {
    "description": "What went wrong.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"detail": {"type": ["string", "array"]}, "message": TEXT},
                "required": ["detail"],
            }
        }
    },
}


def document(routes: Sequence[tuple[str, object]]) -> dict[str, Any]:
    """OpenAPI 3.1 of these routes, and of the two that are served beside them."""
    paths = {template: _path(template, resource) for template, resource in routes}
    for template in ("/media/{project}/{relative_path}", "/media/{project}/download/{relative_path}"):
        paths[template] = {"get": _operation(template, "get", "The bytes of a file, with ranges, HEAD and conditions.", True)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "filmcan",
            "version": "1",
            "description": "Projects of media: upload, list, stream, move. WebDAV is at /dav/.",
        },
        "paths": dict(sorted(paths.items())),
    }


def _path(template: str, resource: object) -> dict[str, Any]:
    found = {}
    for method in METHODS:
        responder = getattr(resource, f"on_{method}", None)
        if responder is not None:
            said = inspect.getdoc(responder) or inspect.getdoc(type(resource)) or ""
            returns_json = template.startswith(("/api", "/health", "/reindex", "/openapi")) and template not in NO_JSON
            found[method] = _operation(template, method, said, not returns_json)
    return found


def _field(name: str) -> dict[str, Any]:
    said = "As tus 1.0.0 and the IETF draft have it."
    return {"name": name, "in": "header", "required": False, "schema": TEXT, "description": said}


def _operation(template: str, method: str, said: str, is_bytes: bool) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", template)
    queries = ["source", *(query for part, asked in ASKED.items() if template.endswith(part) for query in asked)]
    schema = {"*/*": {}} if is_bytes else {"application/json": {"schema": {"type": ["object", "array"]}}}
    operation: dict[str, Any] = {
        "operationId": f"{method} {template}",
        "summary": " ".join(said.partition("\n\n")[0].split()),
        "parameters": [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
        + [{"name": name, "in": "query", "description": QUERIES[name], "schema": TEXT} for name in queries]
        + [_field(name) for name in FIELDS.get((template, method), ())],
        "responses": {"2XX": {"description": "It was done.", "content": schema}, "default": ERROR},
    }
    body = BODIES.get((template, method))
    bodiless_too = (template, method) == ("/api/uploads", "post")
    return {**operation, "requestBody": {"required": not bodiless_too, "content": body}} if body else operation


LOOK = (
    "<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:1rem}"
    "table{border-collapse:collapse}td{padding:.4rem .75rem .4rem 0;border-top:1px solid #8884;vertical-align:top}"
    "code{white-space:nowrap}@media(max-width:640px){code{white-space:normal;overflow-wrap:anywhere}"
    "td{display:block;border:0;padding:0}td:first-child{padding-top:1rem}}</style>"
)


class Document:
    def __init__(self, routes: Sequence[tuple[str, object]]) -> None:
        self._document = document(routes)

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """This document."""
        resp.media = self._document


class Docs:
    """The same for people: one line a route."""

    def __init__(self, routes: Sequence[tuple[str, object]]) -> None:
        rows = [
            f"<tr><td>{method.upper()}<td><code>{escape(template)}</code><td>{escape(operation['summary'])}"
            for template, path in document(routes)["paths"].items()
            for method, operation in path.items()
            if method != "head"
        ]
        self._page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>filmcan: routes</title>'
            f'<meta name="viewport" content="width=device-width">{LOOK}<h1>Routes</h1>'
            f'<p>For programs: <a href="/openapi.json">/openapi.json</a></p><table>{"".join(rows)}</table></html>'
        )

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Every route with one sentence, as a page."""
        resp.content_type, resp.text = falcon.MEDIA_HTML, self._page
