"""How a crash test is told: progress and findings as they come, on stderr; at the end the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from zonevm.cli.output import print_json, say, tell
from zonevm.cli.stopping import Terminated
from zonevm.crash import Report, Result, Watcher, forms

_FINDINGS = 1
_LINES = 10
"""Lines of progress, where there is no terminal."""


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
    """A line that changes on a terminal; some lines elsewhere."""

    def __init__(self) -> None:
        self.directory: Path | None = None
        self._begun = 0.0
        self._first = 0
        self._failed = 0
        self._told = 0
        self._line = False

    def begun(self, directory: Path) -> None:
        self.directory = directory

    def doing(self, what: str) -> None:
        self.end()
        say(what)
        self._begun = time.monotonic()
        self._first = -1

    def tried(self, result: Result, done: int, wanted: int) -> None:
        if self._first < 0:
            self._first = done - 1
        if not result.passed:
            self._failed += 1
            self.end()
            mark = f", after mark {result.last_mark!r}" if result.last_mark else ""
            say(f"failed: point {result.state.point}{mark}: {'; '.join(result.lost)[:200]}")
        part = done * _LINES // wanted
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{self._progress(done, wanted)}", err=True, nl=False)
            self._line = True
        elif part != self._told:
            say(self._progress(done, wanted))
        self._told = part

    def end(self) -> None:
        """Leave the line that changes."""
        if self._line:
            click.echo("\r\033[K", err=True, nl=False)
            self._line = False

    def _progress(self, done: int, wanted: int) -> str:
        passed = time.monotonic() - self._begun
        left = passed / (done - self._first) * (wanted - done)
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{done} of {wanted} states{failed}, {_time(left)} left"


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{round(seconds)} s" if seconds < 90 else f"{minutes} min"
