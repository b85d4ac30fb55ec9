"""The little language of `recorded/*.txt`: what a client said, byte for byte, and what it needs to hear.

    # Words in front of a step say what the client is doing; they are shown when the step fails.
    always                                  headers that this client sends with everything
        User-Agent: WebDAVFS/3.0.0

    PUT clip%20one.mov                      below the project's own folder; with a leading / from the root of the host
        If: (<{token}>)                     sent as it stands; {names} are filled in
        Transfer-Encoding: chunked
        body film 300000                    300,000 bytes nobody else has, to be called `film` from now on
        chunks 65536                        in pieces of this size; without it in one piece with its Content-Length
    -> 201 204                              one of these, or the script ends here
        ETag: "{etag}"                      the whole value; {etag} is remembered, or must be what it was; * is anything
        no Content-Encoding                 a header that would do harm
        ~ <getetag>"{etag}"</getetag>       somewhere in the body, see `plain`; `!~` nowhere in it
        = film[0:2]                         exactly these bytes; `= film` all of them, `= nothing` none

    DISK clip one.mov = film                what lies in the project's folder; `DISK name absent`

Also known: `| text` a line of a written body; `cut 1000` send so much of the body and hang up (`-> nothing`);
`connection two` go on over another connection. {home} is the project's path and {name} its name, {host} what stands in
Host.
A script runs over one kept-alive connection as long as the server lets it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

REQUEST = re.compile(r"([A-Z]+) (\S+)")
DISK = re.compile(r"DISK (.+?) (?:= (.+)|(absent))")


@dataclass
class Step:
    """One request and what is wanted back; or, with `verb` DISK or CONNECTION, a word to the replayer."""

    line: int
    words: str
    verb: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    content: tuple[str, int] | None = None
    chunk_bytes: int | None = None
    cut_bytes: int | None = None
    statuses: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    on_disk: str | None = None


def read_script(file: Path) -> list[Step]:
    """Headers under `always` are put into every step that does not say the same header itself."""
    steps: list[Step] = []
    always: list[tuple[str, str]] = []
    words: list[str] = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if line.startswith("#"):
            words.append(line.removeprefix("#").strip())
        elif not line.strip():
            continue
        elif line.startswith("    "):
            _detail(steps[-1], line[4:])
        elif line.startswith("->"):
            steps[-1].statuses = line[2:].split()
        else:
            steps.append(_step(number, line, " ".join(words)))
            words = []
        if steps and steps[-1].verb == "ALWAYS":
            always = steps[-1].headers
    for step in steps:
        own = {name.lower() for name, _ in step.headers}
        step.headers = [pair for pair in always if pair[0].lower() not in own] + step.headers
    return [step for step in steps if step.verb != "ALWAYS"]


def _step(number: int, line: str, words: str) -> Step:
    if line == "always":
        return Step(number, words, "ALWAYS", "")
    if line.startswith("connection "):
        return Step(number, words, "CONNECTION", line.split()[1])
    if disk := DISK.fullmatch(line):
        return Step(number, words, "DISK", disk[1], on_disk=disk[2])
    if request := REQUEST.fullmatch(line):
        return Step(number, words, request[1], request[2])
    raise ValueError(f"line {number}: neither a request nor an answer: {line!r}")


def _detail(step: Step, line: str) -> None:
    """An indented line: under `->` a wish, before it a part of the request."""
    keyword, _, rest = line.partition(" ")
    if step.statuses:
        step.wanted.append(line)
    elif keyword == "|":
        step.text.append(rest)
    elif keyword == "body":
        name, size = rest.split()
        step.content = (name, int(size))
    elif keyword == "chunks":
        step.chunk_bytes = int(rest)
    elif keyword == "cut":
        step.cut_bytes = int(rest)
    else:
        name, colon, value = line.partition(": ")
        if not colon and not line.endswith(":"):
            raise ValueError(f"line {step.line}: not a header: {line!r}")
        step.headers.append((name.removesuffix(":"), value))
