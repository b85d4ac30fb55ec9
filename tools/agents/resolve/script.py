"""Finds Resolve's scripting module and the running Resolve, where the README of its scripting API says they are."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionscript import Resolve

MODULE, LIBRARY = "DaVinciResolveScript", "fusionscript"
VENDOR = "Blackmagic Design/DaVinci Resolve"
API, LIB = "RESOLVE_SCRIPT_API", "RESOLVE_SCRIPT_LIB"

Folders = Mapping[str, str]  # variables of the environment, as tools/config.py read them


class NoResolve(Exception):
    """Resolve's scripting module is not on this machine, or this Python cannot load it."""


def modules(folders: Folders, platform: str = sys.platform) -> list[Path]:
    """Folders in which DaVinciResolveScript.py may lie, the one somebody named first."""
    named = [Path(folders[API])] if folders.get(API) else []
    if platform == "darwin":
        usual = [Path("/Library/Application Support") / VENDOR / "Developer/Scripting"]
    elif platform == "win32":
        usual = [Path(folders.get("PROGRAMDATA") or "C:/ProgramData") / VENDOR / "Support/Developer/Scripting"]
    else:
        usual = [Path("/opt/resolve/Developer/Scripting"), Path("/home/resolve/Developer/Scripting")]
    return [folder / "Modules" for folder in (*named, *usual)]


def libraries(folders: Folders, platform: str = sys.platform) -> list[Path]:
    """Files that may be the library behind the module, the one somebody named first."""
    named = [Path(folders[LIB])] if folders.get(LIB) else []
    if platform == "darwin":
        apps = ("DaVinci Resolve/DaVinci Resolve.app", "DaVinci Resolve.app", "DaVinci Resolve Studio.app")
        usual = [Path("/Applications") / app / "Contents/Libraries/Fusion/fusionscript.so" for app in apps]
    elif platform == "win32":
        usual = [Path(folders.get("PROGRAMFILES") or "C:/Program Files") / VENDOR / "fusionscript.dll"]
    else:
        usual = [Path("/opt/resolve/libs/Fusion/fusionscript.so"), Path("/home/resolve/libs/Fusion/fusionscript.so")]
    return [*named, *usual]


def load(folders: Folders, platform: str = sys.platform) -> Any:
    """The scripting module. NoResolve, with what was tried.

    The library is loaded by itself where the module cannot be: older ones need `imp`, which Python 3.12 has no more.
    """
    problems = []
    for way in _ways(folders, platform):
        try:
            module = way()
        except Exception as error:  # the module is somebody else's code and fails in its own ways
            problems.append(str(error))
            continue
        if callable(getattr(module, "scriptapp", None)):
            return module
    raise NoResolve(
        "Resolve's scripting module cannot be loaded; install DaVinci Resolve, or say where it is with "
        f"{API} and {LIB} ({'; '.join(dict.fromkeys(problems))})"
    )


def _ways(folders: Folders, platform: str) -> Iterator[Any]:
    for folder in modules(folders, platform):
        if (folder / f"{MODULE}.py").is_file():
            yield lambda folder=folder: _import_from(folder)
    for library in libraries(folders, platform):
        if library.is_file():
            yield lambda library=library: _load_library(library)
    yield lambda: importlib.import_module(MODULE)  # PYTHONPATH may lead to it


def _import_from(folder: Path) -> Any:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return importlib.import_module(MODULE)


def _load_library(path: Path) -> Any:
    loader = importlib.machinery.ExtensionFileLoader(LIBRARY, str(path))
    spec = importlib.util.spec_from_loader(LIBRARY, loader)
    if spec is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def connect(module: Any) -> Resolve | None:
    """The running Resolve; None when it does not run, or does not let scripts in."""
    try:
        resolve: Resolve | None = module.scriptapp("Resolve")
        return resolve if resolve and resolve.GetProjectManager() else None
    except Exception:  # a Resolve that is just starting or ending fails in its own ways
        return None


def menu_folder(folders: Folders, home: Path, platform: str = sys.platform) -> Path:
    """Where Resolve looks for scripts that its menu shows."""
    if platform == "darwin":
        return home / "Library/Application Support" / VENDOR / "Fusion/Scripts/Utility"
    if platform == "win32":
        data = Path(folders["APPDATA"]) if folders.get("APPDATA") else home / "AppData/Roaming"
        return data / VENDOR / "Support/Fusion/Scripts/Utility"
    return home / ".local/share/DaVinciResolve/Fusion/Scripts/Utility"
