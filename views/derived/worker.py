"""The process that decodes media nobody trusts. Run by itself, with nothing of the house: `python -I worker.py <limits>`.

It speaks over the socket that is its standard input. A request is one JSON line with the open file beside it (SCM_RIGHTS); the
answer is two lengths, JSON with what was read from the file, and a JPEG or nothing. One file after the other; it ends when the
socket does. What a crafted file can do here: make this process fail, within its limits. It opens no other file (the file comes
as a descriptor, playlists and references are refused), has no network where the system allows that, and writes nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import socket
import struct
import sys
import warnings
from fractions import Fraction
from typing import Any

import av
from PIL import ExifTags, Image, ImageOps

try:
    import pi_heif
except ImportError:  # stills of iPhones cannot be read then, and each is told as failed
    pi_heif = None

LENGTHS = struct.Struct(">II")
REQUEST_BYTES = 4096
FORMATS = (  # containers that hold media themselves; none that names other files or addresses
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,mxf,flv,asf,dv,ogg,wav,w64,aiff,mp3,flac,aac,caf,ac3,amr"
)
STILLS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "HEIF", "AVIF", "MPO")
MOST_PIXELS = 250_000_000  # the largest stills that cameras make, 240 megapixels
MOST_FRAMES = 400  # decoded to reach the moment that is wanted
QUALITY = 82
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # sched.h


def main() -> None:
    limit(*map(int, sys.argv[1:]))
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    if pi_heif is not None:
        pi_heif.register_heif_opener()
    with socket.socket(fileno=0) as line:
        while True:
            asked, descriptors, _, _ = socket.recv_fds(line, REQUEST_BYTES, 1)
            if not asked or not descriptors:
                return
            with open(descriptors[0], "rb") as file:
                facts, picture = answer(file, json.loads(asked))
            told = json.dumps(facts).encode()
            line.sendall(LENGTHS.pack(len(told), len(picture)) + told + picture)


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Memory, time and files, before the first byte of a file is read; no network, where that can be had."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if what == resource.RLIMIT_AS and sys.platform == "darwin":
            continue  # macOS has the name, but no such limit; what a file may fill is bounded by its time alone there
        resource.setrlimit(what, (most, most))
    with contextlib.suppress(OSError, AttributeError):  # no such call on this system; the protocols below are closed anyway
        ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)
    os.nice(15)


def answer(file: io.BufferedReader, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What is known of a file, and its picture; {"error": …} and what was found up to then when it cannot be read."""
    facts: dict[str, Any] = {}
    try:
        look = still if asked["kind"] == "image" else moving
        return facts, look(file, facts, asked["width"], asked["at_s"])
    except Exception as error:  # whatever a decoder thinks of: it is told, and this process goes on with the next file
        return {**facts, "error": f"{type(error).__name__}: {error}"[:300]}, b""


# stills

def still(file: io.BufferedReader, facts: dict[str, Any], width: int, _at_s: float) -> bytes:
    with Image.open(file, formats=[name for name in STILLS if name in known_stills()]) as image:
        exif = image.getexif()
        turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        facts["width"], facts["height"] = image.size[::-1] if turned else image.size
        facts["video_codec"] = (image.format or "").lower()
        facts.update(of_camera(exif))
        image.draft("RGB", (width, width))
        return jpeg(ImageOps.exif_transpose(image), width)


def known_stills() -> dict[str, Any]:
    Image.init()
    return Image.OPEN


def of_camera(exif: Image.Exif) -> dict[str, Any]:
    """Make, model and the moment of capture, as far as EXIF tells them."""
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    taken, zone = inner.get(ExifTags.Base.DateTimeOriginal), inner.get(ExifTags.Base.OffsetTimeOriginal)
    found = {"make": text(exif.get(ExifTags.Base.Make)), "model": text(exif.get(ExifTags.Base.Model))}
    if isinstance(taken, str) and len(taken.strip("\0 ")) == 19:
        day, clock = taken.strip("\0 ").split(" ", 1)
        found["captured_at"] = f"{day.replace(':', '-')}T{clock}{text(zone) or ''}"
        found["captured_from"] = "exif"
    return {key: value for key, value in found.items() if value}


def text(value: Any) -> str:
    return value.strip("\0 ")[:100] if isinstance(value, str) else ""


def jpeg(image: Image.Image, width: int) -> bytes:
    image.thumbnail((width, width))
    out = io.BytesIO()
    flat(image).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def flat(image: Image.Image) -> Image.Image:
    """Without transparency: white behind it."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


# moving pictures and sound

def moving(file: io.BufferedReader, facts: dict[str, Any], width: int, at_s: float) -> bytes:
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    with av.open(file, options=options, metadata_errors="ignore") as container:
        facts.update(of_container(container))
        if not container.streams.video:
            return b""
        frame = frame_at(container, container.streams.video[0], at_s)
        turn = int(getattr(frame, "rotation", 0)) % 360
        if turn in (90, 270):
            facts["width"], facts["height"] = facts["height"], facts["width"]
        shape = container.streams.video[0].sample_aspect_ratio or Fraction(1)
        return jpeg(upright(frame, shape, turn, width), width)


def of_container(container: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"duration_seconds": None if container.duration is None else container.duration / av.time_base}
    if container.streams.video:
        stream = container.streams.video[0]
        rate = stream.average_rate
        facts |= {"width": stream.width, "height": stream.height, "video_codec": stream.codec_context.name}
        facts["fps"] = round(float(rate), 3) if rate else None
    sound = container.streams.audio[0] if container.streams.audio else None
    facts["has_audio"] = sound is not None
    if sound is not None:
        facts |= {"audio_codec": sound.codec_context.name, "audio_channels": sound.channels}
    return facts | of_recorder(container.metadata)


def of_recorder(tags: dict[str, str]) -> dict[str, Any]:
    """Make, model and the moment of capture: QuickTime's own date knows its zone, the container's is UTC."""
    apple = "com.apple.quicktime."
    found = {what: text(tags.get(f"{apple}{what}") or tags.get(what)) for what in ("make", "model")}
    for key, source in ((f"{apple}creationdate", "quicktime"), ("creation_time", "container")):
        if text(tags.get(key)):
            found |= {"captured_at": text(tags[key]), "captured_from": source}
            break
    return {key: value for key, value in found.items() if value}


def frame_at(container: Any, stream: Any, at_s: float) -> Any:
    """The frame shown at this moment, or the last that can be reached; in a short clip, one from its middle."""
    stream.codec_context.thread_count = 1
    length_s = container.duration / av.time_base if container.duration else 0.0
    wanted_s = min(at_s, length_s / 2)
    if wanted_s > 0:
        with contextlib.suppress(av.error.FFmpegError):  # a container without an index is read from its start
            container.seek(int(wanted_s * av.time_base), backward=True)
    last = None
    for count, frame in enumerate(container.decode(stream)):
        last = frame
        if count >= MOST_FRAMES or frame.time is None or frame.time >= wanted_s:
            break
    if last is None:
        raise ValueError("it holds no frame")
    return last


def upright(frame: Any, shape: Fraction, turn: int, width: int) -> Image.Image:
    """The frame as it is meant to be seen: pixels of this `shape` made square, turned, and no larger than it has to be."""
    shown = max(1, round(frame.width * shape)), frame.height
    scale = min(1.0, width / max(shown))
    size = [max(2, round(side * scale)) for side in shown]
    image: Image.Image = frame.reformat(width=size[0], height=size[1], format="rgb24").to_image()
    return image.rotate(turn, expand=True) if turn else image


if __name__ == "__main__":
    main()
