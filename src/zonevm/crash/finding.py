"""What is found out of a state for which a check fails: that it fails again, what matters; what is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from zonevm import evidence
from zonevm.crash.checker import Checker, Verdict
from zonevm.crash.results import Result
from zonevm.crash.shrinking import Places, likely, places, shrunk
from zonevm.errors import HostError
from zonevm.records import Record, State

_OUTPUT = 4096
"""Characters of a check's output that a result has: its end."""
_COMMANDS = 100
"""Lost commands that a result names."""


class Findings:
    """What several guests have found, so that what has one cause is looked into once.

    ``directory``: where what is known of each failure is kept; None: nowhere.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._known: list[Places] = []

    def know(self, failed: Iterable[Result]) -> None:
        """Take in what was found before; what is kept of anything else is half of something, and goes."""
        found = [result for result in failed if result.least and result.kept]
        self._known += [places(result.least) for result in found if result.least]
        if self._directory is not None and self._directory.is_dir():
            whole = {Path(result.kept).name for result in found}
            for place in self._directory.iterdir():
                if place.name not in whole:
                    shutil.rmtree(place)

    def tried(self, checker: Checker, state: State) -> Result:
        """Run the check on a state, and return what came of it."""
        record = checker.record
        verdict = checker.check(state)
        if verdict.passed:
            return self._result(record, state, verdict)
        if least := likely(state, self._known, checker.fails):
            return self._result(record, state, verdict, least)
        # In a guest that knows no other state.
        checker.end()
        again = checker.check(state)
        if again.passed:
            return self._result(record, state, verdict, flaky=True)
        least = shrunk(state, checker.fails)
        earlier = _earlier(record, least)
        if earlier is not None and checker.fails(earlier):
            least = shrunk(earlier, checker.fails)
        checker.end()
        last = checker.check(least)
        if last.passed:
            last, least = again, state
        self._known.append(places(least))
        return self._result(record, state, last, least, kept=self._keep(checker, least, last))

    def _result(
        self,
        record: Record,
        state: State,
        verdict: Verdict,
        least: State | None = None,
        *,
        kept: str = "",
        flaky: bool = False,
    ) -> Result:
        return Result(
            state,
            verdict.exit_code,
            verdict.output[-_OUTPUT:],
            record.last_mark(state.point),
            least,
            tuple(_words(record, least)) if least else (),
            kept,
            flaky,
        )

    def _keep(self, checker: Checker, state: State, verdict: Verdict) -> str:
        if self._directory is None:
            return ""
        try:
            self._directory.mkdir(exist_ok=True)
            place = _new(self._directory, f"point-{state.point}")
            for name, text in _evidence(checker, state, verdict):
                (place / name).write_text(text, errors="backslashreplace")
        except OSError as error:
            raise HostError(
                f"cannot keep what is known of a failure in {self._directory}: {error.strerror}",
                "Make room, and resume.",
            ) from error
        return f"{self._directory.name}/{place.name}"


def _earlier(record: Record, state: State) -> State | None:
    """Return the state just behind the last mark in which the same places have lost all that they may."""
    point = max((point for point, _ in record.marked if point < state.point), default=None)
    least = None if point is None else record.least(point)
    if least is None:
        return None
    lost = tuple(loss for loss in least.lost if loss[:3] in places(state))
    return replace(least, lost=lost) if lost else None


def _new(directory: Path, name: str) -> Path:
    for number in count(1):
        place = directory / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir()
        except FileExistsError:
            continue
        return place
    raise AssertionError("there is always one more number")


def _evidence(checker: Checker, state: State, verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each file that is kept."""
    yield "state.json", f"{state}\n"
    yield "output.txt", verdict.output
    if checker.running is not None:
        yield from evidence.of_guest(checker.running)
    for number, recorded in checker.record.disks.items():
        block = recorded["shape"]["block_size"]
        assert isinstance(block, int)
        with checker.record.open(state, number) as disk:
            title = f"disk {number}, point {state.point}"
            yield from evidence.of_zones(number, disk.zones(), block, title)


def _words(record: Record, state: State) -> Iterator[str]:
    """Say what a state has lost, a command each."""
    lost = record.lost(state)
    if not lost:
        yield "nothing is lost"
    yield from (command.words() for command in lost[:_COMMANDS])
    if len(lost) > _COMMANDS:
        yield f"and {len(lost) - _COMMANDS} commands more"
