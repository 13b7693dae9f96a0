"""What a trace comes to: counts, bytes and latencies by disk and command, and the busiest zones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zonevm.trace import parquet
from zonevm.trace.latencies import Latencies

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
    """The commands of one name: how many, how many failed, bytes moved.

    ``service`` and ``queued``: of a device's time (``timing``), with it and before it; None where none took
    any.
    """

    command: str
    count: int
    failed: int
    bytes: int
    latency: Latency
    service: Latency | None
    queued: Latency | None


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
    virtual_seconds: float | None
    """Virtual time, from the first command's end to the last one's; None on a disk without ``timing``."""


@dataclass(frozen=True)
class Summary:
    """A trace summed up. ``seconds``: from the first command's arrival to the last one's."""

    count: int
    seconds: float
    disks: tuple[DiskSummary, ...]


def summarize(file: Path, zones: int = 10) -> Summary:
    """Sum a trace up, with at most ``zones`` zones a disk; some of it is in memory at a time.

    Raises :class:`UsageError` for what is not a trace, :class:`HostError` where pyarrow is missing.
    """
    parquet.need()
    import pyarrow.compute as pc  # noqa: PLC0415

    counts, latencies = _Counts(), Latencies((0, 0.5, 0.99, 1))
    times: list[int] = []
    with parquet.reading(file) as trace:
        spent = [name for name in parquet.TIMES if name in trace.schema_arrow.names]
        of_latency = ["latency", *(name for name in spent if name != "virtual_time")]
        for table in parquet.tables(trace, (*_COLUMNS, *spent)):
            times += pc.min_max(pc.cast(table["time"], "int64")).as_py().values()
            counts.add(table)
            for (disk, command), rows in _by_command(table):
                for name in of_latency:
                    latencies.count((disk, command, name), rows[name].drop_null())
        for table in parquet.tables(trace, ("disk", "command", *of_latency)):
            for (disk, command), rows in _by_command(table):
                for name in of_latency:
                    latencies.look_closer((disk, command, name), rows[name].drop_null())
    return Summary(
        count=sum(each.count for each in counts.commands.values()),
        seconds=(max(times) - min(times)) / _NANOSECONDS if times else 0.0,
        disks=tuple(_disk(disk, counts, latencies, zones) for disk in counts.disks()),
    )


@dataclass
class _Count:
    count: int = 0
    failed: int = 0
    bytes: int = 0


class _Counts:
    """What is counted by disk and command, and by disk and zone."""

    def __init__(self) -> None:
        self.commands: defaultdict[tuple[int, str], _Count] = defaultdict(_Count)
        self.zones: defaultdict[tuple[int, int], _Count] = defaultdict(_Count)
        self.virtual: dict[int, tuple[int, int]] = {}
        """The first and the last virtual time of each disk that has such."""

    def add(self, table: pyarrow.Table) -> None:
        """Count some commands more."""
        import pyarrow.compute as pc  # noqa: PLC0415

        failed = pc.not_equal(pc.coalesce(table["status"], table["nvme_status"]), 0)
        table = table.append_column("failed", pc.cast(failed, "uint64"))
        _add(self.commands, table, "command")
        _add(self.zones, table.filter(pc.is_valid(table["zone"])), "zone")
        if "virtual_time" in table.column_names:
            ends = [("virtual_time", "min"), ("virtual_time", "max")]
            for row in table.group_by("disk").aggregate(ends).to_pylist():
                if (first := row["virtual_time_min"]) is not None:
                    before = self.virtual.get(row["disk"], (first, first))
                    self.virtual[row["disk"]] = (
                        min(first, before[0]),
                        max(row["virtual_time_max"], before[1]),
                    )

    def disks(self) -> list[int]:
        """Return the numbers of the disks."""
        return sorted({disk for disk, _ in self.commands})


def _add(counts: Mapping[Any, _Count], table: pyarrow.Table, column: str) -> None:
    sums = [("length", "count"), ("failed", "sum"), ("length", "sum")]
    for row in table.group_by(["disk", column]).aggregate(sums).to_pylist():
        found = counts[row["disk"], row[column]]
        found.count += row["length_count"]
        found.failed += row["failed_sum"] or 0
        found.bytes += row["length_sum"]


def _by_command(table: pyarrow.Table) -> Iterator[tuple[tuple[int, str], pyarrow.Table]]:
    import pyarrow.compute as pc  # noqa: PLC0415

    for disk in pc.unique(table["disk"]).to_pylist():
        of_disk = table.filter(pc.equal(table["disk"], disk))
        for name in pc.unique(of_disk["command"]).to_pylist():
            yield (disk, name), of_disk.filter(pc.equal(of_disk["command"], name))


def _disk(disk: int, counts: _Counts, latencies: Latencies, zones: int) -> DiskSummary:
    commands = [
        Commands(
            name,
            each.count,
            each.failed,
            each.bytes,
            Latency(*latencies.quantiles((of, name, "latency"))),
            _latency(latencies, (of, name, "service")),
            _latency(latencies, (of, name, "queued")),
        )
        for (of, name), each in counts.commands.items()
        if of == disk
    ]
    busy = [BusyZone(zone, each.count, each.bytes) for (of, zone), each in counts.zones.items() if of == disk]
    return DiskSummary(
        disk=disk,
        count=sum(each.count for each in commands),
        failed=sum(each.failed for each in commands),
        bytes=sum(each.bytes for each in commands),
        commands=tuple(sorted(commands, key=lambda each: (-each.count, each.command))),
        busiest_zones=tuple(sorted(busy, key=lambda each: (-each.count, each.zone))[:zones]),
        virtual_seconds=None if disk not in counts.virtual else _span(counts.virtual[disk]),
    )


def _latency(latencies: Latencies, of: tuple[int, str, str]) -> Latency | None:
    return Latency(*latencies.quantiles(of)) if latencies.has(of) else None


def _span(ends: tuple[int, int]) -> float:
    return (ends[1] - ends[0]) / _NANOSECONDS
