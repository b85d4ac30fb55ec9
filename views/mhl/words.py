"""What a generation says, and how it is written down. Pure. What is read is in views/mhl/history.py."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from cas.digest import Digest, c4, quick_sum

NAMESPACE, CHAIN_NAMESPACE = "urn:ASC:MHL:v2.0", "urn:ASC:MHL:DIRECTORY:v2.0"
OURS = "urn:filmcan:mhl:1"
FOLDER, CHAIN, ENDING = "ascmhl", "ascmhl_chain.xml", ".mhl"
ORIGINAL, VERIFIED, FAILED = "original", "verified", "failed"
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
ESCAPED_IN_PATTERNS = set("\\*?[]!# ")


@dataclass(frozen=True, slots=True)
class Sums:
    """What a file is called by its bytes: filmcan's digest, and the two sums of the standard, as raw bytes."""

    digest: Digest
    xxh128: bytes
    sha512: bytes


@dataclass(frozen=True, slots=True)
class FileNote:
    """A file in a generation.

    path       inside the project
    read_ns    when its bytes were last read and right
    action     ORIGINAL the first time, VERIFIED when it is what it was then, FAILED when it is not
    previous   the path under which it stands as ORIGINAL, if it had another name then; "" otherwise
    id         the entry's, which goes along through renames
    """

    path: str
    size_bytes: int
    modified_ns: int
    sums: Sums
    read_ns: int
    action: str
    previous: str
    id: int


@dataclass(frozen=True, slots=True)
class FolderNote:
    """A folder in a generation; path "" is the project itself. `content` tells of the bytes below, `structure` of names too."""

    path: str
    modified_ns: int
    content: bytes
    structure: bytes
    previous: str
    id: int


@dataclass(frozen=True, slots=True)
class Generation:
    """A manifest to be written.

    process      "in-place", or "transfer" when it documents files that just came from elsewhere
    ignored      patterns of what is not looked at, the older ones included
    references   manifests of histories further down: path, SHA-512
    """

    made_ns: int
    host: str
    version: str
    process: str
    root: FolderNote
    ignored: Sequence[str]
    files: Sequence[FileNote]
    folders: Sequence[FolderNote]
    references: Sequence[tuple[str, bytes]] = ()


def file_name(number: int, project: str, made_ns: int) -> str:
    """`0001_P1-Film_2026-01-18_201500Z.mhl`"""
    return f"{number:04d}_{project}_{datetime.fromtimestamp(made_ns // 10**9, UTC):%Y-%m-%d_%H%M%SZ}{ENDING}"


def render(generation: Generation) -> Iterator[bytes]:
    """The manifest, piece by piece: a project may have a hundred thousand files."""
    yield HEAD.encode()
    yield f'<hashlist version="2.0" xmlns="{NAMESPACE}" xmlns:filmcan="{OURS}">\n'.encode()
    yield _creator(generation).encode()
    yield _process(generation).encode()
    if generation.files or generation.folders:
        yield b"  <hashes>\n"
        for file in generation.files:
            yield _file(file).encode()
        for folder in generation.folders:
            yield _folder(folder).encode()
        yield b"  </hashes>\n"
    if generation.references:
        yield b"  <references>\n"
        for path, sum in generation.references:
            words = f"<path>{escape(path)}</path>\n      <c4>{c4(sum)}</c4>"
            yield f"    <hashlistreference>\n      {words}\n    </hashlistreference>\n".encode()
        yield b"  </references>\n"
    yield b"</hashlist>\n"


def render_chain(rows: Sequence[tuple[int, str, str]]) -> bytes:
    """The chain: number, file name and C4 id of each generation."""
    lines = "".join(
        f'  <hashlist sequencenr="{number}">\n    <path>{escape(name)}</path>\n    <c4>{sum}</c4>\n  </hashlist>\n'
        for number, name, sum in rows
    )
    return f'{HEAD}<ascmhldirectory xmlns="{CHAIN_NAMESPACE}">\n{lines}</ascmhldirectory>\n'.encode()


