"""What a suite of tests is to zonevm: a record of how it is asked, run and understood. Starts nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Status(StrEnum):
    """How a test ended, the least telling first: of several runs of a test the last in this list counts."""

    BEGUN = "begun"
    NOT_RUN = "not run"
    PASSED = "passed"
    FAILED = "failed"


_TELLING = list(Status)


@dataclass(frozen=True)
class Result:
    """What came of a test; ``reason``: why it failed or was not run, as far as the suite tells."""

    test: str
    status: Status
    reason: str = ""

    def facts(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"test": self.test, "status": str(self.status), "reason": self.reason}


@dataclass(frozen=True)
class Chosen:
    """What is to be run: ``tests`` by name, in order, and ``options`` of the suite's own program."""

    tests: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What one guest runs of a suite.

    ``source``: the suite's directory. ``results``: a directory of its own, which it may write to. ``nodes``:
    the disks. ``settings``: of the user, for the configuration.
    """

    source: Path
    results: Path
    nodes: Sequence[str]
    tests: Sequence[str]
    options: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def untold(part: Part, told: Collection[str]) -> Sequence[str]:
    """Return the tests of a part that are not told."""
    return [test for test in part.tests if test not in told]


@dataclass(frozen=True)
class Suite:
    """A suite; its functions are pure but for looking into its source.

    ``choose``: the tests that words of its command line ask for; raises :class:`UsageError` where there is
    none. ``command``: a shell script, run in ``source``. ``read``: the results that its output tells so far,
    with the directory of its results; a test whose end is not told is :attr:`Status.BEGUN`.
    ``configuration``: the name, below ``source``, and the text of its file of settings; without one settings
    are environment variables. ``needs``: what has to be in the source. ``programs``: what a guest has to
    have. ``path``: directories of the source with programs. ``disks``: how many it needs at least; ``uses``
    says what for, and ``example`` is the end of a command. ``owes``: the tests of a part that it should
    have had a word on and has not, where those of these names are told.
    """

    name: str
    title: str
    choose: Callable[[Path, Sequence[str], Mapping[str, str]], Chosen]
    command: Callable[[Part], str]
    read: Callable[[str, Path], Iterator[Result]]
    needs: tuple[str, ...]
    uses: str
    example: str
    configuration: Callable[[Part], tuple[str, str]] | None = None
    programs: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    disks: int = 1
    owes: Callable[[Part, Collection[str]], Sequence[str]] = untold


def plain(output: str) -> list[str]:
    """Return the lines of a suite's output, without what steers a terminal."""
    return _STEERING.sub("", output).replace("\r", "").split("\n")


def folded(results: Iterable[Result]) -> dict[str, Result]:
    """Return one result a test: where it was run several times, that it failed counts most."""
    found: dict[str, Result] = {}
    for result in results:
        before = found.get(result.test)
        if before is None or _TELLING.index(result.status) > _TELLING.index(before.status):
            found[result.test] = result
        elif before.status == result.status and not before.reason:
            found[result.test] = replace(before, reason=result.reason)
    return found


def so_far(suite: Suite, output: str, results: Path) -> dict[str, Result]:
    """Return what the output tells of each test, while the suite still writes it: its last line may go on."""
    lines, end, begun = output.rpartition("\n")
    found = folded(suite.read(f"{lines}{end}", results))
    for result in suite.read(begun, results):
        found.setdefault(result.test, Result(result.test, Status.BEGUN))
    return found
