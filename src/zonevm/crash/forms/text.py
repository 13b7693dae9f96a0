"""A report as text, for a terminal too."""

from __future__ import annotations

from collections.abc import Iterator

from zonevm.crash.forms.findings import Finding, findings, headline, typed
from zonevm.crash.report import Report
from zonevm.inputs import printable

_LAST_LINES = 10


def text(report: Report) -> str:
    """Return a report as text: its headline, and what there is to know of each finding."""
    parts = [headline(report), *(told(report, each) for each in findings(report.results))]
    return "\n\n".join(parts) + "\n"


def told(report: Report, finding: Finding) -> str:
    """Return a finding of a report in lines."""
    return "\n".join(_lines(report, finding))


def _lines(report: Report, finding: Finding) -> Iterator[str]:
    yield f"failed ({finding.reason}) at {finding.place}"
    if len(finding.results) > 1:
        yield f"  {finding.extent}"
    for words in finding.words():
        yield f"  {words}"
    if not finding.lost:
        yield "  nothing is lost"
    yield f"again: {typed(report.again(finding.example))}"
    for line in finding.said()[-_LAST_LINES:]:
        yield f"  | {line}"
    if finding.example.kept:
        yield f"kept: {printable(str(report.record / finding.example.kept))}"
