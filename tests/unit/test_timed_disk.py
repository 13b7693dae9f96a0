"""A disk that takes the time of a device, in real time: commands, faults, traces, power, descriptions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pyarrow.parquet as pq
import pytest

from tests.waiting import until
from zonevm import images, timing
from zonevm._core import CoreError
from zonevm.cli import execute
from zonevm.disks import ZnsShape, parse
from zonevm.errors import DiskError, UsageError
from zonevm.faults import Faults
from zonevm.images import Disk
from zonevm.trace import recording, summarize

from .cdbs import TEST_UNIT_READY, rw16, sense_code, zone_out
from .sqes import blocks

BUILT_IN = Path(timing.__file__).parent / "profiles"
ZONE = 8192  # blocks of 512 bytes
SECONDS = 0.03
"""What a command takes: more than any host, less than anybody's patience."""


def slow(directory: Path, seconds: float) -> Path:
    """Return a profile like hc620, but that the interface takes so long for each command."""
    text = (BUILT_IN / "hc620.toml").read_text()
    file = directory / "slow.toml"
    file.write_text(text.replace("command_us = 230 ", f"command_us = {seconds * 1e6:.0f} "))
    assert timing.load(file).parameters["command_us"] == seconds * 1e6
    return file


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A disk that is much slower than any host."""
    return slow(tmp_path, SECONDS)


@pytest.fixture
def disk(tmp_path: Path, profile: Path) -> Iterator[Disk]:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="4M", conventional=1)
    with images.open(path, "volatile", profile) as disk:
        disk.execute(TEST_UNIT_READY)  # takes the unit attention of power on
        yield disk


def write(disk: Disk, lba: int, flags: int = 0) -> int:
    return disk.execute(rw16(0x8A, lba, 8, flags), b"x" * 4096).status


def test_commands_on_the_medium_take_their_time_and_no_others(disk: Disk) -> None:
    begun = time.monotonic()
    for _ in range(20):
        assert disk.execute(TEST_UNIT_READY).status == 0
    others = time.monotonic() - begun
    assert write(disk, ZONE) == 0
    assert disk.execute(rw16(0x88, ZONE, 8), data_in_length=4096).data == b"x" * 4096
    assert disk.execute(zone_out(4, ZONE)).status == 0
    assert time.monotonic() - begun - others >= 3 * SECONDS
    told = disk.lateness()
    assert told is not None
    assert (told["commands"], told["time_ns"] >= 3 * SECONDS * 1e9) == (3, True)
    assert told["late"] <= 3
    assert told["mean_ns"] <= told["max_ns"]


def test_what_is_refused_or_fails_on_purpose_is_not_timed(disk: Disk) -> None:
    assert sense_code(disk.execute(rw16(0x8A, ZONE + 8, 8), b"x" * 4096).sense) == (5, 0x21, 4)
    Faults({0: disk}).inject("read-error,zone=1")
    assert sense_code(disk.execute(rw16(0x88, ZONE, 8), data_in_length=4096).sense) == (3, 0x11, 0)
    told = disk.lateness()
    assert told is not None
    assert told["commands"] == 0


def test_a_trace_has_the_devices_time(disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace.parquet"
    with recording(file) as trace:
        disk.trace_to(trace, 0)
        disk.execute(TEST_UNIT_READY)
        for number in range(3):
            assert write(disk, ZONE + 8 * number) == 0
        assert sense_code(disk.execute(rw16(0x8A, ZONE, 8), b"x" * 4096).sense) == (5, 0x21, 4)
    ready, *writes, refused = pq.read_table(file).drop_columns("time").to_pylist()
    for row in (ready, refused):
        assert [row[name] for name in ("queued", "service", "virtual_time")] == [None, None, None]
    for row in writes:
        assert row["queued"] == 0
        assert SECONDS * 1e9 <= row["service"] < SECONDS * 1e9 + 1e6
    # A late one is caught up with.
    assert sum(row["latency"] for row in writes) > 2 * SECONDS * 1e9
    ends = [row["virtual_time"] for row in writes]
    assert [after - before for before, after in pairwise(ends)] == [writes[1]["service"]] * 2
    [summed] = summarize(file).disks
    found = {each.command: each for each in summed.commands}
    assert found["TEST UNIT READY"].service is None
    assert summed.virtual_seconds == pytest.approx(2 * SECONDS, rel=0.1)
    assert execute(["trace", "summary", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f"the device's time: {summed.virtual_seconds:.3f} s\n" in shown
    assert re.search(r"WRITE\(16\) +30 ms +30 ms +30 ms +0 ns +0 ns +0 ns\n", shown)


def test_a_disk_without_timing_has_no_clock(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="4M")
    with images.open(path) as disk:
        assert disk.lateness() is None
        disk.power_off()
        disk.execute(TEST_UNIT_READY)
        assert write(disk, 0) == 0
    assert disk.lateness() is None
    disk.power_on()


@pytest.mark.parametrize("flags", [0, 8], ids=["cached", "FUA"])
def test_a_power_cut_takes_what_had_not_ended(tmp_path: Path, flags: int) -> None:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="4M", conventional=1)
    with images.open(path, "volatile") as disk:
        disk.execute(TEST_UNIT_READY)
        assert write(disk, ZONE, 8) == 0
    answers: list[object] = []
    with images.open(path, "volatile", slow(tmp_path, 10)) as disk:
        disk.execute(TEST_UNIT_READY)

        def late() -> None:
            try:
                answers.append(write(disk, ZONE + 8, flags))
            except CoreError as error:
                answers.append(error.kind)

        thread = Thread(target=late)
        thread.start()
        until(lambda: disk.zones()[1].write_pointer == ZONE + 16)
        disk.power_off()
        thread.join()
        assert answers == ["no-answer"]
        images.power_cut(disk, "all")
        disk.power_on()
        assert disk.zones()[1].write_pointer == ZONE + 8
    with images.open(path) as disk:
        disk.execute(TEST_UNIT_READY)
        assert write(disk, ZONE + 8) == 0


def test_a_namespace_takes_the_time_of_an_ssd(tmp_path: Path) -> None:
    path = tmp_path / "zns.img"
    images.create_as(path, ZnsShape(size="64M", zone_size="4M"))
    with images.open(path, timing="zn540") as disk:
        assert disk.execute(blocks(2, 0, 1), data_in_length=4096).status == 0
        told = disk.lateness()
        assert told is not None
        assert (told["commands"], 5_000 < told["time_ns"] < 100_000) == (1, True)


def test_a_description_names_its_timing() -> None:
    text = "smr,size=4G,timing=hc620"
    assert str(parse(text)) == text
    assert str(parse("zns,size=4G,timing=./mine.toml")) == "zns,size=4G,timing=mine.toml"
    with pytest.raises(DiskError, match="QEMU's namespaces have none"):
        parse("zns,size=4G,via=qemu,timing=zn540")


def test_a_timing_that_is_not_there_is_said_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="no timing profile 'hc62'"):
        images.open(tmp_path / "none.img", timing="hc62")
    assert execute(["run", "--dry-run", "--disk", "smr,size=4G,timing=hc62", "--", "true"]) == 2
    assert "Did you mean hc620?" in capsys.readouterr().err
