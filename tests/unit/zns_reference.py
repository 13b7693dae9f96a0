"""An independent, simple model of a zoned namespace, to compare the rules of the core with.

Written from the NVMe Zoned Namespace Command Set 1.1, whose clauses are cited as they are numbered there: a
zone is an object, and the state machine is the tables below. Where the standard leaves a choice, so does the
model: a request with several errors may be refused for any of them, and the model is told which implicitly
opened zones were closed to make room, and checks that it took so many.

What NVMe cannot ask for, since only other protocols do, is as the core's waist has it: actions on several
zones are allowed on each or refused, and requests for no blocks do nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, repeat
from typing import Literal

Kind = Literal["zns", "conventional"]


class State(StrEnum):
    """The states of a zone (2.1.1.3), by the names that they have in Python."""

    EMPTY = "empty"
    IMPLICIT = "implicitly open"
    EXPLICIT = "explicitly open"
    CLOSED = "closed"
    FULL = "full"
    READ_ONLY = "read-only"
    OFFLINE = "offline"
    NO_POINTER = "not write pointer"
    """No state of ZNS: a zone of a medium that has none to be written in sequence."""


OPEN = {State.IMPLICIT, State.EXPLICIT}
ACTIVE = OPEN | {State.CLOSED}
"""Which states take an open, and which an active resource (figure 8)."""
WRITABLE = ACTIVE | {State.EMPTY}
"""The states with a valid write pointer (figure 4)."""

TRANSITIONS: dict[str, dict[State, State]] = {
    "close": dict.fromkeys(ACTIVE, State.CLOSED),
    "finish": dict.fromkeys(WRITABLE | {State.FULL}, State.FULL),
    "open": dict.fromkeys(WRITABLE, State.EXPLICIT),
    "reset": dict.fromkeys(WRITABLE | {State.FULL}, State.EMPTY),
    "offline": dict.fromkeys((State.READ_ONLY, State.OFFLINE), State.OFFLINE),
    "set-extension": {State.EMPTY: State.CLOSED},
}
"""What each action makes of one zone; from any other state it is refused (3.4.3.1.1 to 3.4.3.1.6)."""

SELECT_ALL: dict[str, set[State]] = {
    "close": OPEN,
    "finish": ACTIVE,
    "open": {State.CLOSED},
    "reset": ACTIVE | {State.FULL},
    "offline": {State.READ_ONLY},
}
"""The zones that each action is for with Select All (likewise)."""

Refusal = tuple[str, frozenset[tuple[str, int | str]]]
"""A reason with its facts, as ``_core.RefusalError`` has them."""


def refusal(reason: str, **facts: int | str) -> Refusal:
    return reason, frozenset(facts.items())


class Refused(Exception):  # noqa: N818  # an answer
    """The request has these errors, of which any may be told; nothing has changed."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__(refusals)
        self.refusals = set(refusals)


@dataclass(frozen=True)
class Geometry:
    """What a medium looks like, in logical blocks; also what ``_core.Medium`` is made of."""

    kind: Kind
    block_size: int
    blocks: int
    zone_blocks: int
    zone_capacity: int | None = None
    max_open: int | None = None
    max_active: int | None = None
    unrestricted_reads: bool = True
    extension_bytes: int = 0

    @property
    def conventional_zones(self) -> int:
        return self.blocks // self.zone_blocks if self.kind == "conventional" else 0


@dataclass
class Zone:
    """A zone: its state, and what is written of it from its start on."""

    number: int
    start: int
    capacity: int
    state: State
    written: list[bytes] = field(default_factory=list)
    extension: bytes | None = None
    conventional: bool = False

    @property
    def end(self) -> int:
        """The LBA after the last that can be written."""
        return self.start + self.capacity

    @property
    def pointer(self) -> int | None:
        """The write pointer, where it is valid (figure 4)."""
        return self.start + len(self.written) if self.state in WRITABLE else None

    def enter(self, state: State) -> None:
        """Data are gone in an empty zone (2.1.1.5), the extension in an offline one too (5.3)."""
        self.state = state
        if state is State.EMPTY:
            self.written.clear()
        if state in (State.EMPTY, State.OFFLINE):
            self.extension = None


