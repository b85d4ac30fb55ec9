"""Kinds of values that settings have, and how each is read from a flag, a variable or TOML."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value. `read` takes what a flag, the environment (text) or TOML gave; its ValueError is the remedy."""

    word: str
    read: Callable[[object], Any]
    is_switch: bool = False


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("write it as text in quotes")
    return value.strip()


def path(value: object) -> Path:
    written = text(value) if not isinstance(value, Path) else str(value)
    if not written:
        raise ValueError("name a path")
    return Path(written).expanduser()


def whole(low: int, high: float = math.inf) -> Callable[[object], int]:
    span = f"from {low} to {high}" if high != math.inf else f"of at least {low}"

    def read(value: object) -> int:
        digits = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,18}", digits) or not low <= int(digits) <= high:
            raise ValueError(f"give a whole number {span}")
        return int(digits)

    return read


def seconds(low: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if isinstance(value, bool) or not low <= number < 1e9:
            raise ValueError(f"give a number of seconds, at least {low:g}")
        return number

    return read


def switch(value: object) -> bool:
    word = str(value).strip().lower()
    if word not in YES | NO:
        raise ValueError("say yes or no (true, false, 1, 0)")
    return word in YES


def size(value: object) -> int | None:
    word = str(value).strip().lower()
    if word == "auto":
        return None
    found = re.fullmatch(r"([0-9]{1,18})\s*([kmgt]?)(?:i?b)?", word)
    if isinstance(value, bool) or not found:
        raise ValueError("give a size such as 500MiB or 2GiB, or auto")
    return int(found[1]) * UNITS[found[2]]


def names(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError("give names with commas between them, in TOML a list of texts")
    return tuple(part.strip().strip("/") for part in parts if part.strip().strip("/"))


def folders(value: object) -> tuple[str, ...]:
    found = names(value)
    if any(part in {"", ".", ".."} for folder in found for part in folder.split("/")):
        raise ValueError("name folders inside a project, such as exports or ingest/proxies")
    return found


def whole_paths(value: object) -> tuple[Path, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError("give paths with commas between them, in TOML a list of texts")
    paths = tuple(Path(part.strip()).expanduser() for part in parts if part.strip())
    if not all(path.is_absolute() for path in paths):
        raise ValueError("name whole paths, such as /volumes")
    return paths


def one_of(*words: str) -> Kind:
    def read(value: object) -> str:
        if str(value).strip().lower() not in words:
            raise ValueError("choose " + " or ".join(words))
        return str(value).strip().lower()

    return Kind(", ".join(words), read)


TEXT = Kind("text", text)
PATH = Kind("path", path)
SWITCH = Kind("yes or no", switch, is_switch=True)
SIZE = Kind("size", size)
