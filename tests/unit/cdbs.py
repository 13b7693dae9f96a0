"""Builds SCSI command descriptor blocks (SBC-4, ZBC-2) and reads sense data."""

from __future__ import annotations

TEST_UNIT_READY = bytes(6)


def rw6(opcode: int, lba: int, blocks: int) -> bytes:
    """READ(6) 08h, WRITE(6) 0Ah: 21 bits of LBA; a length byte of 0 means 256 blocks."""
    return bytes([opcode]) + (lba & 0x1FFFFF).to_bytes(3, "big") + bytes([blocks & 0xFF, 0])


def rw10(opcode: int, lba: int, blocks: int, flags: int = 0) -> bytes:
    """READ(10) 28h, WRITE(10) 2Ah, VERIFY(10) 2Fh, SYNCHRONIZE CACHE(10) 35h, WRITE SAME(10) 41h."""
    return bytes([opcode, flags]) + lba.to_bytes(4, "big") + b"\0" + blocks.to_bytes(2, "big") + b"\0"


def rw12(opcode: int, lba: int, blocks: int, flags: int = 0) -> bytes:
    """READ(12) A8h, WRITE(12) AAh."""
    return bytes([opcode, flags]) + lba.to_bytes(4, "big") + blocks.to_bytes(4, "big") + b"\0\0"


def rw16(opcode: int, lba: int, blocks: int, flags: int = 0) -> bytes:
    """READ(16) 88h, WRITE(16) 8Ah, VERIFY(16) 8Fh, SYNCHRONIZE CACHE(16) 91h, WRITE SAME(16) 93h."""
    return bytes([opcode, flags]) + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + b"\0\0"


def zone_out(action: int, zone: int, *, all_zones: bool = False, count: int = 0) -> bytes:
    """CLOSE (1), FINISH (2), OPEN (3) and RESET WRITE POINTER (4)."""
    return (
        bytes([0x94, action])
        + zone.to_bytes(8, "big")
        + b"\0\0"
        + count.to_bytes(2, "big")
        + bytes([all_zones, 0])
    )


def report_zones(lba: int, length: int, option: int = 0, *, partial: bool = False) -> bytes:
    """REPORT ZONES, with the allocation length in bytes."""
    return (
        bytes([0x95, 0])
        + lba.to_bytes(8, "big")
        + length.to_bytes(4, "big")
        + bytes([option | partial << 7, 0])
    )


def sense_code(sense: bytes) -> tuple[int, int, int]:
    """Return sense key, additional sense code and qualifier of fixed-format sense data."""
    assert sense[0] & 0x7F == 0x70, sense.hex()
    return sense[2] & 0xF, sense[12], sense[13]
