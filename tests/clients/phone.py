"""An iPhone that uploads: "Resumable Uploads for HTTP" over a bare socket, in the words of one interop version.

URLSession puts these fields on every upload task (iOS 17 speaks version 3, 18 and later 6); it waits for nothing, but here the
104 is waited for, so that a test knows where the upload is before a byte of it has gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from .server import Project
from .wire import Answer, Wire

PARTIAL = "application/partial-upload"


@dataclass
class Phone:
    """One phone that sends into one project. `door` is (host, port) where that is not the server's own."""

    project: Project
    interop: int
    door: tuple[str, int] | None = None
    way: str = "/api/uploads?project={project}&filename={name}"
    heard: list[Answer] = field(default_factory=list)  # every interim answer

    def words(self, last: bool) -> dict[str, str]:
        said = {"Upload-Draft-Interop-Version": str(self.interop)}
        if self.interop == 3:
            return said | {"Upload-Incomplete": "?0" if last else "?1"}
        return said | {"Upload-Complete": "?1" if last else "?0"}

    def wire(self) -> Wire:
        return Wire(*self.door) if self.door else self.project.server.wire()

    def target(self, name: str) -> str:
        return self.way.format(project=quote(self.project.name), name=quote(name))

    def begin(
        self, wire: Wire, name: str, size: int, *, last: bool = True, whole: int | None = None, verb: str = "POST", **more: str
    ) -> str:
        """Send the head of an upload whose first request brings `size` bytes; where it can be gone on with, as the 104 says."""
        fields = {**self.words(last), "Content-Length": str(size), "Content-Type": "video/quicktime", **self._more(more)}
        if self.interop >= 6 and (last or whole):
            fields["Upload-Length"] = str(size if whole is None else whole)
        self._head(wire, verb, self.target(name), fields)
        interim = wire.one_answer(verb)
        self.heard.append(interim)
        assert interim.status == 104, interim
        return interim.header("Location") or ""

    def upload(self, name: str, data: bytes, *, last: bool = True, whole: int | None = None, **more: str) -> tuple[str, Answer]:
        """The location and the final answer."""
        with self.wire() as wire:
            place = self.begin(wire, name, len(data), last=last, whole=whole, **more)
            wire.send(data)
            return place, wire.answer("POST")

    def head(self, place: str) -> Answer:
        return self._ask("HEAD", place, {"Upload-Draft-Interop-Version": str(self.interop)})

    def offset(self, place: str) -> int:
        answer = self.head(place)
        assert answer.status == 204, answer
        return int(answer.header("Upload-Offset") or "")

    def patch(self, place: str, offset: int, data: bytes, *, last: bool = True, **more: str) -> Answer:
        return self._ask("PATCH", place, self._appending(offset, last, more), data)

    def patch_half(self, wire: Wire, place: str, offset: int, size: int) -> None:
        """The head of an append, once the server asks for its `size` bytes; they are the caller's to send."""
        fields = {**self._appending(offset, True, {}), "Content-Length": str(size), "Expect": "100-continue"}
        self._head(wire, "PATCH", urlsplit(place).path, fields)
        interim = wire.one_answer("PATCH")
        assert interim.status == 100, interim

    def _appending(self, offset: int, last: bool, more: dict[str, str]) -> dict[str, str]:
        kind = {"Content-Type": PARTIAL} if self.interop >= 6 else {}
        return {**self.words(last), "Upload-Offset": str(offset), **kind, **self._more(more)}

    def delete(self, place: str) -> Answer:
        return self._ask("DELETE", place, {"Upload-Draft-Interop-Version": str(self.interop)})

    @staticmethod
    def _more(more: dict[str, str]) -> dict[str, str]:
        return {name.replace("_", "-"): value for name, value in more.items()}

    def _head(self, wire: Wire, verb: str, target: str, fields: dict[str, str]) -> None:
        lines = {"Host": f"{wire.host}:{wire.port}", "User-Agent": "Film/1 CFNetwork/1568.100.1 Darwin/24.0.0", **fields}
        said = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        wire.send(f"{verb} {target} HTTP/1.1\r\n{said}\r\n".encode())

    def _ask(self, verb: str, place: str, fields: dict[str, str], body: bytes = b"") -> Answer:
        with self.wire() as wire:
            return wire.ask(verb, urlsplit(place).path, fields, body)
