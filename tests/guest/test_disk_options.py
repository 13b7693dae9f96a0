"""Disks that are not as most are, and what Linux makes of them: one guest with one of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zonevm import Guest, SmrDisk

from .scsi import GOOD, Scsi, Sense

pytestmark = pytest.mark.guest

READ_INVALID_DATA = Sense(5, 0x21, 0x06)
READ_BOUNDARY_VIOLATION = Sense(5, 0x21, 0x07)
WRITE_BOUNDARY_VIOLATION = Sense(5, 0x21, 0x05)
GAP_ZONE = Sense(5, 0x21, 0x09)
INVALID_FIELD = Sense(5, 0x24, 0x00)

FINISH, RESET = 2, 4

ZONE = 2048  # blocks of 512 bytes


@pytest.fixture(scope="module")
def guest(kernel: str) -> Iterator[Guest]:
    restricted = SmrDisk(size="16M", zone_size="1M", conventional=2, urswrz=False)
    gaps = SmrDisk(size="16M", zone_size="1M", conventional=2, zone_capacity="768K")
    with Guest(disks=[restricted, gaps], kernel=kernel) as guest:
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


def test_gap_zones(guest: Guest) -> None:
    report = guest.run("blkzone report /dev/sdb", check=True).stdout.decode().splitlines()
    assert len(report) == 16
    assert "len 0x000800, cap 0x000800" in report[0]
    assert all("len 0x000800, cap 0x000600" in line for line in report[2:])
    [capacity] = [
        check for check in guest.verify() if check.node == "/dev/sdb" and check.fact == "zone capacity"
    ]
    assert capacity.passed

    # The block layer's own view: a whole zone is 768 KiB, and a zone is written to its end.
    fill = "dd if=/dev/zero of=/dev/sdb bs=128K count=6 seek=40 oflag=direct"
    guest.run(fill, check=True)
    fifth = guest.run("blkzone report -o 0x2800 -c 1 /dev/sdb", check=True).stdout.decode()
    assert "cap 0x000600" in fifth and "14(fu)" in fifth

    disk = Scsi(guest, "/dev/sdb", ZONE)
    gap = disk.zone(6) + 1536
    assert disk.read16(gap, 8).sense == GAP_ZONE
    assert disk.read16(gap - 8, 16).sense == GAP_ZONE
    assert disk.write16(gap, 8) == GAP_ZONE
    assert disk.zone_out(RESET, gap) == INVALID_FIELD
    assert disk.write16(disk.zone(6), 1528) is GOOD
    assert disk.write16(gap - 8, 16) == WRITE_BOUNDARY_VIOLATION
    assert disk.write16(gap - 8, 8) is GOOD
    gap_zone, *others = disk.zones(gap)
    assert (gap_zone.kind, gap_zone.condition, gap_zone.start, gap_zone.length) == (5, 0, gap, 512)
    assert sum(zone.kind == 5 for zone in others) == 9
    assert disk.zones(gap, option=0x3E) == [zone for zone in others if zone.kind != 5]
