"""An independent enumeration of what a disk may hold after a power cut, to compare the core's states with.

By the words of the standards, and by brute force: a zone has carried out the first so many of the commands
that it was given, and perhaps a part of the next one, since it is written in sequence (ZBC-2, 4.4.3; ZNS 1.1,
2.1.1.2); a physical block that can be overwritten has any of the writes as its last. Of these histories those
are possible in which nothing is lost that has to be there:

- what had completed when a flush was submitted that has completed (SBC-4, SYNCHRONIZE CACHE; NVMe 1.4,
  Flush), or when its blocks were read from stable storage (FUA of a read);
- a write with FUA that has completed (SBC-4, 4.15; NVM Command Set, FUA);
- an action that changed a zone, when it has completed.

A command that is refused, whenever that is told, does nothing; one in flight may have done all, a part or
nothing. Zones that were open are closed, or empty with nothing in them, and never more are active than the
limit. The log is written as crates/crash/src/entry.rs has it, by other code.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal, NamedTuple

Kind = Literal["host-managed", "zns", "conventional"]
PHYSICAL = 4096
ZONED = ("open", "close", "finish", "reset", "offline", "set-extension")


@dataclass(frozen=True)
class Geometry:
    """A small disk, in logical blocks."""

    kind: Kind
    block_size: int
    zones: int
    zone_blocks: int
    conventional: int = 0
    capacity: int = 0
    max_active: int = 0
    extension: int = 0

    @property
    def unit(self) -> int:
        """Blocks of a write unit (ZBC-2, 4.4: the physical block)."""
        return PHYSICAL // self.block_size if self.kind == "host-managed" else 1

    def room(self, zone: int) -> int:
        """Blocks of a zone that can be written."""
        return self.zone_blocks if zone < self.conventional else self.capacity or self.zone_blocks


@dataclass(frozen=True)
class Submit:
    """A request. ``tag``: each block that it writes is of one byte, which is drawn from it; 0: zeroes."""

    operation: str
    place: int = 0
    count: int = 0
    stable: bool = False
    every: bool = False
    tag: int = 0

    @property
    def writes(self) -> bool:
        return self.operation in ("write", "append", "fill")

    def byte(self, block: int) -> int:
        """What the ``block``-th block that it writes is made of."""
        if self.operation == "fill":
            return self.tag
        return (self.tag * 16 + block) % 255 + 1


@dataclass(frozen=True)
class Complete:
    of: int
    outcome: Literal["done", "refused", "not stable", "failed", "withdrawn"] = "done"


@dataclass(frozen=True)
class Mark:
    text: str


Event = Submit | Complete | Mark


class Zone(NamedTuple):
    """A zone: its state, the bytes that its blocks are made of, and its descriptor extension."""

    state: str = "empty"
    blocks: tuple[int, ...] = ()
    extension: int = 0

    @property
    def active(self) -> bool:
        return self.state in ("open", "closed")

    def off(self) -> Zone:
        """Without power (ZBC-2, 4.4.3.5; ZNS 1.1, 2.1.1.3)."""
        if not self.active:
            return self
        return self._replace(state="closed" if self.blocks or self.extension else "empty")


State = tuple[tuple[Zone, ...], tuple[int, ...]]
"""Zones written in sequence, without power, and the bytes that the other blocks are made of."""


@dataclass
class Log:
    """What was recorded of one disk."""

    geometry: Geometry
    lying: bool = False
    events: list[Event] = field(default_factory=list)

    def outcome(self, number: int) -> str | None:
        """How a submission ended, whenever it did."""
        ends = (each for each in self.events if isinstance(each, Complete) and each.of == number)
        return next((each.outcome for each in ends), None)

    def after(self, point: int) -> Moment:
        """The log's first ``point`` events."""
        return Moment(self, self.events[:point])


class Given(NamedTuple):
    """A request that a zone or a block was given."""

    number: int
    request: Submit


