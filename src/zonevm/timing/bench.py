"""Runs jobs on the model of a device, in virtual time: no data are read or written, and nothing waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from zonevm._core import CoreError, run_load
from zonevm.errors import UsageError
from zonevm.timing.job import Job
from zonevm.timing.profile import Profile
from zonevm.units import format_size
from zonevm.zone_numbers import parse_zones

if TYPE_CHECKING:
    from zonevm._core import Inspection, Zone

_NANOSECONDS = 10**9
_MOVES = ("read", "randread", "write", "randwrite", "append")
"""The kinds whose commands have blocks."""


class Command(NamedTuple):
    """A command that ended: places and lengths in bytes, times in nanoseconds of virtual time."""

    job: int
    """The job's place among all, from 0 on."""
    operation: str
    start: int
    length: int
    arrived: int
    """When it was sent."""
    begun: int
    """When the device first did something for it: what is before is queued, what is after service."""
    ended: int


@dataclass(frozen=True)
class Outcome:
    """What came of a job in the virtual time that counted."""

    job: str
    commands: int
    """Commands that ended, without the resets that writes needed."""
    bytes: int
    resets: int
    """Zones that were reset so that they could be written again."""
    seconds: float
    mean_us: float
    """How long a command took, from sent to ended."""
    queued_us: float
    """What of it, on average, was before the device began with it."""
    p50_us: float
    p95_us: float
    p99_us: float
    max_us: float

    @property
    def iops(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds

    @property
    def mb_s(self) -> float:
        """Millions of bytes a second."""
        return self.bytes / self.seconds / 1e6


@dataclass(frozen=True)
class Medium:
    """What a device's medium is like, and how much of it is written, in bytes."""

    size: int
    zone_size: int
    zone_capacity: int
    conventional: int
    """Conventional zones, which come first."""
    written: Sequence[int]
    """Of each zone; of a conventional one all."""
    block_size: int = 512
    """A command has a multiple of it."""

    @classmethod
    def of(cls, image: Inspection) -> Self:
        """Return that of an image, of which :func:`zonevm.images.info` tells."""
        block = image["block_size"]
        return cls(
            image["size"],
            image["zone_size"],
            image["zone_capacity"],
            image["conventional"],
            [_written(zone) * block for zone in image["zones"]],
            block,
        )


def _written(zone: Zone) -> int:
    if zone.conventional or zone.condition == "full":
        return zone.length
    return 0 if zone.write_pointer is None else zone.write_pointer - zone.start


@dataclass(frozen=True)
class _Sent:
    kind: str
    block: int
    streams: int
    depth: int
    first: int
    count: int
    shuffled: bool
    unwritten: bool
    stable: bool
    fill: float
    rate: float | None


def run(
    profile: Profile,
    medium: Medium,
    jobs: Sequence[Job],
    *,
    seconds: float = 10,
    ramp: float = 0,
    seed: int = 0,
    told: Callable[[Command], object] | None = None,
) -> list[Outcome]:
    """Run all jobs at a time on a device of this profile and medium; return what came of each.

    What ends in the first ``ramp`` of the virtual ``seconds`` does not count. The same seed gives the same
    commands at the same times. ``told`` is called with every command, in the order in which they end. Raises
    :class:`UsageError` for jobs that cannot be run on the medium.
    """
    if not jobs:
        raise UsageError("there is no job to run", "Write randread,block=4K,depth=32, for example.")
    if not 0 <= ramp < seconds:
        raise UsageError(
            f"--ramp {ramp:g} leaves nothing of --time {seconds:g} to count in", "Give it more time."
        )
    sent = [_sent(job, medium) for job in jobs]
    try:
        outcomes = run_load(
            profile.kind,
            dict(profile.parameters),
            medium,
            medium.written,
            sent,
            round(seconds * _NANOSECONDS),
            round(ramp * _NANOSECONDS),
            seed % 2**64,
            None if told is None else lambda *row: told(Command(*row)),
        )
    except CoreError as error:
        hint = "Choose other zones, or fewer streams; unwritten=on reads what is not written, too."
        raise UsageError(error.message, hint) from None
    return [
        Outcome(
            job=str(job),
            commands=each["commands"],
            bytes=each["bytes"],
            resets=each["resets"],
            seconds=each["time_ns"] / _NANOSECONDS,
            mean_us=each["mean_ns"] / 1000,
            queued_us=each["queued_ns"] / 1000,
            p50_us=each["p50_ns"] / 1000,
            p95_us=each["p95_ns"] / 1000,
            p99_us=each["p99_ns"] / 1000,
            max_us=each["max_ns"] / 1000,
        )
        for job, each in zip(jobs, outcomes, strict=True)
    ]


def _sent(job: Job, medium: Medium) -> _Sent:
    conventional, count = medium.conventional, len(medium.written)
    zones = range(conventional, count) if job.zones is None else parse_zones(job.zones, count)
    if job.kind not in ("read", "randread", "flush", "report") and zones.start < conventional:
        raise UsageError(
            f"{job}: zone {zones.start} is conventional, and has no write pointer",
            f"Conventional zones can only be read; the others begin at {conventional}.",
        )
    if job.kind in _MOVES and job.block % medium.block_size:
        raise UsageError(
            f"{job}: block is {format_size(job.block)}, and the disk has blocks of {medium.block_size} bytes",
            "Choose a multiple of these.",
        )
    if job.kind in _MOVES and job.block > medium.zone_capacity:
        raise UsageError(
            f"{job}: block is {format_size(job.block)}, and a zone holds {format_size(medium.zone_capacity)}",
            "Choose smaller blocks: no command goes from one zone into the next.",
        )
    return _Sent(
        kind=job.kind,
        block=job.block,
        streams=job.streams,
        depth=job.depth,
        first=zones.start,
        count=len(zones),
        shuffled=job.order == "random",
        unwritten=job.unwritten,
        stable=job.stable,
        fill=job.fill / 100,
        rate=None if job.rate is None else job.rate / 1e6,
    )
