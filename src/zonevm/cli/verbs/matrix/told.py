"""How a matrix is told: progress and failures as they come, on stderr; at the end a table."""

from __future__ import annotations

import sys

import click

from zonevm.cli.counting import Count
from zonevm.cli.output import print_json, print_table, say
from zonevm.errors import ZonevmError
from zonevm.matrix import Report, Result, Watcher

_FAILED = 1


class Shown(Watcher):
    """Cells that failed, and how many are done."""

    def __init__(self) -> None:
        self._count = Count("cells")
        self._count.begin()
        self.end = self._count.end

    def ended(self, result: Result, done: int, wanted: int) -> None:
        if not result.passed:
            self._count.fail()
            self.end()
            say(f"{result.cell}: {result.reason}")
        self._count.done(done, wanted)


def tell(report: Report, as_json: bool) -> None:
    """Print what came of each cell, and exit: with 1 where one failed, with 125 where one has none."""
    if as_json:
        print_json([{**cell.facts(), **_facts(result)} for cell, result in report.cells])
    else:
        rows = [(cell.kernel, cell.disk, cell.workload, *_words(result)) for cell, result in report.cells]
        print_table([("kernel", "disk", "workload", "result", "seconds"), *rows])
        click.echo(f"\n{report.headline}")
    say(f"reports: {report.directory}/report.html, .xml, .ktap; logs: {report.directory}/cells")
    if report.failed:
        sys.exit(_FAILED)
    if not report.complete:
        sys.exit(ZonevmError.exit_code)


def _words(result: Result | None) -> tuple[str, str]:
    return ("not run", "") if result is None else (result.reason, f"{result.seconds:.0f}")


def _facts(result: Result | None) -> dict[str, object]:
    if result is None:
        return {"exit_code": None, "seconds": None, "verdict": False}
    return {"exit_code": result.exit_code, "seconds": result.seconds, "verdict": result.is_verdict}
