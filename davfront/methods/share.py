"""What every method needs: the Library behind the share, its locks, and the decision whether a write may go ahead.

A decision is made twice with the same words (`Share.permit`): early, from outside, so that a body that will be refused
is never asked for; and inside the commit, as the `guard` of the Library call, where nothing can come between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from davfront import conditions, paths, quirks
from davfront.conditions import ABSENT, Present, Standing
from davfront.errors import DavError, Locked, PreconditionFailed
from davfront.locks import LockRow, Locks
from davfront.props import SECOND_NS
from davfront.upload import Buffers
from views.brake import Act, device_of
from views.edit import Guard
from views.entry import Entry
from views.errors import IsAFolder
from views.library import Library

Environ = dict[str, Any]
Find = Callable[[str], Entry | None]
_REACHING_BELOW = ("DELETE", "MOVE", "COPY")


class Request:
    """One request, read as far as every method needs it.

    asked   the path as the client wrote it, decoded: answers speak of it in the same words
    path    the same in the words of `Library`
    writer  family of the client
    lists   of the `If` header; `tokens` all that it mentions
    user    who it is from, "" when nobody had to say
    raises  DavError 400 for a path or `If` header that cannot be read
    """

    __slots__ = ("asked", "environ", "lists", "method", "path", "script", "slash", "tokens", "user", "writer")

    def __init__(self, environ: Environ) -> None:
        target = paths.from_environ(environ)
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.asked = self.path = target.path
        self.slash = target.slash
        self.script: str = environ.get("SCRIPT_NAME", "")
        self.writer = quirks.family(environ.get("HTTP_USER_AGENT", ""))
        self.user: str = environ.get("REMOTE_USER") or ""
        header = environ.get("HTTP_IF")
        self.lists = conditions.parse_if(header) if header else ()
        self.tokens = conditions.submitted(self.lists)

    def href(self, is_folder: bool) -> str:
        """The URL of what was asked for, as an absolute path."""
        return paths.href(self.script, self.asked, is_folder)

    def depth(self, default: str) -> str:
        """`Depth` in lower case without blanks; `default` when the header is missing."""
        return "".join(self.environ.get("HTTP_DEPTH", default).lower().split())

    def overwrite(self) -> bool:
        text: str = self.environ.get("HTTP_OVERWRITE", "T").strip().upper()
        if text not in ("T", "F"):
            raise DavError(400, "Overwrite is T or F.")
        return text == "T"


@dataclass(frozen=True, slots=True)
class Touch:
    """What a method does to one path, as far as locks are concerned.

    members     everything below changes or goes too
    membership  the path itself comes or goes; None: it comes, if nothing is there
    """

    path: str
    members: bool = False
    membership: bool | None = None


def present(entry: Entry | None) -> Present:
    return Present(True, entry.etag, entry.modified_ns // SECOND_NS) if entry is not None else ABSENT


class Share:
    """A Library as WebDAV shows it. Safe from any thread.

    label   what the top is called where clients show a name
    now_ns  wall clock, for the end of locks
    """

    def __init__(self, library: Library, locks: Locks, *, label: str, now_ns: Callable[[], int]) -> None:
        self.library = library
        self.locks = locks
        self.label = label
        self.now_ns = now_ns
        self.buffers = Buffers()

    # paths

    def settle(self, request: Request) -> None:
        """Take names back that Windows was shown in a safe spelling."""
        request.path = self.real_path(request.path, request.writer)

    def real_path(self, path: str, writer: str) -> str:
        if quirks.has_shown_name(path, writer) and self.library.find(path) is None:
            return quirks.real_path(path)
        return path

    def target(self, url: str, request: Request) -> paths.Target:
        """The path that `Destination` or a tag of `If` names; see `paths.from_url`."""
        target = paths.from_url(url, request.environ)
        return paths.Target(self.real_path(target.path, request.writer), target.slash)

    @staticmethod
    def canonical(path: str, find: Find) -> str:
        """The one path of all that lead to the same place: a project answers to names its clients chose, too."""
        first, slash, rest = path.partition("/")
        entry = find(first) if first else None
        return paths.key(f"{entry.name}{slash}{rest}" if entry is not None else path)

    # may this be written?

    def guard(self, request: Request, *touches: Touch) -> Guard:
        return lambda find: self.permit(request, find, *touches)

    def counting(self, request: Request, guard: Guard, act: Callable[[Find], Act]) -> Guard:
        """A guard that also counts what is taken away by this device, and stops it when that is too much (Paused)."""
        return self.library.brake.guarded(device_of(request.environ), guard, act)

    def permit(self, request: Request, find: Find, *touches: Touch) -> None:
        """Refuse unless preconditions hold and every lock that is touched was named.

        raises  PreconditionFailed, NotModified, Locked
        """
        if conditions.are_asked(request.environ):
            conditions.check(request.environ, present(find(request.path)))
        if request.lists and not conditions.holds(request.lists, lambda tag: self._standing(request, tag, find)):
            raise PreconditionFailed("If")
        if not self.locks.is_empty:
            self._check_locks(request, find, touches)

    def _standing(self, request: Request, tag: str, find: Find) -> Standing:
        try:
            path = self.target(tag, request).path if tag else request.path
        except DavError:
            return Standing(None, frozenset())  # of another server: nothing here can hold for it
        entry, at = find(path), self.canonical(path, find)
        rows = self.locks.covering(at)
        if request.method in _REACHING_BELOW:
            # Finder moves a folder with the token of a lock on something inside it, untagged (WebDAVFS).
            rows += self.locks.below(at)
        return Standing(entry.etag if entry is not None else None, frozenset(row.token for row in rows))

    def _check_locks(self, request: Request, find: Find, touches: tuple[Touch, ...]) -> None:
        missing: list[LockRow] = []
        for touch in touches:
            membership = find(touch.path) is None if touch.membership is None else touch.membership
            missing += self.locks.missing(
                self.canonical(touch.path, find),
                request.tokens,
                request.user,
                members=touch.members,
                membership=membership,
            )
        if missing:
            raise Locked(sorted({row.href for row in missing}))

    def admit_file(self, path: str) -> None:
        """Refuse, before a body is asked for, what the Library would refuse after it.

        raises  NameInvalid, NameReserved, ParentMissing, NotAFolder, IsAFolder, Clash
        """
        with self.library.store.index.read() as txn:
            spot = self.library.tree.spot(txn, path)
            if spot.entry is not None and spot.entry.is_folder:
                raise IsAFolder(spot.path)
            self.library.edit.admit(txn, spot)
