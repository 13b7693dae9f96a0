"""The directory of a matrix: its cells, their results and logs, the reports. Runs nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from zonevm import outputs
from zonevm.directories import locked, numbered
from zonevm.errors import HostError, UsageError
from zonevm.matrix.cell import Cell
from zonevm.matrix.places import LOG
from zonevm.matrix.process import Ended
from zonevm.matrix.results import Result, Results

_CELLS = "matrix.json"
_RESULTS = "results.jsonl"
_NAME = "zonevm-matrix"


class Directory:
    """A matrix's directory, in use by this process alone; a context manager that lets it go."""

    def __init__(self, path: Path, cells: Sequence[Cell], lock: int) -> None:
        self.path = path
        self._lock = lock
        try:
            facts = [cell.facts() for cell in cells]
            outputs.write(path / _CELLS, f"{json.dumps(facts, indent=2)}\n")
            self.results = Results(path / _RESULTS)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def of(cls, path: Path | None, cells: Sequence[Cell]) -> Self:
        """Return that of a path, a new one where there is none; ``path`` None: a new ``zonevm-matrix-N``.

        Raises :class:`UsageError` for one that is something else's, or in use, and :class:`HostError` where
        none can be made.
        """
        try:
            made = numbered(_NAME) if path is None else path
            made.mkdir(exist_ok=True)
            if any(made.iterdir()) and not (made / _CELLS).exists():
                raise UsageError(
                    f"{made} has files, and is not the directory of a matrix", "Give a new directory."
                )
        except FileExistsError as error:
            raise UsageError(f"{path} is not a directory", "Give a new one: --dir DIR") from error
        except OSError as error:
            raise HostError(
                f"cannot make the directory {path or _NAME}: {error.strerror}",
                "Give one that you can make: --dir DIR",
            ) from error
        return cls(made, cells, locked(made, "zonevm matrix"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        os.close(self._lock)

    def begin(self, cell: Cell) -> Path:
        """Return the place for what comes of a cell, where nothing of an earlier try is left."""
        place = place_of(self.path, cell)
        with suppress(FileNotFoundError):
            shutil.rmtree(place)
        return place

    def keep(self, cell: Cell, ended: Ended) -> Result:
        """Keep how a cell ended. Raises :class:`HostError` where that cannot be written."""
        place = place_of(self.path, cell)
        try:
            if ended.log is not None:
                place.mkdir(parents=True, exist_ok=True)
                (place / LOG).write_bytes(ended.log)
        except OSError as error:
            raise HostError(
                f"cannot write {place / LOG}: {error.strerror}", "Make room, and begin again: it goes on."
            ) from error
        result = Result(cell.name, cell.command, ended.exit_code, ended.seconds)
        self.results.add(result)
        return result


def place_of(directory: Path, cell: Cell) -> Path:
    """Return the directory of what comes of a cell."""
    return directory / "cells" / cell.kernel / cell.disk / cell.workload


def cells_of(directory: Path) -> list[Cell]:
    """Return the cells of a matrix's directory; raises :class:`UsageError` where it is none."""
    try:
        return [Cell.of(each) for each in json.loads((directory / _CELLS).read_bytes())]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{directory} is not the directory of a matrix: it has no {_CELLS} that can be read",
            "Give one that zonevm matrix has made.",
        ) from error


def results_of(directory: Path) -> Results:
    """Return the results in a matrix's directory."""
    return Results(directory / _RESULTS)
