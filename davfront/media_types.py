"""What kind of thing a file is, told by its name, and what a browser may do with it.

A table of our own: `mimetypes` reads files of the host, so two hosts would answer differently, and players refuse a
clip with the wrong type (AVPlayer needs `video/mp4` and `audio/mpeg`).
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

UNKNOWN = "application/octet-stream"
FOLDER = "httpd/unix-directory"  # what Infuse looks for on a collection (wsgidav #316)

_BY_SUFFIX = {
    # moving pictures
    "mp4": "video/mp4", "m4v": "video/x-m4v", "mov": "video/quicktime", "qt": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm", "avi": "video/x-msvideo", "mts": "video/mp2t", "m2ts": "video/mp2t", "ts": "video/mp2t",
    "mpg": "video/mpeg", "mpeg": "video/mpeg", "m2v": "video/mpeg", "wmv": "video/x-ms-wmv", "flv": "video/x-flv",
    "3gp": "video/3gpp", "ogv": "video/ogg", "insv": "video/mp4", "lrv": "video/mp4", "lrf": "video/mp4",
    "360": "video/mp4",
    "mxf": "application/mxf", "braw": "application/x-braw", "r3d": "application/x-r3d", "ari": "application/x-arriraw",
    "crm": "application/x-canon-crm",
    # sound
    "wav": "audio/wav", "bwf": "audio/wav", "rf64": "audio/wav", "aif": "audio/aiff", "aiff": "audio/aiff",
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac", "flac": "audio/flac", "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "caf": "audio/x-caf", "wma": "audio/x-ms-wma", "mid": "audio/midi",
    # stills
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
    "heic": "image/heic", "heif": "image/heif", "avif": "image/avif", "tif": "image/tiff", "tiff": "image/tiff",
    "bmp": "image/bmp", "dng": "image/x-adobe-dng", "cr2": "image/x-canon-cr2", "cr3": "image/x-canon-cr3",
    "nef": "image/x-nikon-nef", "arw": "image/x-sony-arw", "raf": "image/x-fuji-raf", "orf": "image/x-olympus-orf",
    "exr": "image/x-exr", "dpx": "image/x-dpx", "psd": "image/vnd.adobe.photoshop", "svg": "image/svg+xml",
    # beside the clips
    "xml": "application/xml", "fcpxml": "application/xml", "json": "application/json", "jsonl": "application/jsonl",
    "pdf": "application/pdf", "zip": "application/zip", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv",
    "html": "text/html", "htm": "text/html", "css": "text/css", "js": "text/javascript", "srt": "application/x-subrip",
    "vtt": "text/vtt", "edl": "text/plain", "ale": "text/plain", "cube": "text/plain",
    "drp": "application/x-davinci-resolve",
    "drt": "application/x-davinci-resolve",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}  # fmt: skip

_INLINE_KINDS = ("video/", "audio/")
_INLINE_IMAGES = frozenset(
    ("image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif", "image/avif", "image/bmp")
)


@lru_cache(maxsize=1024)
def of_suffix(suffix: str) -> str:
    return _BY_SUFFIX.get(suffix.lower(), UNKNOWN)


def of(name: str) -> str:
    """The media type of a file called `name`."""
    _, dot, suffix = name.rpartition(".")
    return of_suffix(suffix) if dot else UNKNOWN


def is_inline(media_type: str) -> bool:
    """Whether a browser may show it in place: clips, sound and plain pictures. Everything else could carry script."""
    return media_type.startswith(_INLINE_KINDS) or media_type in _INLINE_IMAGES


@lru_cache(maxsize=1024)  # a player asks for pieces of one clip again and again; 8 of 110 µs of a small answer
def disposition(name: str, media_type: str) -> str:
    """`Content-Disposition` with the name in both spellings of RFC 6266; no byte of the name can end the field."""
    kind = "inline" if is_inline(media_type) else "attachment"
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
