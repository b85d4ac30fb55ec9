"""filmcan mhl"""

from __future__ import annotations

import click

from tools.desk import DONE, PROBLEMS, Desk, at_library, count


@click.command(short_help="Write the ASC MHL manifest of a project")
@click.argument("project")
@at_library
def command(desk: Desk, project: str) -> int:
    """Write the next generation of PROJECT's ASC MHL manifest, into its folder `ascmhl`: what is new, renamed or gone.

    Other programs of the film trade read it: `ascmhl diff` compares the folder with it. Generations are only ever added. Sums
    that are not known yet are computed now, in one read of each file. `filmcan receipt --verify` reads everything back
    and lists it all.

    \b
    Example:
      filmcan mhl P3-Interview
    """
    from tools.assemble import left_alone
    from views.mhl.manifests import Manifests

    with desk.library() as library, desk.progress("reading") as progress:

        def tell(done: int, total: int, _: str) -> None:
            progress.expect(total, 0)
            progress.advance(done - progress.files)

        written = Manifests(library, left_alone(desk.settings)).write(project.strip("/"), tell)
    if written.name:
        listed, renamed = count(len(written.told.files), "file"), len(written.told.renamed)
        desk.say(f"{written.project}/ascmhl/{written.name}: generation {written.number}, {listed} listed, {renamed:,} renamed")
    else:
        desk.say(f"{written.project}: nothing is new since generation {written.number}")
    if written.told.replaced:
        names = ", ".join(written.told.replaced[:5])
        desk.say(f"  {count(len(written.told.replaced), 'file')} with other bytes than at first: {names}")
        desk.say("    → the standard knows no replacing: programs that check sums will name them")
    for finding in written.findings:
        desk.say(f"  left out, because it is {finding.kind}: {finding.digest} ({finding.why})")
    desk.answer(written.as_json())
    return PROBLEMS if written.findings else DONE
