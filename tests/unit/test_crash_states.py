"""The states that the core finds after a power cut against an independent enumeration of them.

Over random small logs the two sets are the same: not a state is missing, and none is made up. Each state is
opened as a disk, and what its commands tell of it is what is compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from zonevm._core import CoreError, Disk, Moment, Record

from . import cdbs, sqes
from .crash_reference import Complete, Event, Geometry, Log, Mark, State, Submit, Zone, encode

GEOMETRIES = [
    Geometry("host-managed", 512, 3, 32, conventional=1),
    Geometry("host-managed", 4096, 3, 4),
    Geometry("zns", 512, 3, 16, capacity=8, max_active=2, extension=64),
    Geometry("zns", 4096, 3, 4, max_active=2, extension=64),
    Geometry("conventional", 512, 1, 32, conventional=1),
]
MOST_STATES = 600
ENDS = ["done"] * 12 + ["refused", "not stable", "failed", "withdrawn"]
ORDERED = ("reset", "set-extension")
"""What keeps later requests for its zone waiting."""


class Builder:
    """A log that a disk may have, one event after the other."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], log: Log) -> None:
        self.draw = draw
        self.log = log
        self.flights: list[int] = []
        self.zones: dict[int, set[int]] = {}
        """Of each zone the requests that are to end before any later one for it."""

    def number(self, most: int) -> int:
        return int(self.draw(st.integers(0, most)))

    def submit(self) -> None:
        geometry = self.log.geometry
        zone = self.number(geometry.zones - 1)
        live = self.log.after(len(self.log.events)).live(zone)
        tag, stable = self.number(13) + 1, self.number(3) == 0
        overwritable = zone < geometry.conventional
        if overwritable:
            place = zone * geometry.zone_blocks + self.number(geometry.zone_blocks - 1)
            most = (zone + 1) * geometry.zone_blocks - place
            count = min(1 + self.number(19), most)
        else:
            place = zone * geometry.zone_blocks + len(live.blocks)
            rest = geometry.room(zone) - len(live.blocks)
            count = geometry.unit * (1 + self.number(2)) if self.number(2) else max(rest, geometry.unit)
        choices = ["write"] * 6 + ["flush"] * 4 + ["fill", "read"]
        if not overwritable:
            choices += ["open", "close", "finish", "reset", "reset"]
        if geometry.kind == "zns":
            choices += ["append", "append", "append", "set-extension"]
        if self.number(12) == 0:
            choices = ["fail-read-only", "fail-offline", "offline"] if not overwritable else ["flush"]
        operation = self.draw(st.sampled_from(choices))
        match operation:
            case "write":
                request = Submit("write", place, count, stable, tag=tag)
            case "fill":
                request = Submit("fill", place, count, stable, tag=tag * self.number(1))
            case "append":
                request = Submit("append", zone, count, stable, tag=tag)
            case "flush":
                request = Submit("flush")
            case "read":
                request = Submit("read", zone * geometry.zone_blocks, count, stable)
            case _:
                every = operation in ("finish", "reset", "open", "close") and self.number(3) == 0
                request = Submit(operation, 0 if every else zone, 0 if every else 1, every=every, tag=tag)
        self.flights.append(len(self.log.events))
        self.log.events.append(request)

    def complete(self) -> None:
        """End one in flight, as a disk could: what is done was possible, after what it had to wait for."""
        number = self.draw(st.sampled_from(self.flights))
        outcome = self.draw(st.sampled_from(ENDS))
        request = self.log.events[number]
        assert isinstance(request, Submit)
        if outcome in ("done", "not stable"):
            concerned = self.concerned(request)
            for other in self.flights:
                earlier = self.log.events[other]
                if other < number and isinstance(earlier, Submit) and concerned & self.concerned(earlier):
                    outcome = "refused" if earlier.operation in ORDERED else outcome
        if request.operation in ("flush", "read", "save") and outcome == "failed":
            outcome = "refused"
        if request.operation.startswith("fail") and outcome == "failed":
            outcome = "not stable"
        self.flights.remove(number)
        self.log.events.append(Complete(number, outcome))
        assume(self.consistent())

    def concerned(self, request: Submit) -> set[int]:
        geometry = self.log.geometry
        if request.operation in ("flush", "read"):
            return set()
        if request.every:
            return set(range(geometry.conventional, geometry.zones))
        if request.operation in ("write", "fill"):
            return {request.place // geometry.zone_blocks}
        return {request.place}

    def consistent(self) -> bool:
        """Whether all that is said to be done was possible."""
        moment = self.log.after(len(self.log.events))
        for zone in range(self.log.geometry.conventional, self.log.geometry.zones):
            now = Zone()
            for number, request in moment.given_to(zone):
                after = moment.carry_out(zone, now, request)
                ended = self.log.outcome(number) in ("done", "not stable")
                if ended and request.writes and after == now:
                    return False
                now = after
        return True


@st.composite
def logs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Log:
    builder = Builder(draw, Log(draw(st.sampled_from(GEOMETRIES)), lying=draw(st.integers(0, 9)) == 0))
    for _ in range(draw(st.integers(1, 20))):
        if builder.flights and builder.number(2):
            builder.complete()
        elif builder.number(9) == 0:
            builder.log.events.append(Mark("so far"))
        else:
            builder.submit()
    return builder.log


def shown(disk: Disk, geometry: Geometry) -> State:
    """What a disk tells of itself."""
    if geometry.kind == "host-managed":
        disk.execute(cdbs.TEST_UNIT_READY)  # to be told of the power on
    found: list[Zone] = []
    overwritten: tuple[int, ...] = ()
    for number, zone in enumerate(disk.zones()):
        size, count = geometry.block_size, geometry.room(number)
        if zone.condition == "offline":
            found.append(Zone("offline"))
            continue
        if geometry.kind == "host-managed":
            read = cdbs.rw16(0x88, zone.start, count)
        else:
            read = sqes.blocks(sqes.READ, zone.start, count)
        response = disk.execute(read, data_in_length=size * count)
        assert response.status == 0
        data = response.data
        blocks = tuple(data[at] for at in range(0, len(data), size))
        assert data == b"".join(bytes([block]) * size for block in blocks)
        if number < geometry.conventional:
            overwritten += blocks
            continue
        if zone.write_pointer is not None:
            assert not any(blocks[zone.write_pointer - zone.start :])
            blocks = blocks[: zone.write_pointer - zone.start]
        found.append(Zone(zone.condition, blocks))
    return tuple(found), overwritten


def plain(state: State, geometry: Geometry) -> State:
    """A state of the reference as commands tell it: a full zone is read to its end, an offline one not."""
    zones = []
    for number, zone in enumerate(state[0], geometry.conventional):
        blocks = zone.blocks
        if zone.state == "offline":
            blocks = ()
        elif zone.state in ("full", "read-only"):
            blocks += (0,) * (geometry.room(number) - len(blocks))
        zones.append(Zone(zone.state, blocks))
    return tuple(zones), state[1]


def all_states(moment: Moment, geometry: Geometry, directory: Path) -> set[State]:
    count = moment.count()
    assert count is not None
    found = set()
    for number in range(count):
        lost = moment.state(number)
        if lost is not None:
            with moment.open(lost, 0, directory) as disk:
                found.add(shown(disk, geometry))
    return found


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(logs(), st.data())
def test_the_states_are_those_of_the_reference(log: Log, data: st.DataObject) -> None:
    geometry = log.geometry
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "record")
        file.write_bytes(encode(log))
        record = Record(file)
        assert len(record) == len(log.events) + 1
        point = data.draw(st.integers(0, len(log.events)))
        moment = record.moment(point + 1)
        expected = log.after(point).states()
        assume(len(expected) <= MOST_STATES)
        assume((moment.count() or MOST_STATES * 9) <= MOST_STATES * 2)
        known = {plain(state, geometry) for state in expected}
        assert all_states(moment, geometry, Path(name)) == known
        for seed in range(3):
            drawn = moment.draw(seed)
            assert drawn == moment.draw(seed)
            assert (drawn is None) == (not known)
            if drawn is not None:
                with moment.open(drawn, 0, Path(name)) as disk:
                    assert shown(disk, geometry) in known


