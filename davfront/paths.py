"""URLs and Library paths: taken apart before they are decoded, decoded once, put together again for hrefs.

A path here is what `Library` takes: names joined by "/", no slash at either end, "" for the top. Which names are
allowed is the Library's to say; refused here is only what could be misread on the way there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from davfront.errors import DavError

# RFC 3986 sub-delims and pchar that stay bare. gvfs chokes on %28 in an href (webdav-clients.md §6); "&" would have to
# be escaped once more for XML, ";" is taken for the start of parameters by old clients, so those two are escaped.
HREF_SAFE = "!$'()*+,=:@~"
_PLAIN = re.compile(r"[A-Za-z0-9._\-~!$'()*+,=:@]*\Z")
_DESTINATION = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)([?#].*)?\Z", re.DOTALL)
_SCHEMES = ("", "http", "https", "webdav", "webdavs", "dav", "davs")  # KDE builds Destination from webdav(s):// URLs
_DEFAULT_PORTS = ("80", "443")


@dataclass(frozen=True, slots=True)
class Target:
    """A path that a URL named.

    path   as `Library` takes it
    slash  whether the URL ended with "/", which only a folder's should
    """

    path: str
    slash: bool

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def from_environ(environ: Mapping[str, Any]) -> Target:
    """The target of the request itself; PATH_INFO holds the decoded bytes as Latin-1 (PEP 3333)."""
    return _of_path(environ.get("PATH_INFO", ""))


@lru_cache(maxsize=512)  # a player asks for one path hundreds of times
def _of_path(path: str) -> Target:
    return _target(path.encode("latin-1").split(b"/"))


def _target(segments: list[bytes]) -> Target:
    """Doubled slashes are one: clients join a base that ends with "/" to a path that begins with one."""
    names = [_name(segment) for segment in segments if segment]
    return Target("/".join(names), not segments[-1])


def _name(segment: bytes) -> str:
    try:
        name = segment.decode()
    except UnicodeDecodeError:
        raise DavError(400, "A name in the URL is not UTF-8.") from None
    if name in (".", "..") or "/" in name or "\0" in name:
        raise DavError(400, f"The URL has a part that no name may be: {name!r}")
    return name


def from_url(url: str, environ: Mapping[str, Any]) -> Target:
    """The target of an absolute URL or absolute path, as it stands in `Destination` and in tags of `If`.

    The URL is taken apart while still escaped: `%3F`, `%3B` and `%23` are characters of names, and decoding them first
    cuts names in two (stock wsgidav stored `a?b.txt` as `a`).

    raises  DavError 400 when it cannot be read, 502 when it is not below this share (RFC 4918 §9.8.5)
    """
    match = _DESTINATION.match(url.strip())
    if match is None or match[4] or not match[3].startswith("/"):
        raise DavError(400, f"Not a URL that can be a destination: {url[:200]!r}")
    scheme, authority = (match[1] or "").lower(), match[2]
    if scheme not in _SCHEMES or (authority is not None and not _is_here(authority, environ)):
        raise DavError(502, "The destination is on another server.")
    target = _target([unquote_to_bytes(segment) for segment in match[3].split("/")])
    return _below_share(target, environ.get("SCRIPT_NAME", ""))


def _below_share(target: Target, script_name: str) -> Target:
    share = script_name.strip("/")
    if not share:
        return target
    if target.path == share:
        return Target("", True)
    if not target.path.startswith(share + "/"):
        raise DavError(502, "The destination is outside this share.")
    return Target(target.path[len(share) + 1 :], target.slash)


def _is_here(authority: str, environ: Mapping[str, Any]) -> bool:
    """Whether a client means us: default ports, case and user names aside, and as a proxy in front of us is called."""
    ours = (environ.get("HTTP_HOST", ""), environ.get("HTTP_X_FORWARDED_HOST", ""), _server(environ))
    return _bare(authority) in {_bare(one) for one in ours if one}


def _server(environ: Mapping[str, Any]) -> str:
    name = environ.get("SERVER_NAME", "")
    return f"{name}:{environ.get('SERVER_PORT', '')}" if name else ""


def _bare(authority: str) -> str:
    """Host in lower case without user name and without port 80 or 443, either of which a TLS proxy may leave out."""
    host = authority.rpartition("@")[2].lower()
    name, colon, port = host.rpartition(":")
    return name if colon and (port in _DEFAULT_PORTS or not port) and not name.endswith(":") else host


# ── hrefs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4096)
def escape_name(name: str) -> str:
    """One name as a URL segment, ready for XML too."""
    return name if _PLAIN.match(name) else quote(name, safe=HREF_SAFE)


def href(script_name: str, path: str, is_folder: bool) -> str:
    """The absolute path of a resource. Folders end with "/", files never do (RFC 4918 §5.2)."""
    below = "/".join(escape_name(name) for name in path.split("/"))
    whole = f"{quote(script_name, safe='/' + HREF_SAFE)}/{below}"
    return whole + "/" if is_folder and not whole.endswith("/") else whole


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def is_below(path: str, folder: str) -> bool:
    """Whether `path` lies inside `folder`; a path is not inside itself."""
    return path != folder and (not folder or path.startswith(folder + "/"))


def key(path: str) -> str:
    """What two spellings of the same path have in common (the tree compares names by NFC)."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)
