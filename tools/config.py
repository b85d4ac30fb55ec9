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
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

PREFIX = "FILMCAN_"
CONFIG_VARIABLE = "FILMCAN_CONFIG"
RESOLVE_VARIABLES = ("RESOLVE_SCRIPT_API", "RESOLVE_SCRIPT_LIB", "PROGRAMDATA", "PROGRAMFILES", "APPDATA")
BUILT_IN = "built in"
MIB = 1 << 20
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class ConfigError(Exception):
    """Settings that cannot be used."""


class SettingInvalid(ConfigError):
    def __init__(self, name: str, value: object, origin: str, remedy: str) -> None:
        self.name, self.value, self.origin, self.remedy = name, value, origin, remedy
        super().__init__(f"{name} cannot be {value!r} (from {origin}): {remedy}")


class SettingsFileInvalid(ConfigError):
    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"settings file {path}: {problem}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value. `read` takes what a flag, the environment (text) or TOML gave; its ValueError is the remedy."""

    word: str
    read: Callable[[object], Any]
    is_switch: bool = False


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("write it as text in quotes")
    return value.strip()


def _path(value: object) -> Path:
    text = _text(value) if not isinstance(value, Path) else str(value)
    if not text:
        raise ValueError("name a path")
    return Path(text).expanduser()


def _whole(low: int, high: float = math.inf) -> Callable[[object], int]:
    span = f"from {low} to {high}" if high != math.inf else f"of at least {low}"

    def read(value: object) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"give a whole number {span}")
        return int(text)

    return read


