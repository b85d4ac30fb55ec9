"""filmcan receipt"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.desk import DONE, PROBLEMS, Desk, at_library, count, human_size

if TYPE_CHECKING:
    from tools.progress import Progress
    from views.library import Library
    from views.receipt import Line, Receipt

SHOWN = 50  # files listed one by one; --all lists every one


@click.command(short_help="Tell whether a card or phone may be wiped")
@click.argument("project", required=False)
@click.option("--verify", "verifies", is_flag=True, help="First read every file back from the disk, and write the manifest.")
@click.option(
    "--card", "cards", metavar="FOLDER", multiple=True, type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read every file below FOLDER and look whether it is here and safe. May be said several times.",
)  # fmt: skip
@click.option("--copies", metavar="N", type=click.IntRange(1, 99), help="On how many disks a file has to be.")
@click.option("--all", "lists_all", is_flag=True, help="List every file, also those that are safe.")
@at_library
def command(
    desk: Desk, project: str | None, verifies: bool, cards: tuple[Path, ...], copies: int | None, lists_all: bool
) -> int:
    """Say how sure each file of PROJECT is, and in one line whether what it came from may be wiped.

    SAFE means: received whole, equal to the sum that its sender told (where it told one), and read back from the disk after
    it had arrived; with --copies 2 on two disks. All names on one disk are one copy.

    With --card, the files on a card are read and compared by their content, with PROJECT or, without one, with everything
    that is stored. Exit code 1 means that something is not safe yet.

    \b
    Examples:
      filmcan receipt P3-Wedding --verify
      filmcan receipt P3-Wedding --card /media/CARD
      filmcan receipt --card /media/CARD --copies 2
    """
    if project is None and not cards:
        raise click.UsageError("name a project, or a card with --card; `filmcan project list` tells the projects")
    if project is None and verifies:
        raise click.UsageError("--verify needs the name of the project that is to be read back")
    wanted = copies or desk.settings.safe_copies
    desk.seek_root()
    with desk.libraries() as (libraries, source), desk.progress("reading back" if verifies else "reading") as progress:
        told: dict[str, Any] = {}
        receipt = None
        if project is not None:
            receipt, told = _of(desk, libraries, source, project, wanted, verifies, progress)
        found = [_card(libraries, source, project, card, wanted, progress) for card in cards]
    if receipt is not None and not cards:
        _show(desk, receipt, told, lists_all)
    for card, (verdict, rest) in zip(cards, found, strict=True):
        _show_card(desk, card, verdict, rest)
    safe = all(verdict["safe"] for verdict, _ in found) if cards else bool(receipt and receipt.is_safe)
    desk.answer({**told, "cards": [verdict for verdict, _ in found]} if cards else told)
    return DONE if safe and not told.get("findings") else PROBLEMS


def _of(
    desk: Desk, libraries: Mapping[str, Library], source: str, project: str, copies: int, verifies: bool, progress: Progress
) -> tuple[Receipt, dict[str, Any]]:
    """The receipt of a project; with `verifies`, after everything was read back."""
    from tools.assemble import left_alone
    from views.confirm import confirm
    from views.receipt import Receipts, told

    name = libraries[source].project(project.strip("/")).name
    if not verifies:
        receipt = Receipts(libraries, source, copies).of(name)
        return receipt, told(receipt)

    tell = _teller(progress)
    confirmed = confirm(libraries, source, name, tell, copies=copies, left_alone=left_alone(desk.settings))
    return confirmed.receipt, confirmed.as_json(libraries[source])


def confirmed_project(
    desk: Desk, libraries: Mapping[str, Library], source: str, project: str, progress: Progress, only: set[bytes]
) -> dict[str, Any]:
    """Read back what an import brought into a project, and note it in its manifest; the receipt without its files."""
    from tools.assemble import left_alone
    from views.confirm import confirm

    settings = desk.settings
    found = confirm(
        libraries, source, project, _teller(progress), copies=settings.safe_copies, left_alone=left_alone(settings), only=only
    )
    return found.as_json(libraries[source], files=False)


def _teller(progress: Progress) -> Callable[[int, int, str], None]:
    """Progress of reading back, as the bar shows it."""

    def tell(done: int, total: int, _: str) -> None:
        progress.expect(total, 0)
        progress.advance(done - progress.files)

    return tell


def _card(
    libraries: Mapping[str, Library], source: str, project: str | None, card: Path, copies: int, progress: Progress
) -> tuple[dict[str, Any], list[str]]:
    """The verdict on a card, and the words about what is no media."""
    from tools.commands.import_ import Outcome, scan
    from views.card import Card

    outcome = Outcome()
    files = [(file, inner) for file, inner, _ in scan(card.resolve(), outcome)]
    progress.expect(len(files), sum(file.stat().st_size for file, _ in files))
    looked = Card(libraries, source, project, copies)
    for file, inner in files:
        looked.look(file, inner, lambda size_bytes: progress.advance(size_bytes=size_bytes))
        progress.advance(1)
    for path, why in {**outcome.left_out, **outcome.failed}.items():
        looked.cannot_read(path, why)
    result = looked.result()
    return {"card": str(card), **result.as_json()}, result.beside


def _show(desk: Desk, receipt: Receipt, told: dict[str, Any], lists_all: bool) -> None:
    lines = sorted(receipt.lines, key=lambda line: (line.safe, line.path))
    shown = lines if lists_all else [line for line in lines if not line.safe][:SHOWN]
    if shown:
        desk.table([("file", "size", "level", "sender", "last verified", "copies"), *map(_row, shown)], right=(1, 5))
        desk.say()
    for finding in told.get("findings", ()):
        desk.say(f"{finding['kind']} {finding['blake3']}: {finding['why']} ({', '.join(finding['paths'])})")
    if manifest := told.get("manifest"):
        desk.say(f"manifest: {manifest['path']}")
    desk.say(f"{receipt.project}: {receipt.rule}")
    for name, disk in receipt.disks.items():
        desk.say(f"  {name} lies on {disk}")
    for name in receipt.away:
        desk.say(f"  {name} is not there now, and does not count")
    desk.say(receipt.verdict)


def _row(line: Line) -> tuple[str, ...]:
    from views.audit import timestamp

    sender = ", ".join(sorted(line.told)) or "no sum told"
    at = timestamp(line.verified_ns)[:16].replace("T", " ") if line.verified_ns else ""
    return line.path, human_size(line.size_bytes), line.why or line.level, sender, at, str(line.copies_counted)


def _show_card(desk: Desk, card: Path, verdict: dict[str, Any], beside: list[str]) -> None:
    for item in verdict["not_yet"][:SHOWN]:
        desk.say(f"  {item['path']}: {item['why']}")
    if beside:
        names = ", ".join(beside[:5]) + (", …" if len(beside) > 5 else "")
        desk.say(f"  {count(len(beside), 'other file')} on it, no media, not stored here: {names}")
    desk.say(f"{card}: {verdict['verdict']}")
