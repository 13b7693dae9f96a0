"""A report as one HTML file, which needs nothing else: no script, no font, nothing to be loaded."""

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

_STYLE = f"""
:root {{ color-scheme: light dark; --ink: #111827; --faint: #6b7280; --paper: #ffffff; --bed: #e5e7eb;
  --code: #f3f4f6; --passed: #16a34a; --failed: #b91c1c }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #f3f4f6; --faint: #9ca3af; --paper: #111827;
  --bed: #374151; --code: #1f2937; --passed: #22c55e; --failed: #ef4444 }} }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1100px; margin: 2em auto; padding: 0 1em }}
h1 {{ font-size: 24px }} h2 {{ font-size: 18px; margin-top: 2em }} h3 {{ font-size: 15px }}
svg {{ max-width: 100%; height: auto }}
a {{ color: inherit }}
pre {{ background: var(--code); padding: .6em .8em; border-radius: 4px; max-height: 24em; overflow: auto;
  white-space: pre-wrap; overflow-wrap: anywhere }}
.command {{ user-select: all }}
.finding {{ border-left: 4px solid var(--failed); padding-left: 1em; margin: 1.5em 0;
  overflow-wrap: anywhere }}
table {{ border-collapse: collapse }}
th, td {{ text-align: left; padding: .2em 1em .2em 0; border-bottom: 1px solid var(--bed);
  overflow-wrap: anywhere }}
.number {{ text-align: right }}
.faint {{ color: var(--faint) }}{STYLE}"""
_FORBID = "default-src 'none'; style-src 'unsafe-inline'"


def html(report: Report) -> str:
    """Return an HTML document, which is well-formed XML too; links are to what is kept beside it."""
    title = f"Crash states of {_safe(str(report.record))}"
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
            '<head><meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{_FORBID}"/>',
            '<meta name="viewport" content="width=device-width"/>',
            f"<title>{title}</title>",
            f"<style>{_STYLE}\n</style></head>",
            f"<body><h1>{headline(report)}</h1>",
            f'<p class="faint">{title}, checked by</p>',
            f'<pre class="command">{escape(typed(shlex.join(report.check)))}</pre>',
            plot(report),
            *_findings(report),
            *_stretches(report),
            "</body></html>\n",
        )
    )


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
