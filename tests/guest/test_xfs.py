"""Zoned XFS on Linux 7: on an SMR disk, and on a ZNS namespace with an ordinary disk beside it.

It needs xfsprogs 6.18 or later, which Debian's releases do not have: those of sid are pulled into the cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zonevm import Guest, PlainDisk, SmrDisk, ZnsDisk
from zonevm.packages import Tree, pull_tree

from .test_filesystems import no_kernel_complaint, sh, write_remount_check

pytestmark = pytest.mark.guest

SMR, ZNS, PLAIN = "/dev/sda", "/dev/nvme0n1", "/dev/vda"


@pytest.fixture(scope="module")
def xfsprogs() -> Tree:
    return pull_tree(["xfsprogs"], "sid")


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    disks = [
        SmrDisk(size="8G", zone_size="64M", conventional=16),
        ZnsDisk(size="4G", zone_size="64M"),
        PlainDisk(size="1G"),
    ]
    with Guest(disks=disks, kernel="7", memory="2G", cpus=2) as guest:
        yield guest


def test_on_an_smr_disk_the_conventional_zones_hold_the_metadata(guest: Guest, xfsprogs: Tree) -> None:
    told = sh(guest, f"{xfsprogs.program('mkfs.xfs')} -f -r zoned=1 {SMR}")
    assert "realtime =internal" in told
    assert "zoned=1      start=262144" in told, "after 1 GiB of conventional zones"
    write_remount_check(guest, f"mount -t xfs {SMR} /mnt/smr", "/mnt/smr")
    open_or_full = sh(guest, f"blkzone report {SMR} | grep -c -v -e '(em)' -e '(nw)' || true")
    assert int(open_or_full) > 0, "files are in sequential zones"
    sh(guest, f"{xfsprogs.program('xfs_repair')} -n {SMR}")
    no_kernel_complaint(guest)


def test_on_a_zns_namespace_an_ordinary_disk_holds_the_metadata(guest: Guest, xfsprogs: Tree) -> None:
    told = sh(guest, f"{xfsprogs.program('mkfs.xfs')} -f -r zoned=1,rtdev={ZNS} {PLAIN}")
    assert f"realtime ={ZNS}" in told
    write_remount_check(guest, f"mount -t xfs -o rtdev={ZNS} {PLAIN} /mnt/zns", "/mnt/zns")
    sh(guest, f"{xfsprogs.program('xfs_repair')} -n -r {ZNS} {PLAIN}")
    no_kernel_complaint(guest)