class Medium:
    """What media have in common, with the methods of ``_core.Medium``."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.zones: list[Zone] = []

    def at(self, lba: int) -> Zone:
        return self.zones[lba // self.geometry.zone_blocks]

    def check_range(self, lba: int, count: int) -> None:
        """LBA Out of Range."""
        if lba >= self.geometry.blocks or lba + count > self.geometry.blocks:
            raise Refused(refusal("out-of-range", lba=lba))

    def some(self, first: int | None, count: int) -> list[Zone]:
        """The zones that something is for, if there are so many."""
        if first is None:
            return self.zones
        if first >= len(self.zones):
            raise Refused(refusal("out-of-range", lba=first * self.geometry.zone_blocks))
        if first + count > len(self.zones):
            raise Refused(refusal("too-many-zones", count=count))
        return self.zones[first : first + count]

    def spanned(self, lba: int, count: int) -> list[Zone]:
        return self.zones[self.at(lba).number : self.at(lba + count - 1).number + 1] if count else []

    def read(self, lba: int, count: int) -> bytes:
        """What is not written, or cannot be, is zeroes (2.1.1.2.1.2; NVM Command Set 1.0, 3.2.3.2.1)."""
        self.check_range(lba, count)
        zones = self.spanned(lba, count)
        errors = {
            refusal("offline", zone=zone.number) for zone in zones if zone.state is State.OFFLINE
        } | self.read_errors(zones)
        if errors:
            raise Refused(*errors)
        nothing = bytes(self.geometry.block_size)
        behind = (
            zone.written + [nothing] * (self.geometry.zone_blocks - len(zone.written)) for zone in zones
        )
        skipped = lba - zones[0].start if zones else 0
        return b"".join(list(chain.from_iterable(behind))[skipped : skipped + count])

    def read_errors(self, zones: list[Zone]) -> set[Refusal]:
        """Zone Boundary Error, unless Read Across Zone Boundaries is set (2.1.1.2.1.2)."""
        if self.geometry.unrestricted_reads or len(zones) < 2:
            return set()
        return {refusal("read-boundary", zone=zones[1].number)}

    def verify(self, lba: int, count: int) -> None:
        self.read(lba, count)

    def compare(self, lba: int, data: bytes) -> None:
        size = self.geometry.block_size
        stored = self.read(lba, len(data) // size)
        for offset in range(0, len(data), size):
            if stored[offset : offset + size] != data[offset : offset + size]:
                raise Refused(refusal("differs", lba=lba + offset // size))

    def write(self, lba: int, data: bytes) -> None:
        size = self.geometry.block_size
        self.put(lba, [data[at : at + size] for at in range(0, len(data), size)])

    def fill(self, lba: int, count: int, block: bytes = b"") -> None:
        """Write Zeroes, if there is no block (3.3.9)."""
        self.check_range(lba, count)
        self.put(lba, list(repeat(block or bytes(self.geometry.block_size), count)))

    def put(self, lba: int, blocks: list[bytes]) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        """All that the model holds is stable."""

    def report(self, lba: int) -> list[Zone]:
        """The zones from the one of an LBA on (3.4.2.1.1)."""
        self.check_range(lba, 0)
        return self.zones[self.at(lba).number :]

    def degrade(self, to: Literal["read-only", "offline"], first: int | None = None, count: int = 1) -> None:
        """Zones fail, by what is outside the scope of ZNS (2.1.1.3); never back from offline (2.1.1.3.7)."""
        for zone in self.some(first, count):
            if zone.state is not State.OFFLINE:
                zone.enter(State(to))


class Namespace(Medium):
    """A zoned namespace: equal zones, all of the type Sequential Write Required (2.1.1, 2.1.1.2)."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        size = geometry.zone_blocks
        for number in range(geometry.blocks // size):
            zone = Zone(number, number * size, geometry.zone_capacity or size, State.EMPTY)
            self.zones.append(zone)
        self.closed: Collection[int] = ()
        """The zones that are seen to be closed after the request: the controller may have done so."""

    # Resources

    def count(self, states: Collection[State]) -> int:
        return sum(zone.state in states for zone in self.zones)

    def lacking(self, moves: dict[int, State]) -> set[Refusal]:
        """The errors of transitions for which resources are not available (2.1.1.4.1).

        Implicitly opened zones can be closed, so that they stand in the way of active resources only. Where
        the limits are equal, the error is that of active resources; so it is where only they have a limit,
        since then Maximum Open Resources cannot be reported to be more (figure 48).
        """
        active, most_open = self.geometry.max_active, self.geometry.max_open
        after = [moves.get(zone.number, zone.state) for zone in self.zones]
        errors = set()
        if active is not None and sum(state in ACTIVE for state in after) > active:
            errors.add(refusal("too-many-active", limit=active))
            if most_open in (active, None):
                return errors
        explicit = after.count(State.EXPLICIT) + list(moves.values()).count(State.IMPLICIT)
        if most_open is not None and explicit > most_open:
            errors.add(refusal("too-many-open", limit=most_open))
        return errors

    def go(self, moves: dict[int, State]) -> None:
        """Make transitions, and close as many implicitly opened zones as it takes (2.1.1.4.1)."""
        after = [moves.get(zone.number, zone.state) for zone in self.zones]
        if self.geometry.max_open is not None:
            excess = max(sum(state in OPEN for state in after) - self.geometry.max_open, 0)
            victims = [
                zone
                for zone in self.zones
                if zone.number in self.closed and zone.number not in moves and zone.state is State.IMPLICIT
            ]
            assert len(victims) == excess, f"{excess} zones had to be closed, {len(victims)} were"
            for zone in victims:
                zone.enter(State.CLOSED)
        for number, state in moves.items():
            self.zones[number].enter(state)

    # Writes

    def put(self, lba: int, blocks: list[bytes]) -> None:
        """A write by address: Zone Invalid Write, if it is not at the write pointer (2.1.1.2.1.1)."""
        self.check_range(lba, len(blocks))
        if not blocks:
            return
        zone = self.at(lba)
        errors = set()
        if zone.pointer is not None and lba != zone.pointer:
            errors.add(refusal("unaligned", zone=zone.number, write_pointer=zone.pointer))
        self.put_in(zone, lba, blocks, errors)

    def append(self, number: int, data: bytes) -> int | None:
        """Zone Append: data go to the write pointer, and the lowest LBA is returned (3.4.1, 3.4.1.2)."""
        zone = self.some(number, 1)[0]
        size = self.geometry.block_size
        blocks = [data[at : at + size] for at in range(0, len(data), size)]
        if not blocks:
            return None
        lba = zone.start + len(zone.written)
        self.put_in(zone, lba, blocks, set())
        return lba

    def put_in(self, zone: Zone, lba: int, blocks: list[bytes], errors: set[Refusal]) -> None:
        """Write, in a zone that is or becomes open, and full with its last block (2.1.1.2.1.1, 2.1.1.3)."""
        if zone.state not in WRITABLE:
            errors.add(refusal(zone.state.value, zone=zone.number))
        if lba + len(blocks) > zone.end:
            errors.add(refusal("write-boundary", zone=zone.number))
        moves = {zone.number: State.IMPLICIT} if zone.state in WRITABLE - OPEN else {}
        errors |= self.lacking(moves)
        if errors:
            raise Refused(*errors)
        self.go(moves)
        zone.written += blocks
        if len(zone.written) == zone.capacity:
            zone.enter(State.FULL)

    # Zone Management Send

    def manage(self, action: str, first: int | None = None, count: int = 1, extension: bytes = b"") -> None:
        """Zone Management Send (3.4.3)."""
        zones = self.some(first, count)
        errors = set()
        if action == "set-extension" and not (first is not None and count == 1 and extension):
            errors.add(refusal("not-supported"))
        if first is None:
            zones = [zone for zone in zones if zone.state in SELECT_ALL.get(action, ())]
        for zone in zones:
            if zone.state not in TRANSITIONS[action]:
                errors.add(refusal("transition", zone=zone.number, condition=zone.state.value))
        moves = {zone.number: TRANSITIONS[action].get(zone.state, zone.state) for zone in zones}
        if action in ("open", "set-extension"):
            errors |= self.lacking(moves)
        if errors:
            raise Refused(*errors)
        self.go(moves)
        if action == "set-extension":
            zones[0].extension = extension

    def power_cycle(self) -> None:
        """The initial states of zones after an NVM Subsystem Reset (2.1.1.3)."""
        for zone in self.zones:
            if zone.state in WRITABLE:
                kept = zone.written or zone.extension is not None
                zone.enter(State.CLOSED if kept else State.EMPTY)


class Plain(Medium):
    """A medium without zones that are written in sequence, as a namespace of the NVM Command Set."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        size = geometry.zone_blocks
        for number in range(geometry.blocks // size):
            zeroes = [bytes(geometry.block_size)] * size
            zone = Zone(number, number * size, size, State.NO_POINTER, zeroes, conventional=True)
            self.zones.append(zone)

    def read_errors(self, zones: list[Zone]) -> set[Refusal]:
        return set()

    def put(self, lba: int, blocks: list[bytes]) -> None:
        self.check_range(lba, len(blocks))
        zones = self.spanned(lba, len(blocks))
        if errors := {
            refusal(zone.state.value, zone=zone.number)
            for zone in zones
            if zone.state is not State.NO_POINTER
        }:
            raise Refused(*errors)
        for number, block in enumerate(blocks, lba):
            self.at(number).written[number % self.geometry.zone_blocks] = block

    def append(self, number: int, data: bytes) -> int | None:
        raise Refused(refusal("not-supported"))

    def manage(self, action: str, first: int | None = None, count: int = 1, extension: bytes = b"") -> None:
        """There is no zone to be managed, so all of them are soon done."""
        if first is not None:
            zone = self.some(first, 1)[0]
            raise Refused(refusal("not-zone-start", lba=zone.start, zone=zone.number))
        if action == "set-extension":
            raise Refused(refusal("not-supported"))

    def power_cycle(self) -> None:
        """What is written stays."""


def model(geometry: Geometry) -> Namespace | Plain:
    return Plain(geometry) if geometry.kind == "conventional" else Namespace(geometry)


def told(zones: Iterable[Zone]) -> list[tuple[int, int, bool, str, int | None]]:
    """Zones as a report of ``_core`` tells them (3.4.2.2.3)."""
    return [(zone.start, zone.capacity, zone.conventional, zone.state.value, zone.pointer) for zone in zones]
