"""Runs a suite in guests: its tests are divided among them, and go on in a new one where one is lost."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zonevm.attach import resolve
from zonevm.disks import Disk
from zonevm.errors import UsageError
from zonevm.guest import Guest
from zonevm.host import find_program
from zonevm.suites.session import OUTPUT, Ended, Session
from zonevm.suites.suite import Chosen, Part, Result, Status, Suite, folded

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Plan:
    """What is to be run, and where.

    ``source``: the suite's directory, built. ``results``: a directory, made if there is none; those of an
    earlier run in it are replaced. ``disks``: of each guest. ``settings``: of the suite's configuration.
    ``timeout``: seconds without a word of the suite, after which a test has failed and its guest is lost.
    ``options``: of each :class:`Guest`.

    Raises :class:`UsageError` for what cannot be, :class:`HostError` for a program that is missing.
    """

    suite: Suite
    source: Path
    results: Path
    words: Sequence[str] = ()
    disks: Sequence[Disk] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    guests: int = 1
    timeout: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        suite = self.suite
        for each in suite.needs:
            if not (self.source / each).exists():
                raise UsageError(
                    f"{self.source} is not the source of {suite.name}, or not built: it has no {each}",
                    "Give a checkout of it with --source, in which make was run.",
                )
        if len(self.disks) < suite.disks:
            raise UsageError(
                f"{suite.name} needs a disk: {suite.uses}",
                f"Give one: zonevm suite {suite.name} --source DIR {suite.example}",
            )
        for disk in self.disks if self.guests > 1 else ():
            if disk.place is not None:
                raise UsageError(
                    f"{self.guests} guests cannot share the disk {disk}",
                    "Give one with a size and no file: each guest gets its own. Or leave --guests out.",
                )
        for program in suite.programs:
            find_program(program, f"run {suite.name}")


class Runner:
    """Runs what ``plan`` says; :attr:`results` has what came of it so far, by the tests' names."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._made = 0
        self._ended: Ended = queue.SimpleQueue()
        self.chosen: Chosen = plan.suite.choose(plan.source, plan.words, plan.settings)
        self.results: dict[str, Result] = {}

    def run(self, tell: Callable[[Result], None] = lambda _: None) -> None:
        """Run it all; ``tell`` is called with each result as it comes.

        Raises what keeps a guest from starting, and :class:`GuestError` where the suite runs no test.
        """
        self._clear()
        waiting = _dealt(self.chosen.tests, self._plan.guests)
        with ExitStack() as guests:
            running: list[Session] = []
            while waiting or running:
                while waiting and len(running) < self._plan.guests:
                    running.append(self._begin(waiting.pop(0), guests))
                over = self._wait()
                for session in running:
                    self._note(session.told(), tell)
                    self._lose_patience(session)
                if over is not None:
                    running.remove(over)
                    over.end()
                    self._note(over.results(), tell)
                    left = [test for test in over.part.tests if test not in self.results]
                    if over.lost is not None and left:
                        if len(left) == len(over.part.tests):
                            raise over.lost
                        waiting.append(left)

    def _begin(self, tests: Sequence[str], guests: ExitStack) -> Session:
        plan = self._plan
        self._made += 1
        directory = plan.results / f"guest-{self._made}"
        directory.mkdir()
        disks = resolve(plan.disks, plan.options.get("qemu"))
        options = {**plan.options, "qemu": disks.qemu}
        guest = Guest(disks, rwdirs=[directory], cwd=plan.source, **options)
        part = Part(plan.source, directory, (), tests, self.chosen.options, plan.settings)
        session = Session(plan.suite, part, guest, disks, self._ended)
        guests.callback(guest.stop, sync=False)
        session.begin()
        return session

    def _wait(self) -> Session | None:
        """Return a session that has ended, or None after a while. Ctrl-C interrupts it."""
        try:
            return self._ended.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return None

    def _lose_patience(self, session: Session) -> None:
        limit = self._plan.timeout
        if limit is not None and session.lost is None and session.silent() > limit:
            session.give_up(f"{self._plan.suite.name} said nothing for {limit:g} s")

    def _note(self, told: Mapping[str, Result], tell: Callable[[Result], None]) -> None:
        for test, result in told.items():
            before = self.results.get(test)
            if result.status == Status.BEGUN:
                continue
            self.results |= folded([result, *([before] if before else [])])
            if before is None or before.status != self.results[test].status:
                tell(self.results[test])

    def _clear(self) -> None:
        """Make the directory of the results, without those of an earlier run."""
        self._plan.results.mkdir(parents=True, exist_ok=True)
        for output in self._plan.results.glob(f"guest-*/{OUTPUT}"):
            shutil.rmtree(output.parent)


def _dealt(tests: Sequence[str], guests: int) -> list[Sequence[str]]:
    """Return the tests in as many parts, like cards; none of them empty."""
    return [part for number in range(guests) if (part := tests[number::guests])]
