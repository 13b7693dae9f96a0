"""A report for programs."""

from __future__ import annotations

from zonevm.crash.forms.findings import findings
from zonevm.crash.report import Report


def facts(report: Report) -> dict[str, object]:
    """Return all of a report for JSON: always the same of the same results.

    Of each finding there is one example; ``results``: where those that are this finding are in the results.
    """
    numbers = {result.state: number for number, result in enumerate(report.results)}
    return {
        "record": str(report.record),
        "check": list(report.check),
        "points": report.points,
        "wanted": report.wanted,
        "tried": len(report.results),
        "failed": len(report.failed),
        "marks": [{"point": point, "text": mark} for point, mark in report.marks],
        "findings": [
            {
                "lost": list(finding.lost),
                "again": report.again(finding.example),
                "example": numbers[finding.example.state],
                "results": [numbers[result.state] for result in finding.results],
            }
            for finding in findings(report.results)
        ],
        "results": [result.facts() for result in report.results],
    }
