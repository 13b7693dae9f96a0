"""Draws SCSI commands for a zoned disk, of a table of commands with their usage masks. Sends nothing.

What a field is follows from the length of the CDB and from the mask (SPC-5, 4.2.2), so that a command that is
new in the table is drawn like the others.
"""

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

KIB = 1024
MOST_DATA = 2 << 20
LEAST_ROOM, MOST_ROOM = 4 * KIB, 256 * KIB
HOT_ZONES = 8
"""Sequential zones that most commands are about, so that they meet."""

REQUEST_SENSE, MODE_SELECT_6, MODE_SELECT_10, READ_CAPACITY = 0x03, 0x15, 0x55, 0x25
ZONE_OUT, ZONE_IN, SERVICE_ACTION_IN, REPORT_LUNS, OPERATION_CODES = 0x94, 0x95, 0x9E, 0xA0, 0xA3
READS = frozenset({0x08, 0x28, 0xA8, 0x88})
VERIFIES = frozenset({0x2F, 0xAF, 0x8F})
WRITES_SAME = frozenset({0x41, 0x93})
COMPARE_AND_WRITE = 0x89
WRITES = frozenset({0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E, 0x9C}) | WRITES_SAME
"""WRITE, WRITE AND VERIFY, WRITE ATOMIC, WRITE SAME: what has to begin at a write pointer."""
COUNTED = READS | WRITES | VERIFIES | {0x34, 0x90, 0x35, 0x91}
"""Whose length is a number of blocks; PRE-FETCH and SYNCHRONIZE CACHE are the others."""
PARAMETERS = frozenset({MODE_SELECT_6, MODE_SELECT_10, 0x07, 0x1D, 0x3B, 0x42, 0x4C, 0x5F})
"""Whose length is that of a parameter list, in bytes."""

EXCLUDED = {
    0x04: "FORMAT UNIT: takes the data of both with it, and minutes",
    0x48: "SANITIZE: likewise",
    0x3B: "WRITE BUFFER: scsi_debug takes any download of microcode, and has two unit attentions for it",
    0x1D: "SEND DIAGNOSTIC: ours begins self-tests, so that REQUEST SENSE depends on the time",
    0x5F: "PERSISTENT RESERVE OUT: scsi_debug has none, and one registration is in the way of every RESERVE",
    0x7E: "extended CDBs: neither has any",
    0x7F: "READ(32) of no blocks at LBA 0, which a CDB of zeroes would be: see dangerous()",
}
"""Operation codes that are never drawn."""

PAGES = bytes.fromhex("010203040507080a0b101112181a1c1f3e3f808384868889b0b1b2b6b7ff28888a94959ea3")
"""What is worth trying as a page code, a reporting option, an operation code."""


class Zone(NamedTuple):
    """A zone descriptor, with no write pointer where the zone's condition has none."""

    kind: int
    condition: int
    blocks: int
    start: int
    pointer: int | None

    @classmethod
    @lru_cache(10_000)
    def parse(cls, raw: bytes) -> "Zone":
        """From the 64 bytes of the wire (ZBC-2, 5.10)."""
        at = [int.from_bytes(raw[byte : byte + 8], "big") for byte in (8, 16, 24)]
        condition = raw[1] >> 4
        return cls(raw[0] & 15, condition, at[0], at[1], at[2] if condition in (1, 2, 3, 4) else None)

    @property
    def end(self) -> int:
        return self.start + self.blocks


class Usage(NamedTuple):
    """A command: which bits its CDB may have, and whether it is a service action."""

    mask: bytes
    has_action: bool


class Drawn(NamedTuple):
    """A command to send, with its data-out buffer and the size of its data-in buffer."""

    cdb: bytes
    send: bytes
    receive: int


LBA = {6: (1, 4), 10: (2, 6), 12: (2, 6), 16: (2, 10)}
LENGTH = {6: (4, 5), 10: (7, 9), 12: (6, 10), 16: (10, 14)}


def cdb_length(opcode: int) -> int:
    """By the group of the operation code (SAM-5, 5.2); 10 for those that have no fixed one."""
    return {0: 6, 4: 16, 5: 12}.get(opcode >> 5, 10)


def field(cdb: bytes, place: dict[int, tuple[int, int]]) -> int:
    """A number in a CDB, of :data:`LBA` or :data:`LENGTH`."""
    return int.from_bytes(cdb[slice(*place[len(cdb)])], "big")


def lba_of(cdb: bytes) -> int:
    """The LBA, where a command has one."""
    return field(cdb, LBA) & (0x1FFFFF if len(cdb) == 6 else -1)


