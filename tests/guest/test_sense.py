"""What a wrong command gets: every row of the sense table that a host-managed disk can show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zonevm import Guest, SmrDisk

from .scsi import GOOD, Scsi, Sense

pytestmark = pytest.mark.guest

UNALIGNED_WRITE = Sense(5, 0x21, 0x04)
WRITE_BOUNDARY_VIOLATION = Sense(5, 0x21, 0x05)
READ_BOUNDARY_VIOLATION = Sense(5, 0x21, 0x07)
INVALID_FIELD = Sense(5, 0x24, 0x00)
OUT_OF_RANGE = Sense(5, 0x21, 0x00)
INVALID_OPCODE = Sense(5, 0x20, 0x00)
INSUFFICIENT_ZONES = Sense(7, 0x55, 0x0E)

EMPTY, IMPLICIT, EXPLICIT, CLOSED, FULL = 1, 2, 3, 4, 14
CLOSE, FINISH, OPEN, RESET = 1, 2, 3, 4

ZONE = 2048  # blocks of 512 bytes
CONVENTIONAL = 4
MAX_OPEN = 4
BLOCKS = 64 * ZONE - 1024  # the last zone is half a zone


@pytest.fixture(scope="module")
def disk(kernel: str) -> Iterator[Scsi]:
    description = SmrDisk(
        size=BLOCKS * 512, zone_size="1M", conventional=CONVENTIONAL, max_open=MAX_OPEN, block_size=512
    )
    with Guest(disks=[description], kernel=kernel) as guest:
        yield Scsi(guest, "/dev/sda", ZONE)


@pytest.fixture(autouse=True)
def clean(disk: Scsi) -> None:
    disk.reset_all()


def test_write_away_from_the_write_pointer(disk: Scsi) -> None:
    start = disk.zone(10)
    assert disk.write16(start + 8, 8) == UNALIGNED_WRITE
    assert disk.write16(start, 8) is GOOD
    assert disk.write16(start, 8) == UNALIGNED_WRITE
    assert disk.write16(start + 16, 8) == UNALIGNED_WRITE
    assert disk.write16(start + 8, 8) is GOOD


def test_write_that_does_not_end_on_a_physical_block(disk: Scsi) -> None:
    assert disk.write16(disk.zone(10), 1) == UNALIGNED_WRITE
    assert disk.write16(disk.zone(10), 12) == UNALIGNED_WRITE


def test_write_across_the_end_of_a_zone(disk: Scsi) -> None:
    assert disk.write16(disk.zone(10), ZONE - 8) is GOOD
    assert disk.write16(disk.zone(11) - 8, 16) == WRITE_BOUNDARY_VIOLATION
    assert disk.write16(disk.zone(11) - 8, 8) is GOOD
    assert disk.condition(10) == FULL


def test_write_from_a_conventional_zone_into_a_sequential_one(disk: Scsi) -> None:
    assert disk.write16(disk.zone(CONVENTIONAL) - 8, 16) == WRITE_BOUNDARY_VIOLATION


def test_write_from_one_conventional_zone_into_the_next(disk: Scsi) -> None:
    assert disk.write16(disk.zone(1) - 8, 16) is GOOD


def test_write_to_a_full_zone(disk: Scsi) -> None:
    assert disk.zone_out(FINISH, disk.zone(10)) is GOOD
    assert disk.write16(disk.zone(10), 8) == INVALID_FIELD


def test_read_at_and_past_the_write_pointer_gives_zeroes(disk: Scsi) -> None:
    assert disk.write16(disk.zone(10), 8) is GOOD
    answer = disk.read16(disk.zone(10), 64)
    assert answer.sense is GOOD
    assert answer.data == bytes(64 * 512)


def test_read_across_sequential_zones(disk: Scsi) -> None:
    answer = disk.read16(disk.zone(11) - 8, 16)
    assert answer.sense is GOOD
    assert len(answer.data) == 16 * 512


def test_read_from_a_conventional_zone_into_a_sequential_one(disk: Scsi) -> None:
    assert disk.read16(disk.zone(CONVENTIONAL) - 8, 16).sense == READ_BOUNDARY_VIOLATION
    assert disk.read16(disk.zone(CONVENTIONAL) - 8, 8).sense is GOOD
    assert disk.read16(disk.zone(1) - 8, 16).sense is GOOD
    # The block layer splits reads where zones meet.
    for flag in ("direct", "nonblock"):
        read = f"dd if={disk.disk} of=/dev/null bs={BLOCKS * 512} count=1 iflag={flag},fullblock"
        assert f"{BLOCKS * 512} bytes" in disk.guest.run(read, check=True).stderr.decode()


def test_explicit_open_past_the_limit(disk: Scsi) -> None:
    for number in range(10, 10 + MAX_OPEN):
        assert disk.zone_out(OPEN, disk.zone(number)) is GOOD
    assert disk.zone_out(OPEN, disk.zone(20)) == INSUFFICIENT_ZONES


def test_write_past_the_limit_of_explicitly_open_zones(disk: Scsi) -> None:
    for number in range(10, 10 + MAX_OPEN):
        assert disk.zone_out(OPEN, disk.zone(number)) is GOOD
    assert disk.write16(disk.zone(20), 8) == INSUFFICIENT_ZONES
    assert disk.condition(20) == EMPTY


def test_implicitly_open_zones_are_closed_to_make_room(disk: Scsi) -> None:
    for number in range(10, 10 + MAX_OPEN + 2):
        assert disk.write16(disk.zone(number), 8) is GOOD
    conditions = [disk.condition(number) for number in range(10, 10 + MAX_OPEN + 2)]
    assert conditions.count(IMPLICIT) == MAX_OPEN
    assert conditions.count(CLOSED) == 2
    assert disk.zone_out(OPEN, disk.zone(30)) is GOOD
    assert len(disk.zones(option=2)) == MAX_OPEN - 1


def test_open_all_needs_room_for_every_closed_zone(disk: Scsi) -> None:
    for number in range(10, 10 + MAX_OPEN + 1):
        assert disk.write16(disk.zone(number), 8) is GOOD
        assert disk.zone_out(CLOSE, disk.zone(number)) is GOOD
    assert disk.zone_out(OPEN, 0, every=True) == INSUFFICIENT_ZONES


@pytest.mark.parametrize("action", [CLOSE, FINISH, OPEN, RESET])
class TestZoneOperation:
    def test_not_at_a_zone_start(self, disk: Scsi, action: int) -> None:
        assert disk.zone_out(action, disk.zone(10) + 8) == INVALID_FIELD

    def test_on_a_conventional_zone(self, disk: Scsi, action: int) -> None:
        assert disk.zone_out(action, disk.zone(1)) == INVALID_FIELD

    def test_past_the_last_lba(self, disk: Scsi, action: int) -> None:
        assert disk.zone_out(action, disk.zone(64)) == OUT_OF_RANGE

    def test_all_ignores_the_zone_id(self, disk: Scsi, action: int) -> None:
        assert disk.zone_out(action, disk.zone(1) + 3, every=True) is GOOD
        assert disk.zone_out(action, 1 << 60, every=True) is GOOD


def test_report_from_past_the_last_lba(disk: Scsi) -> None:
    assert disk.report(BLOCKS).sense == OUT_OF_RANGE
    assert disk.report(BLOCKS - 1).sense is GOOD


@pytest.mark.parametrize("option", [0x08, 0x0F, 0x12, 0x30, 0x3D])
def test_report_with_a_reserved_option(disk: Scsi, option: int) -> None:
    assert disk.report(option=option).sense == INVALID_FIELD


def test_unknown_opcode(disk: Scsi) -> None:
    assert disk.raw(b"\xc1" + bytes(9)).sense == INVALID_OPCODE


def test_unknown_field(disk: Scsi) -> None:
    assert disk.raw(b"\x12\0\xd7\0\xff\0", receive=255).sense == INVALID_FIELD  # a VPD page without EVPD


def test_lba_out_of_range(disk: Scsi) -> None:
    assert disk.read16(BLOCKS, 8).sense == OUT_OF_RANGE
    assert disk.read16(BLOCKS - 8, 16).sense == OUT_OF_RANGE
    assert disk.write16(BLOCKS, 8) == OUT_OF_RANGE


def test_operations_that_change_nothing_succeed(disk: Scsi) -> None:
    assert disk.zone_out(FINISH, disk.zone(10)) is GOOD
    for action in (FINISH, CLOSE, OPEN):
        assert disk.zone_out(action, disk.zone(10)) is GOOD
        assert disk.condition(10) == FULL
    for action in (CLOSE, RESET):
        assert disk.zone_out(action, disk.zone(11)) is GOOD
        assert disk.condition(11) == EMPTY


def test_close_of_an_open_zone_at_its_start_makes_it_empty(disk: Scsi) -> None:
    assert disk.zone_out(OPEN, disk.zone(10)) is GOOD
    assert disk.condition(10) == EXPLICIT
    assert disk.zone_out(CLOSE, disk.zone(10)) is GOOD
    assert disk.condition(10) == EMPTY


def test_open_all_touches_closed_zones_only(disk: Scsi) -> None:
    assert disk.write16(disk.zone(10), 8) is GOOD
    assert disk.zone_out(CLOSE, disk.zone(10)) is GOOD
    assert disk.write16(disk.zone(11), 8) is GOOD
    assert disk.zone_out(OPEN, 0, every=True) is GOOD
    assert [disk.condition(number) for number in (10, 11, 12)] == [EXPLICIT, IMPLICIT, EMPTY]


def test_finish_all_takes_open_and_closed_zones(disk: Scsi) -> None:
    assert disk.write16(disk.zone(10), 8) is GOOD
    assert disk.zone_out(CLOSE, disk.zone(10)) is GOOD
    assert disk.write16(disk.zone(11), 8) is GOOD
    assert disk.zone_out(OPEN, disk.zone(12)) is GOOD
    assert disk.zone_out(FINISH, 0, every=True) is GOOD
    assert [disk.condition(number) for number in (10, 11, 12, 13)] == [FULL, FULL, FULL, EMPTY]


def test_zone_count_takes_several_zones(disk: Scsi) -> None:
    assert disk.zone_out(FINISH, disk.zone(10), count=3) is GOOD
    assert [disk.condition(number) for number in range(9, 14)] == [EMPTY, FULL, FULL, FULL, EMPTY]
    assert disk.zone_out(RESET, disk.zone(10), count=2) is GOOD
    assert [disk.condition(number) for number in range(10, 13)] == [EMPTY, EMPTY, FULL]
