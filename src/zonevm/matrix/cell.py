"""A cell of a matrix: one command line, by the names of its kernel, disks and workload. Runs nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from zonevm.disks.grammar import nearest
from zonevm.errors import UsageError


@dataclass(frozen=True)
class Cell:
    """One test: ``command`` says by its exit code whether it passed. ``memory``: bytes that its guest has.

    ``keeps``: whether the command takes ``--dir``, a new directory for what comes of it.
    """

    kernel: str
    disk: str
    workload: str
    command: tuple[str, ...]
    memory: int
    keeps: bool = False

    @property
    def name(self) -> str:
        """What it is called, and its place in a directory of results: ``KERNEL/DISK/WORKLOAD``."""
        return f"{self.kernel}/{self.disk}/{self.workload}"

    def __str__(self) -> str:
        """Return the command as it would be typed."""
        return shlex.join(self.command)

    def kept_in(self, directory: Path) -> tuple[str, ...]:
        """Return the command that leaves in ``directory`` what comes of it."""
        return (*self.command, "--dir", str(directory / "crash")) if self.keeps else self.command

    def facts(self) -> dict[str, Any]:
        """Return it for JSON, of which :meth:`of` makes it again."""
        return {"cell": self.name, **vars(self)}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Self:
        """Return the cell that :meth:`facts` tells of; raises what a wrong type or a missing key raises."""
        words = {name: str(facts[name]) for name in ("kernel", "disk", "workload")}
        command = tuple(map(str, facts["command"]))
        return cls(**words, command=command, memory=int(facts["memory"]), keeps=bool(facts["keeps"]))


def named(cells: Iterable[Cell], names: Sequence[str]) -> list[Cell]:
    """Return the cells of these names, in the order of the matrix; raises :class:`UsageError` for no cell."""
    of = {cell.name: cell for cell in cells}
    for name in names:
        if name not in of:
            raise UsageError(
                f"there is no cell {name!r}", f"{nearest(name, of)}--list --json has their names."
            )
    return [cell for name, cell in of.items() if name in names]
