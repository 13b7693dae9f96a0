"""The words for failed commands: every kind of failure, said so that a person can act on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zonevm._core import Disk
from zonevm.disks import SmrShape
from zonevm.explain import explain, failures, write_pointers

from .cdbs import TEST_UNIT_READY, rw6, rw10, rw16, zone_out

if TYPE_CHECKING:
    from zonevm._core import FailedCommand

ZONE = 2048  # blocks of 512 bytes
CLOSE, FINISH, OPEN, RESET = 1, 2, 3, 4
READ, WRITE, VERIFY = 0x88, 0x8A, 0x8F


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """32 zones of 1 MiB, 2 conventional, 2 open at most; its power on attention is taken, and forgotten."""
    with Disk.temporary(tmp_path, SmrShape("32M", "1M", conventional=2, max_open=2)) as disk:
        disk.execute(TEST_UNIT_READY)
        yield disk


def write(disk: Disk, lba: int, blocks: int) -> None:
    disk.execute(rw16(WRITE, lba, blocks), bytes(blocks * 512))


def last(disk: Disk) -> str:
    return failures(disk)[-1].explanation


def test_a_write_away_from_the_write_pointer(disk: Disk) -> None:
    write(disk, 4 * ZONE, 16)
    write(disk, 4 * ZONE + 32, 8)
    assert last(disk) == (
        "WRITE(16) of 8 blocks at LBA 8224 in zone 4: the write pointer is at 8208, so a write must start "
        "there (5/21/04 UNALIGNED WRITE COMMAND)"
    )


def test_a_write_that_ends_inside_a_physical_block(disk: Disk) -> None:
    write(disk, 4 * ZONE, 4)
    assert last(disk) == (
        "WRITE(16) of 4 blocks at LBA 8192 in zone 4: a write to a sequential zone must end with a physical "
        "block, so give it a multiple of 8 blocks (4096 bytes) (5/21/04 UNALIGNED WRITE COMMAND)"
    )


def test_a_write_across_a_zones_end(disk: Disk) -> None:
    write(disk, 4 * ZONE, ZONE - 8)
    write(disk, 5 * ZONE - 8, 16)
    assert "the zone ends before LBA 10240, so write 8 blocks there at most" in last(disk)
    assert last(disk).endswith("(5/21/05 WRITE BOUNDARY VIOLATION)")


def test_a_write_from_conventional_zones_into_sequential_ones(disk: Disk) -> None:
    write(disk, 2 * ZONE - 8, 16)
    assert "the conventional zones end before LBA 4096, so write 8 blocks there at most" in last(disk)


def test_a_write_to_a_full_zone(disk: Disk) -> None:
    disk.execute(zone_out(FINISH, 4 * ZONE))
    write(disk, 4 * ZONE, 8)
    assert last(disk) == (
        "WRITE(16) of 8 blocks at LBA 8192 in zone 4: zone 4 is full, and has to be reset before it can be "
        "written again (5/24/00 INVALID FIELD IN CDB)"
    )


def test_too_many_open_zones(disk: Disk) -> None:
    for zone in (4, 5, 6):
        disk.execute(zone_out(OPEN, zone * ZONE))
    assert last(disk) == (
        "OPEN ZONE of zone 6: 2 zones are explicitly open and 0 implicitly, and 2 may be; only implicitly "
        "open ones make room by themselves, so close or finish an explicitly open one first "
        "(7/55/0E INSUFFICIENT ZONE RESOURCES)"
    )
    write(disk, 6 * ZONE, 8)
    assert last(disk).startswith("WRITE(16) of 8 blocks at LBA 12288 in zone 6: 2 zones are explicitly open")


@pytest.mark.parametrize(
    ("cdb", "words"),
    [
        (
            zone_out(RESET, ZONE),
            "of zone 1: zone 1 is conventional, and has no write pointer to manage (5/24",
        ),
        (
            zone_out(CLOSE, 4 * ZONE + 8),
            "at LBA 8200 in zone 4: ZONE ID must be the first LBA of a zone; zone 4",
        ),
        (zone_out(OPEN, 4 * ZONE, count=99), "ZONE COUNT goes past the last zone"),
        (zone_out(RESET, 1 << 40), "RESET WRITE POINTER at LBA 1099511627776: the disk's last LBA is 65535"),
        (zone_out(0x1F, 0), "the disk does not have service action 1Fh of ZBC OUT"),
        (
            rw16(READ, 65530, 8),
            "the disk's last LBA is 65535, so ask for 6 blocks from there at most (5/21/00",
        ),
        (
            rw10(0x28, 70000, 1),
            "READ(10) of 1 block at LBA 70000: the disk's last LBA is 65535, so use an LBA",
        ),
        (
            rw16(READ, 0, 8, flags=0x80),
            "the field at bit 7 of byte 1 is not zero (the byte is 80h), which the",
        ),
        (
            bytes([0x4D, 0, 0x6E, *bytes(7)]),
            "LOG SENSE of page 2Eh: the field at bit 5 of byte 2 (PAGE CODE) is not zero",
        ),
        (bytes([0x42, *bytes(9)]), "UNMAP: the disk does not have this command (operation code 42h)"),
        (bytes([0xC1, *bytes(9)]), "operation code C1h: the disk does not have this command"),
        (bytes([0x12, 1, 0x89, 0, 64, 0]), "INQUIRY of VPD page 89h: the field at byte 2 (PAGE CODE) is 89h"),
        (b"\x88\0\0", "the CDB has 3 bytes, too few for this command"),
        (
            bytes([0x3C, 0x0A, *bytes(6), 64, 0]),
            "nothing was written to the echo buffer since power on or reset",
        ),
        (bytes([0x95, 0, *bytes(12), 0x15, 0]), "REPORTING OPTIONS"),
    ],
)
def test_a_request_that_is_wrong(disk: Disk, cdb: bytes, words: str) -> None:
    disk.execute(cdb, b"", 1 << 16)
    assert words in last(disk)


def test_a_transfer_that_is_too_long(tmp_path: Path) -> None:
    with Disk.temporary(tmp_path, SmrShape("1G", "1M", conventional=2, max_open=2)) as disk:
        disk.execute(TEST_UNIT_READY)
        disk.execute(rw16(READ, 0, 65537))
        assert "a command may move 32M (65536 blocks) at most; split it (5/24/00" in last(disk)


def test_a_parameter_list_that_is_wrong(disk: Disk) -> None:
    disk.execute(bytes([0x15, 0x10, 0, 0, 6, 0]), bytes([0, 0, 0, 0, 0x3E, 0]))
    assert "parameter list" in last(disk)
    assert "(5/26/00" in last(disk) or "(5/1A/00" in last(disk)


def test_a_buffer_that_is_too_small(disk: Disk) -> None:
    disk.execute(rw16(READ, 0, 8), b"", 512)
    assert "the buffer that came with it is smaller than the transfer" in last(disk)


def test_data_that_differ(disk: Disk) -> None:
    disk.execute(rw16(VERIFY, 0, 8, flags=2), bytes(512) + b"x" * 3584)
    assert "the disk's data differ from LBA 1 on" in last(disk)


def test_a_stopped_unit(disk: Disk) -> None:
    disk.execute(bytes([0x1B, 0, 0, 0, 0, 0]))
    disk.execute(TEST_UNIT_READY)
    assert last(disk).startswith("TEST UNIT READY: the unit was stopped; start it")


def test_a_disk_that_is_erased(tmp_path: Path) -> None:
    """Told while it goes on, and after one that did not end."""
    image, at_once = tmp_path / "disk.img", bytes([0x48, 0x83, 0, 0, 0, 0, 0, 0, 0, 0])
    Disk.create(image, SmrShape("256G", "256M"))
    with Disk.open(image) as disk:
        disk.execute(TEST_UNIT_READY)
        disk.execute(at_once)
        disk.execute(TEST_UNIT_READY)
        assert "the disk is being sanitized; wait for its end" in last(disk)
    with Disk.open(image) as disk:
        disk.execute(TEST_UNIT_READY)
        while disk.execute(TEST_UNIT_READY).status:
            assert "the disk is being sanitized" in last(disk)
        disk.execute(bytes([0x04, 0x10, 0, 0, 0, 0]), bytes([0, 2, 0, 0]))
        disk.execute(TEST_UNIT_READY)
        assert "the disk is being formatted" in last(disk)
    with Disk.open(image) as disk:
        for _ in range(2):
            disk.execute(TEST_UNIT_READY)
        assert "a format did not end, or failed" in last(disk)
        assert "(3/31/00 MEDIUM FORMAT CORRUPTED)" in last(disk)


def test_attentions_are_normal_and_routine(disk: Disk) -> None:
    disk.reset()
    write(disk, 0, 8)
    assert "normal after a reset" in last(disk)
    assert [failure.routine for failure in failures(disk)] == [True, True]
    assert "normal after power on" in failures(disk)[0].explanation


@pytest.mark.parametrize(
    ("cdb", "routine"),
    [
        (bytes([0x12, 1, 0x89, 0, 64, 0]), True),
        (bytes([0x4D, 0, 0x2F, *bytes(7)]), True),
        (bytes([0x42, *bytes(9)]), False),
        (rw16(READ, 1 << 30, 8), False),
        (zone_out(RESET, 0), False),
    ],
)
def test_questions_about_the_device_are_routine(disk: Disk, cdb: bytes, routine: bool) -> None:
    disk.execute(cdb, b"", 4096)
    assert failures(disk)[-1].routine is routine


def test_success_is_no_failure_and_failures_outlive_the_disk(disk: Disk) -> None:
    write(disk, 4 * ZONE, 8)
    assert len(failures(disk)) == 1
    disk.close()
    assert len(failures(disk)) == 1


def test_the_last_64_are_kept(disk: Disk) -> None:
    for lba in range(100):
        disk.execute(rw6(0x0A, 5 * ZONE + 8 + lba, 8), bytes(4096))
    assert [failure.command.lba for failure in failures(disk)] == [5 * ZONE + 8 + n for n in range(36, 100)]


def fixed(key: int, asc: int, ascq: int, lba: int | None = None) -> bytes:
    head = bytes([0x70 if lba is None else 0xF0, 0, key]) + (lba or 0).to_bytes(4, "big")
    return head + bytes([10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0])


def facts(disk: Disk, *, sense: bytes = b"", status: int = 2, **changes: object) -> FailedCommand:
    """A failure that this disk cannot have: a READ(16) in zone 4 that failed in another way."""
    disk.execute(rw16(READ, 4 * ZONE, 1 << 20))
    real = disk.errors()[-1]
    names = (name for name in dir(real) if not name.startswith("_"))
    fields = {name: getattr(real, name) for name in names} | {"blocks": 8, "sense": sense, "status": status}
    return cast("FailedCommand", SimpleNamespace(**(fields | changes)))


@pytest.mark.parametrize(
    ("sense", "words"),
    [
        (fixed(3, 0x11, 0, 8196), "at LBA 8196 the medium cannot be read"),
        (fixed(3, 0x0C, 0), "the host's file system is full or has an I/O error"),
        (fixed(3, 0x03, 0), "the device failed to write, and the write pointer stays"),
        (fixed(0xB, 0, 0), "the disk gave the command up; send it again (B/00/00 ABORTED COMMAND)"),
        (fixed(7, 0x27, 8), "zone 4 is read-only: its data can be read, but"),
        (fixed(7, 0x2C, 0x0E), "zone 4 is offline: it can be neither read nor written"),
        (fixed(7, 0x2C, 0x12), "zone 4 is inactive"),
        (fixed(5, 0x21, 0x06), "reads only what was written, so read blocks before the write pointer, 8192"),
        (fixed(5, 0x21, 0x07), "split it at the zone's end, LBA 10240"),
        (fixed(5, 0x21, 0x09), "zone 4 is a gap zone, which has no blocks"),
        (fixed(5, 0x25, 0), "there is no logical unit of that number"),
        (fixed(6, 0x2A, 0x16), "the disk recommends to reset a zone's write pointer"),
        (fixed(6, 0x3F, 0x0E), "something about the unit changed"),
        (fixed(4, 0x3E, 0), "the disk did not move the 8 blocks (4/3E/00 HARDWARE ERROR)"),
        (fixed(4, 0x44, 0), "its image was cut short while in use"),
        (
            b"\x72\x03\x11\x00\0\0\0\x0c\0\x0a\x80\0" + (1 << 40).to_bytes(8, "big"),
            f"at LBA {1 << 40} the medium",
        ),
    ],
)
def test_what_the_medium_and_faults_say(disk: Disk, sense: bytes, words: str) -> None:
    assert words in explain(facts(disk, sense=sense))


@pytest.mark.parametrize(
    ("status", "words"),
    [(0x08, "(BUSY)"), (0x28, "(TASK SET FULL)"), (0x40, "(TASK ABORTED)"), (0x22, "22h")],
)
def test_a_status_without_sense_data(disk: Disk, status: int, words: str) -> None:
    assert words in explain(facts(disk, status=status))


def test_a_zone_that_another_command_changed_since_is_not_blamed(disk: Disk) -> None:
    seen = facts(disk, sense=fixed(5, 0x21, 4), raw=rw16(WRITE, 4 * ZONE, 8), name="WRITE(16)")
    assert "the write pointer was elsewhere, and has come to 8192 since" in explain(seen)


OPCODES = [0x08, 0x0A, 0x12, 0x15, 0x1A, 0x41, 0x4D, 0x8A, 0x8F, 0x93, 0x94, 0x95, 0x9E, 0xA3, 0xC1]
SENSES = [
    b"\x70",
    b"\xf0",
    b"\x72",
    b"\x72\x05\x24\0\0\0\0\x08\x02\x06\0\0",
    b"\x70\0\5\0\0\0\0\x0a\0\0\0\0\x24\0\0",
]
CDBS = st.builds(
    lambda opcode, rest: bytes([opcode]) + rest, st.sampled_from(OPCODES), st.binary(max_size=15)
)
SENSE_DATA = st.builds(bytes.__add__, st.sampled_from(SENSES), st.binary(max_size=20))


@settings(max_examples=400)
@given(
    cdb=CDBS | st.binary(max_size=32), sense=SENSE_DATA | st.binary(max_size=40), room=st.integers(0, 4096)
)
@example(cdb=b"\x94", sense=b"", room=0)
def test_any_command_and_any_sense_data_have_words(
    cdb: bytes, sense: bytes, room: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Disk.temporary(tmp_path_factory.getbasetemp(), SmrShape("8M", "1M", 1, 4096)) as disk:
        disk.execute(TEST_UNIT_READY)
        disk.execute(cdb, bytes(room), room)
        for failure in failures(disk):
            assert failure.explanation
            assert failure.routine in (True, False)
        assert explain(facts(disk, sense=sense, raw=cdb))


def test_the_write_pointers_of_written_zones(disk: Disk) -> None:
    disk.execute(rw16(0x8A, 4 * ZONE, 8), bytes(4096))
    for zone in (6, 7, 9):
        disk.execute(zone_out(FINISH, zone * ZONE))
    assert list(write_pointers(disk.zones(), 512)) == [
        f"zone 4: the write pointer is at LBA {4 * ZONE + 8}, byte {(4 * ZONE + 8) * 512}",
        "zones 6-7: full",
        "zone 9: full",
    ]
