"""Runs cells that have no verdict yet, and keeps what comes of them. Knows not where they run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from zonevm.errors import HostError
from zonevm.inputs import shown
from zonevm.matrix import forms
from zonevm.matrix.cell import Cell
from zonevm.matrix.directory import Directory
from zonevm.matrix.places import Submit
from zonevm.matrix.process import NO_VERDICT, Ended, Job
from zonevm.matrix.report import Report
from zonevm.matrix.results import Result

_TURN_SECONDS = 0.2


class Watcher:
    """Is told how a matrix goes on. This method does nothing: it is to be inherited from."""

    def ended(self, result: Result, done: int, wanted: int) -> None:
        """One more cell has ended: ``done`` of ``wanted``."""


def run(directory: Directory, cells: Sequence[Cell], submit: Submit, watcher: Watcher) -> None:
    """Run those of ``cells`` that have no verdict.

    Where an executor fails at a cell, that has none. Raises :class:`HostError` where it takes none, or
    results cannot be kept.
    """
    left = directory.results.left(cells)
    waiting: dict[Future[Ended], Cell] = {}
    for cell in left:
        place = directory.begin(cell).absolute()
        try:
            waiting[submit(Job(cell.kept_in(place), str(Path.cwd()), str(place)))] = cell
        except RuntimeError as error:
            raise HostError(f"the executor takes no cells: {error}", "Look at its own logs.") from error
    done = len(cells) - len(left)
    while waiting:
        # In turns: a signal just before a wait without an end would not interrupt it.
        for future in wait(waiting, _TURN_SECONDS, FIRST_COMPLETED).done:
            done += 1
            result = directory.keep(waiting.pop(future), _outcome(future))
            watcher.ended(result, done, len(cells))


def reported(directory: Directory, cells: Sequence[Cell]) -> Report:
    """Write the reports of ``cells``, and return what they are made of."""
    report = Report(directory.path, [(cell, directory.results.of(cell)) for cell in cells])
    forms.write(report)
    return report


def _outcome(future: Future[Ended]) -> Ended:
    try:
        return future.result()
    except Exception as error:  # of an executor, whatever it raises
        why = f"zonevm: this cell could not be run: {type(error).__name__}: {shown(error)}\n"
        return Ended(NO_VERDICT, 0.0, why.encode())
