"""An independent, simple model of a host-managed or host-aware ZBC disk, to compare the real one with.

Written from ZBC-2 and SBC-4. Where the standards leave a choice, so does the model: a command with several
errors may answer any of them, and ``Model.execute`` is told which implicitly open zones the disk closed to
make room, and checks that it was allowed to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

PHYSICAL = 4096
NO_POINTER = 0xFFFF_FFFF_FFFF_FFFF

Sense = tuple[int, int, int]

UNALIGNED_WRITE: Sense = (0x5, 0x21, 0x04)
WRITE_BOUNDARY: Sense = (0x5, 0x21, 0x05)
READ_INVALID_DATA: Sense = (0x5, 0x21, 0x06)
READ_BOUNDARY: Sense = (0x5, 0x21, 0x07)
GAP_ZONE: Sense = (0x5, 0x21, 0x09)
OUT_OF_RANGE: Sense = (0x5, 0x21, 0x00)
INVALID_FIELD: Sense = (0x5, 0x24, 0x00)
NO_ZONE_RESOURCES: Sense = (0x7, 0x55, 0x0E)
ZONE_READ_ONLY: Sense = (0x7, 0x27, 0x08)
ZONE_OFFLINE: Sense = (0x7, 0x2C, 0x0E)
MISCOMPARE: Sense = (0xE, 0x1D, 0x00)


class Condition(StrEnum):
    NOT_WRITE_POINTER = "not write pointer"
    EMPTY = "empty"
    IMPLICIT = "implicitly open"
    EXPLICIT = "explicitly open"
    CLOSED = "closed"
    FULL = "full"
    READ_ONLY = "read-only"
    OFFLINE = "offline"


CODES = {
    Condition.NOT_WRITE_POINTER: 0x0,
    Condition.EMPTY: 0x1,
    Condition.IMPLICIT: 0x2,
    Condition.EXPLICIT: 0x3,
    Condition.CLOSED: 0x4,
    Condition.READ_ONLY: 0xD,
    Condition.FULL: 0xE,
    Condition.OFFLINE: 0xF,
}
RECOMMENDED = 0x10
"""The reporting option for zones with the RESET bit."""
NO_GAPS = 0x3E
"""The reporting option for all zones but the gap zones."""
NON_SEQUENTIAL = 0x11
"""The reporting option for zones with the NON_SEQ bit."""
UNUSABLE = {Condition.READ_ONLY: ZONE_READ_ONLY, Condition.OFFLINE: ZONE_OFFLINE}
"""What writing or managing a zone gets in these conditions."""
REPORTED: dict[int, set[Condition]] = {
    0x00: set(Condition),
    0x01: {Condition.EMPTY},
    0x02: {Condition.IMPLICIT},
    0x03: {Condition.EXPLICIT},
    0x04: {Condition.CLOSED},
    0x05: {Condition.FULL},
    0x06: {Condition.READ_ONLY},
    0x07: {Condition.OFFLINE},
    RECOMMENDED: set(Condition),
    NON_SEQUENTIAL: set(Condition),
    NO_GAPS: set(Condition),
    0x3F: {Condition.NOT_WRITE_POINTER},
}


@dataclass(frozen=True)
class Shape:
    """A disk's geometry, in logical blocks."""

    block_size: int
    blocks: int
    zone_blocks: int
    conventional: int
    max_open: int | None
    urswrz: bool = True
    zone_capacity: int | None = None
    host_aware: bool = False

    @property
    def open_limit(self) -> int | None:
        """How many zones can be open. A host-aware disk has an optimal number only."""
        return None if self.host_aware else self.max_open


@dataclass
class Zone:
    start: int
    length: int
    condition: Condition
    pointer: int
    conventional: bool
    recommended: bool = False
    non_sequential: bool = False

    @property
    def end(self) -> int:
        return self.start + self.length

    @property
    def open(self) -> bool:
        return self.condition in (Condition.IMPLICIT, Condition.EXPLICIT)

    @property
    def told_pointer(self) -> int | None:
        """The write pointer, where it means something."""
        meaningless = self.condition in (Condition.NOT_WRITE_POINTER, Condition.FULL, *UNUSABLE)
        return None if meaningless else self.pointer


