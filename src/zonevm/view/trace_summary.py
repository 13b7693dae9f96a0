"""Shows a trace's summary in a terminal. Knows no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from zonevm.units import about_size

if TYPE_CHECKING:
    from zonevm.trace import Summary
    from zonevm.trace.summary import Commands, DiskSummary

_COMMANDS = ("command", "count", "failed", "bytes", "min", "p50", "p99", "max")
_TIMES = ("command", "service p50", "p99", "max", "queued p50", "p99", "max")
_ZONES = ("zone", "count", "bytes")


def trace_summary(summary: Summary) -> str:
    """Return a summary as text, in lines."""
    lines = [f"{summary.count} commands in {summary.seconds:.3f} s"]
    for disk in summary.disks:
        lines += [
            "",
            f"disk {disk.disk}: {disk.count} commands, {disk.failed} failed, {about_size(disk.bytes)}",
        ]
        lines += _table([_COMMANDS, *map(_row, disk.commands)])
        if disk.virtual_seconds is not None:
            lines += [
                "",
                f"the device's time: {disk.virtual_seconds:.3f} s",
                *_table([_TIMES, *_spent(disk)]),
            ]
        if disk.busiest_zones:
            zones = [(str(each.zone), str(each.count), about_size(each.bytes)) for each in disk.busiest_zones]
            lines += ["", "busiest zones", *_table([_ZONES, *zones])]
    return "\n".join(lines) + "\n"


def _row(commands: Commands) -> tuple[str, ...]:
    latency = commands.latency
    times = map(_time, (latency.min, latency.p50, latency.p99, latency.max))
    return (
        commands.command,
        str(commands.count),
        str(commands.failed),
        about_size(commands.bytes),
        *times,
    )


def _spent(disk: DiskSummary) -> Iterator[tuple[str, ...]]:
    for each in disk.commands:
        if each.service is not None and each.queued is not None:
            service, queued = each.service, each.queued
            times = (service.p50, service.p99, service.max, queued.p50, queued.p99, queued.max)
            yield (each.command, *map(_time, times))


def _time(nanoseconds: int) -> str:
    """Return a time to three digits: ``870 ns``, ``12.4 us``, ``1.2 s``."""
    value, unit = float(nanoseconds), "ns"
    for larger in ("us", "ms", "s"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 99.95 or unit == "ns" else f"{value:.3g} {unit}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells])
