"""Commands as people call them: names of operation codes (SPC-5, SBC-4, ZBC-2).

The disk names the commands that it has; here are those that others send to disks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zonevm._core import FailedCommand

_ZBC_OUT = 0x94
_INQUIRY = 0x12
_MODE_SENSE = (0x1A, 0x5A)
_LOG_SENSE = 0x4D


def code(cdb: bytes, name: str | None) -> str:
    """Return what the CDB's command is called: ``name`` if the disk knows it, else by the standards."""
    opcode = cdb[0] if cdb else 0
    if name is not None:
        return name
    if cdb and opcode in _NAMES:
        return _NAMES[opcode]
    return f"operation code {opcode:02X}h" if cdb else "an empty CDB"


def describe(command: FailedCommand) -> str:
    """Return what was asked for: the command, how much, where."""
    cdb = command.raw.ljust(16, b"\0")
    name = code(command.raw, command.name)
    where = "" if command.zone_number is None else f" in zone {command.zone_number}"
    if cdb[0] == _ZBC_OUT:
        if command.lba is None:
            return f"{name} of all zones"
        if command.zone is not None and command.lba == command.zone.start:
            return f"{name} of zone {command.zone_number}"
        return f"{name} at LBA {command.lba}{where}"
    if command.lba is not None:
        much = "" if command.blocks is None else f" of {blocks(command.blocks)}"
        return f"{name}{much} at LBA {command.lba}{where}"
    if cdb[0] == _INQUIRY and cdb[1] & 1:
        return f"{name} of VPD page {cdb[2]:02X}h"
    if cdb[0] in _MODE_SENSE or cdb[0] == _LOG_SENSE:
        return f"{name} of page {cdb[2] & 0x3F:02X}h"
    return name


def blocks(count: int) -> str:
    """Return a number of blocks in words."""
    return f"{count} block" if count == 1 else f"{count} blocks"


_NAMES = {
    0x01: "REZERO UNIT",
    0x07: "REASSIGN BLOCKS",
    0x1E: "PREVENT ALLOW MEDIUM REMOVAL",
    0x42: "UNMAP",
    0x48: "SANITIZE",
    0x5E: "PERSISTENT RESERVE IN",
    0x5F: "PERSISTENT RESERVE OUT",
    0x7F: "a command with a CDB of variable length",
    0x83: "THIRD-PARTY COPY OUT",
    0x84: "THIRD-PARTY COPY IN",
    0x85: "ATA PASS-THROUGH(16)",
    0x89: "COMPARE AND WRITE",
    0x8C: "READ ATTRIBUTE",
    0x94: "ZBC OUT",
    0x95: "ZBC IN",
    0x9B: "READ BUFFER(16)",
    0x9C: "WRITE ATOMIC(16)",
    0x9E: "SERVICE ACTION IN(16)",
    0x9F: "SERVICE ACTION OUT(16)",
    0xA1: "ATA PASS-THROUGH(12)",
    0xA2: "SECURITY PROTOCOL IN",
    0xA3: "MAINTENANCE IN",
    0xA4: "MAINTENANCE OUT",
    0xAB: "SERVICE ACTION IN(12)",
    0xAF: "VERIFY(12)",
    0xB5: "SECURITY PROTOCOL OUT",
}