class CheckConditionError(Exception):
    """CHECK CONDITION with one of these senses; nothing has changed."""

    def __init__(self, *senses: Sense) -> None:
        super().__init__(senses)
        self.senses = set(senses)


@dataclass
class Model:
    shape: Shape
    zones: list[Zone] = field(init=False)
    data: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.zones = []
        for start in range(0, self.shape.blocks, self.shape.zone_blocks):
            conventional = len(self.zones) < self.shape.conventional
            condition = Condition.NOT_WRITE_POINTER if conventional else Condition.EMPTY
            capacity = self.shape.zone_blocks if conventional else self.capacity
            length = min(capacity, self.shape.blocks - start)
            self.zones.append(Zone(start, length, condition, start, conventional))

    @property
    def capacity(self) -> int:
        return self.shape.zone_capacity or self.shape.zone_blocks

    def in_gap(self, lba: int) -> bool:
        return lba >= self.zone_at(lba).end

    def gap_after(self, zone: Zone) -> Zone | None:
        end = min((zone.start // self.shape.zone_blocks + 1) * self.shape.zone_blocks, self.shape.blocks)
        if zone.end == end:
            return None
        return Zone(zone.end, end - zone.end, Condition.NOT_WRITE_POINTER, zone.end, False)

    def zone_at(self, lba: int) -> Zone:
        return self.zones[lba // self.shape.zone_blocks]

    def zones_at(self, lba: int, count: int) -> list[Zone]:
        blocks = range(lba, lba + count)
        return [zone for zone in self.zones if blocks and zone.start < blocks.stop and lba < zone.end]

    def fail(self, number: int, condition: Condition) -> None:
        """A zone goes read-only or offline; there is no way back from offline."""
        if self.zones[number].condition is not Condition.OFFLINE:
            self.zones[number].condition = condition

    def check_range(self, lba: int, count: int) -> None:
        if lba >= self.shape.blocks or lba + count > self.shape.blocks:
            raise CheckConditionError(OUT_OF_RANGE)

    # Data

    def read(self, lba: int, count: int) -> bytes:
        """READ: above a write pointer there are zeroes."""
        self.check_range(lba, count)
        errors = self.restricted(lba, count) if count else set()
        if any(self.in_gap(block) for block in range(lba, lba + count)):
            errors.add(GAP_ZONE)
        if any(zone.condition is Condition.OFFLINE for zone in self.zones_at(lba, count)):
            errors.add(ZONE_OFFLINE)
        if errors:
            raise CheckConditionError(*errors)
        return self.stored(lba, count)

    def stored(self, lba: int, count: int) -> bytes:
        """What these blocks hold, whether or not they may be read."""
        nothing = bytes(self.shape.block_size)
        return b"".join(self.data.get(block, nothing) for block in range(lba, lba + count))

    def restricted(self, lba: int, count: int) -> set[Sense]:
        """No read enters a sequential write required zone from a conventional one; with URSWRZ = 0 none from
        another zone at all, and it ends below the write pointer."""
        if self.shape.host_aware:
            return set()
        first, last = self.zone_at(lba), self.zone_at(lba + count - 1)
        errors: set[Sense] = set()
        if first is not last and not last.conventional and (first.conventional or not self.shape.urswrz):
            errors.add(READ_BOUNDARY)
        if self.shape.urswrz:
            return errors
        for zone in (first, last):
            if (
                lba < zone.end
                and zone.told_pointer is not None
                and min(lba + count, zone.end) > zone.told_pointer
            ):
                errors.add(READ_INVALID_DATA)
        return errors

    def verify(self, lba: int, count: int, expected: bytes | None) -> None:
        """VERIFY; ``expected`` is the data-out buffer with BYTCHK = 1."""
        if self.read(lba, count) != expected and expected is not None:
            raise CheckConditionError(MISCOMPARE)

    def synchronize(self, lba: int, count: int) -> None:
        """SYNCHRONIZE CACHE; 0 blocks: to the end."""
        self.check_range(lba, count)

    def write(self, lba: int, data: bytes, closed: Iterable[int]) -> None:
        """WRITE, and WRITE SAME with its block repeated. ``closed``: see :meth:`make_room`."""
        count = len(data) // self.shape.block_size
        self.check_range(lba, count)
        if count == 0:
            return
        first, last = self.zone_at(lba), self.zone_at(lba + count - 1)
        if self.in_gap(lba):
            raise CheckConditionError(GAP_ZONE)
        if self.shape.host_aware:
            self.write_anywhere(lba, count)
        elif first.conventional:
            if not last.conventional:
                raise CheckConditionError(WRITE_BOUNDARY)
            self.check_usable(self.zones_at(lba, count))
        else:
            self.check_sequential(lba, count, first)
            self.enter_open(first, Condition.IMPLICIT, closed)
            first.pointer = lba + count
            if first.pointer == first.end:
                first.condition = Condition.FULL
        size = self.shape.block_size
        for i in range(count):
            self.data[lba + i] = data[i * size : (i + 1) * size]

    def write_anywhere(self, lba: int, count: int) -> None:
        zones = self.zones_at(lba, count)
        self.check_usable(zones)
        for zone in zones:
            if zone.conventional:
                continue
            if zone.condition is Condition.FULL or max(lba, zone.start) != zone.pointer:
                zone.non_sequential = True
            if zone.condition in (Condition.EMPTY, Condition.CLOSED):
                zone.condition = Condition.IMPLICIT
            zone.pointer = max(zone.pointer, min(lba + count, zone.end))
            if zone.pointer == zone.end:
                zone.condition = Condition.FULL

    def check_sequential(self, lba: int, count: int, first: Zone) -> None:
        errors: set[Sense] = set()
        if first.condition in UNUSABLE:
            errors.add(UNUSABLE[first.condition])
        elif first.condition is Condition.FULL:
            errors.add(INVALID_FIELD)
        elif lba != first.pointer:
            errors.add(UNALIGNED_WRITE)
        if lba + count > first.end:
            errors.add(WRITE_BOUNDARY)
        if (lba + count) * self.shape.block_size % PHYSICAL:
            errors.add(UNALIGNED_WRITE)
        if self.lacks_room(first):
            errors.add(NO_ZONE_RESOURCES)
        if errors:
            raise CheckConditionError(*errors)

    def check_usable(self, zones: Iterable[Zone]) -> None:
        if wrong := {UNUSABLE[zone.condition] for zone in zones if zone.condition in UNUSABLE}:
            raise CheckConditionError(*wrong)

    # Open zones

    def count(self, condition: Condition) -> int:
        return sum(zone.condition is condition for zone in self.zones)

    def lacks_room(self, *zones: Zone) -> bool:
        """Whether opening these is more than can be open, even if all implicitly open zones were closed."""
        if self.shape.open_limit is None:
            return False
        new = sum(not zone.open for zone in zones)
        if not new:
            return False
        kept = sum(zone.condition is Condition.IMPLICIT for zone in zones)
        return self.count(Condition.EXPLICIT) + kept + new > self.shape.open_limit

    def make_room(self, opening: list[Zone], closed: Iterable[int]) -> None:
        """Close as many implicitly open zones as needed: those whose numbers the disk chose."""
        if self.shape.open_limit is None:
            return
        new = sum(not zone.open for zone in opening)
        if not new:
            return
        excess = sum(zone.open for zone in self.zones) + new - self.shape.open_limit
        candidates = [self.zones[i] for i in closed]
        victims = [z for z in candidates if z.condition is Condition.IMPLICIT and z not in opening]
        assert len(victims) >= excess, f"{excess} implicitly open zones had to be closed, {len(victims)} were"
        for zone in victims[: max(excess, 0)]:
            zone.condition = Condition.CLOSED

    def enter_open(self, zone: Zone, condition: Condition, closed: Iterable[int]) -> None:
        self.make_room([zone], closed)
        if zone.condition is not Condition.EXPLICIT:
            zone.condition = condition

    # Zone operations: `zone_id` and `count` as in the CDB, `None` with ALL

    def chosen(self, zone_id: int | None, count: int, with_all: set[Condition]) -> list[Zone]:
        if zone_id is None:
            return [zone for zone in self.zones if zone.condition in with_all]
        if zone_id >= self.shape.blocks:
            raise CheckConditionError(OUT_OF_RANGE)
        first = zone_id // self.shape.zone_blocks
        zone = self.zones[first]
        if zone_id != zone.start or zone.conventional:
            raise CheckConditionError(INVALID_FIELD)
        zones = self.zones[first : first + max(count, 1)]
        if len(zones) < count:
            raise CheckConditionError(OUT_OF_RANGE, INVALID_FIELD)
        self.check_usable(zones)
        return zones

    def open_zones(self, zone_id: int | None, count: int, closed: Iterable[int]) -> None:
        zones = self.chosen(zone_id, count, {Condition.CLOSED})
        zones = [zone for zone in zones if zone.condition is not Condition.FULL]
        if self.lacks_room(*zones):
            raise CheckConditionError(NO_ZONE_RESOURCES)
        self.make_room(zones, closed)
        for zone in zones:
            zone.condition = Condition.EXPLICIT

    def close_zones(self, zone_id: int | None, count: int) -> None:
        for zone in self.chosen(zone_id, count, {Condition.IMPLICIT, Condition.EXPLICIT}):
            if zone.open:
                zone.condition = Condition.EMPTY if zone.pointer == zone.start else Condition.CLOSED

    def finish_zones(self, zone_id: int | None, count: int) -> None:
        some = {Condition.IMPLICIT, Condition.EXPLICIT, Condition.CLOSED}
        for zone in self.chosen(zone_id, count, some):
            zone.condition = Condition.FULL

    def reset_zones(self, zone_id: int | None, count: int) -> None:
        some = {Condition.IMPLICIT, Condition.EXPLICIT, Condition.CLOSED, Condition.FULL}
        for zone in self.chosen(zone_id, count, some):
            zone.condition = Condition.EMPTY
            zone.pointer = zone.start
            zone.non_sequential = False
            for lba in range(zone.start, zone.end):
                self.data.pop(lba, None)
        for zone in self.chosen(zone_id, count, set(Condition) - set(UNUSABLE)):
            zone.recommended = False

    def report(self, lba: int, option: int) -> list[bytes]:
        """REPORT ZONES: the descriptors of all zones that match."""
        self.check_range(lba, 0)
        if option not in REPORTED:
            raise CheckConditionError(INVALID_FIELD)
        listed = []
        for zone in self.zones:
            sequential = 3 if self.shape.host_aware else 2
            listed.append((zone, 1 if zone.conventional else sequential))
            if (gap := self.gap_after(zone)) is not None:
                listed.append((gap, 5))
        return [
            descriptor(zone, kind)
            for zone, kind in listed
            if zone.end > lba
            and zone.condition in REPORTED[option]
            and (kind != 5 or option != NO_GAPS)
            and (zone.recommended or option != RECOMMENDED)
            and (zone.non_sequential or option != NON_SEQUENTIAL)
        ]


def descriptor(zone: Zone, kind: int) -> bytes:
    """A zone descriptor (ZBC-2, REPORT ZONES parameter data)."""
    pointer = NO_POINTER if zone.told_pointer is None else zone.told_pointer
    numbers = b"".join(number.to_bytes(8, "big") for number in (zone.length, zone.start, pointer))
    bits = CODES[zone.condition] << 4 | zone.non_sequential << 1 | zone.recommended
    return bytes([kind, bits]).ljust(8, b"\0") + numbers + bytes(32)


def same_holds(same: int, descriptors: list[bytes]) -> bool:
    """Whether what the SAME field says is true of these descriptors."""
    kinds = {d[0] & 0xF for d in descriptors}
    lengths = [d[8:16] for d in descriptors]
    match same:
        case 0:
            return True
        case 1:
            return len(kinds) <= 1 and len(set(lengths)) <= 1
        case 2:
            return len(kinds) <= 1 and len(set(lengths[:-1])) <= 1 and lengths[-1:] != lengths[:1]
        case 3:
            return len(set(lengths)) <= 1
        case _:
            return False
