"""filmcan verify"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import click

from tools.desk import DONE, PROBLEMS, Desk, at_library, count, human_size

if TYPE_CHECKING:
    from cas.journal import Damage
    from cas.verify import Finding, Verified
    from views.library import Library

REMEDIES = {
    "damaged": "put the same file again, from the card or a backup, under any name: then all its names are whole",
    "edited": "`filmcan reindex` keeps it as what it holds now; for the old bytes, put the old file under another name",
    "missing": "put the same file again, from the card or a backup, and it is whole",
    "unknown": "nothing needs it; when the same file is put again, it is used",
}
UNUSED = "no name outside the trash uses it; put the same file again if you still want it"


@click.command(short_help="Check that every stored clip is still whole")
@click.option("--quick/--full", help="Compare sizes and times only, or read every byte (the rule).")
@at_library
def command(desk: Desk, quick: bool) -> int:
    """Read every stored clip and compare it with its digest; read the journal. Exit code 1 means that some is damaged.

    Nothing is removed: what the disk damaged is set aside in .filmcan/quarantine, so that nobody is given wrong bytes.
    A full look reads at the speed of the disk; run it every month.

    \b
    Examples:
      filmcan verify --quick
      filmcan verify --json > report.json
    """
    from cas.verify import verify

    with desk.library() as library, desk.progress("reading") as progress:
        progress.expect(0, library.space().used_bytes)

        def looked(blobs: int, size_bytes: int) -> None:
            progress.advance(blobs - progress.files, size_bytes - progress.size_bytes)

        found = verify(library.store, full=not quick, progress=looked)
        findings = [_told(library, finding) for finding in found.findings]
        if not quick:
            deque(library.store.journal.after(0), maxlen=0)  # reads every segment; what cannot be read is noted
        damage = [in_words(stretch) for stretch in library.store.damage]
    return _tell(desk, found, findings, damage)


def in_words(damage: Damage) -> str:
    return f"{human_size(damage.size_bytes)} of {damage.segment} from byte {damage.offset:,} cannot be read"


def _told(library: Library, finding: Finding) -> dict[str, object]:
    paths = library.paths_of(finding.digest)
    return {
        "kind": finding.kind,
        "digest": finding.digest.hex,
        "why": finding.why,
        "paths": paths,
        "remedy": REMEDIES[finding.kind] if paths or finding.kind in ("edited", "unknown") else UNUSED,
    }


def _tell(desk: Desk, found: Verified, findings: list[dict[str, object]], damage: list[str]) -> int:
    problems = sum(finding["kind"] != "unknown" for finding in findings) + len(damage)
    desk.say(f"{count(found.blobs, 'clip')} looked at, {human_size(found.size_bytes)}")
    for finding in findings:
        names = ", ".join(finding["paths"]) or "no name uses it"  # type: ignore[arg-type]
        desk.say(f"  {finding['kind']} {finding['digest']}: {finding['why']} ({names})")
        desk.say(f"    → {finding['remedy']}")
    for stretch in damage:
        desk.say(f"  journal: {stretch}")
        desk.say("    → if the index is lost too, reindex finds the files, but notes and properties told there are gone")
    desk.say(f"{count(problems, 'problem')} found." if problems else "All of it is whole.")
    told = {"blobs": found.blobs, "size_bytes": found.size_bytes, "problems": problems}
    desk.answer({**told, "findings": findings, "journal": damage})
    return PROBLEMS if problems else DONE
