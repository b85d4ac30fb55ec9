"""Says what a script says and listens as its client listens. The language is told in `script.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from xml.etree.ElementTree import Element, ParseError, fromstring

from .script import Step, read_script
from .server import Project
from .wire import Answer, Wire

PREFIXES = {
    "DAV:": "",
    "http://apache.org/dav/props/": "apache:",
    "http://owncloud.org/ns": "oc:",
    "http://www.apple.com/webdav_fs/props/": "apple:",
    "urn:schemas-microsoft-com:": "ms:",
}
SLICE = re.compile(r"(\w+)(?:\[(-?\d*):(-?\d*)\])?")


class Replay:
    """One client at work in one project.

    What it has learned from answers is in `known`, what it has sent in `contents`.
    """

    def __init__(self, file: Path, project: Project) -> None:
        self.file = file
        self.project = project
        server = project.server
        self.known = {
            "home": f"/dav/{project.name}",
            "host": f"{server.host}:{server.port}",
            "name": project.name,
        }
        self.contents = {"nothing": b""}
        self.wires: dict[str, Wire] = {}
        self.current = "one"

    def run(self) -> None:
        try:
            for step in read_script(self.file):
                self._step(step)
        finally:
            for wire in self.wires.values():
                wire.close()

    def _step(self, step: Step) -> None:
        if step.verb == "CONNECTION":
            self.current = step.target
        elif step.verb == "DISK":
            self._look(step)
        else:
            self._converse(step)

    def _look(self, step: Step) -> None:
        file = self.project.on_disk(step.target)
        found = file.read_bytes() if file else None
        wanted = self._content(step.on_disk) if step.on_disk else None
        assert found == wanted, self._told(
            step, "on disk: nothing" if found is None else f"on disk: {len(found)} bytes"
        )

    def _converse(self, step: Step) -> None:
        answer = self._ask(step)
        if answer is None:
            return
        assert str(answer.status) in step.statuses, self._told(step, _shown(answer))
        for wish in step.wanted:
            assert self._granted(wish, answer), self._told(step, f"wanted: {self._filled(wish)}\n{_shown(answer)}")

    def _ask(self, step: Step) -> Answer | None:
        """None when the script hangs up before the answer."""
        body = self._body(step)
        wire = self._wire()
        if any(name.lower() == "expect" for name, _ in step.headers):
            wire.send(self._head(step, body))
            first = wire.one_answer(step.verb)
            if first.status != 100:
                return self._ended(first)
            self._send(wire, b"", body, step)
        else:
            self._send(wire, self._head(step, body), body, step)
        if step.cut_bytes is not None:
            self._drop()
            return None
        return self._ended(wire.answer(step.verb))

    def _send(self, wire: Wire, head: bytes, body: bytes, step: Step) -> None:
        """A server may answer and hang up before it has everything; its answer still counts."""
        try:
            wire.send(head + b"".join(_framed(body, step)))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _head(self, step: Step, body: bytes) -> bytes:
        target = self._filled(step.target)
        if not target.startswith("/"):
            target = f"{self.known['home']}/{target}"
        headers = [("Host", self.known["host"]), *step.headers]
        names = {name.lower() for name, _ in headers}
        if body and not names & {"content-length", "transfer-encoding"}:
            headers.append(("Content-Length", str(len(body))))
        lines = [f"{step.verb} {target} HTTP/1.1", *(f"{name}: {self._filled(value)}" for name, value in headers)]
        return "\r\n".join([*lines, "", ""]).encode()

    def _body(self, step: Step) -> bytes:
        if step.content:
            name, size = step.content
            self.contents.setdefault(name, Random(f"{self.file.stem} {name}").randbytes(size))
            return self.contents[name]
        return self._filled("\n".join(step.text)).encode()

    def _granted(self, wish: str, answer: Answer) -> bool:
        keyword, _, rest = wish.partition(" ")
        if keyword == "=":
            return answer.body == self._content(rest)
        if keyword == "no":
            return answer.header(rest) is None
        if keyword in ("~", "!~"):
            return self._matches(rest, plain(answer.body), whole=False) == (keyword == "~")
        name, _, value = wish.partition(": ")
        found = answer.header(name)
        return found is not None and self._matches(value, found, whole=True)

    def _matches(self, pattern: str, text: str, whole: bool) -> bool:
        """`*` is anything, `{name}` what it was or, the first time, what it is to be from now on."""
        parts = re.split(r"(\{\w+\}|\*)", self._filled(pattern))
        regex = "".join(_as_regex(part) for part in parts)
        found = re.fullmatch(regex, text, re.DOTALL) if whole else re.search(regex, text, re.DOTALL)
        if found:
            self.known.update(found.groupdict())
        return found is not None

    def _content(self, expression: str) -> bytes:
        parts = SLICE.fullmatch(expression)
        assert parts, f"{self.file.name}: not a content: {expression!r}"
        start, stop = (int(number) if number else None for number in parts.group(2, 3))
        return self.contents[parts[1]][start:stop]

    def _filled(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: self.known.get(match[1], match[0]), text)

    def _wire(self) -> Wire:
        if self.current not in self.wires:
            self.wires[self.current] = self.project.server.wire()
        return self.wires[self.current]

    def _ended(self, answer: Answer) -> Answer:
        if (answer.header("Connection") or "").lower() == "close":
            self._drop()
        return answer

    def _drop(self) -> None:
        self.wires.pop(self.current).close()

    def _told(self, step: Step, what: str) -> str:
        """A failure as a person wants to read it: where, what the client was doing, what it got."""
        asked = f"{step.verb} {self._filled(step.target)} -> {' or '.join(step.statuses) or step.on_disk or 'absent'}"
        return f"\n{self.file.name}:{step.line}: {step.words}\n{asked}\n{what}"


def plain(body: bytes) -> str:
    """XML without the freedom of XML: known prefixes, no attributes, no space between elements, text untouched."""
    try:
        return "".join(_plain(fromstring(body)))
    except ParseError:
        return body.decode(errors="replace")


def _plain(element: Element) -> Iterator[str]:
    space, _, local = element.tag.removeprefix("{").rpartition("}")
    name = PREFIXES.get(space, f"{space} ") + local
    text = element.text or ""
    if not len(element) and not text:
        yield f"<{name}/>"
        return
    yield f"<{name}>" + (text if text.strip() else "")
    for child in element:
        yield from _plain(child)
    yield f"</{name}>"


def _as_regex(part: str) -> str:
    if part == "*":
        return ".*?"
    return rf"(?P<{part[1:-1]}>[^<>]+?)" if re.fullmatch(r"\{\w+\}", part) else re.escape(part)


def _framed(body: bytes, step: Step) -> Iterator[bytes]:
    """The body as it goes over the wire: in one piece or in chunks, whole or cut off."""
    whole = body if step.cut_bytes is None else body[: step.cut_bytes]
    if step.chunk_bytes is None:
        yield whole
        return
    for start in range(0, len(whole), step.chunk_bytes):
        piece = whole[start : start + step.chunk_bytes]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    if step.cut_bytes is None:
        yield b"0\r\n\r\n"


def _shown(answer: Answer) -> str:
    headers = "\n".join(f"    {name}: {value}" for name, value in answer.headers)
    return f"answer: {answer.status}\n{headers}\n    {_short(plain(answer.body))}"


def _short(text: str) -> str:
    return text if len(text) < 3000 else f"{text[:3000]}… ({len(text)} signs)"
