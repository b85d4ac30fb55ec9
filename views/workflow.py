"""Steps of the replaced asset manager's workflows, over a library: scan, stats, recent, dump, paths. Answers keep its shapes.

`{"workflow": [step, …]}` or one step alone; a step names its `action`. A step that is not known, or goes wrong, is told in its
place and the rest goes on (contract §5.3).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from cas.errors import CasError
from views.entry import Entry
from views.errors import NameProblem
from views.library import Library
from views.reindex import apply, plan

Step = dict[str, Any]
Rows = list[dict[str, Any]]
RECENT, MOST = 10, 10_000
TYPES = mimetypes.MimeTypes()  # the table that comes with Python, not the files of this host
SECOND_NS = 10**9


class Workflow:
    """Runs steps over one library. `left_alone` as for reindex."""

    def __init__(self, library: Library, left_alone: Iterable[str]) -> None:
        self._library, self._left_alone = library, tuple(left_alone)
        self._actions: dict[str, Callable[[Step], Any]] = {
            "scan": self._scan, "stats": self._stats, "recent": self._recent, "dump": self._dump, "paths": self._paths,
            "batches": self._batches,
        }  # fmt: skip

    def run(self, asked: Any) -> Any:
        """The results in the order of the steps; the bare result of a step that came alone."""
        steps = asked.get("workflow") if isinstance(asked, dict) and "workflow" in asked else None
        if steps is None:
            return self.step(asked)
        return [self.step(step) for step in steps] if isinstance(steps, list) else {"error": "workflow is a list of steps"}

    def step(self, step: Any) -> Any:
        if not isinstance(step, dict):
            return {"error": "a step is an object with an action"}
        act = self._actions.get(str(step.get("action")))
        if act is None:
            return {"error": f"unknown action {step.get('action')}"}
        try:
            params = step.get("params")
            return act({**step, **params} if isinstance(params, dict) else step)
        except (CasError, NameProblem, ValueError) as error:
            return {"error": str(error)}

    def _scan(self, _: Step) -> Any:
        """Reconcile every project with its folder."""
        found = plan(self._library, left_alone=self._left_alone)
        report = apply(self._library, found)
        return {"processed": len(report.indexed), "errors": len(report.failed), "total_files": found.files, "total": found.files}

    def _stats(self, _: Step) -> Any:
        by_mime: dict[str, list[int]] = {}
        by_batch: dict[str, int] = {}
        rows = self._rows()
        for row in rows:
            counted = by_mime.setdefault(row["mime"] or "application/octet-stream", [0, 0])
            counted[0] += 1
            counted[1] += row["size_bytes"]
            by_batch[row["batch"] or ""] = by_batch.get(row["batch"] or "", 0) + 1
        return {
            "total_files": len(rows), "total_size_bytes": sum(row["size_bytes"] for row in rows),
            "by_mime": [{"mime": mime, "count": count, "size": size} for mime, (count, size) in sorted(by_mime.items())],
            "by_batch": [{"batch": batch, "count": count} for batch, count in sorted(by_batch.items())],
        }  # fmt: skip

    def _recent(self, step: Step) -> Rows:
        rows = sorted(self._rows(), key=lambda row: (row["created_at"], row["id"]), reverse=True)
        return rows[: _count(step, "limit", RECENT)]

    def _dump(self, step: Step) -> Any:
        if step.get("format", "json") != "json":
            raise ValueError("only the format json is known")
        return self._rows()

    def _paths(self, step: Step) -> Any:
        """The folders that are looked through: the root, as it is served."""
        if step.get("cmd", "list") != "list":
            raise ValueError("paths can only be listed here; `filmcan source` adds and removes roots")
        return [str(self._library.root)]

    def _batches(self, step: Step) -> Any:
        """Projects take the place of batches."""
        rows = self._rows()
        if step.get("cmd", "list") == "show":
            return [row for row in rows if row["batch"] == step.get("batch_name")]
        if step.get("cmd", "list") != "list":
            raise ValueError("batches can be listed and shown; projects are made with POST /api/projects")
        names = [project.name for project in self._library.projects()]
        return [{"batch": name, "count": sum(row["batch"] == name for row in rows)} for name in names]

    def _rows(self) -> Rows:
        return [self._row(path, entry) for path, entry in self._library.walk() if not entry.is_folder]

    def _row(self, path: str, entry: Entry) -> dict[str, Any]:
        """A file as the old index told it (contract §5.2); what is not read yet is null."""
        born = datetime.fromtimestamp((entry.arrived_ns or entry.created_ns) / SECOND_NS, UTC)
        return {
            "id": entry.id, "path": str(self._library.root / path), "size_bytes": entry.size_bytes,
            "mtime": entry.modified_ns / SECOND_NS, "mime": TYPES.guess_type(entry.name)[0],
            "batch": path.partition("/")[0] if "/" in path else None, "created_at": born.isoformat(timespec="microseconds"),
            "width_px": None, "height_px": None, "duration_s": None, "sha1": None, "version": 1, "parent_id": None,
            "preview_path": None, "sort_order": None,
        }  # fmt: skip


def _count(step: Step, name: str, usual: int) -> int:
    """A whole number of a step, at least 1; ValueError for anything else."""
    value = step.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number above 0")
    return min(value, MOST)
