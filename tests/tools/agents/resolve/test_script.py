"""Where Resolve's module, its menu and the file manager are, on three systems."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tools.agents.resolve import reveal, script


def test_the_documented_places_are_looked_at_on_each_system() -> None:
    [mac] = script.modules({}, "darwin")
    assert str(mac) == "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Developer/Scripting/Modules"
    windows = {"PROGRAMDATA": "D:/Data", "PROGRAMFILES": "D:/Programs"}
    [module] = script.modules(windows, "win32")
    assert str(module) == "D:/Data/Blackmagic Design/DaVinci Resolve/Support/Developer/Scripting/Modules"
    [library] = script.libraries(windows, "win32")
    assert str(library) == "D:/Programs/Blackmagic Design/DaVinci Resolve/fusionscript.dll"
    assert Path("/opt/resolve/Developer/Scripting/Modules") in script.modules({}, "linux")
    assert Path("/opt/resolve/libs/Fusion/fusionscript.so") in script.libraries({}, "linux")


def test_what_the_environment_names_comes_first() -> None:
    folders = {script.API: "/x/api", script.LIB: "/x/lib.so"}
    for platform in ("darwin", "win32", "linux"):
        assert script.modules(folders, platform)[0] == Path("/x/api/Modules")
        assert script.libraries(folders, platform)[0] == Path("/x/lib.so")


def test_without_resolve_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, script.MODULE, raising=False)
    broken = tmp_path / "lib.so"
    broken.write_bytes(b"no library")
    with pytest.raises(script.NoResolve, match="RESOLVE_SCRIPT_API"):
        script.load({script.API: str(tmp_path), script.LIB: str(broken)})


def test_a_module_that_fails_in_its_own_way_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, script.MODULE, raising=False)
    (tmp_path / "Modules").mkdir()
    (tmp_path / "Modules" / f"{script.MODULE}.py").write_text("import imp_that_is_gone\n")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "Modules" not in path])
    with pytest.raises(script.NoResolve, match="imp_that_is_gone"):
        script.load({script.API: str(tmp_path)})


def test_a_resolve_that_does_not_run_is_none(module: Any, world: Any) -> None:
    assert script.connect(module) is not None
    world.running = False
    assert script.connect(module) is None
    world.running = world.gone = True
    assert script.connect(module) is None
    assert script.connect(object()) is None


def test_the_menu_of_each_system() -> None:
    home = Path("/home/anna")
    assert script.menu_folder({}, home, "darwin").relative_to(home).parts[:2] == ("Library", "Application Support")
    assert script.menu_folder({"APPDATA": "/r"}, home, "win32") == Path("/r") / script.VENDOR / "Support/Fusion/Scripts/Utility"
    assert script.menu_folder({}, home, "linux") == home / ".local/share/DaVinciResolve/Fusion/Scripts/Utility"


def test_each_file_manager_is_asked_in_its_own_words(tmp_path: Path) -> None:
    paths = [tmp_path / "a, b.mov", tmp_path / "c.mov", tmp_path / "x" / "d.mov"]
    assert reveal.commands(paths, "darwin") == [[["open", "-R", *map(str, paths)]]]
    assert reveal.commands(paths, "win32") == [[f'explorer /select,"{paths[0]}"'], [f'explorer /select,"{paths[2]}"']]
    [[bus, folder]] = reveal.commands(paths, "linux")
    assert bus[-2].count(",") == 2 and "a%2C%20b.mov" in bus[-2]
    assert folder == ["xdg-open", str(tmp_path)]


def test_the_second_way_is_taken_when_the_first_fails(tmp_path: Path) -> None:
    ran: list[Any] = []

    def run(command: Any) -> bool:
        ran.append(command[0])
        return command[0] == "xdg-open"

    assert reveal.show([tmp_path / "a.mov"], "linux", run) and ran == ["dbus-send", "xdg-open"]
    assert not reveal.show([tmp_path / "a.mov"], "darwin", run)


def test_a_program_that_is_not_there_did_not_work() -> None:
    assert not reveal.run(["/no/such/program"])
    assert reveal.run([sys.executable, "-c", ""]) and not reveal.run([sys.executable, "-c", "raise SystemExit(3)"])
