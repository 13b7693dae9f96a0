"""Condenses a disk's zones to a grid that people can take in at a glance. Draws nothing itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypedDict


class Zone(Protocol):
    """A zone as REPORT ZONES tells it; lengths and addresses in logical blocks."""

    @property
    def start(self) -> int:
        """First block."""

    @property
    def length(self) -> int:
        """Blocks."""

    @property
    def conventional(self) -> bool:
        """Whether the zone has no write pointer."""

    @property
    def condition(self) -> str:
        """The zone's condition, one of :data:`LOOKS`."""

    @property
    def write_pointer(self) -> int | None:
        """The block of the next write, where that means something."""


class Sums(TypedDict):
    """What some zones come to: how many of each condition, sequential blocks written and in all."""

    conditions: dict[str, int]
    written: int
    sequential: int


class Zones(Protocol):
    """A disk's zones. There may be millions: they are summed up where they are kept."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, number: int, /) -> Zone:
        """One of them, by its number from 0 on."""

    def __iter__(self) -> Iterator[Zone]:
        """All of them, in order."""

    def sums(self, first: int, count: int) -> Sums:
        """Sum up ``count`` zones from ``first`` on, or as many of them as there are."""


class Listed(list[Zone]):
    """Zones of a disk that is open, few enough to be summed up here."""

    def sums(self, first: int, count: int) -> Sums:
        """Sum up ``count`` zones from ``first`` on, or as many of them as there are."""
        some = self[first : first + count]
        sequential = [zone for zone in some if not zone.conventional]
        return Sums(
            conditions=dict(Counter(zone.condition for zone in some)),
            written=sum(map(_written, sequential)),
            sequential=sum(zone.length for zone in sequential),
        )


def _written(zone: Zone) -> int:
    if zone.condition == "full":
        return zone.length
    return 0 if zone.write_pointer is None else zone.write_pointer - zone.start


class Look(NamedTuple):
    """How a condition looks: a colour for SVG, a style and perhaps a symbol for terminals."""

    colour: str
    style: str
    symbol: str = ""


LOOKS = {
    "offline": Look("#111827", "bold red", "x"),
    "read-only": Look("#b91c1c", "red", "r"),
    "explicitly open": Look("#d97706", "bold yellow"),
    "implicitly open": Look("#eab308", "yellow"),
    "closed": Look("#7c3aed", "magenta"),
    "full": Look("#2563eb", "blue", "█"),
    "empty": Look("#e5e7eb", "bright_black", "·"),
    "not write pointer": Look("#16a34a", "green", "▒"),
}
"""Every condition; of the zones that share a cell, the first in this order gives the cell its colour."""

LABELS = {"not write pointer": "conventional"}
"""Conditions that people know by another name."""


@dataclass(frozen=True)
class Cell:
    """Neighbouring zones drawn as one. ``fill``: the written part of their sequential zones, 0 to 1."""

    first: int
    last: int
    condition: str
    fill: float


@dataclass(frozen=True)
class ZoneMap:
    """A grid of cells, row by row, and sums: zones by condition, sequential blocks written and in all."""

    cells: tuple[Cell, ...]
    columns: int
    zones_per_cell: int
    counts: dict[str, int]
    written: int
    blocks: int

    @property
    def rows(self) -> int:
        """Rows of the grid; the last may be shorter."""
        return -(-len(self.cells) // self.columns)


def zone_map(zones: Zones, columns: int, rows: int) -> ZoneMap:
    """Condense ``zones`` to at most ``rows`` rows of ``columns`` cells, each for a power of two of zones."""
    per_cell = 1
    while len(zones) > columns * rows * per_cell:
        per_cell *= 2
    counts: Counter[str] = Counter()
    cells, written, blocks = [], 0, 0
    for first in range(0, len(zones), per_cell):
        sums = zones.sums(first, per_cell)
        counts.update(sums["conditions"])
        written += sums["written"]
        blocks += sums["sequential"]
        cells.append(
            Cell(
                first=first,
                last=min(first + per_cell, len(zones)) - 1,
                condition=next(condition for condition in LOOKS if condition in sums["conditions"]),
                fill=sums["written"] / sums["sequential"] if sums["sequential"] else 0.0,
            )
        )
    return ZoneMap(
        cells=tuple(cells),
        columns=columns,
        zones_per_cell=per_cell,
        counts={condition: counts[condition] for condition in reversed(LOOKS) if counts[condition]},
        written=written,
        blocks=blocks,
    )
