"""What ``--explain`` prints: the failed commands of a run's emulated disks, in words, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby

import click

from zonevm.cli.output import say
from zonevm.disks import Disk, SmrDisk
from zonevm.explain import Failure

Failures = Mapping[int, Sequence[Failure]]

_KEPT = 64
"""How many failures a disk remembers."""


@contextmanager
def explained(wanted: bool, disks: Sequence[Disk], failures: Callable[[], Failures]) -> Iterator[None]:
    """Print the failures when the body ends, however it does, if that is ``wanted``."""
    try:
        yield
    finally:
        if wanted:
            _print(disks, failures())


def _print(disks: Sequence[Disk], found: Failures) -> None:
    nothing = True
    for number, failures in found.items():
        shown = [failure for failure in failures if not failure.routine]
        if not shown:
            continue
        nothing = False
        say(f"disk {number} ({disks[number]}) failed these commands{_earlier(failures)}:")
        for text, same in groupby(shown, key=lambda failure: failure.explanation):
            count = len(list(same))
            click.echo(f"  {text}" + (f", {count} times" if count > 1 else ""), err=True)
    if found and nothing:
        say("the emulated disks failed no command, routine questions at boot aside")
    elif not any(isinstance(disk, SmrDisk) for disk in disks):
        say("no disk is emulated by zonevm, and it sees no commands of others")


def _earlier(failures: Sequence[Failure]) -> str:
    return f" (its last {_KEPT}; earlier ones are not kept)" if len(failures) == _KEPT else ""
