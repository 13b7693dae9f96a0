"""The commands that a state has lost: without them, and with all others, there is what the state shows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zonevm._core import Moment as Disks
from zonevm._core import Record as Entries
from zonevm.crash import State
from zonevm.errors import RecordError
from zonevm.records import LostCommand, Record

from .crash_reference import PHYSICAL, Complete, Event, Geometry, Log, Mark, Moment, Submit, Zone, encode
from .test_crash_states import GEOMETRIES, logs, plain, shown

Lost = dict[int, tuple[int, int]]
"""Of events how much is lost, and from which LBA on."""


def lost_of(disks: Disks, losses: list[tuple[int, str, int, int, int]]) -> Lost:
    return {each["entry"] - 1: (each["lost"], each["lost_from"]) for each in disks.lost(losses)}  # type: ignore[arg-type]


def zone_without(moment: Moment, zone: int, lost: Lost) -> Zone:
    """A zone that has carried out all that changed it but for what is lost."""
    live = left = Zone()
    start = zone * moment.log.geometry.zone_blocks
    for number, request in moment.given_to(zone):
        before, live = live, moment.carry_out(zone, live, request)
        if live == before:
            continue
        if number not in lost:
            left = moment.carry_out(zone, left, request)
            continue
        gone, lost_from = lost[number]
        kept = request.count - gone if request.writes else 0
        assert lost_from == start + (len(before.blocks) + kept if request.writes else 0)
        if kept:
            left = moment.carry_out(zone, left, request, kept // moment.log.geometry.unit)
    return left.off()


def blocks_without(moment: Moment, lost: dict[int, Lost]) -> tuple[int, ...]:
    """What can be overwritten, with all that was written but for what is lost, by physical blocks."""
    geometry = moment.log.geometry
    content = [0] * geometry.conventional * geometry.zone_blocks
    for number, request in enumerate(moment.events):
        if not isinstance(request, Submit) or request.operation not in ("write", "fill"):
            continue
        if moment.effective(request, moment.log.outcome(number), block=True):
            for lba in range(request.place, request.place + request.count):
                physical = lba * geometry.block_size // PHYSICAL
                if lba < len(content) and number not in lost.get(physical, {}):
                    content[lba] = request.byte(lba - request.place)
    return tuple(content)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(logs(), st.data())
def test_a_state_is_what_all_other_commands_make(log: Log, data: st.DataObject) -> None:
    geometry = log.geometry
    point = data.draw(st.integers(0, len(log.events)))
    moment = log.after(point)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "record")
        file.write_bytes(encode(log))
        disks = Entries(file).moment(point + 1)
        assert disks.lost([]) == []
        for losses in (disks.least(), *map(disks.draw, range(3))):
            if losses is None:
                continue
            every = disks.lost(losses)
            ended = {event.of for event in moment.events if isinstance(event, Complete)}
            zones: dict[int, Lost] = {}
            blocks: dict[int, Lost] = {}
            for loss in losses:
                (zones if loss[1] == "zone" else blocks)[loss[2]] = lost_of(disks, [loss])
            sequential = range(geometry.conventional, geometry.zones)
            left = tuple(zone_without(moment, zone, zones.get(zone, {})) for zone in sequential)
            with disks.open(losses, 0, name) as disk:
                assert shown(disk, geometry) == plain((left, blocks_without(moment, blocks)), geometry)
            together: dict[int, int] = {}
            for cell in (*zones.values(), *blocks.values()):
                for number, (count, _) in cell.items():
                    together[number] = together.get(number, 0) + count
            assert {each["entry"] - 1: each["lost"] for each in every} == together
            assert [each["entry"] - 1 for each in every] == sorted(together)
            for each in every:
                assert each["lost"] <= each["count"]
                assert each["in_flight"] == (each["entry"] - 1 not in ended)


def record(tmp_path: Path, geometry: Geometry, *events: Event) -> Record:
    file = tmp_path / "record"
    file.write_bytes(encode(Log(geometry, events=list(events))))
    return Record(file)


def words(found: Record) -> list[str]:
    """Of the state at the end in which all is lost."""
    state = found.least(len(found))
    assert state is not None
    return [each.words() for each in found.lost(state)]


def test_each_command_is_named_once_with_the_mark_before_it(tmp_path: Path) -> None:
    found = record(
        tmp_path,
        GEOMETRIES[0],
        Submit("write", 0, 24, tag=1),
        Mark("one"),
        Complete(0),
        Submit("write", 8, 8, tag=2),
        Submit("write", 32, 16, tag=3),
        Mark("two"),
        Submit("fill", 64, 8, tag=4),
    )
    assert words(found) == [
        "disk 0: write of 24 blocks at LBA 0, zone 0, is lost (entry 1)",
        "disk 0: write of 8 blocks at LBA 8, zone 0, is lost (entry 4, in flight, after mark 'one')",
        "disk 0: write of 16 blocks at LBA 32, zone 1, is lost (entry 5, in flight, after mark 'one')",
        "disk 0: fill of 8 blocks at LBA 64, zone 2, is lost (entry 7, in flight, after mark 'two')",
    ]
    end = len(found)

    def said(*lost: object) -> list[str]:
        return [each.words() for each in found.lost(State.of({"point": end, "lost": lost}))]

    assert said([0, "zone", 1, 1, 1]) == [
        "disk 0: write of 16 blocks at LBA 32, zone 1, is lost but for its first 8 blocks"
        " (entry 5, in flight, after mark 'one')"
    ]
    # The later version of the second block is lost, the first write of it is there.
    assert said([0, "block", 1, 1, 0]) == [
        "disk 0: write of 8 blocks at LBA 8, zone 0, is lost (entry 4, in flight, after mark 'one')"
    ]
    assert said([0, "block", 0, 1, 0]) == [
        "disk 0: write of 24 blocks at LBA 0, zone 0, has lost 8 of them, from LBA 0 on (entry 1)"
    ]
    assert said([0, "block", 2, 1, 0]) == [
        "disk 0: write of 24 blocks at LBA 0, zone 0, is lost but for its first 16 blocks (entry 1)"
    ]


def test_appends_go_where_the_write_pointer_was(tmp_path: Path) -> None:
    appends = [Submit("append", 1, count, tag=count) for count in (2, 1)]
    assert words(record(tmp_path, GEOMETRIES[3], *appends, Complete(1))) == [
        "disk 0: append of 2 blocks at LBA 4, zone 1, is lost (entry 1, in flight)",
        "disk 0: append of 1 block at LBA 6, zone 1, is lost (entry 2)",
    ]


def test_what_acts_on_zones_is_lost_by_zones(tmp_path: Path) -> None:
    stable = [Submit("write", zone * 4, 1, stable=True, tag=zone) for zone in (1, 2)]
    both = Submit("reset", every=True)
    found = record(tmp_path, GEOMETRIES[1], *stable, Complete(0), Complete(1), both)
    assert words(found) == ["disk 0: reset of 2 zones, zone 1 the first, is lost (entry 5, in flight)"]
    state = State.of({"point": len(found), "lost": [[0, "zone", 2, 1, 0]]})
    assert [each.words() for each in found.lost(state)] == [
        "disk 0: reset of 2 zones, zone 1 the first, is lost in 1 of them, the first at LBA 8"
        " (entry 5, in flight)"
    ]
    found = record(tmp_path, GEOMETRIES[3], Submit("set-extension", 2, 1, tag=1))
    assert words(found) == ["disk 0: set-extension of zone 2 is lost (entry 1, in flight)"]


def test_a_disk_without_zones_has_none(tmp_path: Path) -> None:
    assert words(record(tmp_path, GEOMETRIES[4], Submit("write", 3, 1, tag=1))) == [
        "disk 0: write of 1 block at LBA 3 is lost (entry 1, in flight)"
    ]


def test_what_cannot_be_lost_is_not_named(tmp_path: Path) -> None:
    found = record(tmp_path, GEOMETRIES[0], Submit("write", 0, 8, tag=1))
    for lost in ([0, "block", 0, 2, 0], [0, "block", 0, 1, 1], [0, "zone", 1, 1, 0], [0, "zone", 9, 1, 0]):
        with pytest.raises(RecordError, match="cannot have lost"):
            found.lost(State.of({"point": 2, "lost": [lost]}))
    with pytest.raises(RecordError, match="disk 1 is not in the record at point 2"):
        found.lost(State.of({"point": 2, "lost": [[1, "block", 0, 1, 0]]}))


def test_the_command_is_as_the_standard_spells_it() -> None:
    lost = LostCommand(11, 0, "WRITE(16)", "write", 1, 131080, 8, 8, 131080, False, "one is stored")
    assert lost.whole
    assert lost.words() == (
        "disk 0: WRITE(16) of 8 blocks at LBA 131080, zone 1, is lost (entry 11, after mark 'one is stored')"
    )
