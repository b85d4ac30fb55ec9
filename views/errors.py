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
├── ChangedMeanwhile  it is not what it was when the work with it began
├── HistoryUnfit      what stands in a project's ascmhl folder cannot be added to, and why
├── CannotBeEditable  the disk cannot give a project files of its own
└── Clash             differs from a name that is there only by upper and lower case

Paused                the brake holds a device that deletes or replaces very much

SourceProblem
├── SourceUnknown     no source has this name, or it is disabled
├── SourceRefused     this source cannot be registered or changed so, and why
├── SourceAway        the folder of a source is not there now
└── SourcesUnreadable the file that registers them cannot be understood

JobProblem
├── JobUnknown        no job has this id, or it ended long ago
├── JobContrary       this does not go with what was said of the job before
└── JobRefused        a job cannot say this, and why

TagInvalid            a tag nothing may have
NotMedia              a file that is no media by its name, where only media are taken

BatchProblem          of uploads that belong together
├── BatchUnknown      this project has no batch of this id
└── BatchClosed       it is complete and takes no more files

UploadProblem         of uploads that arrive in several goes
├── UploadUnknown     no such upload, or it expired
├── UploadBusy        another request is sending bytes of it now
├── UploadTaken       a later request took this upload over
├── UploadWhole       it is complete and takes no more bytes
├── UploadUnlike      not what was said of its length before
├── OffsetWrong       bytes that do not begin where the upload ends
└── ChunkWrong        bytes that are not what their checksum says
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


class ChangedMeanwhile(NameProblem):
    sentence = "{path} changed while it was copied; {what}"


class CannotBeEditable(NameProblem):
    sentence = (
        "{path} cannot be editable: that needs a disk that shares blocks between files, such as btrfs or XFS, or each clip would "
        "cost its size again ({why})"
    )


class IntoItself(NameProblem):
    sentence = "{path} cannot be put into itself"


class HistoryUnfit(NameProblem):
    sentence = "the history in {path} cannot be added to: {why}"


class Clash(NameProblem):
    sentence = "{path} differs only in upper and lower case from {other}, which exists; choose another name"


class Paused(Exception):
    """The brake holds a device that takes away or writes over very many names. `path`: where it was stopped just now."""

    def __init__(self, device: str, limit: int, path: str | None = None) -> None:
        self.device, self.limit, self.path = device, limit, path
        super().__init__(
            f"this device ({device}) deleted or replaced more than {limit} names within a minute and is paused, in case nobody "
            f"meant that; nothing is lost. Whoever looks after the server lets it go on, at the top of its first page"
        )


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


class JobProblem(Exception):
    """Every error of this package that is about a job."""


class JobUnknown(JobProblem):
    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__("job not found")  # contract §2.14, word for word


class JobContrary(JobProblem):
    def __init__(self, id: str, why: str) -> None:
        self.id, self.why = id, why
        super().__init__(why)


class JobRefused(JobProblem):
    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class TagInvalid(Exception):
    def __init__(self, tag: str, why: str) -> None:
        self.tag, self.why = tag, why
        super().__init__(f"{tag[:80]!r} cannot be a tag: {why}")


class NotMedia(Exception):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name[:80]!r} is no media by its name, and only media are taken here (the setting other_files)")


class BatchProblem(Exception):
    """Every error of this package that is about a batch of uploads."""

    sentence = "{id}"

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(self.sentence.format(id=id[:80]))


class BatchUnknown(BatchProblem):
    sentence = "there is no batch {id!r} in this project; begin one with op=start"


class BatchClosed(BatchProblem):
    sentence = "the batch {id} was finalized and takes no more files; begin another with op=start"


class UploadProblem(Exception):
    """Every error of this package that is about an upload in several goes. `id` is that of the upload."""

    sentence = "{id}"

    def __init__(self, id: str, **fields: object) -> None:
        self.id, self.fields = id, fields
        super().__init__(self.sentence.format(id=id, **fields))


class UploadUnknown(UploadProblem):
    sentence = "there is no upload {id}: it was never begun, was ended, or expired; begin again"


class UploadBusy(UploadProblem):
    sentence = "another request is sending bytes of the upload {id}; ask for its offset first"


class UploadTaken(UploadProblem):
    sentence = "a later request took over the upload {id}"


class UploadWhole(UploadProblem):
    sentence = "the upload {id} is complete and takes no more bytes"


class UploadUnlike(UploadProblem):
    sentence = "{why}"


class OffsetWrong(UploadProblem):
    sentence = "the upload {id} goes on at byte {expected}, not at {provided}"

    def __init__(self, id: str, expected: int, provided: int) -> None:
        self.expected, self.provided = expected, provided
        super().__init__(id, expected=expected, provided=provided)


class ChunkWrong(UploadProblem):
    sentence = "the {kind} of these bytes is another; none of them were kept, send them again"
