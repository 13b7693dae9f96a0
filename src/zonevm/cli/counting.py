"""Shows how many of a number of things are done: a line that changes on a terminal, some lines elsewhere."""

from __future__ import annotations

import sys
import time

import click

from zonevm.cli.output import say

_LINES = 10
"""Lines of progress, where there is no terminal."""


class Count:
    """Counts things, which messages call ``things``, on stderr; :meth:`end` before anything else is said."""

    def __init__(self, things: str) -> None:
        self._things = things
        self._begun = 0.0
        self._first = -1
        self._failed = 0
        self._told = 0
        self._line = False

    def begin(self) -> None:
        """The time begins by which what is left is told."""
        self._begun = time.monotonic()
        self._first = -1

    def fail(self) -> None:
        """Count one that failed, among those that are done."""
        self._failed += 1

    def done(self, done: int, wanted: int) -> None:
        """Show that ``done`` of ``wanted`` are."""
        if self._first < 0:
            self._first = done - 1
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
        return f"{done} of {wanted} {self._things}{failed}, {_time(left)} left"


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{round(seconds)} s" if seconds < 90 else f"{minutes} min"
