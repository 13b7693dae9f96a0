"""A report as JUnit XML, for CI: a test case for each point, however many states of it were tried.

By the schema that Jenkins has (junit-10.xsd of its xUnit plugin), which other CI systems read too. It has no
times: of the same results it is always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from zonevm.crash.forms.findings import findings, place
from zonevm.crash.forms.text import told
from zonevm.crash.report import Report
from zonevm.crash.results import Result
from zonevm.inputs import printable


def junit(report: Report) -> str:
    """Return an XML document with one test suite, the record.

    The test case of a point fails with its findings. States that were not tried are one that is skipped.
    """
    points: dict[int, list[Result]] = {}
    for result in report.results:
        points.setdefault(result.state.point, []).append(result)
    left = report.wanted - len(report.results)
    failed = len({result.state.point for result in report.failed})
    suite = ET.Element(
        "testsuite",
        name=f"crash states of {printable(str(report.record))}",
        tests=str(len(points) + (left > 0)),
        failures=str(failed),
        errors="0",
        skipped=str(int(left > 0)),
    )
    name = f"crash.{printable(report.record.stem)}"
    for results in points.values():
        case = ET.SubElement(suite, "testcase", classname=name, name=place(results[0]))
        _fail(case, report, results)
    if left > 0:
        case = ET.SubElement(suite, "testcase", classname=name, name="states that were not tried")
        ET.SubElement(case, "skipped", message=f"{left} of {report.wanted} states were not tried")
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _fail(case: ET.Element, report: Report, results: Sequence[Result]) -> None:
    found = findings(results)
    if not found:
        return
    count = sum(len(finding.results) for finding in found)
    lost = next(found[0].words(), "nothing")
    message = f"{count} of {len(results)} states failed; lost: {lost}"
    failure = ET.SubElement(case, "failure", type=found[0].reason, message=message)
    failure.text = "\n\n".join(told(report, finding) for finding in found)
    output = ET.SubElement(case, "system-out")
    output.text = "\n\n".join("\n".join(finding.said()) for finding in found)
