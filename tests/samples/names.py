"""Names as cameras and people give them: they collide between folders and are spelt in every way a disk allows."""

from __future__ import annotations

import unicodedata
from random import Random

FOLDERS = (
    "DCIM/100APPLE",
    "DCIM/101APPLE",
    "DCIM/102APPLE",
    "DCIM/100GOPRO",
    "PRIVATE/M4ROOT/CLIP",
    "DCIM/100MEDIA",
    "Shared by Zoë",
    unicodedata.normalize("NFD", "Größe Übung"),
    "🎬 Dailies",
)
KINDS = ("hevc", "h264", "jpeg", "heic", "wav", "prores")
SUFFIXES = {"hevc": "MOV", "h264": "MP4", "jpeg": "JPG", "heic": "HEIC", "wav": "WAV", "prores": "mov"}
PATTERNS = {
    "hevc": ("IMG_{n:04}.MOV", "IMG_E{n:04}.MOV", "IMG_{n:04} (2).MOV", "IMG_{n:04} 2.MOV"),
    "h264": ("GX01{n:04}.MP4", "C{n:04}.MP4", "DJI_{n:04}.MP4", "VID_2024060{d}_{n:06}.mp4"),
    "jpeg": ("IMG_{n:04}.JPG", "DSC0{n:04}.JPG", "IMG_E{n:04}.JPG"),
    "heic": ("IMG_{n:04}.HEIC", "IMG_E{n:04}.HEIC", "IMG_{n:04} (2).HEIC"),
    "wav": ("ZOOM{n:04}.WAV", "TAKE_{n:02}.WAV"),
    "prores": ("A001C{n:03}_240601_R1AB.mov", "Master v{n}.mov"),
}
SPOKEN = (
    "Café am Abend {n}",
    "Interview mit Jörg & Änne {n}",
    "🎥 première prise {n}",
    "100% fertig; Fassung {n}",
    "東京 {n}",
    "was? nein! #{n}",
    "a+b=c, {n}",
    "." * 3 + "später {n}",
)


def camera_name(kind: str, dice: Random) -> str:
    """A name out of a small range, so that IMG_0001 turns up in folder after folder."""
    pattern = dice.choice(PATTERNS[kind])
    return pattern.format(n=dice.randint(1, 30), d=dice.randint(1, 9))


def human_name(kind: str, dice: Random) -> str:
    """What somebody called a clip later, composed (Windows, Linux) or decomposed (a Mac) at random."""
    name = f"{dice.choice(SPOKEN).format(n=dice.randint(1, 99))}.{SUFFIXES[kind]}"
    return unicodedata.normalize(dice.choice(("NFC", "NFD")), name)
