"""filmcan brake list, release"""

from __future__ import annotations

import click

from tools.desk import Desk, Refused, at_library


@click.group(short_help="Devices that deleted too much and are paused")
def command() -> None:
    """A device that deletes or replaces more names within a minute than mass_delete_limit is paused until it is let go on."""


@command.command("list", short_help="Which devices are paused")
@at_library
def list_(desk: Desk) -> None:
    """List the devices that are paused, and where each was stopped.

    \b
    Example:
      filmcan brake list
    """
    from views.audit import timestamp

    with desk.library() as library:
        rows = [{"device": row.device, "since": timestamp(row.since_ns), "path": row.path} for row in library.brake.paused()]
    if rows:
        desk.table([(row["device"], row["since"][:16].replace("T", " ") + " UTC", row["path"]) for row in rows])
    else:
        desk.say("No device is paused.")
    desk.answer(rows)


@command.command(short_help="Let a device go on")
@click.argument("device")
@at_library
def release(desk: Desk, device: str) -> None:
    """Let a device delete and replace again. While the server runs, press the button on its first page instead.

    \b
    Example:
      filmcan brake release 192.168.1.20
    """
    with desk.library() as library:
        if not library.brake.release(device):
            raise Refused(f"{device!r} is not paused; `filmcan brake list` tells who is")
    desk.say(f"{device} may go on")
    desk.answer({"device": device, "released": True})
