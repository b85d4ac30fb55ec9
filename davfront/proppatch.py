"""What one PROPPATCH does to an entry, collected before any of it is done: all or nothing (RFC 4918 §9.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element

from davfront import conditions
from davfront.errors import DavError
from davfront.props import LIVE, SECOND_NS

_MODIFIED = ("{DAV:}getlastmodified", "{DAV:}lastmodified", "{urn:schemas-microsoft-com:}Win32LastModifiedTime")
_CREATED = ("{DAV:}creationdate", "{urn:schemas-microsoft-com:}Win32CreationTime")
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
DEAD_BYTES_MOST = 64 << 10  # of all dead properties of one entry


def pass_on_language(update: Element) -> None:
    """Write the `xml:lang` that holds for each property onto the property itself, so that it is kept with it (§4.3)."""
    for action in update:
        for prop in action:
            language = prop.get(_LANGUAGE) or action.get(_LANGUAGE) or update.get(_LANGUAGE)
            for element in prop:
                if language and _LANGUAGE not in element.attrib:
                    element.set(_LANGUAGE, language)


class Protected(DavError):
    """A live property that only the server sets (RFC 4918 §16, cannot-modify-protected-property)."""

    def __init__(self, name: str) -> None:
        super().__init__(403, f"{name} is set by the server.", condition="cannot-modify-protected-property")


class Change:
    """What one PROPPATCH does to an entry, collected before any of it is done."""

    def __init__(self) -> None:
        self.modified_ns: int | None = None
        self.created_ns: int | None = None
        self.props: dict[str, str | None] = {}  # None removes

    def set(self, name: str, text: str, element: str) -> None:
        """Plan one property; `text` is its plain content, `element` the whole of it serialised.

        raises  Protected; DavError 409 for a time that is none
        """
        if name in _MODIFIED:
            self.modified_ns = _nanoseconds(name, text)
        elif name in _CREATED:
            self.created_ns = _nanoseconds(name, text)
        elif name in LIVE:
            raise Protected(name)
        else:
            self.props[name] = element

    def remove(self, name: str) -> None:
        """Plan to take a property away. Removing what is not there is no error (RFC 4918 §14.23)."""
        if name in LIVE:
            raise Protected(name)
        self.props[name] = None

    def check_room(self, kept: Mapping[str, str]) -> None:
        after = {**kept, **self.props}
        if sum(len(name) + len(element) for name, element in after.items() if element) > DEAD_BYTES_MOST:
            raise DavError(507, f"The properties of one resource may have {DEAD_BYTES_MOST} bytes together.")

    @property
    def set_props(self) -> dict[str, str]:
        return {name: element for name, element in self.props.items() if element is not None}

    @property
    def remove_props(self) -> Sequence[str]:
        return [name for name, element in self.props.items() if element is None]


def _nanoseconds(name: str, text: str) -> int:
    seconds = _iso_seconds(text) if name.endswith("creationdate") else None
    if seconds is None:
        seconds = int(text) if text.strip().isdecimal() and text.isascii() else conditions.parse_date(text)
    if seconds is None or not 0 <= seconds < 1 << 33:
        raise DavError(409, f"{name} needs a time, not {text[:80]!r}.")
    return seconds * SECOND_NS


def _iso_seconds(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.tzinfo is not None else None