def count_of(cdb: bytes) -> int:
    """The number of blocks, where a command has one."""
    if cdb[0] == COMPARE_AND_WRITE:
        return cdb[13]
    return field(cdb, LENGTH) or (256 if len(cdb) == 6 else 0)


def data_blocks(cdb: bytes) -> int:
    """How many blocks of data go with a command of :data:`COUNTED`, or with COMPARE AND WRITE."""
    opcode, count = cdb[0], count_of(cdb)
    if opcode == COMPARE_AND_WRITE:
        return 2 * count
    if opcode in VERIFIES:
        return (0, count, 0, 1)[cdb[1] >> 1 & 3]
    if opcode in WRITES_SAME:
        return 1 - (cdb[1] & 1)
    return count if opcode in READS | WRITES else 0


def dangerous(cdb: bytes) -> str | None:
    """Why a CDB would have scsi_debug go beyond its own memory, which takes the guest's kernel with it."""
    if cdb[0] in COUNTED | {COMPARE_AND_WRITE} and lba_of(cdb) == count_of(cdb) == 0:
        return "check_zbc_access_params() looks up the zone of LBA + length - 1"
    if len(cdb) == 16 and cdb[2:6] == b"\xff" * 4:
        return "check_device_access_params() lets LBA + length wrap around"
    length = field(cdb, LENGTH)
    if cdb[0] == ZONE_IN and 0 < length < 64:
        return "resp_report_zones() takes less than 64 bytes for room for as many zones as there are"
    if cdb[0] == OPERATION_CODES and cdb[2] & 0x87 == 0x80 and length < 2048:
        return "resp_rsup_opcodes() looks at the end of its buffer once for several commands"
    return None


