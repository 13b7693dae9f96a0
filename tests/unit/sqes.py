"""Builds NVMe submission queue entries (NVMe 1.4, 4.2; ZNS 1.1, 3.4) and reads zone reports."""

from __future__ import annotations

import struct
from typing import NamedTuple

FLUSH, WRITE, READ, COMPARE, WRITE_ZEROES, VERIFY = 0x00, 0x01, 0x02, 0x05, 0x08, 0x0C
SEND, RECEIVE, APPEND = 0x79, 0x7A, 0x7D
CLOSE, FINISH, OPEN, RESET, OFFLINE, SET_EXTENSION = 1, 2, 3, 4, 5, 0x10
_STATES = {
    0x1: "empty",
    0x2: "implicitly open",
    0x3: "explicitly open",
    0x4: "closed",
    0xD: "read-only",
    0xE: "full",
    0xF: "offline",
}


class Descriptor(NamedTuple):
    """A zone of a report: its state, its start, and its write pointer."""

    state: str
    start: int
    pointer: int


def entry(opcode: int, *words: int, namespace: int = 1) -> bytes:
    """An entry with these command dwords, from 10 on."""
    head = struct.pack("<BBHI", opcode, 0, 0, namespace)
    return head + bytes(32) + struct.pack(f"<{len(words)}I", *words).ljust(24, b"\0")


def blocks(opcode: int, lba: int, count: int, *, stable: bool = False) -> bytes:
    """READ, WRITE, COMPARE, VERIFY, WRITE_ZEROES, or APPEND at a zone's start."""
    return entry(opcode, lba & 0xFFFFFFFF, lba >> 32, (count - 1) | stable << 30)


def send(action: int, lba: int, *, every: bool = False) -> bytes:
    """Zone Management Send."""
    return entry(SEND, lba & 0xFFFFFFFF, lba >> 32, 0, action | every << 8)


def receive(lba: int, length: int, *, partial: bool = False) -> bytes:
    """Zone Management Receive of ``length`` bytes: all zones from the one of the LBA on."""
    return entry(RECEIVE, lba & 0xFFFFFFFF, lba >> 32, length // 4 - 1, partial << 16)


def zones(report: bytes) -> list[Descriptor]:
    """The zones in a report."""
    (count,) = struct.unpack_from("<Q", report)
    found = []
    for at in range(64, min(64 + 64 * count, len(report) // 64 * 64), 64):
        start, pointer = struct.unpack_from("<QQ", report, at + 16)
        found.append(Descriptor(_STATES[report[at + 1] >> 4], start, pointer))
    return found
