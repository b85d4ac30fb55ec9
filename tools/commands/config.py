"""filmcan config show"""

from __future__ import annotations

import click

from tools import config
from tools.desk import Desk, at_desk
from tools.settings import SETTINGS, Setting, Settings


@click.group(short_help="Show every setting and where it comes from")
def command() -> None:
    """Settings: a value comes from the last of these that names it.

    \b
      built in < your settings file < <root>/.filmcan/config.toml < environment < flag

    --config FILE (or FILMCAN_CONFIG) is read instead of the two files.
    """


@command.command(short_help="Print every setting with its origin")
@click.option("--toml", "as_toml", is_flag=True, help="Print a settings file to start from, every setting explained.")
@at_desk
def show(desk: Desk, as_toml: bool) -> None:
    """Print every setting, its value and where the value comes from.

    \b
    Examples:
      filmcan config show
      filmcan config show --toml > filmcan.toml
    """
    settings = desk.settings
    if as_toml:
        click.echo(config.as_toml(settings), nl=False)
        return
    desk.table([("setting", "value", "from")] + [(item.name, *_told(item, settings)) for item in SETTINGS])
    desk.say("\nSettings files, the later wins:")
    places = config.files(settings.root, desk.config_file)
    for place in places:
        desk.say(f"  {place}" + ("" if place.is_file() else "  (not there)"))
    desk.answer(
        {
            "settings": {
                item.name: {
                    "value": item.show(getattr(settings, item.name)),
                    "origin": settings.origin(item.name),
                    "default": item.show(item.default),
                    "variable": item.variable,
                    "help": item.help,
                }
                for item in SETTINGS
            },
            "files": [{"path": str(place), "there": place.is_file()} for place in places],
        }
    )


def _told(item: Setting, settings: Settings) -> tuple[str, str]:
    value = item.show(getattr(settings, item.name))
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, list):
        value = ", ".join(value)
    return str(value) or "-", settings.origin(item.name)
