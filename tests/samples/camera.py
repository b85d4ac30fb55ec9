"""Cameras without lenses: one small real media file for each call.

Every file differs by its `Take` (picture, colour, size, length, pitch) and by nothing else: no clock, no thread
count, no encoder that guesses. The same take gives the same bytes as long as the codec libraries stay the same.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pillow_heif
from PIL import Image

PICTURES = ("testsrc2", "smptehdbars", "mandelbrot", "rgbtestsrc", "yuvtestsrc")
SIZES = ((320, 180), (180, 320), (352, 288), (480, 270), (160, 90), (640, 360), (1280, 720))
FRAME_RATE = 25


@dataclass(frozen=True)
class Take:
    """What stands before the camera. `number` alone tells two takes apart."""

    number: int

    @property
    def size(self) -> tuple[int, int]:
        return SIZES[self.number // len(PICTURES) % len(SIZES)]

    @property
    def picture(self) -> str:
        """A filter graph. Every twelfth take is a night shot, whose noise makes the file several times bigger."""
        width, height = self.size
        source = PICTURES[self.number % len(PICTURES)]
        night = f",noise=alls=60:allf=t:all_seed={self.number}" if self.number % 12 == 0 else ""
        return f"{source}=s={width}x{height}:r={FRAME_RATE},hue=h={self.number * 7 % 360}{night}"

    @property
    def frame_count(self) -> int:
        return 3 + self.number * 5 % 12

    @property
    def pitch_hz(self) -> int:
        return 220 + self.number % 3000

    @property
    def moment(self) -> str:
        """When it was shot, by the camera: one take a minute from a summer morning on."""
        day, minute = divmod(self.number, 24 * 60)
        return f"2024-06-{1 + day % 30:02}T{minute // 60:02}:{minute % 60:02}:00Z"


def h264(path: Path, take: Take) -> None:
    """What most phones and action cameras write."""
    _film(path, take, "libx264", "yuv420p", {"preset": "ultrafast"}, sound=True)


def hevc(path: Path, take: Take) -> None:
    """What an iPhone writes since 2017, with the tag that QuickTime insists on."""
    quiet = "log-level=none:pools=none:frame-threads=1:info=0"
    _film(path, take, "libx265", "yuv420p", {"preset": "ultrafast", "x265-params": quiet}, tag="hvc1", sound=True)


def prores(path: Path, take: Take) -> None:
    """What an edit hands on: all intra, 10 bit."""
    _film(path, take, "prores_ks", "yuv422p10le", {"profile": "0"})


def wav(path: Path, take: Take) -> None:
    """A field recorder: mono, 16 bit, as long as the film would be."""
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 48_000, 0, "NONE", "not compressed"))
        for frame in _sine(take):
            out.writeframes(bytes(frame.planes[0])[: frame.samples * 2])


def jpeg(path: Path, take: Take) -> None:
    path.write_bytes(_photo(take, "JPEG"))


def heic(path: Path, take: Take) -> None:
    pillow_heif.register_heif_opener()
    path.write_bytes(_photo(take, "HEIF"))


def _photo(take: Take, kind: str) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0132] = take.moment.replace("-", ":").replace("T", " ").rstrip("Z")
    picture: Image.Image = cast(Any, next(_frames(take))).to_image()
    picture.save(out, kind, quality=60, exif=exif)
    return out.getvalue()


def _film(
    path: Path, take: Take, codec: str, pixels: str, options: dict[str, str], tag: str = "", sound: bool = False
) -> None:
    form = {".mp4": "mp4"}.get(path.suffix.lower(), "mov")
    with av.open(str(path), "w", format=form, options={"fflags": "+bitexact"}) as out:
        out.metadata["creation_time"] = take.moment
        picture = cast(Any, out.add_stream(codec, rate=FRAME_RATE, options=options))
        picture.width, picture.height = take.size
        picture.pix_fmt, picture.codec_context.thread_count = pixels, 1
        if tag:
            picture.codec_tag = tag
        voice = cast(Any, out.add_stream("aac", rate=48_000)) if sound else None
        for number, frame in zip(range(take.frame_count), _frames(take), strict=False):
            picked = frame.reformat(format=pixels)
            picked.pts, picked.time_base = number, Fraction(1, FRAME_RATE)
            out.mux(picture.encode(picked))
        out.mux(picture.encode())
        if voice is not None:
            for heard in _sine(take):
                out.mux(voice.encode(heard))
            out.mux(voice.encode())


def _frames(take: Take) -> Iterator[av.VideoFrame]:
    with av.open(take.picture, format="lavfi") as source:
        yield from source.decode(video=0)


def _sine(take: Take) -> Iterator[av.AudioFrame]:
    length_s = take.frame_count / FRAME_RATE
    with av.open(f"sine=f={take.pitch_hz}:r=48000:d={length_s}", format="lavfi") as source:
        yield from source.decode(audio=0)
