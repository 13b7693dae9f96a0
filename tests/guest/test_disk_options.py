"""Disks that are not as most are, and what Linux makes of them: one guest with one of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zonevm import Guest, SmrDisk

from .scsi import GOOD, Scsi, Sense

pytestmark = pytest.mark.guest

READ_INVALID_DATA = Sense(5, 0x21, 0x06)
READ_BOUNDARY_VIOLATION = Sense(5, 0x21, 0x07)

FINISH = 2

ZONE = 2048  # blocks of 512 bytes


@pytest.fixture(scope="module")
def guest(kernel: str) -> Iterator[Guest]:
    restricted = SmrDisk(size="16M", zone_size="1M", conventional=2, urswrz=False)
    with Guest(disks=[restricted], kernel=kernel) as guest:
        yield guest


def test_restricted_reads(guest: Guest) -> None:
    log = guest.run("dmesg -t", check=True).stdout.decode()
    assert "[sda] constrained reads devices are not supported\n" in log
    assert guest.run("cat /sys/block/sda/size", check=True).stdout == b"0\n"
    disk = Scsi(guest, "/dev/sda", ZONE)
    assert disk.raw(bytes.fromhex("1201b6004000"), receive=64).data[4] == 0
    assert disk.write16(disk.zone(5), 8) is GOOD
    assert disk.read16(disk.zone(5), 8).sense is GOOD
    assert disk.read16(disk.zone(5), 9).sense == READ_INVALID_DATA
    assert disk.read16(disk.zone(6), 1).sense == READ_INVALID_DATA
    assert disk.zone_out(FINISH, disk.zone(5)) is GOOD
    assert disk.read16(disk.zone(5), ZONE).sense is GOOD
    assert disk.read16(disk.zone(6) - 1, 2).sense == READ_BOUNDARY_VIOLATION
    assert disk.read16(disk.zone(2) - 1, 2).sense == READ_BOUNDARY_VIOLATION
    assert disk.read16(disk.zone(1) - 1, 2).sense is GOOD
