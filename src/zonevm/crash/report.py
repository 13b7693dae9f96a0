"""What came of a record's states, as a whole: what every form of a report is made of. Knows no guest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.crash.results import Result


@dataclass(frozen=True)
class Report:
    """The results so far, and what they are results of.

    ``record``: its file, or the directory of the test, as a user names it. ``check``: the command.
    ``wanted``: how many states there are to be tried. ``points``: the entries of the record. ``marks``: its
    marks, each with the point just behind it. ``results``: in the order of their points. ``options``: of the
    command that shows one of them again.
    """

    record: Path
    check: Sequence[str]
    wanted: int
    points: int
    marks: Sequence[tuple[int, str]]
    results: Sequence[Result]
    options: Sequence[str] = ()

    @property
    def failed(self) -> list[Result]:
        """Those of checks that failed."""
        return [result for result in self.results if not result.passed]

    def again(self, result: Result) -> str:
        """Return the command that shows the state of a result once more, as it would be typed."""
        state = str(result.least or result.state)
        words = ["zonevm", "crash", "replay", *self.options, str(self.record), "--state", state]
        return shlex.join([*words, "--", *self.check])
