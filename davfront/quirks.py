"""Everything done for one client only, each with where we know it from. Nobody else in davfront looks at User-Agent."""

from __future__ import annotations

import re
from functools import lru_cache

# First match wins. Names of families are stored with hidden entries (`Entry.writer`): do not rename them.
_FAMILIES = tuple(
    (re.compile(pattern, re.IGNORECASE), family)
    for pattern, family in (
        (r"Microsoft-WebDAV-MiniRedir|DavClnt", "windows"),
        (r"Microsoft Office|MSOffice|Microsoft-?Word|Microsoft-?Excel|Microsoft Data Access", "office"),
        (r"WebDAVFS|WebDAVLib", "apple"),
        (r"Infuse", "infuse"),
        (r"davfs2", "davfs2"),
        (r"gvfs|libsoup", "gvfs"),
        (r"KIO/|Konqueror|Dolphin", "kde"),
        (r"rclone", "rclone"),
        (r"cadaver", "cadaver"),
        (r"Cyberduck|Mountain ?Duck", "cyberduck"),
        (r"DAVx5|davx", "davx5"),
        (r"VLC|LibVLC", "vlc"),
        (r"Kodi", "kodi"),
        (r"Lavf|libmpv|mpv", "ffmpeg"),
        (r"litmus", "litmus"),
        (r"curl", "curl"),
        (r"CFNetwork|Darwin/", "ios"),  # any app on Apple's URL loading system that does not say more
    )
)
OTHER = "other"


@lru_cache(maxsize=512)
def family(user_agent: str) -> str:
    """Which kind of client this is, "other" when nobody here knows."""
    return next((name for pattern, name in _FAMILIES if pattern.search(user_agent)), OTHER)


def wants_closed_connections(writer: str) -> bool:
    """MiniRedir leaves idle sockets that pile up or stall; copyparty and dufs (#382) close after each answer."""
    return writer == "windows"


# ── who is shown the trash and the past in the listing of the top ────────────────────────────────────────────────────

# File managers that a person walks through. Programs that go through everything (rclone sync and check, davfs2 under find or
# rsync, players that index a share, scripts) would take each moment of each project for one more copy of all footage, and a
# sync would try to delete them. The paths are there for everybody who names them.
_BROWSING = frozenset(("windows", "apple", "gvfs", "kde", "cyberduck", "cadaver"))


def is_browsing(writer: str) -> bool:
    """Is this a client that a person looks around with?"""
    return writer in _BROWSING


# ── files that Finder looks for and that we only pretend to have ────────────────────────────────────────────────────

# Their presence at the top of a volume stops Spotlight and QuickLook from downloading every clip to index it and to
# draw a thumbnail (miquels/webdav-handler-rs doc/APPLE-Finder-hints). A volume may be the whole share or one project.
PRETENDED_NAMES = frozenset((".metadata_never_index", ".ql_disablethumbnails"))
_PRETENDED_DEPTH = 2
_APPLE = frozenset(("apple", "ios"))


def is_pretended(path: str, writer: str) -> bool:
    """Whether this client is told that an empty file lies at `path`; it is in no listing and cannot be written."""
    if writer not in _APPLE or ("metadata_never" not in path and "ql_disable" not in path):
        return False
    names = path.split("/")
    return len(names) <= _PRETENDED_DEPTH and names[-1] in PRETENDED_NAMES


# ── names that Windows cannot hold ──────────────────────────────────────────────────────────────────────────────────

# A listing with one of these characters makes the whole folder inaccessible in Explorer (copyparty README). They are
# shown as the private characters that SMB uses for the same purpose (Services for Macintosh, KB 117258; Linux
# fs/smb/client/ cifs_unicode.h SFM_*; Samba vfs_fruit `fruit:encoding = private`), so the name is the same over both
# protocols.
_SHOWN = {'"': "\uf020", "*": "\uf021", ":": "\uf022", "<": "\uf023", ">": "\uf024", "?": "\uf025", "|": "\uf027"}
_SHOWN_LAST = {" ": "\uf028", ".": "\uf029"}
_TO_WINDOWS = str.maketrans(_SHOWN)
_FROM_WINDOWS = str.maketrans({shown: real for real, shown in (_SHOWN | _SHOWN_LAST).items()})
_UNSAFE = re.compile(r'["*:<>?|]|[ .]\Z')
_PRIVATE = re.compile("[\uf020-\uf025\uf027-\uf029]")


def name_for(name: str, writer: str) -> str:
    """How a name is shown to this client."""
    if writer != "windows" or not _UNSAFE.search(name):
        return name
    shown = name.translate(_TO_WINDOWS)
    return shown[:-1] + _SHOWN_LAST.get(shown[-1], shown[-1])


def has_shown_name(path: str, writer: str) -> bool:
    """Whether `path` may hold names as `name_for` shows them."""
    return writer == "windows" and bool(_PRIVATE.search(path))


def real_path(path: str) -> str:
    """The path whose names `name_for` showed."""
    return path.translate(_FROM_WINDOWS)
