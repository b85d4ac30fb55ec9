"""Rules for names: what a name may be, which names are equal, how projects are called, what is client junk. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from cas.digest import TAG_BYTES, tag
from views.errors import NameInvalid

MAX_NAME_BYTES = 200  # durability reference §7: leaves room below the 255 bytes of most file systems
FOLD_BYTES = 200  # longer folded names are cut and hashed: LMDB keys end at 511 bytes
BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")  # can show a name as another
WINDOWS_CHARS = set('<>:"|?*')
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
GENERATED = ("index.json", "_manifest", "ascmhl")
KEYS_KEPT = 8192  # one request asks for the keys of the same few names a dozen times
CATCH_ALL = "Unsorted-Loose"
DEFAULT_LABEL = "Project"
PROJECT = re.compile(r"P(\d+)-(.+)", re.DOTALL)

JUNK_NAMES = {
    ".ds_store", ".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems", ".documentrevisions-v100",
    ".apdisk", ".volumeicon.icns", "thumbs.db", "ehthumbs.db", "desktop.ini", "4913",
}  # fmt: skip
JUNK_PATTERNS = re.compile(
    r"\._.+"  # AppleDouble halves (webdav-clients §14.11)
    r"|~\$.*|~wr[a-z]\d*\.tmp|.+\.tmp|[0-9a-f]{8}\.tmp"  # Office (§10)
    r"|\.~lock\..*#"  # LibreOffice
    r"|\.goutputstream-.+"  # GLib
    r"|.+\.sb-[0-9a-f]{8}-[a-z0-9]{6}"  # macOS safe save
    r"|\..+\.sw[a-z]|.+\.part",  # vim, browsers
    re.DOTALL,
)


def nfc(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def check(name: str) -> None:
    """NameInvalid when nothing may be called `name` on any host."""
    why = _why_invalid(name)
    if why:
        raise NameInvalid(name, why=why)


def _why_invalid(name: str) -> str:
    if not name or name in (".", ".."):
        return "it is empty or a step in a path"
    if "/" in name or "\\" in name:
        return "slashes separate folders"
    if not name.isprintable():
        if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
            return "it holds control characters or is not UTF-8"
        if BIDI & set(name):
            return "it holds characters that turn the reading direction"
    if len(nfc(name).encode()) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    if name.casefold() == ".filmcan":
        return "filmcan keeps its store there"
    return ""


def fold(name: str) -> bytes:
    """The part of a name's key that equal-but-for-case names share: NFD, case folding, NFC, UTF-8; cut and hashed when long."""
    text = name.casefold() if name.isascii() else nfc(unicodedata.normalize("NFD", name).casefold())
    return _cut(text.encode("utf-8", "surrogatepass"))


def _cut(data: bytes) -> bytes:
    """Bytes short enough for a key; what is longer ends with a hash of all of it."""
    return data if len(data) <= FOLD_BYTES else data[: FOLD_BYTES - TAG_BYTES] + tag(data)


@lru_cache(maxsize=KEYS_KEPT)
def key(name: str) -> bytes:
    """The key of a name inside its folder: folded form, zero, NFC form. At most 401 bytes; sorts without regard to case."""
    return fold(name) + b"\0" + _cut(nfc(name).encode("utf-8", "surrogatepass"))


def is_junk(name: str) -> bool:
    """Is this what a client's system leaves behind rather than what a person made?"""
    lower = name.lower()
    return lower in JUNK_NAMES or JUNK_PATTERNS.fullmatch(lower) is not None


def is_generated(name: str) -> bool:
    """Does filmcan write this name in a project's folder itself, and nobody else?"""
    return nfc(name).lower() in GENERATED


def windows_cannot(name: str) -> str:
    """Why Windows cannot hold this name; "" when it can."""
    if set(name) & WINDOWS_CHARS:
        return "it holds one of " + " ".join(sorted(set(name) & WINDOWS_CHARS))
    if name[-1:] in (".", " "):
        return "it ends with a dot or a blank"
    if name.split(".")[0].rstrip().lower() in WINDOWS_DEVICES:
        return "it is the name of a device"
    return ""


def clean_label(text: str | None) -> str:
    """A label from what a person typed: runs of anything but letters, digits, `.`, `_`, `-` become one `-`, runs of dots one."""
    label = nfc((text or "").strip())
    label = "".join(char if char.isalnum() or unicodedata.combining(char) or char in "._-" else "-" for char in label)
    label = re.sub(r"\.{2,}", ".", re.sub(r"-{2,}", "-", label)).strip("-").lstrip("._-")
    while len(label.encode()) > MAX_NAME_BYTES - 20:
        label = label[:-1]
    return label.rstrip(".-") or DEFAULT_LABEL


def project_number(name: str) -> int | None:
    """The n of `P<n>-<something>`; None for every other name. `P007-x` counts as 7."""
    match = PROJECT.fullmatch(name)
    return int(match[1]) if match and match[2].strip() else None


def is_project_name(name: str) -> bool:
    """May this folder at the top be a project as it is called? `P<n>-…` and the catch-all."""
    return name == CATCH_ALL or project_number(name) is not None


def names_itself(wanted: str | None) -> bool:
    """Is this already a whole project name, to be taken as it is: `P9-X`, the catch-all?"""
    text = nfc((wanted or "").strip())
    match = PROJECT.fullmatch(text)
    return text == CATCH_ALL or bool(match and match[2].strip("-. "))


def project_name(wanted: str | None, numbers: set[int]) -> str:
    """The folder name for a new project.

    wanted    a label, or a whole `P<n>-<label>`, which is taken verbatim (its label cleaned)
    numbers   the numbers in use; the next is the highest plus one, gaps stay
    """
    text = nfc((wanted or "").strip())
    if text == CATCH_ALL:
        return text
    match = PROJECT.fullmatch(text)
    if match and names_itself(text):
        return f"P{match[1]}-{clean_label(match[2])}"
    return f"P{max(numbers, default=0) + 1}-{clean_label(text)}"
