"""Puts directories of shards together: what several machines have found becomes the results of one matrix."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from zonevm.errors import HostError, UsageError
from zonevm.matrix.cell import Cell
from zonevm.matrix.directory import Directory, cells_of, place_of, results_of
from zonevm.matrix.report import Report
from zonevm.matrix.results import Result
from zonevm.matrix.run import reported


def merge(directories: Sequence[Path], into: Path) -> Report:
    """Make ``into``, a new directory, of those of one matrix, and return the report of all cells.

    Of several results of a cell the last verdict counts; without one, the last result. Raises
    :class:`UsageError` where they are not of the same cells, and :class:`HostError` where nothing can be
    written.
    """
    first, *rest = directories
    cells = cells_of(first)
    for other in rest:
        if cells_of(other) != cells:
            raise UsageError(
                f"{other} and {first} are not of the same matrix: their cells differ",
                "Merge what the same file was run for, with --shard or --cell.",
            )
    if into.exists():
        raise UsageError(f"{into} exists already", "Give a new directory.")
    found = {directory: results_of(directory) for directory in directories}
    with Directory.of(into, cells) as made:
        for cell in cells:
            of = [(each, result) for each in directories if (result := found[each].of(cell)) is not None]
            for directory, result in sorted(of, key=lambda pair: pair[1].is_verdict)[-1:]:
                _take(directory, cell, result, made)
        return reported(made, cells)


def _take(directory: Path, cell: Cell, result: Result, into: Directory) -> None:
    try:
        with suppress(FileNotFoundError):
            shutil.copytree(place_of(directory, cell), place_of(into.path, cell), symlinks=True)
    except (OSError, shutil.Error) as error:
        raise HostError(
            f"cannot copy what came of {cell.name}: {error}", "Make room, and merge into another directory."
        ) from error
    into.results.add(result)
