"""What came of a matrix, as a whole: what every form of a report is made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.inputs import printable
from zonevm.matrix.cell import Cell
from zonevm.matrix.directory import place_of
from zonevm.matrix.places import LOG
from zonevm.matrix.results import Result

_END = 64 * 1024
_LINES = 40


@dataclass(frozen=True)
class Report:
    """The cells that were asked for, with their results as far as there are any.

    ``directory``: where their logs are.
    """

    directory: Path
    cells: Sequence[tuple[Cell, Result | None]]

    @property
    def results(self) -> list[Result]:
        """The results that there are."""
        return [result for _, result in self.cells if result is not None]

    @property
    def failed(self) -> list[Result]:
        """Those of cells that failed."""
        return [result for result in self.results if result.is_verdict and not result.passed]

    @property
    def without_verdict(self) -> list[Result]:
        """Those that say nothing of what was tested."""
        return [result for result in self.results if not result.is_verdict]

    @property
    def complete(self) -> bool:
        """Whether each cell has a verdict."""
        return all(result is not None and result.is_verdict for _, result in self.cells)

    @property
    def headline(self) -> str:
        """What came of it in a line."""
        count = len(self.results)
        line = f"{count} of {len(self.cells)} cells run, {len(self.failed)} failed"
        return f"{line}, {len(self.without_verdict)} without a verdict" if self.without_verdict else line

    def log(self, cell: Cell) -> Path:
        """Return the file of what a cell has written."""
        return place_of(self.directory, cell) / LOG

    def said(self, cell: Cell) -> list[str]:
        """Return the last lines of a log, without what could steer a terminal; none where there is no log."""
        try:
            with self.log(cell).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _END))
                data = file.read(_END)
        except OSError:
            return []
        lines = printable(data.decode(errors="replace").replace("\r\n", "\n"), kept="\n\t").split("\n")
        return lines[:-1][-_LINES:] if lines[-1] == "" else lines[-_LINES:]
