"""Which disk a file lies on, as far as the kernel tells: two folders on one disk are lost together.

    descriptor ─► mount (fdinfo, mountinfo) ─► block device ─► what it is made of (partition, dm, md, loop) ─► disks
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MEMORY = {"tmpfs", "ramfs", "devtmpfs"}
DEEP = 8  # a partition of a RAID of LUKS of partitions is four


@dataclass(frozen=True, slots=True)
class Disk:
    """What a file system lies on.

    parts     names of everything it needs: "sda", "nvme0n1", "nas:/export"; two with a part in common are lost together
    words     for people
    lasting   False for memory, which is gone with the power
    known     False where the system does not tell: then the file system stands for its disk
    """

    parts: frozenset[str]
    words: str
    lasting: bool = True
    known: bool = True

    def shares(self, other: Disk) -> bool:
        return bool(self.parts & other.parts)


def disk_of(fd: int, proc: Path = Path("/proc/self"), sys: Path = Path("/sys")) -> Disk:
    """The disk of an open file or folder. `proc` and `sys` are where the kernel tells of itself."""
    kind, source = _mount(fd, proc)
    if kind in MEMORY:
        return Disk(frozenset({"memory"}), "the memory of this machine", lasting=False)
    base = _block_device(fd, source, sys)
    if base:
        parts = _made_of(base, sys)
        return Disk(parts, ", ".join(_words(part, sys) for part in sorted(parts)))
    if ":" in source or source.startswith("//"):
        return Disk(frozenset({source}), f"{source} over the network")
    device = os.fstat(fd).st_dev
    return Disk(frozenset({f"file system {device}"}), f"a {kind or 'file system'} whose disk is not told", known=False)


def _mount(fd: int, proc: Path) -> tuple[str, str]:
    """Type and source of the mount a descriptor lies in; two empty texts where that cannot be read."""
    try:
        said = (proc / "fdinfo" / str(fd)).read_text()
        mount = next(line.split()[1] for line in said.splitlines() if line.startswith("mnt_id:"))
        lines = (proc / "mountinfo").read_text().splitlines()
    except (OSError, StopIteration):
        return "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split()[0] == mount:
            kind, source = after.split()[:2]
            return kind, source
    return "", ""


def _block_device(fd: int, source: str, sys: Path) -> str:
    """Name of the block device below a file system: its source, or what has its number; "" for none."""
    if source.startswith("/dev/"):
        name = os.path.basename(os.path.realpath(source))
        if (sys / "class/block" / name).exists():
            return name
    device = os.fstat(fd).st_dev
    node = sys / "dev/block" / f"{os.major(device)}:{os.minor(device)}"
    return os.path.basename(os.path.realpath(node)) if node.exists() else ""


def _made_of(name: str, sys: Path, deep: int = DEEP) -> frozenset[str]:
    """The disks a block device is made of: through partitions, device mapper, RAID and loops to the file behind."""
    node = Path(os.path.realpath(sys / "class/block" / name))
    if not deep:
        return frozenset({name})
    if (node / "partition").exists():
        return _made_of(node.parent.name, sys, deep - 1)
    below = [slave.name for slave in (node / "slaves").iterdir()] if (node / "slaves").is_dir() else []
    if below:
        return frozenset(part for slave in below for part in _made_of(slave, sys, deep - 1))
    return _behind_loop(node, sys, deep) or frozenset({name})


def _behind_loop(node: Path, sys: Path, deep: int) -> frozenset[str]:
    try:
        file = (node / "loop/backing_file").read_text().strip()
        device = os.stat(file).st_dev
    except OSError:
        return frozenset()
    name = os.path.basename(os.path.realpath(sys / "dev/block" / f"{os.major(device)}:{os.minor(device)}"))
    return _made_of(name, sys, deep - 1) if (sys / "class/block" / name).exists() else frozenset()


def _words(name: str, sys: Path) -> str:
    try:
        model = (sys / "class/block" / name / "device/model").read_text().strip()
    except OSError:
        model = ""
    return f"{name} ({model})" if model else name
