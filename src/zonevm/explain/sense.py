"""Sense data read back (SPC-5, 4.4), and the standards' names for what it says."""

from __future__ import annotations

from typing import NamedTuple, Self


class Field(NamedTuple):
    """A field pointer (SPC-5, 4.4.2.4.2): the field that is wrong, in the CDB or in the data-out."""

    in_cdb: bool
    byte: int
    bit: int | None


class Sense(NamedTuple):
    """Sense key, additional sense code and qualifier, and what goes with them."""

    key: int
    asc: int
    ascq: int
    information: int | None = None
    field: Field | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read fixed or descriptor format; anything else is NO SENSE."""
        match raw[0] & 0x7F if raw else 0:
            case 0x70 | 0x71:
                return cls._fixed(raw.ljust(18, b"\0"))
            case 0x72 | 0x73:
                return cls._descriptors(raw.ljust(8, b"\0"))
        return cls(0, 0, 0)

    @classmethod
    def _fixed(cls, raw: bytes) -> Self:
        valid = raw[0] & 0x80
        return cls(
            raw[2] & 0x0F,
            raw[12],
            raw[13],
            int.from_bytes(raw[3:7], "big") if valid else None,
            _field(raw[15:18]),
        )

    @classmethod
    def _descriptors(cls, raw: bytes) -> Self:
        information, field, rest = None, None, raw[8:]
        while len(rest) >= 2:
            descriptor, rest = rest[: rest[1] + 2], rest[rest[1] + 2 :]
            if descriptor[0] == 0 and len(descriptor) == 12:
                information = int.from_bytes(descriptor[4:], "big")
            elif descriptor[0] == 2 and len(descriptor) == 8:
                field = _field(descriptor[4:7])
        return cls(raw[1] & 0x0F, raw[2], raw[3], information, field)

    def __str__(self) -> str:
        name = _NAMES.get((self.asc, self.ascq)) if self.asc or self.ascq else None
        return f"{self.key:X}/{self.asc:02X}/{self.ascq:02X} {name or _KEYS[self.key]}"


def _field(raw: bytes) -> Field | None:
    if not raw[0] & 0x80:
        return None
    return Field(bool(raw[0] & 0x40), int.from_bytes(raw[1:3], "big"), raw[0] & 7 if raw[0] & 8 else None)


_KEYS = (
    "NO SENSE",
    "RECOVERED ERROR",
    "NOT READY",
    "MEDIUM ERROR",
    "HARDWARE ERROR",
    "ILLEGAL REQUEST",
    "UNIT ATTENTION",
    "DATA PROTECT",
    "BLANK CHECK",
    "VENDOR SPECIFIC",
    "COPY ABORTED",
    "ABORTED COMMAND",
    "RESERVED",
    "VOLUME OVERFLOW",
    "MISCOMPARE",
    "COMPLETED",
)
_NAMES = {
    (0x03, 0x00): "PERIPHERAL DEVICE WRITE FAULT",
    (0x04, 0x02): "LOGICAL UNIT NOT READY, INITIALIZING COMMAND REQUIRED",
    (0x04, 0x04): "LOGICAL UNIT NOT READY, FORMAT IN PROGRESS",
    (0x04, 0x09): "LOGICAL UNIT NOT READY, SELF-TEST IN PROGRESS",
    (0x04, 0x1B): "LOGICAL UNIT NOT READY, SANITIZE IN PROGRESS",
    (0x0C, 0x00): "WRITE ERROR",
    (0x11, 0x00): "UNRECOVERED READ ERROR",
    (0x1A, 0x00): "PARAMETER LIST LENGTH ERROR",
    (0x1D, 0x00): "MISCOMPARE DURING VERIFY OPERATION",
    (0x20, 0x00): "INVALID COMMAND OPERATION CODE",
    (0x21, 0x00): "LOGICAL BLOCK ADDRESS OUT OF RANGE",
    (0x21, 0x04): "UNALIGNED WRITE COMMAND",
    (0x21, 0x05): "WRITE BOUNDARY VIOLATION",
    (0x21, 0x06): "ATTEMPT TO READ INVALID DATA",
    (0x21, 0x07): "READ BOUNDARY VIOLATION",
    (0x21, 0x09): "ATTEMPT TO ACCESS GAP ZONE",
    (0x24, 0x00): "INVALID FIELD IN CDB",
    (0x25, 0x00): "LOGICAL UNIT NOT SUPPORTED",
    (0x26, 0x00): "INVALID FIELD IN PARAMETER LIST",
    (0x27, 0x02): "LOGICAL UNIT SOFTWARE WRITE PROTECTED",
    (0x27, 0x08): "ZONE IS READ ONLY",
    (0x28, 0x00): "NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED",
    (0x29, 0x00): "POWER ON, RESET, OR BUS DEVICE RESET OCCURRED",
    (0x29, 0x03): "BUS DEVICE RESET FUNCTION OCCURRED",
    (0x2A, 0x01): "MODE PARAMETERS CHANGED",
    (0x2A, 0x16): "ZONE RESET WRITE POINTER RECOMMENDED",
    (0x2C, 0x00): "COMMAND SEQUENCE ERROR",
    (0x2C, 0x0E): "ZONE IS OFFLINE",
    (0x2C, 0x12): "ZONE IS INACTIVE",
    (0x31, 0x00): "MEDIUM FORMAT CORRUPTED",
    (0x31, 0x01): "FORMAT COMMAND FAILED",
    (0x31, 0x03): "SANITIZE COMMAND FAILED",
    (0x3E, 0x03): "LOGICAL UNIT FAILED SELF-TEST",
    (0x44, 0x00): "INTERNAL TARGET FAILURE",
    (0x55, 0x0E): "INSUFFICIENT ZONE RESOURCES",
}
