"""The results of cells: kept in a file, a line of JSON each, so that a run that ended goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zonevm import json_lines
from zonevm.errors import GuestTimeoutError
from zonevm.matrix.cell import Cell
from zonevm.matrix.process import NO_VERDICT

_INTERRUPTED = 130


@dataclass(frozen=True)
class Result:
    """How a cell ended: the exit code of its command, below zero for a signal's number, after ``seconds``."""

    cell: str
    command: tuple[str, ...]
    exit_code: int
    seconds: float

    @property
    def passed(self) -> bool:
        return self.exit_code == 0

    @property
    def is_verdict(self) -> bool:
        """Whether it says anything of what was tested: neither did zonevm fail, nor was it stopped."""
        return self.exit_code >= 0 and self.exit_code not in (NO_VERDICT, _INTERRUPTED)

    @property
    def timed_out(self) -> bool:
        return self.exit_code == GuestTimeoutError.exit_code

    @property
    def reason(self) -> str:
        """How it ended, in words."""
        if self.passed:
            return "passed"
        if self.exit_code < 0:
            return f"killed by signal {-self.exit_code}"
        words = {GuestTimeoutError.exit_code: "timed out", NO_VERDICT: "zonevm or the guest failed"}
        words[_INTERRUPTED] = "interrupted"
        return words.get(self.exit_code, f"exit code {self.exit_code}")


class Results:
    """The results so far, the last one of each cell."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._of = {result.cell: result for result in json_lines.read(file, _made)}

    def of(self, cell: Cell) -> Result | None:
        """Return that of a cell, if there is one of the command that it has now."""
        result = self._of.get(cell.name)
        return result if result is not None and result.command == cell.command else None

    def left(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return the cells without a verdict."""
        found = ((cell, self.of(cell)) for cell in cells)
        return [cell for cell, result in found if result is None or not result.is_verdict]

    def add(self, result: Result) -> None:
        """Keep one more. Raises :class:`HostError` where it cannot be written."""
        self._of[result.cell] = result
        json_lines.append(self._file, vars(result))


def _made(told: Any) -> Result:
    command = tuple(map(str, told["command"]))
    return Result(str(told["cell"]), command, int(told["exit_code"]), float(told["seconds"]))
