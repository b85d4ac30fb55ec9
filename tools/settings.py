"""Every setting there is: its kind, what is built in, what it means. `tools/config.py` finds out what holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tools.kinds import PATH, SIZE, SWITCH, TEXT, Kind, folders, names, one_of, seconds, whole, whole_paths

PREFIX = "FILMCAN_"
BUILT_IN = "built in"
MIB = 1 << 20


class ConfigError(Exception):
    """Settings that cannot be used."""


class SettingInvalid(ConfigError):
    def __init__(self, name: str, value: object, origin: str, remedy: str) -> None:
        self.name, self.value, self.origin, self.remedy = name, value, origin, remedy
        super().__init__(f"{name} cannot be {value!r} (from {origin}): {remedy}")


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
        Kind("whole number", whole(0, 65535)),
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
        Kind("whole number", whole(4, 1024)),
        64,
        "How many requests are answered at the same moment. A slow upload counts from its first byte to its last.",
    )
    max_upload_mb: int = setting(
        Kind("whole number", whole(0)),
        0,
        "Largest file that is taken over the network, in MiB; 0 means no limit.",
        also=("MEDIA_SYNC_MAX_UPLOAD_MB",),
    )
    cors_origins: tuple[str, ...] = setting(
        Kind("list of addresses", names),
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
        Kind("seconds", seconds(1)),
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
        Kind("seconds", seconds(0)),
        1.0,
        "A file found in a project folder is taken in when it has not changed for this many seconds.",
    )
    left_alone: tuple[str, ...] = setting(
        Kind("list of folders", folders),
        ("exports", "ingest/proxies"),
        "Folders inside each project that are never looked through: other programs work there.",
    )
    other_files: str = setting(
        one_of("keep", "hide", "refuse"),
        "keep",
        "Uploads that are no media by their names, such as notes.txt: `keep` lists them too, `hide` leaves them out of lists of "
        "media, `refuse` answers 415. What is put there by hand or over WebDAV is kept in any case.",
    )
    case_collisions: str = setting(
        one_of("keep", "refuse"),
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
        Kind("whole number", whole(0)),
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
        Kind("whole number", whole(0)),
        200,
        "A device that deletes or replaces more names than this within a minute is paused until you let it go on; 0 means never.",
    )
    thumb_max_w: int = setting(
        Kind("whole number", whole(16, 4096)),
        640,
        "Longer side of the preview pictures that the server makes, in pixels.",
        also=("MEDIA_SYNC_THUMB_MAX_W",),
    )
    thumb_seek_s: float = setting(
        Kind("seconds", seconds(0)),
        1.0,
        "Which moment of a clip its preview shows, in seconds from its start; the middle of a clip that is shorter.",
        also=("MEDIA_SYNC_THUMB_SEEK_S",),
    )
    thumb_timeout_s: float = setting(
        Kind("seconds", seconds(1)),
        25.0,
        "Seconds after which making a preview is given up. Second and third tries, minutes later, have more time.",
        also=("MEDIA_SYNC_THUMB_TIMEOUT_S",),
    )
    safe_copies: int = setting(
        Kind("whole number", whole(1, 99)),
        1,
        "On how many disks a file must be before a receipt calls it safe. All projects on one disk are one copy.",
    )
    scrub_days: int = setting(
        Kind("whole number", whole(0, 3650)),
        30,
        "Within so many days every stored clip is read again while serving, quietly, to find what the disk lost; 0 means never.",
    )
    collect: bool = setting(
        SWITCH,
        False,
        "Give back by itself, while serving, the space of clips that no project, trash or history needs any more.",
    )
    collect_after_days: int = setting(
        Kind("whole number", whole(0, 3650)),
        30,
        "For so many days a clip stays that nothing needs any more, before `collect` may take it.",
    )
    source_parents: tuple[Path, ...] = setting(
        Kind("list of paths", whole_paths),
        (),
        "Folders below which the roots of sources must lie. Empty means anywhere, for those who use the command line.",
    )
    tls_cert: Path | None = setting(PATH, None, "Certificate file (PEM). With it and `tls_key` the address is https.")
    tls_key: Path | None = setting(PATH, None, "Private key that belongs to `tls_cert` (PEM).")
    log_level: str = setting(
        one_of("debug", "info", "warning", "error"),
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
