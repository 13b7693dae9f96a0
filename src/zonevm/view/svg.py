"""Draws a zone map as one self-contained SVG file: no script, no font, no reference to anything outside."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from zonevm.units import about_size
from zonevm.view.zone_map import LABELS, LOOKS, Cell, ZoneMap, Zones, zone_map

_WIDTH = 896
_COLUMNS = (16, 32, 64)
_GAP = 2
_SWATCH = 12
_LEAST = 0.15
_MARGIN = 24
_LABEL = 48
_TOP = 64
_LEGEND_COLUMNS = 4
_LEGEND_PITCH = 22

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #111827 }
.title { font-size: 18px; font-weight: 600 }
.small { fill: #6b7280 }
.row { fill: #6b7280; font-size: 10px; text-anchor: end }
.paper { fill: #ffffff }
.bed { fill: #e5e7eb }
@media (prefers-color-scheme: dark) {
  text { fill: #f3f4f6 } .small, .row { fill: #9ca3af } .paper { fill: #111827 } .bed { fill: #374151 }
}"""


def svg(title: str, zones: Zones, block_size: int) -> str:
    """Return an SVG document: a title, cells with tooltips for a zone or a few each, a legend."""
    # Not every name of a file is characters that XML has (https://www.w3.org/TR/xml/#charsets).
    title = escape("".join(one if one.isprintable() else "\ufffd" for one in title))
    # Few zones are drawn large: rows are as wide as the drawing, and four times as many columns as rows.
    columns = next((few for few in _COLUMNS if few * few // 4 >= len(zones)), _COLUMNS[-1])
    grid = zone_map(zones, columns, _COLUMNS[-1])
    legend_top = _TOP + grid.rows * (_WIDTH // columns) + _LEGEND_PITCH
    legend_rows = -(-len(grid.counts) // _LEGEND_COLUMNS)
    width = _MARGIN + _LABEL + _WIDTH + _MARGIN
    height = legend_top + legend_rows * _LEGEND_PITCH + _MARGIN
    summary = f"{about_size(grid.written * block_size)} of {about_size(grid.blocks * block_size)} written"
    if grid.zones_per_cell > 1:
        summary += f"; one cell is {grid.zones_per_cell} zones"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}\n</style>",
            f'<rect class="paper" width="{width}" height="{height}"/>',
            f'<text class="title" x="{_MARGIN}" y="32">{title}</text>',
            f'<text class="small" x="{_MARGIN}" y="50">{escape(summary)}</text>',
            *_cells(grid, zones),
            *_legend(grid, legend_top),
            "</svg>\n",
        )
    )


def _cells(grid: ZoneMap, zones: Zones) -> Iterator[str]:
    pitch = _WIDTH // grid.columns
    side = pitch - _GAP
    for index, cell in enumerate(grid.cells):
        row, column = divmod(index, grid.columns)
        x, y = _MARGIN + _LABEL + column * pitch, _TOP + row * pitch
        if column == 0:
            yield f'<text class="row" x="{x - 6}" y="{y + side // 2 + 4}">{cell.first}</text>'
        tooltip = f"<title>{escape(_tooltip(cell, zones))}</title>"
        yield f"<g>{tooltip}{_cell(cell.condition, cell.fill, x, y, side)}</g>"


def _cell(condition: str, fill: float, x: int, y: int, side: int) -> str:
    """A square, coloured as high as it is full: at least a stripe for what is not empty."""
    bed = f'<rect class="bed" x="{x}" y="{y}" width="{side}" height="{side}"/>'
    if condition == "empty":
        return bed
    part = 1.0 if condition in ("not write pointer", "read-only", "offline") else max(fill, _LEAST)
    bar = round(side * part, 2)
    colour = LOOKS[condition].colour
    return (
        f'{bed}<rect x="{x}" y="{round(y + side - bar, 2)}" width="{side}" height="{bar}" fill="{colour}"/>'
    )


def _legend(grid: ZoneMap, top: int) -> Iterator[str]:
    pitch = (_LABEL + _WIDTH) // _LEGEND_COLUMNS
    for index, (condition, count) in enumerate(grid.counts.items()):
        row, column = divmod(index, _LEGEND_COLUMNS)
        x, y = _MARGIN + column * pitch, top + row * _LEGEND_PITCH
        yield _cell(condition, 1.0, x, y, _SWATCH)
        yield f'<text x="{x + 18}" y="{y + 10}">{escape(LABELS.get(condition, condition))}: {count}</text>'


def _tooltip(cell: Cell, zones: Zones) -> str:
    name = LABELS.get(cell.condition, cell.condition)
    if cell.first != cell.last:
        return f"zones {cell.first} to {cell.last}: {name}, {cell.fill:.0%} written"
    zone = zones[cell.first]
    pointer = "" if zone.write_pointer is None else f", write pointer {zone.write_pointer}"
    return f"zone {cell.first}: {name}, blocks {zone.start} to {zone.start + zone.length - 1}{pointer}"
