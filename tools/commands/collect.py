"""filmcan collect"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from tools.desk import Desk, at_library, count, human_size

if TYPE_CHECKING:
    from cas.collect import Candidate


@click.command(short_help="Give back the space of clips that no name needs")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@at_library
def command(desk: Desk, dry_run: bool) -> None:
    """Empty the trash of what is old, and remove clips that no project, trash or history shows any more.

    What was deleted or replaced longer ago than keep_days goes out of the trash and the history: names only. A server does
    that by itself; it never removes clips. What the journal tells of before that time is folded into what was left of it.

    Slowly, on purpose: a clip goes when two runs, at least a day apart, found it without a name and it has been so for
    30 days (collect_after_days). It is set aside first and deleted by a run on a later day. Run it every night, or let
    the server do it: `collect = true` in the settings.

    \b
    Examples:
      filmcan collect --dry-run
      filmcan collect
    """
    from cas.fold import Folded
    from tools.assemble import keeping_of
    from views.keeper import Keeper

    with desk.library() as library:
        keeper = Keeper(library, keeping_of(desk.settings))
        old = (keeper.plan() if dry_run else keeper.run()).items
        collector = library.collector()
        waiting = collector.plan()
        gone = [candidate for candidate in waiting if candidate.ripe] if dry_run else collector.run()
        folded = Folded() if dry_run else library.fold_journal()
    if collector.skipped:
        desk.warn(f"nothing was collected: {collector.skipped}; the next run counts again")
    left = {candidate.digest for candidate in gone}
    waiting = [candidate for candidate in waiting if candidate.digest not in left]
    desk.say(f"{count(len(old), 'name')} {'would leave' if dry_run else 'left'} the trash")
    desk.say(f"{count(len(gone), 'clip')} {'would go' if dry_run else 'gone'}, {_size(gone)}")
    if folded.segments:
        desk.say(f"{count(folded.segments, 'segment')} of the journal folded, {human_size(folded.size_bytes)}")
    elif folded.why:
        desk.warn(folded.why)
    for why, number in Counter(candidate.why for candidate in waiting).items():
        desk.say(f"  {number:,} kept: {why}")
    desk.answer(
        {
            "dry_run": dry_run,
            "folded": {"segments": folded.segments, "size_bytes": folded.size_bytes, "why": folded.why},
            "skipped": collector.skipped or None,
            "emptied": [item.path for item in old],
            "gone": [_facts(item) for item in gone],
            "kept": [_facts(item) for item in waiting],
        }
    )


def _size(candidates: list[Candidate]) -> str:
    return human_size(sum(candidate.size_bytes for candidate in candidates))


def _facts(candidate: Candidate) -> dict[str, object]:
    return {"digest": candidate.digest.hex, "size_bytes": candidate.size_bytes, "why": candidate.why}
