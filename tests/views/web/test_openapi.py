"""/openapi.json tells of every route there is, and of none that is not."""

from __future__ import annotations

import re

from tests.views.web.conftest import Server


def test_every_route_told_is_there_with_its_methods(server: Server) -> None:
    document = server.get("/openapi.json").json
    assert document["openapi"] == "3.1.0" and len(document["paths"]) > 30
    for template, path in document["paths"].items():
        url = re.sub(r"{\w+}", "P1-Nobody", template)
        for method, operation in path.items():
            assert operation["responses"]["default"] and operation["operationId"] == f"{method} {template}"
            names = set(re.findall(r"{(\w+)}", template))
            assert {item["name"] for item in operation["parameters"] if item["in"] == "path"} == names
            if method not in ("get", "head", "options"):
                said = server.ask(method.upper(), url)
                assert said.status not in (500, 501), (method, url, said)
                assert said.status != 405 or method.upper() in said.headers["allow"], (method, url, said)
        refused = server.ask("DELETE", url)
        assert "delete" in path or refused.status in (404, 405), url


def test_every_route_has_a_sentence(server: Server) -> None:
    paths = server.get("/openapi.json").json["paths"]
    silent = [f"{method} {template}" for template, path in paths.items() for method, said in path.items() if not said["summary"]]
    assert silent == []


def test_routes_of_the_contract_are_all_there(server: Server) -> None:
    paths = server.get("/openapi.json").json["paths"]
    for line in (
        "get /health", "get /healthz", "get /api/projects", "post /api/projects", "get /api/projects/{project}",
        "post /api/projects/{project}/upload", "post /api/projects/{project}/sync-album", "get /api/projects/{project}/reindex",
        "post /api/projects/{project}/reindex", "get /reindex", "post /reindex", "post /api/projects/auto-organize",
        "get /api/projects/{project}/media", "post /api/projects/{project}/media/thumbnail",
        "post /api/projects/{project}/media/delete", "post /api/projects/{project}/media/move", "get /api/sources",
        "post /api/sources", "post /api/sources/{name}/toggle", "post /api/resolve/open", "post /api/resolve/jobs/next",
        "post /api/projects/{project}/media/tags", "get /api/projects/{project}/media/query", "get /api/media/facts",
        "post /api/projects/{project}/upload-batch/start", "get /thumbnails/{project}/{name}", "get /api/registry/{digest}",
        "post /api/registry/resolve", "get /media/{project}/{relative_path}", "get /media/{project}/download/{relative_path}",
    ):  # fmt: skip
        method, template = line.split()
        assert method in paths[template], line


def test_people_can_read_the_routes_too(server: Server) -> None:
    said = server.get("/docs")
    assert said.headers["content-type"].startswith("text/html") and b"/api/projects/{project}/upload" in said.body


def test_uploads_in_several_goes_are_told_with_the_fields_they_need(server: Server) -> None:
    paths = server.get("/openapi.json").json["paths"]
    begin, more = paths["/api/uploads"]["post"], paths["/api/uploads/{id}"]["patch"]
    fields = {item["name"] for operation in (begin, more) for item in operation["parameters"] if item["in"] == "header"}
    assert {"Tus-Resumable", "Upload-Draft-Interop-Version", "Upload-Length", "Upload-Offset", "Upload-Complete"} <= fields
    assert set(more["requestBody"]["content"]) == {"application/partial-upload", "application/offset+octet-stream"}
    assert {"project", "filename", "source"} <= {item["name"] for item in begin["parameters"]}
    assert set(paths["/api/uploads/{id}"]) == {"get", "head", "patch", "post", "delete", "options"}
