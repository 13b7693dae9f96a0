"""A host-aware disk: kernels before 6.8 show its zones, later ones an ordinary disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zonevm import Guest, SmrDisk

from .scsi import GOOD, Scsi

pytestmark = pytest.mark.guest

RESET = 4
ZONE = 2048  # blocks of 512 bytes


@pytest.fixture(scope="module")
def guest(kernel_each: str) -> Iterator[Guest]:
    disk = SmrDisk(size="256M", zone_size="1M", conventional=2, model="host-aware")
    with Guest(disks=[disk, disk], kernel=kernel_each) as guest:
        yield guest


def _says(guest: Guest, command: str) -> str:
    return guest.run(command, check=True).stdout.decode()


def _shows_zones(guest: Guest) -> bool:
    return _says(guest, "uname -r").startswith("6.1.")


def test_linux_sees_what_it_is(guest: Guest) -> None:
    log = _says(guest, "dmesg -t")
    if _shows_zones(guest):
        assert "[sda] Host-aware zoned block device\n" in log
        model = "host-aware"
    else:
        assert "[sda] Host-aware SMR disk used as regular disk\n" in log
        model = "none"
    assert _says(guest, "cat /sys/block/sda/queue/zoned") == f"{model}\n"
    checks = guest.verify()
    assert all(check.passed for check in checks)
    assert {check.seen for check in checks if check.fact == "zoned model"} == {model}
    assert "ZONED=1  [host-aware]" in _says(guest, "sg_vpd -p bdc /dev/sda")


def test_zones_written_out_of_sequence_are_reported(guest: Guest) -> None:
    disk = Scsi(guest, "/dev/sda", ZONE)
    assert disk.write16(disk.zone(5), 1) is GOOD
    assert disk.write16(disk.zone(6) + 77, 3) is GOOD
    assert disk.write16(disk.zone(8) - 4, 8) is GOOD
    zones = disk.zones(disk.zone(5))
    assert [zone.kind for zone in zones[:4]] == [3, 3, 3, 3]
    assert [zone.write_pointer - zone.start for zone in zones[:2]] == [1, 80]
    non_sequential = disk.zones(0, option=0x11)
    assert [zone.start // ZONE for zone in non_sequential] == [6, 7]
    if _shows_zones(guest):
        listed = _says(guest, f"blkzone report -o {6 * ZONE} -c 1 /dev/sda")
        assert "wptr 0x000050 reset:0 non-seq:1, zcond: 2(oi) [type: 3(SEQ_WRITE_PREFERRED)]" in listed
        guest.run(f"blkzone reset -o {6 * ZONE} -c 2 /dev/sda", check=True)
    else:
        assert disk.zone_out(RESET, disk.zone(6)) is GOOD
        assert disk.zone_out(RESET, disk.zone(7)) is GOOD
    assert disk.zones(0, option=0x11) == []


def test_it_is_written_like_any_disk(guest: Guest) -> None:
    job = "fio --name=x --filename=/dev/sdb --direct=1 --rw=randwrite --bsrange=512-64k --size=16M"
    guest.run(f"{job} --verify=crc32c --ioengine=libaio --iodepth=8 --output=/dev/null", check=True)
    guest.run("mkfs.ext4 -q /dev/sdb && mount /dev/sdb /mnt && cp -r /usr/bin/ls /mnt/ls", check=True)
    guest.run(
        "umount /mnt && e2fsck -fn /dev/sdb && mount /dev/sdb /mnt && cmp /usr/bin/ls /mnt/ls", check=True
    )
    guest.run("umount /mnt", check=True)
