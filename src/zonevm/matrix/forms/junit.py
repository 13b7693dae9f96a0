"""A matrix as JUnit XML, for CI: a test case for each cell."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from zonevm.inputs import printable
from zonevm.matrix.cell import Cell
from zonevm.matrix.report import Report
from zonevm.matrix.results import Result
from zonevm.view.junit import document


def junit(report: Report) -> str:
    """Return an XML document with one test suite.

    A cell without a verdict is an error, one that was not run is skipped.
    """
    return document(
        "zonevm matrix",
        _cases(report),
        failures=len(report.failed),
        errors=len(report.without_verdict),
        skipped=len(report.cells) - len(report.results),
    )


def _cases(report: Report) -> Iterator[ET.Element]:
    for cell, result in report.cells:
        case = ET.Element("testcase", classname=f"{cell.kernel}.{cell.disk}", name=cell.workload)
        if result is None:
            ET.SubElement(case, "skipped", message="not run")
        else:
            case.set("time", f"{result.seconds:.3f}")
            if not result.passed:
                _fail(case, report, cell, result)
        yield case


def _fail(case: ET.Element, report: Report, cell: Cell, result: Result) -> None:
    kind = "failure" if result.is_verdict else "error"
    failure = ET.SubElement(case, kind, type=result.reason, message=f"{cell.name}: {result.reason}")
    failure.text = f"again: {printable(str(cell), kept=chr(10))}"
    ET.SubElement(case, "system-out").text = "\n".join(report.said(cell))
