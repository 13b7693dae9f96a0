"""Draws ratios as bars on a logarithmic axis around 1: one self-contained SVG file, no script, no font."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_LABEL = 330
_WIDTH = 420
_ROW = 18
_GAP = 12
_TOP = 64
_MARGIN = 24
_COLOURS = ("#2563eb", "#d97706", "#059669", "#9ca3af", "#db2777")
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #111827 }
.title { font-size: 18px; font-weight: 600 }
.small { fill: #6b7280; font-size: 11px }
.end { text-anchor: end }
.middle { text-anchor: middle }
.paper { fill: #ffffff }
line { stroke: #d1d5db }
.one { stroke: #111827 }
@media (prefers-color-scheme: dark) {
  text { fill: #f3f4f6 } .small { fill: #9ca3af } .paper { fill: #111827 }
  line { stroke: #374151 } .one { stroke: #f3f4f6 }
}"""


@dataclass(frozen=True)
class Bar:
    """How many times as fast as ``name`` zonevm is, and how much the rounds differ."""

    name: str
    ratio: float
    least: float
    most: float


@dataclass(frozen=True)
class Group:
    """The bars of one load."""

    title: str
    bars: Sequence[Bar]


def chart(title: str, groups: Sequence[Group]) -> str:
    """Return the SVG document: a bar to the right of 1 says that zonevm is the faster one."""
    names = list(dict.fromkeys(bar.name for group in groups for bar in group.bars))
    values = [value for group in groups for bar in group.bars for value in (bar.least, bar.most)]
    ends = _ends(min(values, default=1), max(values, default=1))
    height = _TOP + sum(_GAP + _ROW * len(group.bars) for group in groups) + _ROW * len(names) + 2 * _MARGIN
    width = _LABEL + _WIDTH + 3 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}\n</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        f'<text class="title" x="{_MARGIN}" y="32">{escape(title)}</text>',
    ]
    bottom = height - _MARGIN - _ROW * len(names)
    parts += _axis(ends, bottom)
    y = _TOP
    for group in groups:
        middle = y + _ROW * len(group.bars) / 2 + 4
        parts.append(
            f'<text class="end" x="{_MARGIN + _LABEL - 12}" y="{middle:.0f}">{escape(group.title)}</text>'
        )
        for bar in group.bars:
            parts += _bar(bar, y, _COLOURS[names.index(bar.name) % len(_COLOURS)], ends)
            y += _ROW
        y += _GAP
    return "\n".join([*parts, *_legend(names, bottom), "</svg>\n"])


def _ends(least: float, most: float) -> tuple[int, int]:
    return min(-1, math.floor(math.log2(least))), max(1, math.ceil(math.log2(most)))


def _x(ratio: float, ends: tuple[int, int]) -> float:
    return _MARGIN + _LABEL + _WIDTH * (math.log2(ratio) - ends[0]) / (ends[1] - ends[0])


def _bar(bar: Bar, y: int, colour: str, ends: tuple[int, int]) -> list[str]:
    one, end, least, most = (_x(value, ends) for value in (1, bar.ratio, bar.least, bar.most))
    tip = f"{bar.name}: {bar.ratio:.2f} ({bar.least:.2f} to {bar.most:.2f})"
    return [
        f'<rect x="{min(one, end):.1f}" y="{y + 2}" width="{abs(end - one):.1f}" height="{_ROW - 4}"'
        f' fill="{colour}"><title>{escape(tip)}</title></rect>',
        f'<line class="one" x1="{least:.1f}" y1="{y + _ROW / 2}" x2="{most:.1f}" y2="{y + _ROW / 2}"/>',
        f'<text class="small" x="{max(one, end, most) + 6:.1f}" y="{y + _ROW - 5}">{bar.ratio:.2f}</text>',
    ]


def _axis(ends: tuple[int, int], bottom: int) -> Iterator[str]:
    for power in range(ends[0], ends[1] + 1):
        x = _x(2.0**power, ends)
        of_one = ' class="one"' if power == 0 else ""
        yield f'<line{of_one} x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="small middle" x="{x:.1f}" y="{_TOP - 10}">{2.0**power:g}</text>'


def _legend(names: Sequence[str], top: int) -> Iterator[str]:
    for number, name in enumerate(names):
        y = top + _ROW * number + 8
        colour = _COLOURS[number % len(_COLOURS)]
        yield f'<rect x="{_MARGIN}" y="{y}" width="12" height="12" rx="2" fill="{colour}"/>'
        yield f'<text x="{_MARGIN + 20}" y="{y + 10}">{escape(name)}</text>'
