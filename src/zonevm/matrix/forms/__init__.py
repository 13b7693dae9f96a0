"""The forms of a matrix's report: JUnit XML, KTAP, a table as a page. What a guest said does no harm."""

from __future__ import annotations

from zonevm import outputs
from zonevm.matrix.forms.junit import junit
from zonevm.matrix.forms.ktap import ktap
from zonevm.matrix.forms.table import html
from zonevm.matrix.report import Report

__all__ = ["html", "junit", "ktap", "write"]


def write(report: Report) -> None:
    """Write report.xml, report.ktap and report.html, each whole or not at all; earlier ones are replaced.

    Raises :class:`HostError` where that cannot be, and :class:`UsageError` where something else has one of
    these names.
    """
    for ending, form in (("xml", junit(report)), ("ktap", ktap(report)), ("html", html(report))):
        outputs.write(report.directory / f"report.{ending}", form)