def _when(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).isoformat()


def _creator(generation: Generation) -> str:
    return (
        "  <creatorinfo>\n"
        f"    <creationdate>{_when(generation.made_ns)}</creationdate>\n"
        f"    <hostname>{escape(generation.host)}</hostname>\n"
        f'    <tool version="{escape(generation.version)}">filmcan</tool>\n'
        "  </creatorinfo>\n"
    )


def _process(generation: Generation) -> str:
    patterns = "".join(f"      <pattern>{escape(pattern)}</pattern>\n" for pattern in generation.ignored)
    return (
        f"  <processinfo>\n    <process>{generation.process}</process>\n"
        f"    <roothash>\n{_pair(generation.root, '      ')}    </roothash>\n"
        f"    <ignore>\n{patterns}    </ignore>\n  </processinfo>\n"
    )


def _pair(folder: FolderNote, indent: str) -> str:
    return (
        f"{indent}<content>\n{indent}  <xxh128>{folder.content.hex()}</xxh128>\n{indent}</content>\n"
        f"{indent}<structure>\n{indent}  <xxh128>{folder.structure.hex()}</xxh128>\n{indent}</structure>\n"
    )


def _file(file: FileNote) -> str:
    """XXH128 stands first: checking programs take the first sum, and this one is the quickest."""
    how = f'action="{file.action}" hashdate="{_when(file.read_ns)}"'
    return (
        "    <hash>\n"
        f'      <path size="{file.size_bytes}" lastmodificationdate="{_when(file.modified_ns)}">{escape(file.path)}</path>\n'
        f"      <xxh128 {how}>{file.sums.xxh128.hex()}</xxh128>\n"
        f"      <c4 {how}>{c4(file.sums.sha512)}</c4>\n"
        f"{_previous(file.previous)}"
        "      <metadata>\n"
        f'        <filmcan:content id="{file.id}" blake3="{file.sums.digest.hex}"/>\n'
        "      </metadata>\n    </hash>\n"
    )


def _folder(folder: FolderNote) -> str:
    return (
        "    <directoryhash>\n"
        f'      <path lastmodificationdate="{_when(folder.modified_ns)}">{escape(folder.path)}</path>\n'
        f"{_pair(folder, '      ')}{_previous(folder.previous)}"
        f'      <metadata>\n        <filmcan:folder id="{folder.id}"/>\n      </metadata>\n    </directoryhash>\n'
    )


def _previous(path: str) -> str:
    return f"      <previousPath>{escape(path)}</previousPath>\n" if path else ""


def folder_sums(files: Sequence[tuple[str, bytes]], folders: Sequence[tuple[str, bytes, bytes]]) -> tuple[bytes, bytes]:
    """Content and structure sum of a folder from those of what is in it: names with XXH128, and for folders with both."""
    content = [sum for _, sum in files] + [sum for _, sum, _ in folders]
    named = [*files, *((name, structure) for name, _, structure in folders)]
    structure = [quick_sum(name.encode() + sum) for name, sum in named]
    return quick_sum(b"".join(sorted(content))), quick_sum(b"".join(sorted(structure)))


def is_xml(path: str) -> bool:
    """Can XML hold this at all (XML 1.0 §2.2)?"""
    return NO_XML.search(path) is None


def literal(path: str) -> str:
    """A path as a pattern that means only it; `?` stands for what XML cannot hold."""
    return NO_XML.sub("?", "".join(f"\\{sign}" if sign in ESCAPED_IN_PATTERNS else sign for sign in path))


def patterns(inner: str, project: str) -> tuple[str, str]:
    """A pattern for what lies at `inner` in a project: as the standard has it, from the top of the history; and as the reference
    tool's `verify` needs it, which compares with whole paths (ascmhl 1.2, verify_entire_folder)."""
    prefix, dash, _ = project.partition("-")
    folder = f"{literal(prefix)}-*" if dash and prefix[:1] == "P" and prefix[1:].isdigit() else literal(project)
    return f"/{inner}", f"**/{folder}/{inner}"
