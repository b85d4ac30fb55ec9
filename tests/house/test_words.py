"""What README and the helps say is true: every command and every setting has its paragraph, with an example."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch

import click
import pytest

from tests.house.code import HOUSE, ORDER, modules, tree
from tools.cli import COMMANDS, program
from tools.settings import SETTINGS, Setting

README = (HOUSE / "README.md").read_text(encoding="utf-8")


def commands(group: click.Group, said: str = "filmcan") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield f"{said} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{said} {name}")


ALL = list(commands(program))
LEAVES = [(said, command) for said, command in ALL if not isinstance(command, click.Group)]


@pytest.mark.parametrize("said", [said for said, _ in LEAVES])
def test_every_command_has_its_paragraph(said: str) -> None:
    assert re.search(rf"`{re.escape(said)}[ `]", README), f"README does not tell about `{said}`"


@pytest.mark.parametrize(("said", "command"), LEAVES, ids=[said for said, _ in LEAVES])
def test_every_help_teaches_with_an_example(said: str, command: click.Command) -> None:
    assert command.help and re.search(rf"Examples?:\n(.*\n)*? *.*{re.escape(said)}", command.help)


@pytest.mark.parametrize(("said", "command"), LEAVES, ids=[said for said, _ in LEAVES])
def test_every_command_speaks_json_and_can_be_debugged(said: str, command: click.Command) -> None:
    options = {option for param in command.params for option in param.opts}
    assert {"--json", "--debug", "--root", "--config"} <= options


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    told = {said.split()[1]: command.short_help for said, command in ALL if said.count(" ") == 1}
    assert told == COMMANDS


@pytest.mark.parametrize("item", SETTINGS, ids=[item.name for item in SETTINGS])
def test_every_setting_has_its_row(item: Setting) -> None:
    [row] = re.findall(rf"^\| `{item.name}` \|.*$", README, re.MULTILINE)
    default = item.show(item.default)
    if isinstance(default, bool):
        default = "yes" if default else "no"
    shown = ", ".join(default) if isinstance(default, list) else default
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == (f"`{shown}`" if shown != "" else "")
    assert cells[2] == item.help
    for variable in item.also:
        assert f"`{variable}`" in cells[3]


def test_every_target_of_make_is_told_by_its_help() -> None:
    makefile = (HOUSE / "Makefile").read_text()
    [targets] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    for target in set(targets.split()) - {"help"}:
        assert f'@echo "make {target} ' in makefile


def test_every_module_says_what_it_is_for() -> None:
    silent = [module.as_posix() for module in modules() if not ast.get_docstring(tree(module))]
    assert not silent, silent


def test_tests_are_not_shipped() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert all(any(fnmatch(package, pattern) for pattern in shipped) for package in ORDER)
    assert not any(fnmatch(name, pattern) for name in ("tests", "tests.cas") for pattern in shipped)
