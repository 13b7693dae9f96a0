"""A report as JUnit XML, for CI: a test case for each point, however many states of it were tried.

It has no times: of the same results it is always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from zonevm.crash.forms.findings import findings, place
from zonevm.crash.forms.text import told
from zonevm.crash.report import Report
from zonevm.crash.results import Result
from zonevm.inputs import printable
from zonevm.view.junit import document


def junit(report: Report) -> str:
    """Return an XML document with one test suite, the record.

    The test case of a point fails with its findings. States that were not tried are one that is skipped.
    """
    points: dict[int, list[Result]] = {}
    for result in report.results:
        points.setdefault(result.state.point, []).append(result)
    left = report.wanted - len(report.results)
    failed = len({result.state.point for result in report.failed})
    name = f"crash.{printable(report.record.stem)}"
    cases = []
    for results in points.values():
        case = ET.Element("testcase", classname=name, name=place(results[0]))
        _fail(case, report, results)
        cases.append(case)
    if left > 0:
        case = ET.Element("testcase", classname=name, name="states that were not tried")
        ET.SubElement(case, "skipped", message=f"{left} of {report.wanted} states were not tried")
        cases.append(case)
    title = f"crash states of {printable(str(report.record))}"
    return document(title, cases, failures=failed, skipped=int(left > 0))


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
