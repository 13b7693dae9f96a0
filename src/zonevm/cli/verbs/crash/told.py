"""How a crash test is told: progress and findings as they come, on stderr; at the end the report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm.cli.counting import Count
from zonevm.cli.output import print_json, say, tell
from zonevm.cli.stopping import Terminated
from zonevm.crash import Report, Result, Watcher, forms

_FINDINGS = 1


class Telling:
    """Tells of one crash test."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.watcher = _Shown()

    def tell(self, report: Report) -> None:
        """Print the report, and exit with 1 where something was found."""
        self.watcher.end()
        if self._as_json:
            print_json(forms.facts(report))
        else:
            tell(forms.text(report).rstrip("\n"))
        if self.watcher.directory is not None:
            say(f"reports: {self.watcher.directory}/report.html, .txt, .json, .xml")
        if report.failed:
            sys.exit(_FINDINGS)


@contextmanager
def told(as_json: bool) -> Iterator[Telling]:
    """Yield what tells of a crash test; where that is interrupted, say how it goes on."""
    telling = Telling(as_json)
    try:
        yield telling
    except (KeyboardInterrupt, Terminated):
        telling.watcher.end()
        directory = telling.watcher.directory
        if directory is not None and directory.exists():
            say("interrupted", f"Go on: zonevm crash resume {directory}")
        raise


class _Shown(Watcher):
    """What is done, findings, and how many of the states."""

    def __init__(self) -> None:
        self.directory: Path | None = None
        self._count = Count("states")
        self.end = self._count.end

    def begun(self, directory: Path) -> None:
        self.directory = directory

    def doing(self, what: str) -> None:
        self.end()
        say(what)
        self._count.begin()

    def tried(self, result: Result, done: int, wanted: int) -> None:
        if not result.passed:
            self._count.fail()
            self.end()
            mark = f", after mark {result.last_mark!r}" if result.last_mark else ""
            say(f"failed: point {result.state.point}{mark}: {'; '.join(result.lost)[:200]}")
        self._count.done(done, wanted)
