"""Settings: the only place that reads the environment and TOML.

A value comes from the last of these that names it:

    built in < the user's file < the root's file < environment < flag

    the user's file   filmcan/config.toml where the platform keeps settings
    the root's file   <root>/.filmcan/config.toml: what belongs to the footage and travels with its disk
    --config FILE     (or FILMCAN_CONFIG) is read instead of both

Everything else receives `Settings`, a frozen value that also knows where each of its values came from.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.settings import BUILT_IN, BY_NAME, PREFIX, SETTINGS, ConfigError, SettingInvalid, Settings

CONFIG_VARIABLE = "FILMCAN_CONFIG"
RESOLVE_VARIABLES = ("RESOLVE_SCRIPT_API", "RESOLVE_SCRIPT_LIB", "PROGRAMDATA", "PROGRAMFILES", "APPDATA")


class SettingsFileInvalid(ConfigError):
    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"settings file {path}: {problem}")


Values = dict[str, tuple[Any, str]]  # name -> value, origin


def load(
    flags: Mapping[str, object] | None = None,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings that hold for this run.

    flags        values by name that the command line gave; None means it was silent about that one
    config_file  what --config named
    environ      stands in for the environment in tests
    raises       ConfigError
    """
    environ = os.environ if environ is None else environ
    given = _from_environment(environ) | _from_flags(flags or {})
    values = _from_files(config_file, environ, given) | given
    settings = replace(
        Settings(),
        **{name: value for name, (value, _) in values.items()},
        origins={name: origin for name, (_, origin) in values.items()},
    )
    _check(settings)
    return replace(settings, root=Path(os.path.abspath(settings.root)))


def files(settings_root: Path, config_file: Path | None = None, environ: Mapping[str, str] | None = None) -> list[Path]:
    """The settings files that are looked for, weakest first, whether they exist or not."""
    named = config_file or (os.environ if environ is None else environ).get(CONFIG_VARIABLE)
    return [Path(named).expanduser()] if named else [user_file(), settings_root / ".filmcan" / "config.toml"]


def user_file() -> Path:
    """Where the platform keeps this user's settings file."""
    import platformdirs

    return platformdirs.user_config_path("filmcan", appauthor=False) / "config.toml"


def as_toml(settings: Settings) -> str:
    """A settings file that says what holds now. What is built in stands there as a comment."""
    import textwrap

    import tomlkit

    file = tomlkit.document()
    for item in SETTINGS:
        for line in textwrap.wrap(f"{item.help} ({item.kind.word}; {item.variable})", 100):
            file.add(tomlkit.comment(line))
        value = item.show(getattr(settings, item.name))
        if settings.origin(item.name) == BUILT_IN:
            file.add(tomlkit.comment(f"{item.name} = {tomlkit.item(value).as_string()}"))
        else:
            file.add(item.name, tomlkit.item(value))
        file.add(tomlkit.nl())
    return tomlkit.dumps(file)


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables that look like settings and are none: most likely misspelt."""
    known = {item.variable for item in SETTINGS} | {CONFIG_VARIABLE}
    return sorted(name for name in (os.environ if environ is None else environ) if _ours(name) and name not in known)


def resolve_folders(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the environment says of where DaVinci Resolve lies, as far as it does (tools/agents/resolve/script.py)."""
    environ = os.environ if environ is None else environ
    return {name: environ[name].strip() for name in RESOLVE_VARIABLES if environ.get(name, "").strip()}


def is_loopback(address: str) -> bool:
    """Whether only this computer reaches `address`."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _ours(variable: str) -> bool:
    return variable.startswith(PREFIX)


def _from_flags(flags: Mapping[str, object]) -> Values:
    return {
        name: (BY_NAME[name].read(value, BY_NAME[name].flag), BY_NAME[name].flag)
        for name, value in flags.items()
        if value is not None
    }


def _from_environment(environ: Mapping[str, str]) -> Values:
    values: Values = {}
    for item in SETTINGS:
        for variable in (item.variable, *item.also):
            if environ.get(variable, "").strip():
                values[item.name] = item.read(environ[variable], variable), variable
                break
    return values


def _from_files(config_file: Path | None, environ: Mapping[str, str], given: Values) -> Values:
    """Values of the settings files; the root's own file is found once the root is known from everywhere else."""
    named = config_file or environ.get(CONFIG_VARIABLE)
    if named:
        return _from_file(Path(named).expanduser(), must_exist=True)
    values = _from_file(user_file())
    root, _ = given.get("root") or values.get("root") or (Settings().root, BUILT_IN)
    own_file = root / ".filmcan" / "config.toml"
    own = _from_file(own_file)
    if "root" in own:
        raise SettingsFileInvalid(own_file, "a root cannot say where it lies: remove the line `root`")
    return values | own


def _from_file(path: Path, must_exist: bool = False) -> Values:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise SettingsFileInvalid(path, "there is no such file") from None
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileInvalid(path, getattr(error, "strerror", None) or str(error)) from None
    return dict(_read_table(path, table))


def _read_table(path: Path, table: Mapping[str, object]) -> Iterator[tuple[str, tuple[Any, str]]]:
    for name, value in table.items():
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, BY_NAME, 2)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; `filmcan config show` lists them all"
            raise SettingsFileInvalid(path, f"there is no setting {name}{hint}")
        if value == "" and BY_NAME[name].default is None:
            continue  # an optional path left blank, as `config show --toml` writes it
        read = BY_NAME[name].read(value, str(path))
        if isinstance(read, Path):
            read = path.parent / read  # paths in a file start at the file, so that it works from everywhere
        yield name, (read, str(path))


def _check(settings: Settings) -> None:
    """Refuse values that do not go together."""
    if bool(settings.tls_cert) != bool(settings.tls_key):
        here, missing = ("tls_cert", "tls_key") if settings.tls_cert else ("tls_key", "tls_cert")
        value = str(getattr(settings, here))
        raise SettingInvalid(here, value, settings.origin(here), f"{missing} is needed with it; give both or none")
    if settings.host and not settings.open and not is_loopback(settings.host):
        remedy = (
            "the network could reach it, and no password protects it; "
            "say --open if you trust every device there, or leave host empty"
        )
        raise SettingInvalid("host", settings.host, settings.origin("host"), remedy)
