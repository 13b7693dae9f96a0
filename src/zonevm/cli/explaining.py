"""What ``--explain`` prints: the failed commands of a run's emulated disks, in words, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby, islice

import click

from zonevm.attach import DiskSet
from zonevm.cli.output import say
from zonevm.explain import KERNEL_REFUSES, Failure, write_pointers
from zonevm.guest import Guest

Failures = Mapping[int, Sequence[Failure]]

_KEPT = 64
"""How many failures a disk remembers."""

_MOST_LINES = 64
"""How many lines on zones a disk gets."""


class Explanation:
    """Why a run's commands failed: what its disks remember, and how their zones were."""

    def __init__(self, wanted: bool, disks: DiskSet, failures: Callable[[], Failures]) -> None:
        self._wanted = wanted
        self._disks = disks
        self._failures = failures
        self._zones: dict[int, list[str]] | None = None

    def command_failed(self, guest: Guest) -> None:
        """Note, where no disk failed a command, how the zones are while the guest still has them."""
        found = self._failures()
        if self._wanted and not any(_shown(failures) for failures in found.values()):
            self._zones = {}
            for number in found:
                disk = guest.disk(number)
                lines = write_pointers(disk.zones(), disk.info()["block_size"])
                self._zones[number] = list(islice(lines, _MOST_LINES + 1))

    def print(self) -> None:
        """Say it all, on stderr."""
        found = self._failures()
        nothing = True
        for number, failures in found.items():
            if shown := _shown(failures):
                nothing = False
                say(f"{self._name(number)} failed these commands{_earlier(failures)}:")
                for text, same in groupby(shown, key=lambda failure: failure.explanation):
                    count = len(list(same))
                    click.echo(f"  {text}" + (f", {count} times" if count > 1 else ""), err=True)
        if found and nothing:
            say("the emulated disks failed no command, apart from routine probes at boot")
            self._print_zones()
        elif not self._disks.served:
            say("no disk is emulated by zonevm, which sees the commands of no other")

    def _print_zones(self) -> None:
        if self._zones is None:
            return
        say(KERNEL_REFUSES)
        for number, lines in self._zones.items():
            written = "zones that are written:" if lines else "no zone is written"
            say(f"{self._name(number)}: {written}")
            for line in lines[:_MOST_LINES]:
                click.echo(f"  {line}", err=True)
            if len(lines) > _MOST_LINES:
                click.echo("  and more, which `zonevm disk zones --list` shows of an image", err=True)

    def _name(self, number: int) -> str:
        return f"disk {number} ({self._disks[number]})"


@contextmanager
def explained(wanted: bool, disks: DiskSet, failures: Callable[[], Failures]) -> Iterator[Explanation]:
    """Print the explanation when the body ends, however it does, if that is ``wanted``."""
    explanation = Explanation(wanted, disks, failures)
    try:
        yield explanation
    finally:
        if wanted:
            explanation.print()


def _shown(failures: Sequence[Failure]) -> list[Failure]:
    return [failure for failure in failures if not failure.routine]


def _earlier(failures: Sequence[Failure]) -> str:
    return f" (its last {_KEPT}; earlier ones are not kept)" if len(failures) == _KEPT else ""