def states(log: Log, directory: Path) -> set[State]:
    file = directory / "record"
    file.write_bytes(encode(log))
    return all_states(Record(file).moment(len(log.events) + 1), log.geometry, directory)


def test_a_flush_covers_what_was_completed_before_it_was_submitted(tmp_path: Path) -> None:
    late: list[Event] = [
        Submit("write", 4, 1, tag=1),
        Submit("flush"),
        Complete(0),
        Complete(1),
    ]
    geometry = GEOMETRIES[1]
    pointers = {len(state[0][1].blocks) for state in states(Log(geometry, events=late), tmp_path)}
    assert pointers == {0, 1}
    early = [late[0], Complete(0), Submit("flush"), Complete(2)]
    pointers = {len(state[0][1].blocks) for state in states(Log(geometry, events=early), tmp_path)}
    assert pointers == {1}
    lying = Log(geometry, lying=True, events=early)
    assert {len(state[0][1].blocks) for state in states(lying, tmp_path)} == {0, 1}


def test_no_more_zones_are_active_than_the_limit(tmp_path: Path) -> None:
    events: list[Event] = []
    for request in (Submit("append", 0, 4, tag=1), Submit("append", 1, 4, tag=2), Submit("flush")):
        events += [request, Complete(len(events))]
    events += [Submit("append", 0, 4, tag=3), Submit("append", 2, 1, tag=4)]
    log = Log(GEOMETRIES[2], events=events)
    conditions = {tuple(zone.state for zone in state[0]) for state in states(log, tmp_path)}
    assert conditions == {
        ("closed", "closed", "empty"),
        ("full", "closed", "empty"),
        ("full", "closed", "closed"),
    }
    moment = Record(tmp_path / "record").moment(len(events) + 1)
    with pytest.raises(CoreError, match="3 zones of disk 0 would be active, and 2 may be"):
        moment.open([(0, "zone", 0, 1, 0)], 0, tmp_path)


def test_a_large_write_is_torn_at_physical_blocks(tmp_path: Path) -> None:
    events: list[Event] = [Submit("write", 4, 16, tag=1)]
    found = states(Log(GEOMETRIES[4], events=events), tmp_path)
    kept = {tuple(lba for lba in range(32) if state[1][lba]) for state in found}
    parts = [range(4, 8), range(8, 16), range(16, 20)]
    chosen = [[part for at, part in enumerate(parts) if number >> at & 1] for number in range(8)]
    assert kept == {tuple(lba for part in each for lba in part) for each in chosen}


def test_a_record_that_contradicts_itself_is_damaged(tmp_path: Path) -> None:
    events: list[Event] = [Submit("write", 6, 1, tag=1), Complete(0)]
    try:
        states(Log(GEOMETRIES[1], events=events), tmp_path)
    except CoreError as error:
        assert error.kind == "corrupt"
        assert "writes LBA 6 of zone 1" in error.message
    else:
        raise AssertionError
