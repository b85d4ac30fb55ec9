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
"""

from __future__ import annotations


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
