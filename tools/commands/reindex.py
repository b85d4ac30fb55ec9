"""filmcan reindex"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tools.desk import DONE, FAILED, Desk, at_library, count

if TYPE_CHECKING:
    from views.reindex import Plan, Report


@click.command(short_help="Take in what other programs put into project folders")
@click.argument("project", required=False)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--relocate", is_flag=True, help="Also move media from elsewhere in a project into ingest/originals.")
@at_library
def command(desk: Desk, project: str | None, dry_run: bool, relocate: bool) -> int:
    """Compare the project folders with the index and bring both together again: all of them, or one PROJECT.

    New files are taken in where they lie, without copying; names that are gone go to the trash; files that were edited
    in place become what they hold now. A running server does all this by itself.

    \b
    Examples:
      filmcan reindex --dry-run
      filmcan reindex P3-Interview
    """
    from tools.assemble import left_alone
    from views.reindex import apply, plan

    with desk.library() as library, desk.progress("looking") as progress:
        found = plan(library, project, relocate=relocate, left_alone=left_alone(desk.settings))
        progress.expect(len(found.steps), 0)
        report = None if dry_run else apply(library, found, lambda *_: progress.advance(files=1))
    for line in found.lines() if dry_run else []:
        desk.say(line)
    desk.say(f"{count(found.files, 'file')} in {count(found.folders, 'folder')} looked at")
    if report is None:
        desk.say(f"{count(len(found.steps), 'change')} would be made" if found.steps else "Nothing to do.")
        desk.answer({**_looked(found), "steps": found.lines()})
        return DONE
    return _tell(desk, found, report)


def _looked(found: Plan) -> dict[str, object]:
    return {"files": found.files, "folders": found.folders}


def _tell(desk: Desk, found: Plan, report: Report) -> int:
    done = {
        "indexed": [placed.path for placed in report.indexed],
        "renamed": [step.to for step in report.renamed],
        "relocated": [step.to for step in report.relocated],
        "edited": report.edited,
        "put_back": report.put_back,
        "removed": report.removed,
        "busy": report.busy,
        "conflicts": {step.path: step.why for step in report.conflicts},
    }
    for what, paths in done.items():
        if paths:
            desk.say(f"  {len(paths):,} {WORDS[what]}")
    for path, why in {**done["conflicts"], **report.failed}.items():  # type: ignore[dict-item]
        desk.warn(f"{path}: {why}")
    if not found.steps:
        desk.say("Nothing to do.")
    desk.answer({**_looked(found), **done, "failed": report.failed})
    return FAILED if report.failed else DONE


WORDS = {
    "put_back": "put back, which a crash had left half deleted",
    "indexed": "taken in",
    "renamed": "found under another name",
    "relocated": "moved into ingest/originals",
    "edited": "edited in place, kept as what they hold now",
    "removed": "gone from the disk, kept in the trash",
    "busy": "being written; the next look takes them",
    "conflicts": "in conflict with another name",
}
