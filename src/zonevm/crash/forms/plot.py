"""Draws a report's results as SVG: where in the record, how much was lost, passed or failed.

Results that share a cell of a grid are drawn as one, so that any number of them is a small drawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from zonevm.crash.report import Report
from zonevm.crash.results import Result
from zonevm.inputs import printable

_COLUMNS, _ROWS = 112, 16
_PITCH = 8
_ROW = 12
_LEFT, _RIGHT, _MARGIN = 56, 120, 24
_LABELS = 110
"""The height of the marks' texts, which are slanted."""
_LABEL_COLUMNS = 2
_LONGEST_LABEL = 24
_BAR = 12
_WIDTH = _COLUMNS * _PITCH

STYLE = """
svg text { font: 12px system-ui, sans-serif; fill: var(--ink) }
svg .small { fill: var(--faint); font-size: 11px }
svg .end { text-anchor: end }
svg .middle { text-anchor: middle }
svg .passed { fill: var(--passed) }
svg .failed { fill: var(--failed) }
svg .left { fill: var(--bed) }
svg .frame { fill: none; stroke: var(--bed) }
svg .mark { stroke: var(--faint); stroke-dasharray: 2 3 }"""
"""What the drawing needs of the page's style sheet, in the page's colours."""


@dataclass
class _Cell:
    points: tuple[int, int]
    lost: tuple[int, int]
    passed: int = 0
    failed: int = 0

    def add(self, result: Result, lost: int) -> None:
        point = result.state.point
        self.points = (min(self.points[0], point), max(self.points[1], point))
        self.lost = (min(self.lost[0], lost), max(self.lost[1], lost))
        self.passed += result.passed
        self.failed += not result.passed


def plot(report: Report) -> str:
    """Return an SVG element: a bar of how many passed, failed and are left, and the grid, with its marks."""
    most = max(map(_lost, report.results), default=0)
    rows = min(most + 1, _ROWS)
    top = _MARGIN + _BAR + 32 + (_LABELS if report.marks else 0)
    bottom = top + rows * _ROW
    width, height = _LEFT + _WIDTH + _RIGHT, bottom + 48
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img">',
            "<title>Results by point and changes lost</title>",
            *_bar(report),
            f'<rect class="frame" x="{_LEFT - 2}" y="{top - 2}" width="{_WIDTH + 4}"'
            f' height="{bottom - top + 4}"/>',
            *_marks(report, top, bottom),
            *_cells(report, most, bottom),
            f'<text class="small end" x="{_LEFT - 8}" y="{bottom - 2}">0</text>',
            *([f'<text class="small end" x="{_LEFT - 8}" y="{top + 10}">{most}</text>'] if most else []),
            f'<text class="small" x="{_LEFT}" y="{bottom + 18}">0</text>',
            f'<text class="small end" x="{_LEFT + _WIDTH}" y="{bottom + 18}">{report.points}</text>',
            f'<text class="middle" x="{_LEFT + _WIDTH // 2}" y="{bottom + 18}">point in the record</text>',
            f'<text class="small" x="{_LEFT}" y="{bottom + 36}">upwards: changes lost</text>',
            "</svg>",
        )
    )


def _bar(report: Report) -> Iterator[str]:
    failed = len(report.failed)
    counts = {"passed": len(report.results) - failed, "failed": failed}
    counts["left"] = max(report.wanted - len(report.results), 0)
    x, label = float(_LEFT), _LEFT
    for look, count in counts.items():
        part = _WIDTH * count / (sum(counts.values()) or 1)
        yield f'<rect class="{look}" x="{x:.1f}" y="{_MARGIN}" width="{part:.1f}" height="{_BAR}"/>'
        x += part
        name = "not tried" if look == "left" else look
        y = _MARGIN + _BAR + 10
        yield f'<rect class="{look}" x="{label}" y="{y}" width="10" height="10"/>'
        yield f'<text x="{label + 16}" y="{y + 9}">{name}: {count}</text>'
        label += 150


def _marks(report: Report, top: int, bottom: int) -> Iterator[str]:
    """Lines, one a column; texts where there is room."""
    columns: dict[int, list[str]] = {}
    for point, mark in report.marks:
        columns.setdefault(_column(point, report), []).append(printable(mark))
    free = 0
    for column, texts in columns.items():
        x = _LEFT + column * _PITCH
        more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
        first = texts[0] if len(texts[0]) <= _LONGEST_LABEL else f"{texts[0][: _LONGEST_LABEL - 3]}..."
        tip = escape(f"{texts[0][:200]}{more}")
        yield f'<line class="mark" x1="{x}" y1="{top - 8}" x2="{x}" y2="{bottom}"><title>{tip}</title></line>'
        if column >= free:
            free = column + _LABEL_COLUMNS
            turned = f'transform="translate({x + 4} {top - 12}) rotate(-45)"'
            yield f'<text class="small" {turned}>{escape(first)}</text>'


def _cells(report: Report, most: int, bottom: int) -> Iterator[str]:
    """A failed one fills its place, a passed one does not: they differ for those who see no colours too."""
    rows = min(most + 1, _ROWS)
    cells: dict[tuple[int, int], _Cell] = {}
    for result in report.results:
        lost, point = _lost(result), result.state.point
        place = _column(point, report), lost * rows // (most + 1)
        cells.setdefault(place, _Cell((point, point), (lost, lost))).add(result, lost)
    for (column, row), cell in sorted(cells.items()):
        look, inset = ("failed", 0) if cell.failed else ("passed", 2)
        x, y = _LEFT + column * _PITCH + inset // 2, bottom - (row + 1) * _ROW + inset + 1
        width, height = _PITCH - 1 - inset, _ROW - 2 - 2 * inset
        yield (
            f'<rect class="{look}" x="{x}" y="{y}" width="{width}" height="{height}">'
            f"<title>{_tip(cell)}</title></rect>"
        )


def _tip(cell: _Cell) -> str:
    points, lost = _range(cell.points), _range(cell.lost)
    return f"point {points}: {lost} changes lost, {cell.passed} passed, {cell.failed} failed"


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _lost(result: Result) -> int:
    return sum(loss.changes for loss in result.state.lost)


def _column(point: int, report: Report) -> int:
    return min(point * _COLUMNS // (report.points + 1), _COLUMNS - 1)
