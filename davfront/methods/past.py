"""The trash and the past as a share shows them: to look at, to copy out of, and to move out of the trash."""

from __future__ import annotations

from davfront.errors import DavError
from davfront.methods.response import Header, allow
from views.entry import Entry, Kind
from views.past import HISTORY_NAME, TRASH_NAME, is_past, is_trash

LOOKING = ("OPTIONS", "GET", "HEAD", "PROPFIND", "COPY")
CHANGING = ("PUT", "DELETE", "MKCOL", "MOVE", "PROPPATCH", "LOCK", "UNLOCK")
NAMES = (TRASH_NAME, HISTORY_NAME)


def allowed(path: str) -> Header:
    """`Allow` for a path into the past."""
    return allow((*LOOKING, "MOVE") if is_trash(path) else LOOKING)


def refuse_change(method: str, path: str) -> None:
    """403 for a request that would change what was. DELETE too: nothing is emptied over WebDAV."""
    if not is_past(path) or method not in CHANGING or (method == "MOVE" and is_trash(path)):
        return
    if path.startswith(TRASH_NAME):
        said = "The trash is emptied by age, not over WebDAV. To bring something back, move or copy it out of _trash."
    else:
        said = "_history shows what was and cannot be changed. To bring something back, copy it out."
    raise DavError(403, said, headers=[allowed(path)])


def refuse_target(path: str) -> None:
    """403 for a copy or a move into the past."""
    if is_past(path):
        raise DavError(403, "Nothing can be put into _trash or _history. What is deleted goes to the trash by itself.")


def at_top(top: Entry) -> list[Entry]:
    """What is listed beside the projects."""
    return [Entry(0, Kind.FOLDER, name, top.modified_ns, top.created_ns) for name in NAMES]
