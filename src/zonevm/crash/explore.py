"""A crash test from its beginning to its report: records once, then has guests try its states."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zonevm.crash import forms
from zonevm.crash.checker import Checker
from zonevm.crash.choice import chosen
from zonevm.crash.crew import Crew
from zonevm.crash.directory import Directory, asked, record_of
from zonevm.crash.finding import Findings
from zonevm.crash.recorded import SET_UP, record_run
from zonevm.crash.report import Report
from zonevm.crash.results import Result, Results
from zonevm.crash.test import CrashTest, Words, words
from zonevm.disks import parse
from zonevm.errors import UsageError, ZonevmError
from zonevm.host.capacity import carried
from zonevm.records import Record, State
from zonevm.units import parse_size


class Watcher:
    """Is told how a crash test goes on. These methods do nothing: it is to be inherited from."""

    def begun(self, directory: Path) -> None:
        """All that comes of the test is in this directory."""

    def doing(self, what: str) -> None:
        """Something begins that takes its time."""

    def tried(self, result: Result, done: int, wanted: int) -> None:
        """One more state was tried: ``done`` of ``wanted``."""


def explore(
    disks: Sequence[str] = (),
    *,
    work: Words,
    check: Words,
    setup: Words = (),
    directory: str | os.PathLike[str] | None = None,
    guests: int | None = None,
    watcher: Watcher | None = None,
    out: int | None = None,
    cwd: str | os.PathLike[str] | None = None,
    states: int = 20,
    points: int | None = None,
    seed: int = 0,
    timeout: float | None = None,
    reboot: bool = False,
    **options: Any,
) -> Report:
    """Run ``setup`` and ``work`` in a guest with ``disks``, then ``check`` on what power cuts may leave.

    Commands are a program and its arguments, or one string for ``sh -c``; they run in ``cwd``, the current
    directory by default. Tried are the states behind the set-up: of each moment at which something has become
    stable ``states`` at most; of ``points`` such moments at most, which ``seed`` draws. ``check`` says by its
    exit code whether a state is right; ``timeout``: seconds after which it is not. ``reboot``: each state has
    a guest of its own. ``guests``: how many at the same time; None: as many as the machine carries.
    ``directory``: a new one for all that comes of it; None: ``zonevm-crash-N``. :func:`resume` goes on there.
    ``out``: a descriptor for what set-up and work print. ``options``: of the :class:`zonevm.Guest`, such as
    ``kernel`` and ``memory``.

    Raises :class:`UsageError`, :class:`GuestError` where set-up or work fail, and what :class:`zonevm.Guest`
    raises.
    """
    test = CrashTest(
        check=_needed(words(check), "check"),
        disks=tuple(disks),
        setup=words(setup),
        work=_needed(words(work), "work"),
        after=SET_UP,
        states=states,
        points=points,
        seed=seed,
        timeout=timeout,
        reboot=reboot,
        cwd=str(Path(cwd or Path.cwd()).absolute()),
        options=options,
    )
    if not disks:
        raise UsageError("there are no disks to write to", "Give one or more: smr,size=4G, zns,size=4G.")
    for disk in disks:
        parse(disk)
    watcher = watcher or Watcher()
    with Directory.create(None if directory is None else Path(directory), test) as made:
        try:
            _record(made, watcher, out)
        except ZonevmError:
            made.remove()
            raise
        return _run(made, Record(made.record), guests, watcher)


def resume(
    directory: str | os.PathLike[str],
    *,
    guests: int | None = None,
    watcher: Watcher | None = None,
    out: int | None = None,
) -> Report:
    """Go on with the crash test of a directory, however it ended, and return its report.

    Where its run was not recorded to the end, that begins again. Raises what :func:`explore` does.
    """
    watcher = watcher or Watcher()
    with Directory.open(Path(directory)) as made:
        _record(made, watcher, out)
        return _run(made, Record(made.record), guests, watcher)


def check_record(
    test: CrashTest,
    *,
    directory: Path | None = None,
    guests: int | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Try states of a record that is there, ``test.record``; ``directory`` None: nothing is kept."""
    _needed(test.check, "check")
    record = Record(test.record)
    if directory is None:
        return _explored(record, test, None, guests, watcher or Watcher())
    with Directory.create(directory, test) as made:
        return _run(made, record, guests, watcher or Watcher())


def of_directory(directory: Path) -> tuple[Path, dict[str, Any]]:
    """Return the record of a crash test, and the options of its guests: arguments of :class:`Checker`."""
    test = asked(directory)
    return record_of(directory, test), {**test.options, "cwd": test.cwd or None}


def _record(made: Directory, watcher: Watcher, out: int | None) -> None:
    """Record the run of a test, unless there is a record."""
    if made.test.record or made.record.exists():
        return
    watcher.begun(made.path)
    watcher.doing("recording the run")
    with made.recording() as file:
        record_run(made.test, file, out, dict(made.test.options))


def _run(made: Directory, record: Record, guests: int | None, watcher: Watcher) -> Report:
    watcher.begun(made.path)
    report = _explored(record, made.test, made, guests, watcher)
    forms.write(report, made.path)
    return report


def _explored(
    record: Record, test: CrashTest, made: Directory | None, guests: int | None, watcher: Watcher
) -> Report:
    results = Results(made.results if made else None)
    watcher.doing("choosing states")
    wanted = list(chosen(record, test.states, test.seed, test.after, test.points))
    left = [state for state in wanted if state not in results.tried]
    if left:
        watcher.doing(f"trying {len(left)} states" + (f" of {len(wanted)}" if results.all else ""))
        findings = Findings(made.failed if made else None)
        findings.know(results.failed)
        several = guests or carried(parse_size(test.options.get("memory", "1G")))
        checkers = [_checker(Record(record.path), test) for _ in range(min(several, len(left)))]
        crew = Crew(checkers, findings.tried)
        done = len(wanted) - len(left)
        for result in crew.outcomes(left):
            results.add(result)
            done += 1
            watcher.tried(result, done, len(wanted))
    return _report(record, test, results, wanted, made)


def _checker(record: Record, test: CrashTest) -> Checker:
    return Checker(record, test.check, test.timeout, test.reboot, cwd=test.cwd or None, **test.options)


def _report(
    record: Record, test: CrashTest, results: Results, wanted: list[State], made: Directory | None
) -> Report:
    places = {state: number for number, state in enumerate(wanted)}
    found = [result for result in results.all if result.state in places]
    return Report(
        made.path if made else record.path,
        test.check,
        len(wanted),
        len(record),
        record.marked,
        sorted(found, key=lambda result: places[result.state]),
        [] if made else [word for name, value in test.options.items() for word in (f"--{name}", str(value))],
    )


def _needed(command: tuple[str, ...] | Sequence[str], name: str) -> tuple[str, ...]:
    if not command:
        raise UsageError(f"there is no {name} to run", "Give a command.")
    return tuple(command)
