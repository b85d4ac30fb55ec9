"""Workflows of the replaced asset manager (contract §5.3, acceptance check 22 without its search)."""

from __future__ import annotations

from tests.views.web.conftest import Server


def test_22_a_workflow_of_four_steps_returns_four_results_in_order(server: Server) -> None:
    name = server.project("Flow")
    server.upload(name, "a.mov", b"moving")
    (server.root / name / "ingest/originals/b.wav").write_bytes(b"sound")
    steps = [{"action": "scan"}, {"action": "stats"}, {"action": "no such thing"}, {"action": "recent", "limit": 1}]
    said = server.post("/cli", {"workflow": steps})
    assert said.status == 200
    scan, stats, unknown, recent = said.json
    assert scan["errors"] == 0 and scan["total_files"] == scan["total"] >= 1
    assert stats["total_files"] >= 2 and {"batch": name, "count": 2} in stats["by_batch"]
    assert {"mime": "video/quicktime", "count": 1, "size": 6} in stats["by_mime"]
    assert unknown == {"error": "unknown action no such thing"}
    assert [row["path"].rpartition("/")[2] for row in recent] == ["b.wav"]


def test_a_step_that_comes_alone_has_a_bare_result(server: Server) -> None:
    assert server.post("/cli", {"action": "paths"}).json == [str(server.root)]
    assert server.post("/cli", {"action": "batches", "cmd": "list"}).status == 200


def test_a_step_with_wrong_parameters_says_so_in_its_place(server: Server) -> None:
    said = server.post("/cli", {"workflow": [{"action": "recent", "limit": 0}, {"action": "dump", "format": "csv"}, 7]}).json
    assert [list(item) for item in said] == [["error"]] * 3
    assert server.post("/cli", [1]).status == 422
