"""Error class → HTTP status and title: the only such table, used by the web routes and by WebDAV."""

from __future__ import annotations

from cas import errors as cas
from cas.system import FAILING, FULL
from views import errors as names

STATUS: dict[type[Exception], tuple[int, str]] = {
    names.NameInvalid: (400, "Bad Request"),
    names.NameReserved: (403, "Forbidden"),
    names.NameNotFound: (404, "Not Found"),
    names.AlreadyThere: (405, "Method Not Allowed"),
    names.ParentMissing: (409, "Conflict"),
    names.NotAFolder: (409, "Conflict"),
    names.IsAFolder: (405, "Method Not Allowed"),
    names.IntoItself: (403, "Forbidden"),
    names.ChangedMeanwhile: (409, "Conflict"),
    names.Clash: (409, "Conflict"),
    names.CannotBeEditable: (409, "Conflict"),
    names.HistoryUnfit: (409, "Conflict"),
    names.Paused: (429, "Too Many Requests"),
    names.SourceUnknown: (404, "Not Found"),
    names.SourceRefused: (400, "Bad Request"),
    names.SourceAway: (503, "Service Unavailable"),
    names.SourcesUnreadable: (500, "Internal Server Error"),
    names.JobUnknown: (404, "Not Found"),
    names.JobContrary: (409, "Conflict"),
    names.JobRefused: (400, "Bad Request"),
    names.NotMedia: (415, "Unsupported Media Type"),
    names.TagInvalid: (400, "Bad Request"),
    names.BatchUnknown: (404, "Not Found"),
    names.BatchClosed: (409, "Conflict"),
    names.UploadUnknown: (404, "Not Found"),
    names.UploadBusy: (423, "Locked"),
    names.UploadTaken: (409, "Conflict"),
    names.UploadWhole: (403, "Forbidden"),
    names.UploadUnlike: (400, "Bad Request"),
    names.OffsetWrong: (409, "Conflict"),
    names.ChunkWrong: (460, "Checksum Mismatch"),  # of tus; no RFC has it
    cas.DigestInvalid: (400, "Bad Request"),
    cas.BodyIncomplete: (400, "Bad Request"),
    cas.ChecksumWrong: (400, "Bad Request"),
    cas.BlobUnknown: (404, "Not Found"),
    cas.BlobDamaged: (500, "Internal Server Error"),
    cas.PartLost: (410, "Gone"),
    cas.TooLarge: (413, "Content Too Large"),
    cas.NoSpace: (507, "Insufficient Storage"),
    cas.Degraded: (503, "Service Unavailable"),
}
DEGRADED_OVER_WEBDAV = (403, "Forbidden")  # Finder takes every 5xx but 507 for "not found" (WebDAVFS status mapping)
PAUSED_OVER_WEBDAV = (403, "Forbidden")  # rclone asks again after 429, for hours


def status_of(error: Exception, *, webdav: bool = False) -> tuple[int, str] | None:
    """Status and title for an error, looked up by its class and its bases; None for an error nobody foresaw."""
    if webdav and isinstance(error, cas.Degraded):
        return DEGRADED_OVER_WEBDAV
    if webdav and isinstance(error, names.Paused):
        return PAUSED_OVER_WEBDAV
    if isinstance(error, OSError) and error.errno in FULL:
        return STATUS[cas.NoSpace]
    if isinstance(error, OSError) and error.errno in FAILING:
        return DEGRADED_OVER_WEBDAV if webdav else STATUS[cas.Degraded]
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return None