@dataclass
class Source:
    """Where commands come from: the same ones for the same seed, table and zones."""

    table: list[Usage]
    block_size: int
    random: random.Random

    def __post_init__(self) -> None:
        self.known = {usage.mask[0] for usage in self.table}
        self.unknown = sorted(set(range(256)) - self.known)
        often = WRITES | {ZONE_OUT}
        self.weighted = [usage for usage in self.table for _ in range(4 if usage.mask[0] in often else 1)]

    def draw(self, zones: list[Zone]) -> Drawn:
        """The next command, which is neither excluded nor dangerous."""
        while True:
            cdb = self._cdb(zones)
            if cdb[0] not in EXCLUDED and not dangerous(cdb):
                return self._with_data(cdb, zones[-1].end)

    def _cdb(self, zones: list[Zone]) -> bytes:
        chance = self.random.random()
        if chance < 0.02:
            opcode = self.random.choice(self.unknown)
            return bytes([opcode]) + bytes(cdb_length(opcode) - 1)
        usage = self.random.choice(self.weighted)
        cdb = bytearray(self._filled(usage, zones))
        if chance < 0.04:
            for at in range(1, len(cdb)):
                cdb[at] = self.random.getrandbits(8) & usage.mask[at]
        elif chance < 0.07:
            at = self.random.randrange(1, len(cdb))
            cdb[at] |= 1 << self.random.randrange(8)
        elif chance < 0.08 and usage.has_action:
            cdb[1] = cdb[1] & 0xE0 | self.random.randrange(32)
        return bytes(cdb)

    def _filled(self, usage: Usage, zones: list[Zone]) -> bytes:
        """A CDB within its mask, mostly of sensible values."""
        mask, length, opcode = usage.mask, len(usage.mask), usage.mask[0]
        about_medium = opcode in COUNTED | {ZONE_OUT, COMPARE_AND_WRITE}
        cdb = bytearray(self._other(byte, 0.94 if about_medium else 0.5) for byte in mask)
        cdb[0] = opcode
        if usage.has_action:
            cdb[1] = mask[1]
        if length not in LBA:
            return bytes(cdb)
        lba, size = LBA[length], LENGTH[length]
        zone = self._zone(zones)
        blocks = self._blocks(zone)
        if mask[slice(*size)] == b"\xff" * (size[1] - size[0]):
            wanted = blocks if opcode in COUNTED else self._bytes()
            wanted &= (1 << 8 * (size[1] - size[0])) - 1
            cdb[slice(*size)] = wanted.to_bytes(size[1] - size[0], "big")
        elif opcode == COMPARE_AND_WRITE:
            cdb[13] = min(blocks, 255)
        if mask[slice(*lba)] in (b"\xff" * (lba[1] - lba[0]), b"\x1f\xff\xff"):
            at = self._lba(opcode, zone, count_of(bytes(cdb)), zones[-1].end)
            at &= 0x1FFFFF if length == 6 else (1 << 8 * (lba[1] - lba[0])) - 1
            cdb[slice(*lba)] = at.to_bytes(lba[1] - lba[0], "big")
        return bytes(cdb)

    def _other(self, mask: int, zero: float) -> int:
        chance = self.random.random()
        if chance < zero or not mask:
            return 0
        few = self.random.choice(PAGES) if chance < 0.97 else self.random.getrandbits(8)
        return few & mask

    def _zone(self, zones: list[Zone]) -> Zone:
        first = next(number for number, zone in enumerate(zones) if zone.kind != 1)
        chance = self.random.random()
        if chance < 0.75:
            return self.random.choice(zones[first : first + HOT_ZONES])
        if chance < 0.85:
            return zones[-1]
        return self.random.choice(zones[:first]) if chance < 0.95 else self.random.choice(zones)

    def _blocks(self, zone: Zone) -> int:
        chance = self.random.random()
        if chance < 0.03:
            return 0
        if chance < 0.08:
            return self.random.randrange(1, 20)
        if chance < 0.12:
            return zone.end - (zone.start if zone.pointer is None else zone.pointer)
        if chance < 0.13:
            return self.random.getrandbits(self.random.choice((12, 16, 17, 32)))
        return 8 * self.random.randrange(1, 13)

    def _bytes(self) -> int:
        chance = self.random.random()
        if chance < 0.1:
            return self.random.randrange(64)
        if chance < 0.5:
            return 64 * self.random.randrange(1, 40)
        return self.random.choice((0, 4, 8, 12, 18, 32, 36, 96, 252, 255, 256, 4096, 65535, 1 << 20, 1 << 24))

    def _lba(self, opcode: int, zone: Zone, count: int, capacity: int) -> int:
        chance = self.random.random()
        if chance < 0.03:
            beyond = (capacity, capacity - 1, capacity - count, capacity + 8, 1 << 32, (1 << 32) - 1, 1 << 62)
            return max(0, self.random.choice(beyond))
        start, pointer = zone.start, zone.start if zone.pointer is None else zone.pointer
        if opcode in WRITES and chance < 0.85:
            return pointer
        if opcode == ZONE_OUT and chance < 0.9:
            return start
        near = (start, pointer, zone.end, zone.end - count, start + 8, pointer - 8, pointer + 8, start - 1)
        if chance < 0.95:
            return max(0, self.random.choice(near))
        return self.random.randrange(start, zone.end)

    def _with_data(self, cdb: bytes, capacity: int) -> Drawn:
        if cdb[0] in PARAMETERS:
            return self._with_parameters(cdb)
        if cdb[0] not in COUNTED | {COMPARE_AND_WRITE}:
            return Drawn(cdb, b"", min(max(field(cdb, LENGTH), LEAST_ROOM), MOST_ROOM))
        if (size := data_blocks(cdb) * self.block_size) > MOST_DATA:
            if lba_of(cdb) + count_of(cdb) <= capacity:
                start, end = LENGTH[len(cdb)]
                return self._with_data(cdb[:start] + (8).to_bytes(end - start, "big") + cdb[end:], capacity)
            size = MOST_DATA  # it is refused before its data are looked at
        if cdb[0] in READS:
            return Drawn(cdb, b"", size)
        return Drawn(cdb, self.random.randbytes(8) * (size // 8), 0)

    def _with_parameters(self, cdb: bytes) -> Drawn:
        length, place = field(cdb, LENGTH), LENGTH[len(cdb)]
        if cdb[0] in (MODE_SELECT_6, MODE_SELECT_10) and self.random.random() < 0.7:
            page = self.random.choice((b"\x08\x12", b"\x0a\x0a", b"\x01\x0a", b"\x1c\x0a", b"\x88\x12"))
            header = bytearray(4 if cdb[0] == MODE_SELECT_6 else 8)
            if self.random.random() < 0.2:
                header[self.random.randrange(len(header))] = self.random.choice((1, 8, 16))
            setting = bytes([self.random.choice((0, 4, 4, 0x80))])
            send = (
                bytes(header) + page + (setting + bytes(page[1] - 1) if self.random.random() < 0.9 else b"\0")
            )
            cdb = cdb[: place[0]] + len(send).to_bytes(place[1] - place[0], "big") + cdb[place[1] :]
            return Drawn(cdb, send, 0)
        length = min(length, MOST_ROOM)
        return Drawn(cdb, self.random.choice((bytes(length), self.random.randbytes(length))), 0)
