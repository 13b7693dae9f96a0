"""The emulated disk against the reference model, command by command.

Whatever commands are sent, status, sense, data and the state of every zone are those of the model. A command
that a fault fires at fails as the fault says, and changes nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zonevm import Fault, Faults
from zonevm._core import Disk, Response

from . import cdbs
from .reference import CheckConditionError, Condition, Model, Sense, Shape, same_holds
from .shapes import unchecked_shape

DPO_FUA = st.sampled_from([0, 0x08, 0x10, 0x18])
BYTCHK = 0x02

SHAPES = [
    # zones of 8 KiB to 32 KiB; the last one smaller in some
    Shape(512, 10 * 32 + 8, 32, 2, 3),
    Shape(512, 9 * 16, 16, 0, 1),
    Shape(512, 6 * 64 + 40, 64, 3, 4),
    Shape(4096, 9 * 4 + 1, 4, 1, 2),
    Shape(4096, 8 * 8, 8, 0, 4),
    Shape(4096, 7 * 2, 2, 2, None),
    Shape(512, 10 * 32 + 8, 32, 2, 3, urswrz=False),
    Shape(4096, 8 * 4, 4, 0, 2, urswrz=False),
    Shape(512, 9 * 64 + 56, 64, 2, 3, zone_capacity=48),
    Shape(4096, 9 * 8, 8, 1, 3, zone_capacity=3),
    Shape(512, 10 * 32, 32, 1, 4, urswrz=False, zone_capacity=24),
    Shape(512, 10 * 32 + 8, 32, 2, 3, host_aware=True),
    Shape(4096, 9 * 8 + 3, 8, 0, None, host_aware=True),
]


FIRED: dict[str, tuple[int, Sense | None]] = {
    "read-error": (2, (0x3, 0x11, 0x00)),
    "write-error": (2, (0x3, 0x03, 0x00)),
    "aborted": (2, (0xB, 0x00, 0x00)),
    "busy": (8, None),
    "unit-attention": (2, (0x6, 0x29, 0x00)),
    "no-zone-resources": (2, (0x7, 0x55, 0x0E)),
}
"""Status and sense of a command that a fault of this kind ends."""


@dataclass
class Pair:
    """The disk and its model, side by side."""

    disk: Disk
    model: Model
    faults: Faults
    writes: int = field(default=0)

    def fresh(self, blocks: int) -> bytes:
        """Data that no block held before."""
        self.writes += 1
        size = self.model.shape.block_size
        return b"".join(
            self.writes.to_bytes(4, "big") + i.to_bytes(4, "big") + bytes([self.writes & 0xFF]) * (size - 8)
            for i in range(blocks)
        )

    def read(self, lba: int, count: int) -> None:
        room = count * self.model.shape.block_size
        self.run(lambda closed: self.model.read(lba, count), cdbs.rw16(0x88, lba, count), room=room)

    def run(
        self,
        expect: Callable[[list[int]], bytes | None],
        cdb: bytes,
        out: bytes = b"",
        room: int = 0,
        part: tuple[int, Callable[[int], bytes | None]] | None = None,
    ) -> Response:
        """Send a command; ``expect`` applies it to the model, given the zones that the disk has closed.

        ``part`` is for one that reads: its LBA, and what applies it with fewer blocks, as a disk does that
        meets a bad one.
        """
        response = self.disk.execute(cdb, out, room)
        assert not response.overrun, cdb.hex()
        zones = self.disk.zones()
        closed = [i for i, zone in enumerate(zones) if zone.condition == "closed"]
        refused: set[Sense] = set()
        data = None
        fired = next((each.fault for each in self.faults if each.fired), None)
        try:
            if fired is None:
                data = expect(closed)
            elif fired.kind == "read-error" and fired.zone is not None and part is not None:
                lba, fewer = part
                before = fired.zone * self.model.shape.zone_blocks - lba
                data = fewer(before) if before > 0 else None
        except CheckConditionError as error:
            refused = error.senses
        if fired is not None and not refused:
            status, sense = FIRED[fired.kind]
            assert response.status == status, cdb.hex()
            assert response.data == (data or b"")
            assert sense is None or cdbs.sense_code(response.sense) == sense, cdb.hex()
        elif refused:
            assert response.status == 2, f"{cdb.hex()}: expected {refused}"
            assert cdbs.sense_code(response.sense) in refused, cdb.hex()
            assert response.data == b""
        else:
            assert response.status == 0, f"{cdb.hex()}: {cdbs.sense_code(response.sense)}"
            assert response.sense == b""
            if data is not None:
                assert response.data == data, cdb.hex()
        seen = [
            (z.start, z.length, z.conventional, z.condition, z.write_pointer, z.non_sequential) for z in zones
        ]
        expected = [
            (z.start, z.length, z.conventional, z.condition, z.told_pointer, z.non_sequential)
            for z in self.model.zones
        ]
        assert seen == expected, cdb.hex()
        return response


class Command(Protocol):
    def apply(self, pair: Pair) -> None: ...


@dataclass(frozen=True)
class Place:
    """An LBA, told by where it is in a zone, so that it means something in every geometry and state."""

    zone: int
    at: str
    offset: int

    def lba(self, model: Model) -> int:
        if self.at == "anywhere":
            return (self.zone * model.shape.zone_blocks + self.offset) % (model.shape.blocks + 8)
        zone = model.zones[self.zone % len(model.zones)]
        base = {"start": zone.start, "end": zone.end, "pointer": zone.pointer}[self.at]
        return max(base + self.offset, 0)


@dataclass(frozen=True)
class Length:
    """A number of physical blocks, or logical ones, or what is left of a zone."""

    unit: str
    count: int

    def blocks(self, model: Model, lba: int) -> int:
        if self.unit == "rest" and lba < model.shape.blocks:
            return max(model.zone_at(lba).end - lba + self.count, 0)
        return max(self.count, 0) * (1 if self.unit == "logical" else 4096 // model.shape.block_size)


@dataclass(frozen=True)
class Read:
    place: Place
    length: Length
    size: int
    flags: int

    def apply(self, pair: Pair) -> None:
        lba = self.place.lba(pair.model)
        count = self.length.blocks(pair.model, lba)
        if self.size == 6:
            count = min(count, 256) or 256
            cdb = cdbs.rw6(0x08, lba, count)
        else:
            opcode, build = {10: (0x28, cdbs.rw10), 12: (0xA8, cdbs.rw12), 16: (0x88, cdbs.rw16)}[self.size]
            cdb = build(opcode, lba, count, self.flags)
        room = count * pair.model.shape.block_size
        part = (lba, lambda fewer: pair.model.read(lba, fewer))
        pair.run(lambda closed: pair.model.read(lba, count), cdb, room=room, part=part)


@dataclass(frozen=True)
class Write:
    place: Place
    length: Length
    size: int
    flags: int

    def apply(self, pair: Pair) -> None:
        lba = self.place.lba(pair.model)
        count = self.length.blocks(pair.model, lba)
        if self.size == 6:
            count = min(count, 256) or 256
            cdb = cdbs.rw6(0x0A, lba, count)
        else:
            opcode, build = {10: (0x2A, cdbs.rw10), 12: (0xAA, cdbs.rw12), 16: (0x8A, cdbs.rw16)}[self.size]
            cdb = build(opcode, lba, count, self.flags)
        data = pair.fresh(count)
        pair.run(lambda closed: pair.model.write(lba, data, closed), cdb, data)


@dataclass(frozen=True)
class WriteSame:
    place: Place
    length: Length
    size: int
    zeroes: bool

    def apply(self, pair: Pair) -> None:
        lba = self.place.lba(pair.model)
        # 0 blocks is "to the end" or an error, as VPD page B0h has it.
        count = self.length.blocks(pair.model, lba) or 1
        cdb = cdbs.rw10(0x41, lba, count) if self.size == 10 else cdbs.rw16(0x93, lba, count)
        block = bytes(pair.model.shape.block_size) if self.zeroes else pair.fresh(1)
        pair.run(lambda closed: pair.model.write(lba, block * count, closed), cdb, block)


@dataclass(frozen=True)
class Verify:
    place: Place
    length: Length
    size: int
    compare: bool
    wrong: int | None

    def apply(self, pair: Pair) -> None:
        model = pair.model
        lba = self.place.lba(model)
        count = self.length.blocks(model, lba)
        flags = BYTCHK if self.compare else 0
        cdb = cdbs.rw10(0x2F, lba, count, flags) if self.size == 10 else cdbs.rw16(0x8F, lba, count, flags)
        expected = None
        if self.compare:
            inside = max(min(count, model.shape.blocks - lba), 0)
            stored = model.stored(lba, inside) if inside else b""
            expected = stored.ljust(count * model.shape.block_size, b"\0")
            if self.wrong is not None and expected:
                at = self.wrong % len(expected)
                expected = expected[:at] + bytes([expected[at] ^ 1]) + expected[at + 1 :]

        def verify(blocks: int) -> None:
            sent = None if expected is None else expected[: blocks * model.shape.block_size]
            model.verify(lba, blocks, sent)

        pair.run(lambda closed: verify(count), cdb, expected or b"", part=(lba, verify))


@dataclass(frozen=True)
class Synchronize:
    place: Place
    count: int
    size: int

    def apply(self, pair: Pair) -> None:
        lba = self.place.lba(pair.model)
        cdb = cdbs.rw10(0x35, lba, self.count) if self.size == 10 else cdbs.rw16(0x91, lba, self.count)
        pair.run(lambda closed: pair.model.synchronize(lba, self.count), cdb)


@dataclass(frozen=True)
class ZoneOperation:
    action: int
    place: Place
    all_zones: bool
    count: int

    def apply(self, pair: Pair) -> None:
        model = pair.model
        lba = self.place.lba(model)
        zone_id = None if self.all_zones else lba

        def expect(closed: list[int]) -> None:
            match self.action:
                case 1:
                    model.close_zones(zone_id, self.count)
                case 2:
                    model.finish_zones(zone_id, self.count)
                case 3:
                    model.open_zones(zone_id, self.count, closed)
                case 4:
                    model.reset_zones(zone_id, self.count)

        pair.run(expect, cdbs.zone_out(self.action, lba, all_zones=self.all_zones, count=self.count))


@dataclass(frozen=True)
class Report:
    place: Place
    option: int
    length: int
    partial: bool

    def apply(self, pair: Pair) -> None:
        matching: list[bytes] = []

        def expect(closed: list[int]) -> None:
            matching.extend(pair.model.report(lba, self.option))

        lba = self.place.lba(pair.model)
        cdb = cdbs.report_zones(lba, self.length, self.option, partial=self.partial)
        response = pair.run(expect, cdb, room=self.length)
        data = response.data
        if response.status or len(data) < 64:
            return
        room = max(self.length - 64, 0)
        assert data[64:] == b"".join(matching)[:room]
        listed = matching[: -(-room // 64)] if self.partial else matching
        length = 64 * len(listed)
        assert int.from_bytes(data[:4], "big") == (min(length, room) if self.partial else length)
        assert same_holds(data[4] & 0xF, listed)
        assert int.from_bytes(data[8:16], "big") == pair.model.shape.blocks - 1


@dataclass(frozen=True)
class Fail:
    """A fault of a zone, which comes about at once."""

    kind: str
    place: Place

    def apply(self, pair: Pair) -> None:
        model = pair.model
        number = self.place.lba(model) // model.shape.zone_blocks
        zone = model.zones[number]
        if zone.conventional:
            return
        if self.kind == "reset-recommended":
            zone.recommended = True
        else:
            model.fail(number, Condition(self.kind))
        pair.faults.inject(Fault(self.kind, zone=number)).remove()
        pair.run(lambda closed: b"", cdbs.TEST_UNIT_READY)


@dataclass(frozen=True)
class Fired:
    """A command that a fault may fire at."""

    kind: str
    place: Place | None
    command: Command

    def apply(self, pair: Pair) -> None:
        shape = pair.model.shape
        zone = None if self.place is None else self.place.lba(pair.model) // shape.zone_blocks
        fault = pair.faults.inject(Fault(self.kind, zone=zone, count=1))
        self.command.apply(pair)
        fault.remove()


def places(*where: str) -> st.SearchStrategy[Place]:
    near = st.builds(
        Place, st.integers(0, 12), st.sampled_from(where), st.sampled_from([0, 0, 0, 0, 1, -1, 8])
    )
    anywhere = st.builds(Place, st.integers(0, 12), st.just("anywhere"), st.integers(0, 70))
    return st.one_of(near, near, near, anywhere)


lengths = st.one_of(
    st.builds(Length, st.just("physical"), st.integers(0, 5)),
    st.builds(Length, st.just("logical"), st.integers(0, 40)),
    st.builds(Length, st.just("rest"), st.sampled_from([0, 0, 0, 1, -1, -8, 8, 20])),
)
sizes = st.sampled_from([6, 10, 12, 16, 16])
short_sizes = st.sampled_from([10, 16])
zones = st.integers(0, 12)
at_pointers = st.builds(Place, zones, st.just("pointer"), st.just(0))
at_starts = st.builds(Place, zones, st.just("start"), st.just(0))
fitting = st.builds(Length, st.just("physical"), st.integers(1, 2)) | st.just(Length("rest", 0))
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Write, at_pointers, fitting, st.just(16), st.just(0)),
    st.builds(Write, at_pointers, fitting, sizes, DPO_FUA),
    st.builds(Write, places("pointer", "start"), lengths, sizes, DPO_FUA),
    st.builds(ZoneOperation, st.integers(1, 4), at_starts, st.just(False), st.just(0)),
    st.builds(ZoneOperation, st.just(3), at_starts, st.just(False), st.integers(0, 3)),
    st.builds(Read, places("start", "pointer", "end"), lengths, sizes, DPO_FUA),
    st.builds(WriteSame, places("pointer", "start"), lengths, short_sizes, st.booleans()),
    st.builds(
        Verify,
        places("start", "pointer"),
        lengths,
        short_sizes,
        st.booleans(),
        st.none() | st.integers(0, 1 << 16),
    ),
    st.builds(Synchronize, places("start", "end"), st.integers(0, 100), short_sizes),
    st.builds(
        ZoneOperation,
        st.integers(1, 4),
        places("start"),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([0, 0, 0, 1, 2, 3, 20, 65535]),
    ),
    st.builds(
        Report,
        places("start", "end"),
        st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 0x08, 0x0F, 0x10, 0x11, 0x12, 0x3D, 0x3E, 0x3F]),
        st.sampled_from([0, 16, 64, 100, 128, 192, 256, 4096]),
        st.booleans(),
    ),
)


failures: st.SearchStrategy[Command] = st.builds(
    Fail, st.sampled_from(["read-only", "offline", "reset-recommended", "reset-recommended"]), at_starts
)
fired: st.SearchStrategy[Command] = st.builds(
    Fired, st.sampled_from(sorted(FIRED)), st.none() | st.none() | at_starts, commands
)
few_failures = st.integers(0, 9).flatmap(lambda chance: {9: failures, 8: fired}.get(chance, commands))


@settings(
    max_examples=250,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.sampled_from(SHAPES), st.lists(few_failures, min_size=30, max_size=60))
def test_the_disk_does_as_the_model(shape: Shape, sequence: list[Command]) -> None:
    emulated = unchecked_shape(
        size=shape.blocks * shape.block_size,
        block_size=shape.block_size,
        zone_size=shape.zone_blocks * shape.block_size,
        conventional=shape.conventional,
        max_open=shape.max_open,
        urswrz=shape.urswrz,
        model="host-aware" if shape.host_aware else "host-managed",
        zone_capacity=None if shape.zone_capacity is None else shape.zone_capacity * shape.block_size,
    )
    with Disk.temporary(tempfile.gettempdir(), emulated) as disk:
        while disk.execute(cdbs.TEST_UNIT_READY).status:
            pass
        pair = Pair(disk, Model(shape), Faults({0: disk}))
        for command in sequence:
            command.apply(pair)
        pair.read(0, shape.blocks)
        for zone in pair.model.zones:
            whole = shape.urswrz or zone.told_pointer is None
            readable = zone.end if whole else zone.pointer
            pair.read(zone.start, readable - zone.start)
