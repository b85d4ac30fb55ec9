"""A project as it is, against what its generations say: what the next one has to tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cas.digest import EMPTY
from views.mhl.history import History, Known, agree
from views.mhl.words import FAILED, ORIGINAL, VERIFIED, FileNote, FolderNote, Sums, folder_sums


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is: see FileNote."""

    path: str
    id: int
    size_bytes: int
    modified_ns: int
    sums: Sums
    read_ns: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it is; path "" is the project."""

    path: str
    id: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be told.

    files, folders   those that are new, renamed or changed; or all
    root             the project itself
    gone             paths that older generations name and that are no more; a folder stands for all that was in it
    renamed          path to older path
    replaced         paths whose bytes are not those they began with
    """

    files: Sequence[FileNote]
    folders: Sequence[FolderNote]
    root: FolderNote
    gone: Sequence[str]
    renamed: dict[str, str]
    replaced: Sequence[str]


def compare(history: History, files: Sequence[File], folders: Sequence[Folder], *, everything: bool) -> Told:
    """What the next generation has to tell. `everything`: unchanged files and folders too, since they were read again.

    A file is followed to another name by its id, and by its content where ids were lost. The reference tool looks a name up
    once for each generation, so a file that was renamed twice is told with the name it began with (ascmhl 1.2, commands.diff).
    """
    return _Comparison(history, files, folders).told(everything)


class _Comparison:
    def __init__(self, history: History, files: Sequence[File], folders: Sequence[Folder]) -> None:
        self._history, self._files, self._folders = history, files, folders
        self._here = {file.path: file for file in files}
        present = self._here.keys() | {folder.path for folder in folders}
        self._gone = {path: known for path, known in history.paths.items() if path not in present}
        self._by_id = {known.id: path for path, known in history.paths.items() if known.id}
        self._by_digest: dict[str, list[str]] = {}
        for path, known in self._gone.items():
            if not known.is_folder and known.digest not in ("", EMPTY.digest.hex):
                self._by_digest.setdefault(known.digest, []).append(path)

    def told(self, everything: bool) -> Told:
        before = {file.path: self._before(file) for file in self._files}
        claimed = {known.origin for path, known in before.items() if known is not None and known.origin != path}
        notes = [self._note(file, before[file.path], claimed) for file in self._files]
        news = {file.path for file in self._files if not self._unchanged(file)}
        listed = [note for note in notes if everything or note.path in news]
        root, folders = self._folder_notes(everything)
        renamed = {note.path: note.previous for note in listed if note.previous}
        replaced = [note.path for note in notes if note.action == FAILED]
        return Told(listed, folders, root, list(_outermost(self._gone)), renamed, replaced)

    # files

    def _unchanged(self, file: File) -> bool:
        known = self._history.paths.get(file.path)
        return known is not None and not known.is_folder and known.shows(file.sums)

    def _before(self, file: File) -> Known | None:
        """What is known of this file: under its path, or under the one it had; None for one that is new, or has other bytes."""
        if self._unchanged(file):
            return self._history.paths[file.path]
        older = self._by_id.get(file.id, "")
        known = self._history.paths.get(older)
        if known is not None and older != file.path and known.shows(file.sums) and self._left(older, file):
            return known
        alike = self._by_digest.get(file.sums.digest.hex)
        return self._history.paths[alike.pop()] if alike else None

    def _left(self, older: str, file: File) -> bool:
        """Has the content left its older path?"""
        there = self._here.get(older)
        return there is None or there.id != file.id

    def _note(self, file: File, before: Known | None, claimed: set[str]) -> FileNote:
        previous = before.origin if before is not None and before.origin != file.path else ""
        if self._unchanged(file):
            previous = ""  # it was told when it came here
        return FileNote(
            file.path, file.size_bytes, file.modified_ns, file.sums, file.read_ns, self._action(file, before, claimed),
            previous, file.id,
        )  # fmt: skip

    def _action(self, file: File, before: Known | None, claimed: set[str]) -> str:
        if before is not None:
            return _verdict(before, file)
        if file.path in self._history.originals and file.path not in claimed:
            return _verdict(self._history.paths[file.path], file)
        return ORIGINAL

    # folders

    def _folder_notes(self, everything: bool) -> tuple[FolderNote, list[FolderNote]]:
        """The project, and the folders in it, with sums of what is below each."""
        files: dict[str, list[tuple[str, bytes]]] = {}
        folders: dict[str, list[tuple[str, bytes, bytes]]] = {}
        for file in self._files:
            place, _, name = file.path.rpartition("/")
            files.setdefault(place, []).append((name, file.sums.xxh128))
        notes = []
        for folder in sorted(self._folders, key=lambda folder: folder.path.count("/") + bool(folder.path), reverse=True):
            content, structure = folder_sums(files.get(folder.path, ()), folders.get(folder.path, ()))
            place, _, name = folder.path.rpartition("/")
            if folder.path:
                folders.setdefault(place, []).append((name, content, structure))
            note = FolderNote(folder.path, folder.modified_ns, content, structure, self._folder_before(folder), folder.id)
            if not folder.path or everything or self._is_news(note):
                notes.append(note)
        *inner, root = notes
        return root, sorted(inner, key=lambda note: note.path)

    def _folder_before(self, folder: Folder) -> str:
        older = self._by_id.get(folder.id, "")
        moved = folder.path not in self._history.paths and older in self._gone and self._gone[older].is_folder
        return older if moved else ""

    def _is_news(self, note: FolderNote) -> bool:
        known = self._history.paths.get(note.path)
        sums = {"content": note.content.hex(), "structure": note.structure.hex()}
        return known is None or not known.is_folder or known.sums != sums


def _verdict(known: Known, file: File) -> str:
    """Is a file what it was at first? Where its first sums are of kinds that we do not know, ours are the first of theirs."""
    same = agree(known.original, file.sums)
    return ORIGINAL if same is None else VERIFIED if same else FAILED


def _outermost(paths: Iterable[str]) -> Iterable[str]:
    """Of paths that are gone those whose folder is not gone too."""
    gone = set(paths)
    for path in sorted(gone):
        parts = path.split("/")
        if not any("/".join(parts[:depth]) in gone for depth in range(1, len(parts))):
            yield path
