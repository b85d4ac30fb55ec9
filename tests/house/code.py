"""The project's own source, read as text and trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

HOUSE = Path(__file__).parents[2]
ORDER = ("tools", "davfront", "views", "cas")


class Use(NamedTuple):
    """A name that a module takes from elsewhere: `what` is dotted."""

    room: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.room}:{self.line} uses {self.what}"


@cache
def modules() -> tuple[Path, ...]:
    """Every shipped module, relative to the house."""
    return tuple(path.relative_to(HOUSE) for package in ORDER for path in sorted((HOUSE / package).rglob("*.py")))


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse((HOUSE / module).read_text(encoding="utf-8"), str(module))


def imports() -> Iterator[Use]:
    """Everything imported anywhere, also inside functions and for types only."""
    for module in modules():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Use(module.as_posix(), node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                above = ".".join(module.parent.parts[: len(module.parent.parts) - node.level + 1]) if node.level else ""
                source = ".".join(filter(None, (above, node.module)))
                for alias in node.names:
                    yield Use(module.as_posix(), node.lineno, f"{source}.{alias.name}")


def attributes() -> Iterator[Use]:
    """Every `name.attribute` as it is written, such as os.environ."""
    for module in modules():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield Use(module.as_posix(), node.lineno, f"{node.value.id}.{node.attr}")
