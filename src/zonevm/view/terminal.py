"""Shows zones in a terminal: a map by :func:`print_map`, a plain listing by :func:`listing`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from zonevm.units import about_size
from zonevm.view.zone_map import LABELS, LOOKS, Cell, Zone, Zones, zone_map

_LEVELS = "▁▂▃▄▅▆▇█"
_ROWS = 24
_MOST_COLUMNS = 128
_GROUP = 16


def print_map(console: Console, title: str, zones: Zones, block_size: int) -> None:
    """Print a map of the zones that fits the console's width, and how many zones are in which condition.

    Colours are the console's business: it has none where the output is not a terminal, or with ``NO_COLOR``.
    """
    label = len(str(len(zones)))
    columns = max(_GROUP, min(console.width - label - 1, _MOST_COLUMNS) // _GROUP * _GROUP)
    grid = zone_map(zones, columns, _ROWS)
    out = Text(f"{title}\n\n")
    for start in range(0, len(grid.cells), columns):
        row = grid.cells[start : start + columns]
        out.append(f"{row[0].first:{label}} ", style="dim")
        for cell in row:
            out.append(symbol(cell), style=LOOKS[cell.condition].style)
        out.append("\n")
    out.append("\n")
    for condition, count in grid.counts.items():
        look = LOOKS[condition]
        out.append(look.symbol or _LEVELS[3], style=look.style)
        out.append(f" {LABELS.get(condition, condition):<15} {count:>{label}}\n")
    out.append(f"\n{about_size(grid.written * block_size)} of {about_size(grid.blocks * block_size)} written")
    if grid.zones_per_cell > 1:
        out.append(f"; one character is {grid.zones_per_cell} zones")
    console.print(out, soft_wrap=False)


def symbol(cell: Cell) -> str:
    """Return the character of a cell: how full it is, or a symbol of its condition where that says more."""
    if LOOKS[cell.condition].symbol and cell.condition not in ("full", "empty"):
        return LOOKS[cell.condition].symbol
    if cell.fill == 0:
        return LOOKS["empty"].symbol
    return _LEVELS[min(int(cell.fill * len(_LEVELS)), len(_LEVELS) - 1 - (cell.fill < 1))]


def listing(zones: Iterable[Zone]) -> Iterator[str]:
    """Yield a heading and a line for each zone; addresses in logical blocks, ``-`` for no write pointer."""
    row = "{:>7}  {:<12}  {:<17}  {:>14}  {:>14}  {:>10}"
    yield row.format("zone", "type", "condition", "start", "write pointer", "length")
    for number, zone in enumerate(zones):
        kind = "conventional" if zone.conventional else "sequential"
        pointer = "-" if zone.write_pointer is None else zone.write_pointer
        yield row.format(number, kind, zone.condition, zone.start, pointer, zone.length)
