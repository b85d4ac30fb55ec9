"""What is told of a server that lost its index while it runs: always something, and why."""

from __future__ import annotations

import time
from pathlib import Path

from tests.views.web.conftest import serving


def test_an_index_that_somebody_wrote_to_is_told_by_health_and_pages(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as server:
        server.post("/api/projects", {"name": "Film"})
        with (server.root / ".filmcan/index/data.mdb").open("ab") as file:
            file.write(bytes(4096))
        deadline = time.monotonic() + 30
        while (told := server.get("/health")).json["state"] == "ok" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert told.status == 200 and told.json["care"] is None
        assert told.json["state"] == "degraded" and "restart" in told.json["reason"]
        page = server.ask("GET", "/")
        assert page.status == 503 and b"somebody else wrote to its file" in page.body
        assert server.ask("GET", "/api/projects").status == 503