def _seconds(low: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if isinstance(value, bool) or not low <= number < 1e9:
            raise ValueError(f"give a number of seconds, at least {low:g}")
        return number

    return read


def _switch(value: object) -> bool:
    word = str(value).strip().lower()
    if word not in YES | NO:
        raise ValueError("say yes or no (true, false, 1, 0)")
    return word in YES


def _size(value: object) -> int | None:
    text = str(value).strip().lower()
    if text == "auto":
        return None
    found = re.fullmatch(r"([0-9]{1,18})\s*([kmgt]?)(?:i?b)?", text)
    if isinstance(value, bool) or not found:
        raise ValueError("give a size such as 500MiB or 2GiB, or auto")
    return int(found[1]) * UNITS[found[2]]


def _names(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError("give names with commas between them, in TOML a list of texts")
    return tuple(part.strip().strip("/") for part in parts if part.strip().strip("/"))


def _folders(value: object) -> tuple[str, ...]:
    folders = _names(value)
    if any(part in {"", ".", ".."} for folder in folders for part in folder.split("/")):
        raise ValueError("name folders inside a project, such as exports or ingest/proxies")
    return folders


def _whole_paths(value: object) -> tuple[Path, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError("give paths with commas between them, in TOML a list of texts")
    paths = tuple(Path(part.strip()).expanduser() for part in parts if part.strip())
    if not all(path.is_absolute() for path in paths):
        raise ValueError("name whole paths, such as /volumes")
    return paths


def _one_of(*words: str) -> Kind:
    def read(value: object) -> str:
        if str(value).strip().lower() not in words:
            raise ValueError("choose " + " or ".join(words))
        return str(value).strip().lower()

    return Kind(", ".join(words), read)


TEXT = Kind("text", _text)
PATH = Kind("path", _path)
SWITCH = Kind("yes or no", _switch, is_switch=True)
SIZE = Kind("size", _size)


def setting(kind: Kind, default: object, help: str, *, also: tuple[str, ...] = ()) -> Any:
    """A field of `Settings`. `also` are names the systems before filmcan gave the variable; its own name wins."""
    return field(default=default, metadata={"kind": kind, "help": help, "also": also})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, read and checked. `origins` tells for each name where its value came from."""

    root: Path = setting(
        PATH,
        Path("media"),
        "Folder that holds the projects. It is made when it is not there.",
        also=("MEDIA_SYNC_PROJECTS_ROOT", "PROJECT_ROOT"),
    )
    host: str = setting(
        TEXT,
        "",
        "Address to listen on. Empty means this computer only, or every address when `open` is yes.",
        also=("MEDIA_SYNC_HOST",),
    )
    port: int = setting(
        Kind("whole number", _whole(0, 65535)),
        8787,
        "Port to listen on; 0 takes any that is free.",
        also=("MEDIA_SYNC_PORT", "PORT"),
    )
    open: bool = setting(
        SWITCH,
        False,
        "Let everybody on the network read and write without a password. For networks where you trust every device.",
    )
    threads: int = setting(
        Kind("whole number", _whole(4, 1024)),
        64,
        "How many requests are answered at the same moment. A slow upload counts from its first byte to its last.",
    )
    max_upload_mb: int = setting(
        Kind("whole number", _whole(0)),
        0,
        "Largest file that is taken over the network, in MiB; 0 means no limit.",
        also=("MEDIA_SYNC_MAX_UPLOAD_MB",),
    )
    cors_origins: tuple[str, ...] = setting(
        Kind("list of addresses", _names),
        (),
        "Addresses of other websites whose pages may call this server, such as http://studio.local:8790.",
        also=("MEDIA_SYNC_CORS_ORIGINS",),
    )
    auto_reindex: bool = setting(
        SWITCH,
        True,
        "Take in by itself what other programs put into project folders.",
        also=("MEDIA_SYNC_AUTO_REINDEX",),
    )
    reindex_interval_s: float = setting(
        Kind("seconds", _seconds(1)),
        60.0,
        "Seconds between two looks through all folders, where changes are not noticed at once.",
        also=("MEDIA_SYNC_AUTO_REINDEX_INTERVAL_SECONDS",),
    )
    watch: bool = setting(
        SWITCH,
        True,
        "Notice at once, through the operating system, what other programs do in project folders.",
    )
    quiet_s: float = setting(
        Kind("seconds", _seconds(0)),
        1.0,
        "A file found in a project folder is taken in when it has not changed for this many seconds.",
    )
    left_alone: tuple[str, ...] = setting(
        Kind("list of folders", _folders),
        ("exports", "ingest/proxies"),
        "Folders inside each project that are never looked through: other programs work there.",
    )
    other_files: str = setting(
        _one_of("keep", "hide", "refuse"),
        "keep",
        "Uploads that are no media by their names, such as notes.txt: `keep` lists them too, `hide` leaves them out of lists of "
        "media, `refuse` answers 415. What is put there by hand or over WebDAV is kept in any case.",
    )
    case_collisions: str = setting(
        _one_of("keep", "refuse"),
        "keep",
        "What happens to a name that differs only by capital letters from one beside it. Windows cannot use both.",
    )
    reserve_bytes: int | None = setting(
        SIZE,
        None,
        "Space on the disk that is kept free: uploads that would go below it are refused. "
        "`auto` means 2 GiB or 1 % of the disk, whichever is less.",
    )
    keep_days: int = setting(
        Kind("whole number", _whole(0)),
        30,
        "How many days what was deleted or replaced stays in the trash and in the history; 0 means for ever.",
    )
    keep_free: int | None = setting(
        SIZE,
        0,
        "With less than this free on the disk, what was deleted or replaced longest ago is kept for fewer days, but for one "
        "always. 0 means never.",
    )
    mass_delete_limit: int = setting(
        Kind("whole number", _whole(0)),
        200,
        "A device that deletes or replaces more names than this within a minute is paused until you let it go on; 0 means never.",
    )
    thumb_max_w: int = setting(
        Kind("whole number", _whole(16, 4096)),
        640,
        "Longer side of the preview pictures that the server makes, in pixels.",
        also=("MEDIA_SYNC_THUMB_MAX_W",),
    )
    thumb_seek_s: float = setting(
        Kind("seconds", _seconds(0)),
        1.0,
        "Which moment of a clip its preview shows, in seconds from its start; the middle of a clip that is shorter.",
        also=("MEDIA_SYNC_THUMB_SEEK_S",),
    )
    thumb_timeout_s: float = setting(
        Kind("seconds", _seconds(1)),
        25.0,
        "Seconds after which making a preview is given up. Second and third tries, minutes later, have more time.",
        also=("MEDIA_SYNC_THUMB_TIMEOUT_S",),
    )
    safe_copies: int = setting(
        Kind("whole number", _whole(1, 99)),
        1,
        "On how many disks a file must be before a receipt calls it safe. All projects on one disk are one copy.",
    )
    scrub_days: int = setting(
        Kind("whole number", _whole(0, 3650)),
        30,
        "Within so many days every stored clip is read again while serving, quietly, to find what the disk lost; 0 means never.",
    )
    collect: bool = setting(
        SWITCH,
        False,
        "Give back by itself, while serving, the space of clips that no project, trash or history needs any more.",
    )
    collect_after_days: int = setting(
        Kind("whole number", _whole(0, 3650)),
        30,
        "For so many days a clip stays that nothing needs any more, before `collect` may take it.",
    )
    source_parents: tuple[Path, ...] = setting(
        Kind("list of paths", _whole_paths),
        (),
        "Folders below which the roots of sources must lie. Empty means anywhere, for those who use the command line.",
    )
    tls_cert: Path | None = setting(PATH, None, "Certificate file (PEM). With it and `tls_key` the address is https.")
    tls_key: Path | None = setting(PATH, None, "Private key that belongs to `tls_cert` (PEM).")
    log_level: str = setting(
        _one_of("debug", "info", "warning", "error"),
        "info",
        "How much is told while serving.",
    )
    log_json: bool = setting(SWITCH, False, "Tell it as one JSON object a line, for programs that collect logs.")

    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def origin(self, name: str) -> str:
        return self.origins.get(name, BUILT_IN)

    @property
    def address(self) -> str:
        """The address to bind."""
        return self.host or ("0.0.0.0" if self.open else "127.0.0.1")

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"

    @property
    def max_upload_bytes(self) -> int | None:
        return self.max_upload_mb * MIB or None


@dataclass(frozen=True, slots=True)
class Setting:
    """What there is to know about one field of `Settings`."""

    name: str
    kind: Kind
    default: Any
    help: str
    also: tuple[str, ...]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    def read(self, value: object, origin: str) -> Any:
        try:
            return self.kind.read(value)
        except ValueError as error:
            raise SettingInvalid(self.name, value, origin, str(error)) from None

    def show(self, value: Any) -> str | int | float | bool | list[str]:
        """`value` as TOML and JSON can hold it, and as `read` takes it back."""
        if value is None:
            return "auto" if self.kind is SIZE else ""
        if isinstance(value, tuple):
            return [str(part) for part in value]
        return str(value) if isinstance(value, Path) else value


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(item.name, item.metadata["kind"], item.default, item.metadata["help"], item.metadata["also"])
    for item in fields(Settings)
    if "kind" in item.metadata
)
BY_NAME = {item.name: item for item in SETTINGS}

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
