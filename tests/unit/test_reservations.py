"""Reservations between several initiators of one disk, without a guest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm._core import CoreError, Disk
from zonevm.disks import SmrShape
from zonevm.explain import failures
from zonevm.faults import Fault, Faults

from .cdbs import TEST_UNIT_READY, rw16

SHAPE = SmrShape("32M", "1M", conventional=2)
GOOD, CHECK_CONDITION, BUSY, CONFLICT = 0, 2, 8, 0x18
READ, WRITE = 0x88, 0x8A
REGISTER, RESERVE, CLEAR, PREEMPT = 0, 1, 3, 4
READ_KEYS, READ_RESERVATION = 0, 1
EXCLUSIVE_ACCESS = 3
APTPL = 1
KEYS = (0xA, 0xB)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    Disk.create(path, SHAPE)
    return path


@pytest.fixture
def disk(path: Path) -> Iterator[Disk]:
    """A disk that initiators 0 and 1 know."""
    with Disk.open(path, cache="volatile") as disk:
        greet(disk)
        yield disk


def greet(disk: Disk) -> None:
    """Take the unit attentions of power on."""
    for initiator in (0, 1):
        assert disk.execute(TEST_UNIT_READY, initiator=initiator).status == CHECK_CONDITION


def reserve_out(disk: Disk, initiator: int, action: int, key: int, other: int = 0, *, flags: int = 0) -> int:
    """PERSISTENT RESERVE OUT; return the status."""
    cdb = bytes([0x5F, action, EXCLUSIVE_ACCESS, 0, 0, 0, 0, 0, 24, 0])
    sent = key.to_bytes(8, "big") + other.to_bytes(8, "big") + bytes([0, 0, 0, 0, flags, 0, 0, 0])
    return disk.execute(cdb, sent, initiator=initiator).status


def reserve_in(disk: Disk, action: int) -> bytes:
    """PERSISTENT RESERVE IN; return what follows the header."""
    response = disk.execute(bytes([0x5E, action, 0, 0, 0, 0, 0, 1, 0, 0]), data_in_length=256)
    assert response.status == GOOD
    return response.data[8:]


def registered(disk: Disk) -> list[int]:
    keys = reserve_in(disk, READ_KEYS)
    return [int.from_bytes(keys[at : at + 8], "big") for at in range(0, len(keys), 8)]


def reserve(disk: Disk, flags: int = 0) -> None:
    """Both register, and the first one reserves."""
    for initiator, key in enumerate(KEYS):
        assert reserve_out(disk, initiator, REGISTER, 0, key, flags=flags) == GOOD
    assert reserve_out(disk, 0, RESERVE, KEYS[0]) == GOOD


def read(disk: Disk, initiator: int) -> int:
    return disk.execute(rw16(READ, 0, 8), data_in_length=4096, initiator=initiator).status


def test_the_holder_alone_reads_and_writes(disk: Disk) -> None:
    reserve(disk)
    for cdb, sent in ((rw16(READ, 0, 8), b""), (rw16(WRITE, 0, 8), bytes(4096))):
        assert disk.execute(cdb, sent, 4096, initiator=0).status == GOOD
        refused = disk.execute(cdb, sent, 4096, initiator=1)
        assert (refused.status, refused.sense, refused.data) == (CONFLICT, b"", b"")
    assert reserve_out(disk, 1, PREEMPT, *reversed(KEYS)) == GOOD
    assert read(disk, 1) == GOOD
    told = disk.execute(TEST_UNIT_READY)
    assert (told.sense[2], told.sense[12], told.sense[13]) == (6, 0x2A, 0x05)
    assert read(disk, 0) == CONFLICT


def test_without_aptpl_a_power_cycle_ends_it_all(disk: Disk, path: Path) -> None:
    reserve(disk)
    disk.power_cut(loss="all")
    greet(disk)
    assert registered(disk) == []
    assert read(disk, 1) == GOOD
    reserve(disk)
    disk.close()
    with Disk.open(path) as again:
        greet(again)
        assert registered(again) == []
        assert read(again, 1) == GOOD


def test_with_aptpl_it_outlives_power_cycles(disk: Disk, path: Path) -> None:
    reserve(disk, APTPL)
    for _ in range(2):
        disk.power_cut(loss="all")
        greet(disk)
        assert registered(disk) == [*KEYS]
        assert read(disk, 1) == CONFLICT
    disk.close()
    with Disk.open(path) as again:
        greet(again)
        assert registered(again) == [*KEYS]
        held = reserve_in(again, READ_RESERVATION)
        assert (int.from_bytes(held[:8], "big"), held[13]) == (KEYS[0], EXCLUSIVE_ACCESS)
        assert read(again, 1) == CONFLICT
        assert reserve_out(again, 1, CLEAR, KEYS[1]) == GOOD
    with Disk.open(path) as last:
        greet(last)
        assert registered(last) == []


def test_a_reset_keeps_it(disk: Disk) -> None:
    reserve(disk)
    disk.reset()
    greet(disk)
    assert registered(disk) == [*KEYS]
    assert read(disk, 1) == CONFLICT


def test_a_conflict_is_explained(disk: Disk) -> None:
    reserve(disk)
    read(disk, 1)
    reserve_out(disk, 1, RESERVE, 0xBAD)
    words = [failure.explanation for failure in failures(disk)[-2:]]
    assert words[0].startswith("READ(16) of 8 blocks at LBA 0 in zone 0: the disk is reserved for others")
    assert words[1].startswith("PERSISTENT RESERVE OUT, RESERVE: ")
    assert all(each.endswith("(RESERVATION CONFLICT)") for each in words)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("persistent-reserve-out", BUSY),
        ("PERSISTENT RESERVE OUT, RESERVE", BUSY),
        ("persistent-reserve-out-register", CONFLICT),
    ],
)
def test_a_fault_at_a_service_action(disk: Disk, command: str, status: int) -> None:
    Faults({0: disk}).inject(Fault("busy", command=command))
    assert reserve_out(disk, 0, RESERVE, 0) == status


@pytest.mark.parametrize("initiator", [-1, 64, 1 << 40])
def test_initiators_that_cannot_be(disk: Disk, initiator: int) -> None:
    with pytest.raises(CoreError, match=f"^initiator {initiator} is not one of 0 to 63") as caught:
        disk.execute(TEST_UNIT_READY, initiator=initiator)
    assert caught.value.kind == "invalid"
