"""A matrix: kernels x disks x workloads, without what is excluded and with what is included. No I/O.

Exclude and include mean what they mean in a matrix of GitHub's workflows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from zonevm.errors import UsageError
from zonevm.matrix.cell import Cell
from zonevm.matrix.workload import Guest, Workload
from zonevm.units import parse_size

AXES = ("kernel", "disk", "workload")


@dataclass(frozen=True)
class Settings:
    """How a cell is run; None: as what is around it says. ``timeout``: seconds, ``memory``: a size."""

    timeout: float | None = None
    memory: str | None = None

    def over(self, other: Settings) -> Settings:
        """Return these, and those of ``other`` that are not given here."""
        return Settings(
            other.timeout if self.timeout is None else self.timeout,
            other.memory if self.memory is None else self.memory,
        )


_DEFAULT = Settings(memory="1G")


class Names(NamedTuple):
    """Where a cell is in the matrix."""

    kernel: str
    disk: str
    workload: str


@dataclass(frozen=True)
class Entry:
    """An entry of ``exclude`` or ``include``: some names, an axis each. ``place``: where it is written."""

    place: str
    names: Mapping[str, str]
    settings: Settings = Settings()

    def matches(self, cell: Names) -> bool:
        """Whether the cell has all these names."""
        return all(getattr(cell, axis) == name for axis, name in self.names.items())


@dataclass(frozen=True)
class Matrix:
    """What there is to combine, by names: kernels, lists of disks, workloads with their settings."""

    kernels: Mapping[str, str]
    disks: Mapping[str, Sequence[str]]
    workloads: Mapping[str, tuple[Workload, Settings]]
    exclude: Sequence[Entry] = ()
    include: Sequence[Entry] = ()
    settings: Settings = Settings()

    def cells(self) -> list[Cell]:
        """Return all cells, the workloads of a disk together, and the disks of a kernel.

        Raises :class:`UsageError` where there are none, and for an include that is not of any.
        """
        every = map(Names._make, product(self.kernels, self.disks, self.workloads))
        chosen = [cell for cell in every if not any(entry.matches(cell) for entry in self.exclude)]
        settings = dict.fromkeys(chosen, Settings())
        for entry in self.include:
            matching = [cell for cell in chosen if entry.matches(cell)] or [self._added(entry)]
            for cell in matching:
                settings[cell] = entry.settings.over(settings.get(cell, Settings()))
        if not settings:
            raise UsageError("the matrix has no cells: all are excluded", "Exclude less.")
        return [self._cell(names, each) for names, each in settings.items()]

    def _added(self, entry: Entry) -> Names:
        """Return the one cell that an include adds, which is of none that there are."""
        if missing := [axis for axis in AXES if axis not in entry.names]:
            raise UsageError(
                f"{entry.place} fits no cell, and adds none: it has no {' and no '.join(missing)}",
                "Name the cell that it adds by kernel, disk and workload, or cells that are not excluded.",
            )
        return Names(**entry.names)

    def _cell(self, names: Names, own: Settings) -> Cell:
        workload, usual = self.workloads[names.workload]
        settings = own.over(usual).over(self.settings).over(_DEFAULT)
        memory = settings.memory or ""
        guest = Guest(self.kernels[names.kernel], self.disks[names.disk], memory, settings.timeout)
        return Cell(*names, workload.command(guest), parse_size(memory), workload.keeps)
