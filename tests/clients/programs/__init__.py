"""Real programs behind one interface. Each file says how to talk to one program and what it is known for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from ..server import DavServer
from .base import Program, Refused
from .cadaver import cadaver
from .curl import curl
from .gvfs import gvfs
from .mounted import davfs2, rclone_mount
from .node import node_webdav
from .python import webdav4, webdavclient3
from .rclone import rclone

Start = Callable[[DavServer, Path], AbstractContextManager[Program]]

PROGRAMS: dict[str, Start] = {
    "cadaver": cadaver,
    "curl": curl,
    "davfs2": davfs2,
    "gvfs": gvfs,
    "node-webdav": node_webdav,
    "rclone": rclone,
    "rclone-mount": rclone_mount,
    "webdav4": webdav4,
    "webdavclient3": webdavclient3,
}

__all__ = ["PROGRAMS", "Program", "Refused", "Start"]
