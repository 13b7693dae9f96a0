"""What a trace comes to: counts, bytes and latencies by disk and command, and the busiest zones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zonevm.trace import parquet

if TYPE_CHECKING:
    import pyarrow

_COLUMNS = ("time", "disk", "command", "zone", "length", "status", "nvme_status", "latency")
_NANOSECONDS = 1e9


@dataclass(frozen=True)
class Latency:
    """Nanoseconds from a command's arrival to its answer."""

    min: int
    p50: int
    p99: int
    max: int


@dataclass(frozen=True)
class Commands:
    """The commands of one name: how many, how many failed, bytes moved."""

    command: str
    count: int
    failed: int
    bytes: int
    latency: Latency


@dataclass(frozen=True)
class BusyZone:
    """A zone, how many commands were for it, and the bytes that they moved."""

    zone: int
    count: int
    bytes: int


@dataclass(frozen=True)
class DiskSummary:
    """The commands of one disk."""

    disk: int
    count: int
    failed: int
    bytes: int
    commands: tuple[Commands, ...]
    """By count, the most first."""
    busiest_zones: tuple[BusyZone, ...]
    """By count, the most first."""


@dataclass(frozen=True)
class Summary:
    """A trace summed up. ``seconds``: from the first command's arrival to the last one's."""

    count: int
    seconds: float
    disks: tuple[DiskSummary, ...]


def summarize(file: Path, zones: int = 10) -> Summary:
    """Sum a trace up, with at most ``zones`` zones a disk.

    Raises :class:`UsageError` for what is not a trace, :class:`HostError` where pyarrow is missing.
    """
    parquet.need()
    import pyarrow.compute as pc  # noqa: PLC0415

    table = parquet.read(file, _COLUMNS)
    disks = sorted(pc.unique(table["disk"]).to_pylist())
    span = pc.min_max(pc.cast(table["time"], "int64"))
    return Summary(
        count=len(table),
        seconds=(span["max"].as_py() - span["min"].as_py()) / _NANOSECONDS if len(table) else 0.0,
        disks=tuple(_disk(table.filter(pc.equal(table["disk"], disk)), disk, zones) for disk in disks),
    )


def _disk(table: pyarrow.Table, disk: int, zones: int) -> DiskSummary:
    import pyarrow.compute as pc  # noqa: PLC0415

    names = pc.unique(table["command"]).to_pylist()
    commands = [_commands(table.filter(pc.equal(table["command"], name)), name) for name in names]
    busy = table.filter(pc.is_valid(table["zone"])).group_by("zone")
    rows = busy.aggregate([("length", "count"), ("length", "sum")]).to_pylist()
    rows.sort(key=lambda row: (-row["length_count"], row["zone"]))
    return DiskSummary(
        disk=disk,
        count=len(table),
        failed=sum(each.failed for each in commands),
        bytes=sum(each.bytes for each in commands),
        commands=tuple(sorted(commands, key=lambda each: (-each.count, each.command))),
        busiest_zones=tuple(
            BusyZone(row["zone"], row["length_count"], row["length_sum"]) for row in rows[:zones]
        ),
    )


def _commands(table: pyarrow.Table, name: str) -> Commands:
    import pyarrow.compute as pc  # noqa: PLC0415

    quantiles = pc.quantile(table["latency"], q=[0, 0.5, 0.99, 1], interpolation="nearest")
    return Commands(
        command=name,
        count=len(table),
        failed=pc.sum(pc.not_equal(pc.coalesce(table["status"], table["nvme_status"]), 0)).as_py(),
        bytes=pc.sum(table["length"]).as_py(),
        latency=Latency(*quantiles.to_pylist()),
    )
