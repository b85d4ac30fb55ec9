"""Which names are media, told by their extensions alone. Pure.

The list holds what cameras, phones, recorders and editors write. Sidecars that describe a clip (`.thm`, `.lrv`,
`.xmp`, `.srt`) are no media: they are kept where they lie and never brought anywhere.
"""

from __future__ import annotations

import re

VIDEO = (
    "mp4 mov avi mkv webm m4v"  # contract §2.7
    " mts m2ts mpg mpeg m2v vob 3gp 3g2 wmv asf flv ogv dv qt"  # camcorders, phones, discs, older systems
    " mxf braw r3d crm ari arx cine mlv"  # Sony, Blackmagic, RED, Canon, ARRI, Phantom, Magic Lantern
    " insv 360"  # Insta360, GoPro Max
)
AUDIO = (
    "mp3 wav flac aac m4a"  # contract §2.7
    " aif aiff opus ogg oga wma caf bwf w64 rf64 ac3 amr mka"
)
IMAGE = (
    "jpg jpeg png heic gif webp"  # contract §2.7
    " heif avif tif tiff bmp jxl jp2 exr dpx insp"
    " dng cr2 cr3 crw arw nef nrw raf rw2 orf pef srw 3fr fff iiq x3f gpr"  # raw stills, a camera maker each
)
KINDS = {
    f".{extension}": kind
    for kind, extensions in (("video", VIDEO), ("audio", AUDIO), ("image", IMAGE))
    for extension in extensions.split()
}

ORIGINS = (  # how they name files when nobody tells them otherwise
    ("iphone", re.compile(r"IMG_E?\d{4}\.(mov|heic|jpe?g|png|mp4)", re.IGNORECASE)),
    ("nikon_z7", re.compile(r"(DSC_|_DSC)\d{4}\.(nef|mov|mp4|jpe?g)", re.IGNORECASE)),
    ("obs", re.compile(r"(Replay )?\d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.(mkv|mp4|mov|flv|ts)", re.IGNORECASE)),
)


def extension_of(name: str) -> str:
    """The extension in lower case, with its dot; "" for none, as a dot file has. `name` may be a whole path."""
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    return dot + extension.lower() if stem.strip(".") else ""


def kind_of(name: str) -> str:
    """What a name says its bytes are: "video", "audio", "image" or "other"."""
    return KINDS.get(extension_of(name), "other")


def origin_of(name: str) -> str:
    """Which device a name tells of (contract §2.15): "iphone", "nikon_z7", "obs" or "unknown". `name` may be a whole path."""
    stem = name.rpartition("/")[2]
    return next((origin for origin, pattern in ORIGINS if pattern.match(stem)), "unknown")


def is_media(name: str) -> bool:
    return extension_of(name) in KINDS
