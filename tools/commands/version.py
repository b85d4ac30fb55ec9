"""filmcan version"""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import click

from tools.desk import Desk, at_desk


@click.command(short_help="Tell the version")
@at_desk
def command(desk: Desk) -> None:
    """Tell the version of filmcan, of Python and of the system.

    \b
    Example:
      filmcan version
    """
    filmcan, python = metadata.version("filmcan"), platform.python_version()
    desk.say(f"filmcan {filmcan}, Python {python}, {platform.system()} {platform.release()}")
    desk.answer({"filmcan": filmcan, "python": python, "platform": sys.platform})
