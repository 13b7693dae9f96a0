"""The rules of ZNS in the core against the reference model, request by request.

Whatever is asked, the answer or the refusal with its facts is one that the model has, every zone is reported
as the model has it, and the same data are read back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import methodcaller
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zonevm._core import CoreError, Medium, RefusalError

from .zns_reference import Geometry, Namespace, Plain, Refusal, Refused, State, model, refusal, told

GEOMETRIES = [
    # zones of 4 KiB to 16 KiB
    Geometry("zns", 512, 6 * 16, 16, 8, max_open=2, max_active=3, extension_bytes=64),
    Geometry("zns", 512, 5 * 32, 32, 24, max_open=3, max_active=4, unrestricted_reads=False),
    Geometry("zns", 4096, 8 * 4, 4, 3, max_open=1, max_active=4, extension_bytes=128),
    Geometry("zns", 4096, 8 * 4, 4, max_open=2, max_active=2, extension_bytes=64),
    Geometry("zns", 4096, 6 * 2, 2, 1, max_open=1, max_active=1, extension_bytes=64),
    Geometry("zns", 4096, 7 * 4, 4, max_active=3, extension_bytes=64),
    Geometry("zns", 512, 5 * 16, 16, max_open=2, unrestricted_reads=False),
    Geometry("zns", 512, 4 * 16, 16, 8, extension_bytes=16320),
    Geometry("zns", 4096, 1 * 8, 8, 5, max_open=1, max_active=1),
    Geometry("conventional", 512, 4 * 16, 16),
]
FAR = 2**64 - 1
"""The highest LBA that a request can have."""


@dataclass
class Pair:
    """The core's medium and the model, side by side."""

    medium: Medium
    model: Namespace | Plain
    writes: int = field(default=0)

    def fresh(self, blocks: int) -> bytes:
        """Data that no block held before."""
        self.writes += 1
        size = self.model.geometry.block_size
        return b"".join(
            (self.writes.to_bytes(4, "big") + i.to_bytes(4, "big")) * (size // 8) for i in range(blocks)
        )

    def run(self, request: Callable[[Any], Any], name: str) -> None:
        """Ask both for the same."""
        answer, refused = asked(request, self.medium)
        if isinstance(self.model, Namespace):
            zones = enumerate(self.medium.report(0))
            self.model.closed = {number for number, zone in zones if zone.condition == "closed"}
        try:
            expected = request(self.model)
        except Refused as why:
            assert refused in why.refusals, name
        else:
            assert refused is None, name
            assert answer == (told(expected) if name.startswith("report") else expected), name
        self.compare(name)

    def compare(self, name: str) -> None:
        """Zones are in the same state, and hold the same."""
        assert seen(self.medium) == told(self.model.zones), name
        size = self.model.geometry.zone_blocks
        for zone in self.model.zones:
            assert self.medium.extension(zone.number) == zone.extension, name
            read = methodcaller("read", zone.start, size)
            if zone.state is State.OFFLINE:
                assert asked(read, self.medium) == (None, refusal("offline", zone=zone.number)), name
            else:
                assert read(self.medium) == read(self.model), name


def seen(medium: Medium, lba: int = 0) -> list[tuple[int, int, bool, str, int | None]]:
    return [
        (zone.start, zone.length, zone.conventional, zone.condition, zone.write_pointer)
        for zone in medium.report(lba)
    ]


def asked(request: Callable[[Medium], Any], medium: Medium) -> tuple[Any, Refusal | None]:
    """What came of a request: its answer, or why not."""
    try:
        answer = request(medium)
    except RefusalError as why:
        return None, refusal(why.reason, **why.facts)
    if isinstance(answer, list):
        answer = seen(medium, answer[0].start)
    return answer, None


class Request(Protocol):
    def apply(self, pair: Pair) -> None: ...


@dataclass(frozen=True)
class Place:
    """An LBA, told by where it is in a zone, so that it means something in every geometry and state."""

    zone: int
    at: str
    offset: int

    def lba(self, pair: Pair) -> int:
        if self.at == "far":
            return FAR - self.zone
        zones = pair.model.zones
        zone = zones[self.zone % len(zones)]
        base = {
            "start": zone.start,
            "pointer": zone.pointer or zone.start,
            "capacity": zone.end,
            "end": zone.start + pair.model.geometry.zone_blocks,
        }[self.at]
        return max(base + self.offset, 0)


@dataclass(frozen=True)
class Length:
    """So many blocks, or what is left of a zone and so many."""

    rest: bool
    count: int

    def blocks(self, pair: Pair, lba: int) -> int:
        left = 0
        if self.rest and lba < pair.model.geometry.blocks:
            left = pair.model.at(lba).end - lba
        return max(left + self.count, 0)


@dataclass(frozen=True)
class Transfer:
    """Read, verify, write and fill: what has an LBA and a length."""

    name: str
    place: Place
    length: Length

    def apply(self, pair: Pair) -> None:
        lba = self.place.lba(pair)
        count = self.length.blocks(pair, lba)
        arguments: dict[str, tuple[int | bytes, ...]] = {
            "write": (pair.fresh(count),),
            "fill": (count, pair.fresh(1)),
        }
        name = "fill" if self.name == "write zeroes" else self.name
        pair.run(methodcaller(name, lba, *arguments.get(self.name, (count,))), f"{self}: {lba}, {count}")


@dataclass(frozen=True)
class Compare:
    """A comparison with what is there, or with one bit changed."""

    place: Place
    length: Length
    wrong: int | None

    def apply(self, pair: Pair) -> None:
        lba = self.place.lba(pair)
        count = self.length.blocks(pair, lba)
        try:
            data = bytearray(pair.model.read(lba, count))
        except Refused:
            data = bytearray(count * pair.model.geometry.block_size)
        if self.wrong is not None and data:
            data[self.wrong % len(data)] ^= 1
        pair.run(methodcaller("compare", lba, bytes(data)), f"{self}: {lba}, {count}")


@dataclass(frozen=True)
class Append:
    zone: int
    length: Length

    def apply(self, pair: Pair) -> None:
        number = self.zone % (len(pair.model.zones) + 1)
        place = Place(number, "pointer", 0)
        count = self.length.blocks(pair, place.lba(pair))
        pair.run(methodcaller("append", number, pair.fresh(count)), f"{self}: {number}, {count}")


@dataclass(frozen=True)
class Manage:
    """An action on ``count`` zones, or on all if there is no count."""

    action: str
    zone: int
    count: int | None

    def apply(self, pair: Pair) -> None:
        wanted = pair.model.geometry.extension_bytes if self.action == "set-extension" else 0
        extension = (pair.fresh(-(-wanted // 512)))[:wanted]
        first = None if self.count is None else self.zone % (len(pair.model.zones) + 1)
        pair.run(methodcaller("manage", self.action, first, self.count or 1, extension), f"{self}: {first}")


@dataclass(frozen=True)
class Degrade:
    """Zones fail; ``extended``: rather from one on that has a descriptor extension."""

    to: str
    zone: int
    count: int
    extended: bool

    def apply(self, pair: Pair) -> None:
        first = self.zone % (len(pair.model.zones) + 1)
        extended = [zone.number for zone in pair.model.zones if zone.extension is not None]
        if self.extended and extended:
            first = extended[self.zone % len(extended)]
        pair.run(methodcaller("degrade", self.to, first, self.count), f"{self}: {first}")


@dataclass(frozen=True)
class Report:
    place: Place

    def apply(self, pair: Pair) -> None:
        pair.run(methodcaller("report", self.place.lba(pair)), f"report: {self}")


@dataclass(frozen=True)
class Bare:
    """A flush, or a power cycle."""

    name: str

    def apply(self, pair: Pair) -> None:
        pair.run(methodcaller(self.name), self.name)


def places(*where: str) -> st.SearchStrategy[Place]:
    return st.builds(Place, zones, st.sampled_from(where), st.sampled_from([0, 0, 0, 0, 1, -1, 3]))


zones = st.integers(0, 12)
at_pointers = st.builds(Place, zones, st.just("pointer"), st.just(0))
anywhere = places("pointer", "pointer", "start", "start", "capacity", "end", "far")
lengths = st.one_of(
    st.builds(Length, st.just(False), st.integers(0, 6)),
    st.builds(Length, st.just(False), st.sampled_from([0, 1, 16, 40, 100])),
    st.builds(Length, st.just(True), st.sampled_from([0, 0, 1, -1, 4, 20])),
)
fitting = st.builds(Length, st.just(False), st.integers(1, 3)) | st.just(Length(True, 0))
actions = st.sampled_from(["open", "open", "close", "finish", "reset", "reset", "offline", "set-extension"])
writes = st.sampled_from(["write", "fill", "write zeroes"])
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(Transfer, writes, at_pointers, fitting),
    st.builds(Transfer, st.just("write"), at_pointers, fitting),
    st.builds(Transfer, writes, anywhere, lengths),
    st.builds(Append, zones, fitting),
    st.builds(Append, zones, lengths),
    st.builds(Manage, actions, zones, st.just(1)),
    st.builds(Manage, actions, zones, st.just(1)),
    st.builds(Manage, actions, zones, st.sampled_from([1, 2, 2, 3, 3, 4, 100, 2**32 - 1])),
    st.builds(Manage, actions, zones, st.none()),
    st.builds(Manage, st.just("set-extension"), zones, st.just(1)),
    st.builds(Transfer, st.sampled_from(["read", "verify"]), anywhere, lengths),
    st.builds(Compare, anywhere, lengths, st.none() | st.integers(0, 1 << 16)),
    st.builds(Report, anywhere),
)
rare: st.SearchStrategy[Request] = st.one_of(
    st.builds(
        Degrade,
        st.sampled_from(["read-only", "offline"]),
        zones,
        st.sampled_from([1, 1, 1, 2]),
        st.booleans(),
    ),
    st.builds(Bare, st.just("power_cycle")),
    st.builds(Bare, st.sampled_from(["flush", "power_cycle"])),
)
mixed = st.integers(0, 11).flatmap(lambda chance: rare if chance == 11 else requests)


@settings(
    max_examples=250,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.sampled_from(GEOMETRIES), st.lists(mixed, min_size=30, max_size=60))
def test_the_medium_does_as_the_model(geometry: Geometry, sequence: list[Request]) -> None:
    pair = Pair(Medium(geometry), model(geometry))
    for request in sequence:
        request.apply(pair)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_open": 4}, "max open"),
        ({"zone_capacity": 16}, "zone capacity"),
        ({"extension_bytes": 65}, "extensions"),
        ({"extension_bytes": 256 * 64}, "extensions"),
        ({"kind": "zbc"}, "zbc"),
    ],
)
def test_a_geometry_that_no_namespace_has_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(CoreError, match=words) as refused:
        Medium(replace(GEOMETRIES[0], **changed))
    assert refused.value.kind == "invalid"
