"""What a record of a long run takes in memory: a real disk writes it, and a process of its own reads it.

Usage: python -m tests.campaigns.long_records [SIZE [LARGEST]]: of SIZE bytes (20G), by writes from 4 KiB to
LARGEST (1M). Prints, after each step, how long it took and the most memory that the process has had so far.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.unit import cdbs
from zonevm import images
from zonevm._core import Disk, Recording
from zonevm.disks import SmrDisk
from zonevm.records import Record
from zonevm.units import about_size, parse_size

BLOCK = 4096
KIB = 1024
MIB = 1024 * KIB
ZONE = 32 * MIB
CONVENTIONAL = 2
SEQUENTIAL = 14
FLUSH = 64 * MIB
"""So many bytes are written between two flushes."""

T = TypeVar("T")
Steps = dict[str, tuple[float, int]]
"""By what was done: the seconds that it took, and the most bytes of memory until then."""


def write_record(file: Path, directory: Path, size: int, largest: int, flush: int = FLUSH) -> int:
    """Record writes of ``size`` bytes to a small disk, over and over, and return the peak of memory then.

    A zone that is full is reset; one write in eight is to a conventional zone. A mark follows each flush.
    """
    chance = random.Random(size)
    kind = SmrDisk(
        size=(CONVENTIONAL + SEQUENTIAL) * ZONE,
        zone_size=ZONE,
        conventional=CONVENTIONAL,
        block_size=BLOCK,
    )
    recording = Recording(file)
    pointers = dict.fromkeys(range(CONVENTIONAL, CONVENTIONAL + SEQUENTIAL), 0)
    written = flushes = 0
    with images.temporary(directory, kind) as disk:
        disk.record_to(recording, 0)
        disk.execute(cdbs.TEST_UNIT_READY)
        while written < size:
            length = min(4 * KIB << chance.randrange(9), largest)
            if chance.randrange(8) == 0:
                at = chance.randrange(CONVENTIONAL * ZONE // length) * length
            else:
                at = _in_sequence(disk, pointers, chance, length)
            data = bytes([chance.randrange(1, 256)]) * length
            _done(disk, cdbs.rw16(0x8A, at // BLOCK, length // BLOCK), data)
            written += length
            if written // flush > flushes:
                flushes = written // flush
                _done(disk, cdbs.rw10(0x35, 0, 0))
                recording.mark(f"{flushes} flushes")
    recording.check()
    return peak()


def _in_sequence(disk: Disk, pointers: dict[int, int], chance: random.Random, length: int) -> int:
    """The next place of a sequential zone; one with no room is empty first."""
    zone = chance.choice(list(pointers))
    if pointers[zone] + length > ZONE:
        _done(disk, cdbs.zone_out(4, zone * ZONE // BLOCK))
        pointers[zone] = 0
    at = zone * ZONE + pointers[zone]
    pointers[zone] += length
    return at


def _done(disk: Disk, cdb: bytes, data: bytes = b"") -> None:
    response = disk.execute(cdb, data)
    assert response.status == 0, response.sense


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * KIB


def read(file: Path, directory: Path) -> Steps:
    """Read a record in a process of its own, and return what each step took."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.campaigns.long_records",
        "--read",
        file,
        directory,
    ]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, check=True)
    steps: Steps = {step: (seconds, most) for step, seconds, most in json.loads(done.stdout)}
    return steps


def _read(file: Path, directory: Path) -> list[tuple[str, float, int]]:
    taken = [("start", 0.0, peak())]

    def step(name: str, work: Callable[[], T]) -> T:
        begun = time.monotonic()
        result = work()
        taken.append((name, time.monotonic() - begun, peak()))
        return result

    record = step("open", lambda: Record(file))
    end = len(record)
    step("entries", lambda: sum(1 for _ in record.entries()))
    step("flush points", lambda: [record.last_mark(point) for point in record.flush_points()])
    states = step("20 states at the end", lambda: list(record.states(end, 20)))
    step("what they have lost", lambda: [each.words() for state in states for each in record.lost(state)])

    def look() -> None:
        with record.open(states[-1], 0, directory) as disk:
            disk.execute(cdbs.TEST_UNIT_READY)
            for zone in disk.zones():
                length = min(MIB, ZONE)
                disk.execute(cdbs.rw16(0x88, zone.start, length // BLOCK), data_in_length=length)

    step("a state as a disk", look)
    return taken


def main(size: str = "20G", largest: str = "1M") -> None:
    with tempfile.TemporaryDirectory() as name:
        file, directory = Path(name, "record"), Path(name)
        most = write_record(file, directory, parse_size(size), parse_size(largest))
        entries = len(Record(file))
        print(f"a record of {size} in {entries} entries, {about_size(file.stat().st_size)}")
        print(f"{'recording':24}         {most // MIB:5} MiB")
        for step, (seconds, most) in read(file, directory).items():
            print(f"{step:24} {seconds:6.1f} s {most // MIB:5} MiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        json.dump(_read(Path(sys.argv[2]), Path(sys.argv[3])), sys.stdout)
    else:
        main(*sys.argv[1:])