@dataclass
class Moment:
    """A log up to some event."""

    log: Log
    events: Sequence[Event]

    def effective(self, request: Submit, outcome: str | None, *, block: bool = False) -> bool:
        """Whether a request may have done anything."""
        if outcome in ("refused", "withdrawn"):
            return False
        if outcome == "failed":
            return block
        taken_back = request.operation in ("reset", "set-extension")
        return not (outcome == "not stable" and taken_back)

    def ended(self, number: int) -> int | None:
        """When a submission completed, having done something."""
        for at, each in enumerate(self.events):
            if isinstance(each, Complete) and each.of == number and each.outcome in ("done", "not stable"):
                return at
        return None

    def done(self, number: int) -> bool:
        return Complete(number, "done") in self.events

    def barriers(self, blocks: range) -> Iterator[int]:
        """The submissions of what has made stable all that had completed in one of the blocks."""
        for at, each in enumerate(self.events):
            if not isinstance(each, Submit) or not self.done(at) or self.log.lying:
                continue
            read = range(each.place, each.place + each.count)
            touches = each.operation == "read" and each.stable and common(read, blocks)
            if each.operation == "flush" or touches:
                yield at

    def has_to_be_there(self, given: Given, blocks: range, *, changed: bool) -> bool:
        """Whether a request cannot be lost. ``blocks``: those of the zone, or of the physical block."""
        end = self.ended(given.number)
        if end is None:
            return False
        request = given.request
        asked = request.stable if request.writes else changed
        if request.writes or request.operation == "finish":
            asked = asked and not self.log.lying
        if asked and self.done(given.number):
            return True
        return any(end < barrier for barrier in self.barriers(blocks))

    # Zones that are written in sequence

    def given_to(self, zone: int) -> Iterator[Given]:
        geometry = self.log.geometry
        for number, request in enumerate(self.events):
            if not isinstance(request, Submit):
                continue
            if not self.effective(request, self.log.outcome(number)):
                continue
            if request.operation in ("write", "fill"):
                concerned = request.place // geometry.zone_blocks == zone
            elif request.operation in ("read", "flush", "save"):
                concerned = False
            else:
                span = range(request.place, request.place + (1 if request.writes else request.count))
                concerned = request.every or zone in span
            if concerned:
                yield Given(number, request)

    def carry_out(self, zone: int, before: Zone, request: Submit, most: int | None = None) -> Zone:
        """What a zone is after a request, of a write ``most`` units; as before if it is refused."""
        geometry = self.log.geometry
        state, operation = before.state, request.operation
        writable = state == "empty" or before.active
        if request.writes:
            start = zone * geometry.zone_blocks
            lba = start + len(before.blocks) if operation == "append" else request.place
            end = len(before.blocks) + request.count
            if not writable or lba != start + len(before.blocks) or end > geometry.room(zone):
                return before
            if request.count % geometry.unit or not request.count:
                return before
            count = request.count if most is None else most * geometry.unit
            blocks = before.blocks + tuple(map(request.byte, range(count)))
            return before._replace(
                state="full" if len(blocks) == geometry.room(zone) else "open", blocks=blocks
            )
        concerned = {
            "open": writable if not request.every else state == "closed",
            "close": state == "open",
            "finish": before.active or (writable and not request.every),
            "reset": before.active or state == "full",
            "offline": state == "read-only",
            "set-extension": state == "empty" and geometry.extension > 0,
            "fail-read-only": state != "offline",
            "fail-offline": state != "offline",
        }[operation]
        if not concerned:
            return before
        match operation:
            case "close" if geometry.kind == "host-managed" and not before.blocks:
                return Zone()
            case "reset":
                return Zone()
            case "set-extension":
                return before._replace(state="closed", extension=request.tag)
            case "offline" | "fail-offline":
                return before._replace(state="offline", extension=0)
        names = {"open": "open", "close": "closed", "finish": "full", "fail-read-only": "read-only"}
        return before._replace(state=names[operation])

    def live(self, zone: int) -> Zone:
        """What the zone is if nothing is lost, with power."""
        now = Zone()
        for given in self.given_to(zone):
            now = self.carry_out(zone, now, given.request)
        return now

    def zone_states(self, zone: int) -> set[Zone]:
        size = self.log.geometry.zone_blocks
        blocks = range(zone * size, zone * size + size)
        requests = list(self.given_to(zone))
        histories = [Zone()]
        for given in requests:
            histories.append(self.carry_out(zone, histories[-1], given.request))
        first = 0
        for count, given in enumerate(requests):
            changed = histories[count].off() != histories[count + 1].off()
            if changed and self.has_to_be_there(given, blocks, changed=changed):
                first = count + 1
        found = {history.off() for history in histories[first:]}
        for count in range(first, len(requests)):
            before, request = histories[count], requests[count].request
            if request.writes and histories[count + 1] != before:
                parts = range(1, request.count // self.log.geometry.unit)
                found |= {self.carry_out(zone, before, request, part).off() for part in parts}
        return found

    # Blocks that can be overwritten

    def block_states(self, physical: int) -> set[tuple[int, ...]]:
        geometry = self.log.geometry
        count = PHYSICAL // geometry.block_size
        blocks = range(physical * count, physical * count + count)
        writes = [
            Given(number, each)
            for number, each in enumerate(self.events)
            if isinstance(each, Submit)
            and each.operation in ("write", "fill")
            and self.effective(each, self.log.outcome(number), block=True)
            and common(range(each.place, each.place + each.count), blocks)
        ]
        histories = [(0,) * count]
        first = 0
        for at, given in enumerate(writes, 1):
            request = given.request
            covered = range(request.place, request.place + request.count)
            histories.append(
                tuple(
                    request.byte(lba - request.place) if lba in covered else histories[-1][lba - blocks.start]
                    for lba in blocks
                )
            )
            if self.has_to_be_there(given, blocks, changed=True):
                first = at
        return set(histories[first:])

    # All of them

    def states(self) -> set[State]:
        geometry = self.log.geometry
        sequential = range(geometry.conventional, geometry.zones)
        zones = [self.zone_states(zone) for zone in sequential]
        physical = geometry.conventional * geometry.zone_blocks * geometry.block_size // PHYSICAL
        blocks = [self.block_states(block) for block in range(physical)]
        most = geometry.max_active or geometry.zones
        return {
            (chosen, tuple(byte for block in overwritten for byte in block))
            for chosen in product(*zones)
            if sum(zone.active for zone in chosen) <= most
            for overwritten in product(*blocks)
        }


def common(some: range, others: range) -> bool:
    return max(some.start, others.start) < min(some.stop, others.stop)


# The file


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


_TABLE = [_row(value) for value in range(256)]
_OPERATIONS = {"read": 0, "write": 1, "append": 2, "fill": 3, "flush": 4, "save": 7}
_OUTCOMES = {"done": 0, "refused": 1, "not stable": 2, "failed": 3, "withdrawn": 4}
_NONE = 2**64 - 1


def text(value: str) -> bytes:
    return struct.pack("<H", len(value.encode())) + value.encode()


def data_of(request: Submit, geometry: Geometry) -> bytes:
    """The data as they are kept: not compressed."""
    size = geometry.block_size
    match request.operation:
        case "write" | "append":
            data = b"".join(bytes([request.byte(block)]) * size for block in range(request.count))
        case "fill":
            data = bytes([request.tag]) * size if request.tag else b""
        case "set-extension":
            data = bytes([request.tag]) * geometry.extension
        case _:
            data = b""
    if not data:
        return b""
    return struct.pack("<QII", len(data), len(data), crc32c(data)) + data


def head(number: int, kind: int, fields: bytes, data: int) -> bytes:
    body = struct.pack("<IQQB", 25 + len(fields), number, data, kind) + fields
    return struct.pack("<I", crc32c(body)) + body


def entry(number: int, event: Event, geometry: Geometry) -> bytes:
    match event:
        case Mark():
            return head(number, 4, text(event.text), 0)
        case Complete():
            fields = struct.pack("<QBQ", event.of, _OUTCOMES[event.outcome], _NONE) + text("")
            return head(number, 3, fields, 0)
    place = _NONE if event.every else event.place
    match event.operation:
        case "fail-read-only" | "fail-offline":
            code, detail = 6, int(event.operation == "fail-offline")
        case action if action in ZONED:
            code, detail = 5, ZONED.index(action)
        case other:
            code, detail = _OPERATIONS[other], int(event.stable)
    fields = struct.pack("<HBBQQB", 0, code, detail, place, event.count, 0) + text("")
    data = data_of(event, geometry)
    return head(number, 2, fields, len(data)) + data


def encode(log: Log) -> bytes:
    """The file of a log. Its first entry is the disk: event 0 is entry 1."""
    geometry = log.geometry
    disk = struct.pack("<HB", 0, log.lying)
    kind = {"host-managed": 0, "zns": 2, "conventional": 3}[geometry.kind]
    blocks = geometry.zones * geometry.zone_blocks
    disk += struct.pack("<BIQQ", kind, geometry.block_size, blocks, geometry.zone_blocks)
    disk += struct.pack(
        "<QIIIBIQ",
        geometry.capacity,
        geometry.conventional,
        0,
        geometry.max_active,
        1,
        geometry.extension,
        0x3 << 60,
    )
    disk += b"".join(map(text, ("ZONEVM", "DISK", "1", "S")))
    file = b"\x89ZVLOG1\n" + head(0, 1, disk, 0)
    for number, event in enumerate(log.events, 1):
        moved = replace(event, of=event.of + 1) if isinstance(event, Complete) else event
        file += entry(number, moved, geometry)
    return file
