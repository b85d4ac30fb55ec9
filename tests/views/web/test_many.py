"""A project of 20,000 clips: the API lists them all, and asks the index once for it."""

from __future__ import annotations

import re

from tests.views.web.conftest import Server

NAMES = 20_000


def test_twenty_thousand_entries_are_listed_completely(server: Server) -> None:
    library, name = server.libraries.primary, server.project("Many")
    body = library.receive()
    body.write(b"the same frame")
    library.put(f"{name}/ingest/originals/00000.mov", body)
    for number in range(1, NAMES):
        library.copy(f"{name}/ingest/originals/00000.mov", f"{name}/ingest/originals/{number:05}.mov")
    media = server.get(f"/api/projects/{name}/media").json["media"]
    assert [item["relative_path"] for item in media] == [f"ingest/originals/{number:05}.mov" for number in range(NAMES)]
    assert server.get("/api/projects").status == 200
    assert len(server.index(name)["files"]) == NAMES
    listing = server.ask("PROPFIND", f"/dav/{name}/ingest/originals/", Depth="1")
    assert len(re.findall(rb"<\w+:href>", listing.body)) == NAMES + 1
