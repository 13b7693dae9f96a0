"""A matrix as JUnit XML, for CI: a test case for each cell. By the schema that Jenkins has (junit-10.xsd)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from zonevm.inputs import printable
from zonevm.matrix.cell import Cell
from zonevm.matrix.report import Report
from zonevm.matrix.results import Result


def junit(report: Report) -> str:
    """Return an XML document with one test suite.

    A cell without a verdict is an error, one that was not run is skipped.
    """
    suite = ET.Element(
        "testsuite",
        name="zonevm matrix",
        tests=str(len(report.cells)),
        failures=str(len(report.failed)),
        errors=str(len(report.without_verdict)),
        skipped=str(len(report.cells) - len(report.results)),
    )
    for cell, result in report.cells:
        case = ET.SubElement(suite, "testcase", classname=f"{cell.kernel}.{cell.disk}", name=cell.workload)
        if result is None:
            ET.SubElement(case, "skipped", message="not run")
            continue
        case.set("time", f"{result.seconds:.3f}")
        if not result.passed:
            _fail(case, report, cell, result)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _fail(case: ET.Element, report: Report, cell: Cell, result: Result) -> None:
    kind = "failure" if result.is_verdict else "error"
    failure = ET.SubElement(case, kind, type=result.reason, message=f"{cell.name}: {result.reason}")
    failure.text = f"again: {printable(str(cell), kept=chr(10))}"
    ET.SubElement(case, "system-out").text = "\n".join(report.said(cell))
