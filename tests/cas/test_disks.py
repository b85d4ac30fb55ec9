"""What the kernel tells of disks: through partitions, RAID and loops, down to what can fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cas.disks import Disk, disk_of

Machine = Callable[..., Disk]


class Told:
    """A /proc/self and a /sys, as a machine with these mounts and devices has them."""

    def __init__(self, folder: Path, fd: int) -> None:
        self.proc, self.sys, self.fd = folder / "proc", folder / "sys", fd
        (self.proc / "fdinfo").mkdir(parents=True)
        (self.sys / "class/block").mkdir(parents=True)
        (self.sys / "dev/block").mkdir(parents=True)

    def mounted(self, kind: str, source: str) -> Disk:
        (self.proc / f"fdinfo/{self.fd}").write_text("pos:\t0\nmnt_id:\t27\n")
        lines = ["26 1 0:5 / /other rw - tmpfs none rw", f"27 1 254:1 / / rw shared:1 - {kind} {source} rw"]
        (self.proc / "mountinfo").write_text("\n".join(lines) + "\n")
        return disk_of(self.fd, self.proc, self.sys)

    def device(self, name: str, *, of: str = "", slaves: tuple[str, ...] = (), model: str = "", loop: str = "") -> None:
        """A block device; a partition `of` another, or made of `slaves`, or a loop over the file `loop`."""
        node = self.sys / "devices" / of / name
        node.mkdir(parents=True, exist_ok=True)
        (self.sys / "class/block" / name).symlink_to(node)
        if of:
            (node / "partition").write_text("1")
        for slave in slaves:
            (node / "slaves" / slave).mkdir(parents=True)
        if model:
            (node / "device").mkdir()
            (node / "device/model").write_text(f"{model}   \n")
        if loop:
            (node / "loop").mkdir()
            (node / "loop/backing_file").write_text(loop)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield Told(tmp_path / "kernel", fd)
    os.close(fd)


def test_a_partition_is_lost_with_its_disk(told: Told) -> None:
    told.device("sda", model="Samsung SSD 990")
    told.device("sda1", of="sda")
    told.device("sda2", of="sda")
    one, two = told.mounted("ext4", "/dev/sda1"), told.mounted("xfs", "/dev/sda2")
    assert one == Disk(frozenset({"sda"}), "sda (Samsung SSD 990)") and one.shares(two)


def test_a_raid_needs_all_its_disks_and_shares_each(told: Told) -> None:
    for disk in ("sda", "sdb", "sdc"):
        told.device(disk)
        told.device(f"{disk}1", of=disk)
    told.device("md0", slaves=("sda1", "sdb1"))
    told.device("dm-0", slaves=("md0",))
    raid = told.mounted("btrfs", "/dev/dm-0")
    assert raid.parts == {"sda", "sdb"} and raid.words == "sda, sdb"
    assert raid.shares(told.mounted("ext4", "/dev/sdb1")) and not raid.shares(told.mounted("ext4", "/dev/sdc1"))


def test_a_loop_lies_where_its_file_lies(told: Told, tmp_path: Path) -> None:
    (tmp_path / "image").touch()
    device = (tmp_path / "image").stat().st_dev
    told.device("sdz")
    (told.sys / f"dev/block/{os.major(device)}:{os.minor(device)}").symlink_to(told.sys / "devices/sdz")
    told.device("loop3", loop=str(tmp_path / "image"))
    assert told.mounted("ext4", "/dev/loop3").parts == {"sdz"}


def test_memory_is_no_disk(told: Told) -> None:
    memory = told.mounted("tmpfs", "none")
    assert not memory.lasting and memory.words == "the memory of this machine"


def test_a_share_is_named_by_its_server(told: Told) -> None:
    assert told.mounted("nfs4", "nas:/export").parts == {"nas:/export"}
    assert told.mounted("cifs", "//nas/clips").words == "//nas/clips over the network"


def test_what_is_not_told_is_said_and_stands_for_its_file_system(told: Told) -> None:
    found = told.mounted("overlay", "overlay")
    assert not found.known and found.shares(told.mounted("overlay", "overlay"))
    silent = disk_of(told.fd, told.proc / "nowhere", told.sys)
    assert silent.parts == found.parts and "not told" in silent.words


def test_this_machine_answers(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    assert disk_of(fd).parts and disk_of(fd) == disk_of(fd)
    os.close(fd)
