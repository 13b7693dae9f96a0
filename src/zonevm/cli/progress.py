"""Shows how far a long transfer of bytes is: a bar on a terminal, lines elsewhere, always on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from zonevm.cli.output import say
from zonevm.units import about_size


@contextmanager
def progress(doing: str, done: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback for bytes so far and in all; ``doing`` and ``done`` say what happens to them."""
    if not sys.stderr.isatty():
        yield _Lines(done)
        return
    columns = (TextColumn(doing), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("")
        yield lambda so_far, total: shown.update(bar, completed=so_far, total=total)


class _Lines:
    """Reports progress in a line at every quarter."""

    def __init__(self, done: str) -> None:
        self._done = done
        self._next = 0.0

    def __call__(self, so_far: int, total: int) -> None:
        if total and so_far / total >= self._next:
            say(f"{self._done} {about_size(so_far)} of {about_size(total)}")
            self._next = (so_far * 4 // total + 1) / 4
