"""The program `filmcan`: finds the command, runs it, and turns whatever happens into one sentence and an exit code.

    0  done            2  the command line or a setting is wrong
    1  found problems  3  refused or failed

Each command lives in `tools/commands/` and is imported only when it is called, so that help comes at once.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from tools.desk import DONE, FAILED, STOPPED, USAGE, Refused, print_json, sentence
from tools.settings import ConfigError

COMMANDS = {
    "serve": "Serve a folder over WebDAV",
    "put": "Store files",
    "get": "Fetch a file",
    "ls": "List projects and files",
    "import": "Take in whole folders of footage",
    "export": "Write a project into an ordinary folder",
    "project": "List, create, rename, note, delete projects",
    "restore": "Bring back what was deleted, replaced, or a whole project as it was",
    "brake": "Devices that deleted too much and are paused",
    "source": "List, add, remove, enable, disable further roots",
    "agent": "Work for a server on a workstation",
    "receipt": "Tell whether a card or phone may be wiped",
    "mhl": "Write the ASC MHL manifest of a project",
    "reindex": "Take in what other programs put into project folders",
    "verify": "Check that every stored clip is still whole",
    "collect": "Give back the space of clips that no name needs",
    "rebuild": "Make the index again from what lies on the disk",
    "config": "Show every setting and where it comes from",
    "doctor": "Look for what could go wrong on this machine",
    "version": "Tell the version",
}

EPILOG = """\b
Start here:
  filmcan serve ~/Footage          serve a folder, for this computer only
  filmcan serve ~/Footage --open   the same, for everybody on the network
  filmcan import /media/CARD/DCIM --into Wedding
  filmcan doctor
"""


class _Commands(click.Group):
    """Knows the commands by name; imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tools.commands.{module_name(cmd_name)}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, 1)
            ctx.fail(f"there is no command {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def module_name(command: str) -> str:
    """The file of a command; `import` is a word Python keeps for itself."""
    return "import_" if command == "import" else command


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="filmcan", message="filmcan %(version)s")
def program() -> None:
    """Keeps every clip once and shows it everywhere it is needed.

    `filmcan COMMAND --help` tells more about a command, with an example.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = program.main(arguments, prog_name="filmcan", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except BrokenPipeError:  # `filmcan ls | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (KeyboardInterrupt, click.Abort):
        click.echo("filmcan: stopped", err=True)
        return STOPPED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.UsageError as error:
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        return _complain(error, error.format_message(), USAGE, arguments)
    except ConfigError as error:
        return _complain(error, sentence(error), USAGE, arguments)
    except Exception as error:
        return _complain(error, _sentence(error), FAILED, arguments)


def _sentence(error: Exception) -> str:
    """What a person can do something with; an error nobody foresaw says so."""
    from cas.errors import CasError
    from views.errors import NameProblem, SourceProblem

    if isinstance(error, Refused | CasError | NameProblem | SourceProblem) or (isinstance(error, OSError) and error.strerror):
        return sentence(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    return f"a fault in filmcan itself ({type(error).__name__}: {error}); --debug shows where"


def _complain(error: Exception, said: str, code: int, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exception(error)
    if "--json" in arguments:
        print_json({"error": {"type": type(error).__name__, "message": said}})
    click.echo(f"filmcan: {said}", err=True)
    return code
