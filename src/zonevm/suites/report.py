"""What came of a suite beside what was expected: what every form of a report is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from zonevm.inputs import printable
from zonevm.suites.suite import Result, Status
from zonevm.view.junit import document


@dataclass(frozen=True)
class Report:
    """The results of ``suite`` by their tests. ``expected``: tests that may fail. ``whole``: it was not
    stopped before its end.
    """

    suite: str
    results: Mapping[str, Result]
    expected: Collection[str] = ()
    whole: bool = True

    def of(self, status: Status) -> list[Result]:
        """Return the results of one status, by the names of their tests."""
        return sorted(
            (each for each in self.results.values() if each.status == status), key=lambda each: each.test
        )

    @property
    def unexpected(self) -> list[Result]:
        """Those that failed and were not expected to."""
        return [each for each in self.of(Status.FAILED) if each.test not in self.expected]

    @property
    def fixed(self) -> list[Result]:
        """Those that passed and were expected to fail."""
        return [each for each in self.of(Status.PASSED) if each.test in self.expected]

    def facts(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "suite": self.suite,
            "whole": self.whole,
            "passed": len(self.of(Status.PASSED)),
            "failed": len(self.of(Status.FAILED)),
            "not_run": len(self.of(Status.NOT_RUN)),
            "unexpected": [each.test for each in self.unexpected],
            "fixed": [each.test for each in self.fixed],
            "tests": [
                {**self.results[test].facts(), "expected": "failed" if test in self.expected else "passed"}
                for test in sorted(self.results)
            ],
        }

    def junit(self) -> str:
        """Return it as JUnit XML: what fails as expected is skipped there, and what is fixed fails."""
        failures = len(self.unexpected) + len(self.fixed)
        skipped = len(self.results) - len(self.of(Status.PASSED)) - len(self.unexpected)
        cases = map(self._case, sorted(self.results))
        return document(self.suite, cases, failures=failures, skipped=skipped)

    def _case(self, test: str) -> ET.Element:
        case = ET.Element("testcase", classname=self.suite, name=printable(test))
        for outcome, why in self._outcomes(self.results[test]):
            ET.SubElement(case, outcome, message=printable(why))
        return case

    def _outcomes(self, result: Result) -> list[tuple[str, str]]:
        if result in self.fixed:
            return [("failure", "it is expected to fail, and passed")]
        if result in self.unexpected:
            return [("failure", result.reason)]
        if result.status == Status.FAILED:
            return [("skipped", f"expected to fail: {result.reason}")]
        return [("skipped", result.reason)] if result.status == Status.NOT_RUN else []
