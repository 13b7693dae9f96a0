"""What checks said, in a file of JSON lines: it grows by a line a state, and says what was tried already."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import HostError, UsageError
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
        self.all: list[Result] = []
        if file is not None and file.exists():
            self.all = _read(file)
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
            try:
                with self._file.open("a") as file:
                    file.write(f"{json.dumps(result.facts())}\n")
            except OSError as error:
                raise HostError(
                    f"cannot write {self._file}: {error.strerror}", "Make room, and begin again: it goes on."
                ) from error


def _read(file: Path) -> list[Result]:
    try:
        text = file.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:  # a kill has torn the last line
            os.truncate(file, len(whole))
    except OSError as error:
        raise UsageError(f"cannot read the results {file}: {error.strerror}", "Give another file.") from error
    return [_parse(line, file) for line in whole.decode(errors="replace").split("\n")[:-1]]


def _parse(line: str, file: Path) -> Result:
    try:
        told = json.loads(line)
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
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{file} has a line that is no result: {line[:80]!r}", "Give another file."
        ) from error
