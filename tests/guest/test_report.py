"""What the disk says of itself to sg3-utils, lsscsi and blkzone: zones, identity, limits, commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zonevm import Guest, SmrDisk

from .scsi import GOOD, Reported, Scsi

pytestmark = pytest.mark.guest

CLOSE, FINISH, OPEN = 1, 2, 3
ZONE = 2048
NO_WRITE_POINTER = 0xFFFF_FFFF_FFFF_FFFF


@pytest.fixture(scope="module")
def disk(kernel: str) -> Iterator[Scsi]:
    """16 zones of 1 MiB, 2 conventional, 3 open at most, each condition there is in one of them."""
    description = SmrDisk(
        size="16M", zone_size="1M", conventional=2, max_open=3, block_size=512, serial="SERIAL-1"
    )
    with Guest(disks=[description], kernel=kernel) as guest:
        disk = Scsi(guest, "/dev/sda", ZONE)
        disk.reset_all()
        assert disk.write16(disk.zone(4), 8) is GOOD
        assert disk.zone_out(CLOSE, disk.zone(4)) is GOOD
        assert disk.write16(disk.zone(5), 16) is GOOD
        assert disk.zone_out(OPEN, disk.zone(6)) is GOOD
        assert disk.zone_out(FINISH, disk.zone(7)) is GOOD
        yield disk


def out(disk: Scsi, *argv: str) -> str:
    """What a command in the guest prints; it must succeed."""
    return disk.guest.run([*argv], check=True).stdout.decode()


@pytest.mark.parametrize(
    ("option", "zones"),
    [
        (0x00, range(16)),
        (0x01, [2, 3, *range(8, 16)]),
        (0x02, [5]),
        (0x03, [6]),
        (0x04, [4]),
        (0x05, [7]),
        (0x06, []),
        (0x07, []),
        (0x10, []),
        (0x11, []),
        (0x3E, range(16)),
        (0x3F, [0, 1]),
    ],
)
def test_every_reporting_option(disk: Scsi, option: int, zones: list[int]) -> None:
    assert [zone.start for zone in disk.zones(option=option)] == [disk.zone(number) for number in zones]


def test_the_descriptors(disk: Scsi) -> None:
    zones = disk.zones()
    assert zones[0] == Reported(1, 0, ZONE, 0, NO_WRITE_POINTER)
    assert zones[2] == Reported(2, 1, ZONE, disk.zone(2), disk.zone(2))
    assert zones[4] == Reported(2, 4, ZONE, disk.zone(4), disk.zone(4) + 8)
    assert zones[5] == Reported(2, 2, ZONE, disk.zone(5), disk.zone(5) + 16)
    assert zones[6] == Reported(2, 3, ZONE, disk.zone(6), disk.zone(6))
    assert zones[7] == Reported(2, 14, ZONE, disk.zone(7), NO_WRITE_POINTER)


def test_the_header(disk: Scsi) -> None:
    answer = disk.report()
    assert int.from_bytes(answer.data[8:16], "big") == 16 * ZONE - 1, "maximum LBA"
    assert answer.data[4] & 15 == 3, "SAME: lengths are equal, types may differ"
    assert disk.report(disk.zone(2)).data[4] & 15 == 1, "SAME: types and lengths are equal"


def test_partial_counts_what_fits(disk: Scsi) -> None:
    whole = disk.report(length=64 * 3)
    part = disk.report(length=64 * 3, partial=True)
    assert int.from_bytes(whole.data[:4], "big") == 16 * 64
    assert int.from_bytes(part.data[:4], "big") == 2 * 64
    cut = disk.report(length=64 * 3 - 24, partial=True)
    assert (len(cut.data), int.from_bytes(cut.data[:4], "big")) == (64 * 3 - 24, 2 * 64 - 24)


def test_a_report_starts_at_the_zone_that_holds_the_lba(disk: Scsi) -> None:
    assert disk.zones(disk.zone(9) + 5)[0].start == disk.zone(9)


def test_sg_rep_zones(disk: Scsi) -> None:
    text = out(disk, "sg_rep_zones", disk.sg)
    assert "Sequential write required" in text
    assert text.count("Zone type:") == 16


def test_sg_zone_and_sg_reset_wp(disk: Scsi) -> None:
    number = 12
    out(disk, "sg_zone", "--open", f"--zone={disk.zone(number)}", disk.sg)
    assert disk.condition(number) == 3
    out(disk, "sg_zone", "--finish", f"--zone={disk.zone(number)}", disk.sg)
    assert disk.condition(number) == 14
    out(disk, "sg_reset_wp", f"--zone={disk.zone(number)}", disk.sg)
    assert disk.condition(number) == 1


def test_lsscsi(disk: Scsi) -> None:
    line = out(disk, "lsscsi", "-g").strip()
    assert " zbc " in line
    assert line.split()[-2:] == [disk.disk, disk.sg]


def test_sg_inq(disk: Scsi) -> None:
    text = out(disk, "sg_inq", disk.sg)
    assert "zbc" in text.lower() or "host managed zoned block" in text.lower()
    assert "Unit serial number: SERIAL-1" in text


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("sv", ["[sv]", "[sn]", "[di]", "[bl]", "[bdc]", "[zbdch]"]),
        ("sn", ["Unit serial number: SERIAL-1"]),
        ("di", ["designator type: NAA", "ZONEVM", "SERIAL-1"]),
        ("bl", ["Block limits", "Optimal transfer length granularity"]),
        ("bdc", ["Nominal rotation rate: 7200 rpm", "ZONED=0"]),
        ("zbdch", ["URSWRZ: 1", "Maximum number of open sequential write required zones: 3"]),
    ],
)
def test_sg_vpd(disk: Scsi, page: str, expected: list[str]) -> None:
    text = out(disk, "sg_vpd", f"--page={page}", disk.sg).lower()
    for part in expected:
        assert part.lower() in text, text


def test_sg_opcodes(disk: Scsi) -> None:
    text = out(disk, "sg_opcodes", disk.sg)
    for name in (
        "Report zones",
        "Reset write pointer",
        "Open zone",
        "Close zone",
        "Finish zone",
        "Write(16)",
    ):
        assert name.lower() in text.lower(), text
    one = out(disk, "sg_opcodes", "--opcode=0x95,0", "--hex", disk.sg)
    assert one


def test_blkzone(disk: Scsi) -> None:
    lines = out(disk, "blkzone", "report", disk.disk).splitlines()
    assert len(lines) == 16
    assert sum("CONVENTIONAL" in line for line in lines) == 2


def test_the_kernel_took_it_as_host_managed(disk: Scsi) -> None:
    log = out(disk, "dmesg")
    assert "Host-managed zoned block device" in log
    assert "16 zones of 2048 logical blocks" in log
    queue = "/sys/block/sda/queue"
    assert out(disk, "cat", f"{queue}/zoned").strip() == "host-managed"
    assert out(disk, "cat", f"{queue}/nr_zones").strip() == "16"
    assert out(disk, "cat", f"{queue}/chunk_sectors").strip() == str(ZONE)
    assert out(disk, "cat", f"{queue}/max_open_zones").strip() == "3"
