"""A matrix as KTAP, version 1 (Documentation/dev-tools/ktap.rst of Linux), for what reads kernel tests."""

from __future__ import annotations

from collections.abc import Iterator

from zonevm.matrix.report import Report
from zonevm.matrix.results import Result


def ktap(report: Report) -> str:
    """Return a KTAP document: a result line for each cell, before one that failed the end of its log."""
    return "\n".join(("KTAP version 1", f"1..{len(report.cells)}", *_lines(report), ""))


def _lines(report: Report) -> Iterator[str]:
    for number, (cell, result) in enumerate(report.cells, 1):
        if result is None:
            yield f"ok {number} {cell.name} # SKIP not run"
        elif result.passed:
            yield f"ok {number} {cell.name}"
        else:
            yield from (f"# {cell.name}: {line}" for line in report.said(cell))
            yield f"not ok {number} {cell.name} # {_directive(result)}{result.reason}"


def _directive(result: Result) -> str:
    if result.timed_out:
        return "TIMEOUT "
    return "" if result.is_verdict else "ERROR "
