"""The findings of a report: failing results that are the same thing are one. Writes no form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zonevm.crash.report import Report
from zonevm.crash.results import Result
from zonevm.inputs import printable, shown
from zonevm.records import Loss

_MOST_WORDS = 20
_ENTRY = re.compile(r"\(entry (\d+)[,)]")


@dataclass(frozen=True)
class Finding:
    """Failing results that are the same thing, in the order of their points.

    All have the same first command that is lost, and the guest failed for all or for none. Those that were
    not made smaller are the same where exit code and last mark are.
    """

    results: tuple[Result, ...]

    @property
    def example(self) -> Result:
        """The one that is shown: the first of those that lost the least."""
        return min(self.results, key=lambda result: len((result.least or result.state).lost))

    @property
    def lost(self) -> tuple[str, ...]:
        """What the example has lost, in words; empty where nothing is."""
        return _lost(self.example)

    @property
    def reason(self) -> str:
        """Why it is a finding, on one line."""
        result = self.example
        if result.exit_code is None:
            first, _, _ = result.output.partition("\n")
            return f"the guest failed: {shown(first)}"
        again = ", and passed in another guest" if result.flaky else ""
        return f"exit code {result.exit_code}{again}"

    @property
    def place(self) -> str:
        """Where in the record the example is."""
        return place(self.example)

    @property
    def extent(self) -> str:
        """How many states are this finding, and where."""
        first, last = self.results[0].state.point, self.results[-1].state.point
        points = f"at point {first}" if first == last else f"at points {first} to {last}"
        states = "1 state" if len(self.results) == 1 else f"{len(self.results)} states"
        return f"{states} failed like this, {points}"

    def words(self) -> Iterator[str]:
        """Yield what the example has lost for people: not all of it where it is long."""
        yield from map(shown, self.lost[:_MOST_WORDS])
        if len(self.lost) > _MOST_WORDS:
            yield f"and {len(self.lost) - _MOST_WORDS} more"

    def said(self) -> list[str]:
        """Return the end of the example's output, in lines without what could steer a terminal."""
        output = self.example.output.rstrip("\n")
        return printable(output, kept="\n\t").split("\n") if output else []


def findings(results: Iterable[Result]) -> list[Finding]:
    """Return the findings among results, in the order of their first points."""
    same: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        if not result.passed:
            same.setdefault(_kind(result), []).append(result)
    return [Finding(tuple(each)) for each in same.values()]


def headline(report: Report) -> str:
    """Return what came of the states in a line."""
    failed = len(report.failed)
    line = f"{len(report.results)} of {report.wanted} states tried, {failed} failed"
    if not failed:
        return line
    count = len(findings(report.results))
    return f"{line}: {count} {'finding' if count == 1 else 'findings'}"


def typed(command: str) -> str:
    """Return a command as it is shown. A line feed or a tab is the user's own, and quoted: it stays."""
    return printable(command, kept="\n\t")


def place(result: Result) -> str:
    """Return where in the record a result is."""
    mark = f"last mark '{shown(result.last_mark)}'" if result.last_mark else "before any mark"
    return f"point {result.state.point}, {mark}"


def _kind(result: Result) -> tuple[object, ...]:
    if result.least is None:
        return (result.exit_code, result.last_mark)
    return (_first_lost(result), result.exit_code is None, "made smaller")


def _first_lost(result: Result) -> object:
    """What tells one cause from another: the first command that is lost, however much is lost with it."""
    lost = _lost(result)
    entry = _ENTRY.search(lost[0]) if lost else None
    return entry[1] if entry else lost


def _lost(result: Result) -> tuple[str, ...]:
    return result.lost or tuple(map(_told, (result.least or result.state).lost))


def _told(loss: Loss) -> str:
    changes = "its last change" if loss.changes == 1 else f"its last {loss.changes} changes"
    kept = f", but for {loss.kept} write units of the first" if loss.kept else ""
    return f"disk {loss.disk}: {loss.place} {loss.number}, {changes}{kept}"
