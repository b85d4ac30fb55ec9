"""What can go wrong with names. Errors carry fields; the sentence is made from them.

NameProblem
├── NameInvalid       a name nothing here may have
├── NameReserved      a name that belongs to filmcan itself
├── NameNotFound      nothing has this name
├── AlreadyThere      something has this name already
├── ParentMissing     the folder it should go into does not exist
├── NotAFolder        a file stands where a folder is needed
├── IsAFolder         a folder stands where a file is needed
├── IntoItself        a folder moved or copied into itself
└── Clash             differs from a name that is there only by upper and lower case

SourceProblem
├── SourceUnknown     no source has this name, or it is disabled
├── SourceRefused     this source cannot be registered or changed so, and why
├── SourceAway        the folder of a source is not there now
└── SourcesUnreadable the file that registers them cannot be understood
"""

from __future__ import annotations

from pathlib import Path


class NameProblem(Exception):
    """Every error of this package that is about a path."""

    sentence = "{path}"

    def __init__(self, path: str, **fields: str) -> None:
        self.path = path
        self.fields = fields
        super().__init__(self.sentence.format(path=path or "the top folder", **fields))


class NameInvalid(NameProblem):
    sentence = "{path!r} cannot be used as a name: {why}"


class NameReserved(NameProblem):
    sentence = "{path} belongs to filmcan and cannot be written ({why})"


class NameNotFound(NameProblem):
    sentence = "there is no {path}"


class AlreadyThere(NameProblem):
    sentence = "{path} exists already"


class ParentMissing(NameProblem):
    sentence = "the folder for {path} does not exist; make it first"


class NotAFolder(NameProblem):
    sentence = "{path} is a file, not a folder"


class IsAFolder(NameProblem):
    sentence = "{path} is a folder, not a file"


class IntoItself(NameProblem):
    sentence = "{path} cannot be put into itself"


class Clash(NameProblem):
    sentence = "{path} differs only in upper and lower case from {other}, which exists; choose another name"


class SourceProblem(Exception):
    """Every error of this package that is about a source."""


class SourceUnknown(SourceProblem):
    def __init__(self, name: str, *, disabled: bool = False) -> None:
        self.name, self.disabled = name, disabled
        super().__init__(f"the source {name} is disabled" if disabled else f"there is no source {name[:80]!r}")


class SourceRefused(SourceProblem):
    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(f"the source {name[:80]!r} is refused: {why}")


class SourceAway(SourceProblem):
    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root
        super().__init__(f"the folder of the source {name} is not there: {root}; connect its disk")


class SourcesUnreadable(SourceProblem):
    def __init__(self, file: Path, why: str) -> None:
        self.file, self.why = file, why
        super().__init__(f"{file} cannot be read as the list of sources ({why}); nothing was changed, correct it or move it away")
