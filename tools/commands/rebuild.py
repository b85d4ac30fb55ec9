"""filmcan rebuild"""

from __future__ import annotations

import shutil

import click

from tools.commands.verify import in_words
from tools.desk import Desk, at_library, count


@click.command(short_help="Make the index again from what lies on the disk")
@at_library
def command(desk: Desk) -> None:
    """Throw the index away and make it again: from the journal, then from the project folders themselves.

    For an index that is damaged, or that you do not trust. Clips, projects, notes and the trash stay as they are. It
    may be interrupted at any time; the next command goes on with it.

    \b
    Example:
      filmcan rebuild
    """
    from cas.home import Home
    from cas.system import System
    from tools.assemble import left_alone
    from views.reindex import apply, plan

    desk.seek_root()
    settings = desk.settings
    home = Home(settings.root, System())  # takes the lock: a running server keeps its index
    try:
        shutil.rmtree(home.layout.index, ignore_errors=True)
    finally:
        home.close()
    with desk.library() as library:
        found = plan(library, left_alone=left_alone(settings))
        report = apply(library, found)
        events, damage = library.store.replayed, [in_words(stretch) for stretch in library.store.damage]
    from_disk = [placed.path for placed in report.indexed]
    desk.say(f"Index made from {count(events, 'event')}; {count(found.files, 'file')} on disk compared")
    if from_disk:
        desk.say(f"  {count(len(from_disk), 'file')} known from the folders only")
    for problem in (*damage, *report.failed.values()):
        desk.warn(problem)
    told = {"events": events, "journal": damage, "files": found.files}
    desk.answer({**told, "found_on_disk": from_disk, "failed": report.failed})
