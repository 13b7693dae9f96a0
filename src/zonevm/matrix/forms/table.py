"""A matrix as a page with one table: a row for each kernel and disk, a column for each workload."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from zonevm.inputs import printable
from zonevm.matrix.cell import Cell
from zonevm.matrix.report import Report
from zonevm.matrix.results import Result
from zonevm.view.page import page

_STYLE = """
td.passed, td.failed, td.error { color: #ffffff; padding: .2em .8em; border: 2px solid var(--paper) }
td.passed { background: #15803d } td.failed { background: #b91c1c } td.error { background: #b45309 }
td.left { color: var(--faint); padding: .2em .8em }
.command { user-select: all }"""


def html(report: Report) -> str:
    """Return an HTML document, which is well-formed XML too; links are to the logs beside it."""
    body = (*_table(report), *_told(report))
    return page("zonevm matrix", report.headline, body, _STYLE)


def _table(report: Report) -> Iterator[str]:
    workloads = list(dict.fromkeys(cell.workload for cell, _ in report.cells))
    rows: dict[tuple[str, str], dict[str, tuple[Cell, Result | None]]] = {}
    for cell, result in report.cells:
        rows.setdefault((cell.kernel, cell.disk), {})[cell.workload] = cell, result
    heads = "".join(f"<th>{workload}</th>" for workload in workloads)
    yield f"<table><tr><th>kernel</th><th>disk</th>{heads}</tr>"
    for (kernel, disk), found in rows.items():
        cells = "".join(_cell(*found[each]) if each in found else "<td></td>" for each in workloads)
        yield f"<tr><td>{kernel}</td><td>{disk}</td>{cells}</tr>"
    yield "</table>"


def _cell(cell: Cell, result: Result | None) -> str:
    if result is None:
        return '<td class="left">not run</td>'
    look = "passed" if result.passed else "failed" if result.is_verdict else "error"
    return f'<td class="{look}">{_log(cell, result.reason)}, {result.seconds:.0f} s</td>'


def _told(report: Report) -> Iterator[str]:
    """What there is to say of each cell that did not pass."""
    for cell, result in report.cells:
        if result is None or result.passed:
            continue
        yield f"<h2>{_log(cell, cell.name)}: {result.reason}</h2>"
        yield f'<pre class="command">{escape(printable(str(cell), kept=chr(10)))}</pre>'
        if said := "\n".join(report.said(cell)):
            yield f"<p>The end of the output:</p>\n<pre>{escape(said)}</pre>"


def _log(cell: Cell, text: str) -> str:
    """A link to the log of a cell, whose names need no escapes."""
    return f'<a href="./cells/{cell.name}/log.txt">{text}</a>'
