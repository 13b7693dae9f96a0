"""What checks said, in a file of JSON lines: it grows by a line a state, and says what was tried already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zonevm import json_lines
from zonevm.records import State


@dataclass(frozen=True)
class Result:
    """What a check said of a state.

    ``exit_code`` None: the guest failed, for the reason in ``output``. ``output``: the end of what the check
    wrote. ``last_mark``: the last one before the state's point. Of a failing state, ``least`` is one with as
    few losses as possible for which the check fails too, ``lost`` says in words what it has lost, a command
    each, and ``kept`` is the directory, within that of the run, with all else that is known; empty for none.
    ``flaky``: it failed, and passed in another guest.
    """

    state: State
    exit_code: int | None
    output: str = ""
    last_mark: str = ""
    least: State | None = None
    lost: tuple[str, ...] = ()
    kept: str = ""
    flaky: bool = False

    @property
    def passed(self) -> bool:
        return self.exit_code == 0

    def facts(self) -> dict[str, object]:
        """Return it for JSON."""
        least = None if self.least is None else self.least.facts()
        return {**vars(self), "state": self.state.facts(), "least": least}


class Results:
    """The results so far; ``file`` None: they are not kept."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.all = [] if file is None else json_lines.read(file, _made)
        self.tried = {result.state for result in self.all}

    @property
    def failed(self) -> list[Result]:
        """Those of checks that failed."""
        return [result for result in self.all if not result.passed]

    def add(self, result: Result) -> None:
        """Keep one more. Raises :class:`HostError` where it cannot be written."""
        self.all.append(result)
        self.tried.add(result.state)
        if self._file is not None:
            json_lines.append(self._file, result.facts())


def _made(told: Any) -> Result:
    least = told["least"]
    return Result(
        State.of(told["state"]),
        told["exit_code"],
        str(told["output"]),
        str(told["last_mark"]),
        None if least is None else State.of(least),
        tuple(map(str, told["lost"])),
        str(told["kept"]),
        bool(told["flaky"]),
    )
