"""Shows files in the file manager of the workstation: Finder, Explorer, or what a Linux desktop has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

WINDOWS_MOST = 5  # Explorer opens a window for each
WAIT_S = 20.0

Command = str | list[str]
Run = Callable[[Command], bool]


def commands(paths: Sequence[Path], platform: str = sys.platform) -> list[list[Command]]:
    """What to run: of each list, the first that works."""
    if platform == "darwin":
        return [[["open", "-R", *map(str, paths)]]]
    if platform == "win32":
        return [[f'explorer /select,"{path}"'] for path in _one_a_folder(paths)[:WINDOWS_MOST]]
    shown = ",".join(path.as_uri() for path in paths)
    bus = [
        "dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.FileManager1", "--type=method_call",
        "/org/freedesktop/FileManager1", "org.freedesktop.FileManager1.ShowItems", f"array:string:{shown}", "string:",
    ]  # fmt: skip
    return [[bus, ["xdg-open", str(paths[0].parent)]]]


def _one_a_folder(paths: Sequence[Path]) -> list[Path]:
    return list({path.parent: path for path in reversed(paths)}.values())[::-1]


def run(command: Command) -> bool:
    """Did it start, and end well?"""
    try:
        done = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 or isinstance(command, str)  # Explorer always answers 1


def show(paths: Sequence[Path], platform: str = sys.platform, run: Run = run) -> bool:
    """Show them; did all of it work?"""
    shown = [any(run(command) for command in choice) for choice in commands(paths, platform)]
    return all(shown)
