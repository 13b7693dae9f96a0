"""The failed commands of a disk, each with its explanation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zonevm.explain.routine import is_routine
from zonevm.explain.sentence import explain

if TYPE_CHECKING:
    from zonevm._core import Disk, FailedCommand


@dataclass(frozen=True)
class Failure:
    """A command that failed; ``command`` has the facts."""

    command: FailedCommand

    @cached_property
    def explanation(self) -> str:
        """What happened and what to do, in a sentence."""
        return explain(self.command)

    @cached_property
    def routine(self) -> bool:
        """Whether this is of the kind that every boot produces, and nobody's mistake."""
        return is_routine(self.command)


def failures(disk: Disk) -> list[Failure]:
    """Return the last 64 failed commands of a disk, the oldest first; also once it is closed."""
    return [Failure(command) for command in disk.errors()]
