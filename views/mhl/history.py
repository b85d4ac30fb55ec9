"""What the generations in a project's `ascmhl` folder say so far, ours and those of other programs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

from cas.digest import c4
from views.mhl.words import ORIGINAL, OURS, Sums

Texts = dict[str, str]  # kind of sum, as the standard calls it, to its text; of a folder "content" and "structure"


@dataclass(frozen=True, slots=True)
class Known:
    """A path as a generation last told of it.

    digest     BLAKE3 in hex where filmcan wrote it, else ""
    id         of the entry then; 0 where another program wrote it
    origin     the path under which the content stands as original; "" for a folder
    original   and its sums there
    """

    is_folder: bool
    sums: Texts
    digest: str = ""
    id: int = 0
    origin: str = ""
    original: Texts = field(default_factory=dict)

    def shows(self, sums: Sums) -> bool:
        """Is this the content it had?"""
        if self.digest:
            return self.digest == sums.digest.hex
        return agree(self.sums, sums) is True


def agree(texts: Texts, sums: Sums) -> bool | None:
    """Are these sums of one content? None when they have no kind in common."""
    ours = {"xxh128": sums.xxh128.hex(), "c4": c4(sums.sha512)}
    shared = [kind for kind in ours if kind in texts]
    return all(texts[kind] == ours[kind] for kind in shared) if shared else None


@dataclass
class History:
    """All generations, folded in their order.

    paths      every path that any generation names, to what was last said of it; what was said last stands last
    originals  paths that stand as original somewhere
    theirs     patterns that other programs added
    ignored    patterns of the last generation
    last       number of the last generation, 0 for none
    """

    paths: dict[str, Known] = field(default_factory=dict)
    originals: set[str] = field(default_factory=set)
    theirs: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    last: int = 0

    def take(self, number: int, manifest: bytes) -> None:
        """The next generation. Raises ElementTree's ParseError for what is no XML, and what defusedxml forbids."""
        tool, patterns = "", list[str]()
        for element in _elements(manifest):
            tag = _tag(element)
            if tag == "tool":
                tool = element.text or ""
            elif tag == "pattern":
                patterns.append(element.text or "")
            elif tag in ("hash", "directoryhash"):
                self._take(element, tag == "directoryhash")
                element.clear()
        if tool != "filmcan":
            self.theirs += [pattern for pattern in patterns if pattern not in self.ignored and pattern not in self.theirs]
        self.last, self.ignored = max(self.last, number), patterns

    def _take(self, element: Element, is_folder: bool) -> None:
        words, sums, actions = Texts(), Texts(), set[str]()
        id, digest = 0, ""
        for inner in element:
            tag, text = _tag(inner), (inner.text or "").strip()
            if tag in ("path", "previousPath"):
                words[tag] = inner.text or ""
            elif tag in ("content", "structure"):
                sums[tag] = next((sum.text or "" for sum in inner if _tag(sum) == "xxh128"), "")
            elif tag == "metadata":
                id, digest = _ours(inner)
            elif text:
                sums[tag] = text
                actions.add(inner.get("action") or "")
        if path := words.get("path"):
            before = self.paths.get(words.get("previousPath") or path)
            known = Known(is_folder, sums, digest, id)
            self._note(path, known if is_folder else self._file(path, known, before, actions))

    def _file(self, path: str, known: Known, before: Known | None, actions: set[str]) -> Known:
        if ORIGINAL in actions or before is None or not before.origin:
            self.originals.add(path)
            return Known(False, known.sums, known.digest, known.id, path, known.sums)
        return Known(False, known.sums, known.digest, known.id, before.origin, before.original)

    def _note(self, path: str, known: Known) -> None:
        self.paths.pop(path, None)
        self.paths[path] = known


def _ours(metadata: Element) -> tuple[int, str]:
    """Id and digest as filmcan wrote them; 0 and "" where it did not."""
    for inner in metadata:
        if inner.tag.startswith(f"{{{OURS}}}"):
            id = inner.get("id") or "0"
            return int(id) if id.isascii() and id.isdigit() else 0, inner.get("blake3") or ""
    return 0, ""


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _elements(manifest: bytes) -> Iterator[Element]:
    """Elements as they end; inner ones before those they are in."""
    for _, element in iterparse(io.BytesIO(manifest), events=("end",), forbid_dtd=True):
        yield element


def read_chain(chain: bytes) -> list[tuple[int, str, str]]:
    """Number, file name and C4 id of each generation that a chain names."""
    rows = []
    for element in _elements(chain):
        if _tag(element) == "hashlist":
            words = {_tag(inner): (inner.text or "").strip() for inner in element}
            number = element.get("sequencenr") or "0"
            rows.append((int(number) if number.isdigit() else 0, words.get("path", ""), words.get("c4", "")))
    return rows
