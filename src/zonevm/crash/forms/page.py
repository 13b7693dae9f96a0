"""A report as a page: one HTML file, which needs nothing else."""

from __future__ import annotations

import shlex
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from html import escape
from urllib.parse import quote

from zonevm.crash.forms.findings import Finding, findings, headline, typed
from zonevm.crash.forms.plot import STYLE, plot
from zonevm.crash.report import Report
from zonevm.inputs import printable, shown
from zonevm.view.page import page

_STYLE = f"""
.command {{ user-select: all }}
.finding {{ border-left: 4px solid var(--failed); padding-left: 1em; margin: 1.5em 0;
  overflow-wrap: anywhere }}{STYLE}"""


def html(report: Report) -> str:
    """Return an HTML document, which is well-formed XML too; links are to what is kept beside it."""
    title = f"Crash states of {_safe(str(report.record))}"
    body = (
        f'<p class="faint">{title}, checked by</p>',
        f'<pre class="command">{escape(typed(shlex.join(report.check)))}</pre>',
        plot(report),
        *_findings(report),
        *_stretches(report),
    )
    return page(title, headline(report), body, _STYLE)


def _findings(report: Report) -> Iterator[str]:
    found = findings(report.results)
    if found:
        yield "<h2>Findings</h2>"
    for number, finding in enumerate(found, 1):
        yield f'<section class="finding"><h3>{number}. {escape(finding.reason)}, {escape(finding.place)}</h3>'
        yield from _told(report, finding)
        yield "</section>"


def _told(report: Report, finding: Finding) -> Iterator[str]:
    yield f"<p>{finding.extent}. {'Lost:' if finding.lost else 'Nothing is lost.'}</p>"
    if finding.lost:
        yield f"<ul>{''.join(f'<li>{escape(words)}</li>' for words in finding.words())}</ul>"
    yield "<p>To see it again:</p>"
    yield f'<pre class="command">{escape(typed(report.again(finding.example)))}</pre>'
    if said := "\n".join(finding.said()):
        yield f"<p>The end of the output:</p>\n<pre>{escape(said)}</pre>"
    if kept := finding.example.kept:
        # By "./" nothing in it is taken for a scheme or a host.
        yield f'<p>Kept: <a href="./{quote(kept, errors="replace")}">{_safe(kept)}</a></p>'


def _stretches(report: Report) -> Iterator[str]:
    """A table of the marks behind which states were tried, and how many of them before the next mark."""
    points = [point for point, _ in report.marks]
    tried = Counter(bisect_right(points, result.state.point) for result in report.results)
    failed = Counter(bisect_right(points, result.state.point) for result in report.failed)
    if not report.marks or not tried:
        return
    yield "<h2>Marks</h2>"
    yield '<table><tr><th>Behind the mark</th><th class="number">point</th>'
    yield '<th class="number">states tried</th><th class="number">failed</th></tr>'
    for number, count in sorted(tried.items()):
        point, mark = report.marks[number - 1] if number else (0, "")
        name = escape(shown(mark)) if number else '<span class="faint">before any mark</span>'
        cells = "".join(f'<td class="number">{each}</td>' for each in (point, count, failed[number]))
        yield f"<tr><td>{name}</td>{cells}</tr>"
    yield "</table>"


def _safe(text: str) -> str:
    return escape(printable(text))
