"""Points of publications by which timing profiles are fitted and judged, and what the models make of them.

A point that a parameter was fitted to judges nothing; the others are held out, and no parameter was chosen by
them. docs/timing.md has the tables and says where the points are from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from zonevm import timing

Unit = Literal["IOPS", "MB/s", "ms", "ms (p50)", "ms (p99)"]
Zones = Literal["empty", "full", "sparse"]

_KIB, _MIB, _GIB = 2**10, 2**20, 2**30


@dataclass(frozen=True)
class Point:
    """A measurement: jobs, the one of them that it is of, and what came of that."""

    name: str
    unit: Unit
    published: float
    jobs: tuple[str, ...]
    fitted: str = ""
    """The parameter that was fitted to it; nothing: it is held out."""
    unmet: str = ""
    """Why the model is further off than it should be, where it is."""
    job: int = 0
    zones: Zones = "empty"
    """What is written of the sequential zones at the start; sparse: 256 KiB of each twelfth."""
    seconds: float = 1
    ramp: float = 0.1


@dataclass(frozen=True)
class Published:
    """The points of a profile, the drive that they are of, and how far held-out ones may be off."""

    profile: str
    drive: str
    tolerance: float
    points: tuple[Point, ...]


def _ssd(
    name: str,
    published: float,
    *jobs: str,
    unit: Unit = "IOPS",
    fitted: str = "",
    **how: float,
) -> Point:
    reads = any("read" in job for job in jobs)
    return Point(
        name,
        unit,
        published,
        jobs,
        fitted,
        job=int(how.get("job", 0)),
        zones="full" if reads else "empty",
        seconds=how.get("seconds", 0.3 if reads else 1),
        ramp=how.get("ramp", 0.05 if reads else 0.1),
    )


_SSD = (
    _ssd("write 4 KiB, depth 1", 85147, "write,block=4K", fitted="write_latency_us"),
    _ssd("write 8 KiB, depth 1", 85409, "write,block=8K", fitted="write_latency_us"),
    _ssd("write 16 KiB, depth 1", 59395, "write,block=16K"),
    _ssd("write 32 KiB, depth 1", 36641, "write,block=32K"),
    _ssd("write 128 KiB, depth 1", 9171, "write,block=128K", fitted="program_us"),
    _ssd("write 4 KiB, 2 zones", 141618, "write,block=4K,streams=2", fitted="shared_us"),
    _ssd("write 4 KiB, 4 zones", 180085, "write,block=4K,streams=4"),
    _ssd("write 4 KiB, 8 zones", 185852, "write,block=4K,streams=8", fitted="write_us"),
    _ssd("append 4 KiB, depth 1", 65680, "append,block=4K", fitted="append_latency_us"),
    _ssd("append 8 KiB, depth 1", 69049, "append,block=8K", fitted="append_latency_us"),
    _ssd("append 16 KiB, depth 1", 48263, "append,block=16K"),
    _ssd("append 32 KiB, depth 1", 34721, "append,block=32K"),
    _ssd("append 128 KiB, depth 1", 9157, "append,block=128K"),
    _ssd("append 4 KiB, depth 2", 111654, "append,block=4K,depth=2"),
    _ssd("append 4 KiB, depth 4", 132168, "append,block=4K,depth=4"),
    _ssd("append 4 KiB, depth 32", 132233, "append,block=4K,depth=32", fitted="append_us"),
    _ssd("random read 4 KiB, depth 1", 13704, "randread,block=4K", fitted="read_latency_us"),
    _ssd("random read 4 KiB, depth 4", 52388, "randread,block=4K,depth=4"),
    _ssd("random read 4 KiB, depth 16", 174321, "randread,block=4K,depth=16", fitted="dies, page_read_us"),
    _ssd("random read 4 KiB, depth 64", 365005, "randread,block=4K,depth=64"),
    _ssd("random read 4 KiB, depth 256", 437369, "randread,block=4K,depth=256", fitted="read_us"),
    _ssd("random read 8 KiB, depth 1", 11833, "randread,block=8K"),
    _ssd("random read 16 KiB, depth 1", 9809, "randread,block=16K", fitted="channel_mb_s"),
    _ssd("random read 16 KiB, depth 64", 160421, "randread,block=16K,depth=64", fitted="link_mb_s"),
    *(
        _ssd(
            f"random read 4 KiB beside writes of {rate} MiB/s",
            published,
            f"write,block=128K,zones=400-799,rate={rate}M",
            "randread,block=4K,zones=0-399",
            fitted=fitted,
            job=1,
            seconds=2,
            ramp=0.5,
        )
        for rate, published, fitted in ((250, 9911, ""), (500, 7743, "program_slice_us"), (1000, 5332, ""))
    ),
    _ssd("reset, nothing written", 1.587, "reset", unit="ms", fitted="reset_empty_us"),
    _ssd("reset, 12.5 % written", 6.8, "reset,fill=12.5", unit="ms"),
    _ssd("reset, 25 % written", 8.6, "reset,fill=25", unit="ms"),
    _ssd("reset, 50 % written", 12.2, "reset,fill=50", unit="ms"),
    _ssd("reset, all written", 16.6, "reset,fill=100", unit="ms", fitted="reset_full_us"),
    _ssd(
        "reset beside reads",
        15.1,
        "reset,fill=100,zones=400-799",
        "randread,zones=0-399",
        unit="ms",
        seconds=1,
    ),
    _ssd(
        "reset beside writes",
        32.0,
        "reset,fill=100,zones=400-799",
        "write,zones=0-399",
        unit="ms",
        fitted="reset_shared",
        seconds=2,
    ),
    _ssd("finish, next to nothing written", 909, "finish", unit="ms", seconds=10),
    _ssd("finish, 50 % written", 456.8, "finish,fill=50", unit="ms", fitted="program_us", seconds=10),
    _ssd("finish, 4 KiB missing", 4.0, "finish,fill=99.9996", unit="ms", fitted="finish_us"),
)

_CONVENTIONAL = 524
_AT_DEPTH_8 = "block=256K,depth=8,zones=524-563"
_FOUR_OF_4 = "block=256K,streams=4,depth=4"


def _disk(
    name: str,
    job: str,
    zones: Zones = "empty",
    *,
    fitted: str = "",
    unmet: Mapping[Unit, str] = MappingProxyType({}),
    **published: float,
) -> Iterator[Point]:
    """Yield the points of a measurement: its rate first, to which a parameter may be fitted."""
    for number, (key, value) in enumerate(published.items()):
        unit = _UNITS[key]
        parameter = "" if number else fitted
        reason = unmet.get(unit, "")
        yield Point(name, unit, value, (job,), parameter, reason, zones=zones, seconds=120, ramp=10)


_UNITS: Mapping[str, Unit] = {"iops": "IOPS", "mb_s": "MB/s", "p50": "ms (p50)", "p99": "ms (p99)"}

_DISK = (
    *_disk(
        "sequential write 256 KiB, depth 8",
        f"write,{_AT_DEPTH_8}",
        unmet={"ms (p50)": "the drive lets writes in at an even pace, the model in batches"},
        mb_s=246,
        p50=8.225,
        p99=30.5,
    ),
    *_disk("the same, of full zones, with resets", f"write,{_AT_DEPTH_8}", "full", mb_s=249),
    *_disk(
        "sequential read 256 KiB, depth 8",
        f"read,{_AT_DEPTH_8}",
        "full",
        fitted="outer_mb_s",
        mb_s=249,
        p50=8.356,
    ),
    *_disk(
        "sequential read of zones never written",
        f"read,{_AT_DEPTH_8},unwritten=on",
        fitted="command_us",
        mb_s=370,
        p50=5.669,
    ),
    *_disk(
        "random write 256 KiB, depth 16, any zone",
        f"randwrite,{_FOUR_OF_4}",
        unmet={"ms (p99)": "writes do not wait for each other as unevenly as in the drive"},
        iops=160,
        p50=99,
        p99=194,
    ),
    *_disk(
        "random read 256 KiB, depth 16, of all the disk",
        f"randread,{_FOUR_OF_4}",
        "sparse",
        fitted="seek_full_ms",
        iops=118,
        p50=96,
        p99=558,
    ),
    *_disk(
        "random read 256 KiB, depth 16, conventional zones",
        f"randread,{_FOUR_OF_4},zones=0-523",
        fitted="seek_min_ms",
        iops=215,
        p50=47,
        p99=409,
    ),
    *_disk(
        "random write 64 KiB to 4 zones, one at a time each",
        "randwrite,block=64K,streams=4,zones=524-527",
        fitted="cache_writes",
        unmet={"ms (p99)": "the drive goes to another zone less often, and for longer"},
        iops=2007,
        p50=1.369,
        p99=3.064,
    ),
    *_disk(
        "4 streams of 512 KiB, zones anywhere",
        "write,block=512K,streams=4,order=random",
        unmet={
            "ms (p50)": "four commands at a time take what the interface takes, which is 550 MB/s here",
            "ms (p99)": "writes do not wait for each other as unevenly as in the drive",
        },
        mb_s=150,
        p50=3.884,
        p99=196,
    ),
)

PUBLISHED = (
    Published("zn540", "Western Digital Ultrastar DC ZN540, 1 TB", 0.10, _SSD),
    Published("hc620", "Western Digital Ultrastar DC HC620, 15 TB", 0.20, _DISK),
)
"""All that there is, by profile."""


def _zones(kind: str, count: int, capacity: int) -> Sequence[int]:
    match kind:
        case "full":
            return [capacity] * count
        case "sparse":
            return [256 * _KIB if number % 12 == 0 else 0 for number in range(count)]
    return [0] * count


def _medium(profile: str, zones: str) -> timing.Medium:
    if profile == "zn540":
        return timing.Medium(1808 * _GIB, 2 * _GIB, 1077 * _MIB, 0, _zones(zones, 904, 1077 * _MIB))
    zone = 256 * _MIB
    sequential = _zones(zones, 55880 - _CONVENTIONAL, zone)
    return timing.Medium(55880 * zone, zone, zone, _CONVENTIONAL, [zone] * _CONVENTIONAL + list(sequential))


@cache
def measured(profile: str, point: Point) -> float:
    """Return what the model makes of a point, in its unit."""
    outcome = timing.run(
        timing.load(profile),
        _medium(profile, point.zones),
        [timing.parse(job) for job in point.jobs],
        seconds=point.seconds,
        ramp=point.ramp,
        seed=1,
    )[point.job]
    return {
        "IOPS": outcome.iops,
        "MB/s": outcome.mb_s,
        "ms": outcome.mean_us / 1000,
        "ms (p50)": outcome.p50_us / 1000,
        "ms (p99)": outcome.p99_us / 1000,
    }[point.unit]


def row(profile: str, point: Point) -> str:
    """Return a point as a row of a table of docs/timing.md."""
    value = measured(profile, point)
    ratio = value / point.published
    about = f"fitted: `{point.fitted}`" if point.fitted else point.unmet or "held out"
    cells = (point.name, f"{_shown(point.published)} {point.unit}", _shown(value), f"{ratio:.2f}", about)
    return f"| {' | '.join(cells)} |"


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
