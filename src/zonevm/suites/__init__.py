"""Public suites of tests, run in guests: fstests, blktests, those of fio, zonefs-tools and libzbc.

A suite is a file with its record, and its name in ``catalogue.py``.
"""

from zonevm.suites.catalogue import SUITES
from zonevm.suites.expected import Expected
from zonevm.suites.report import Report
from zonevm.suites.runner import Plan, Runner
from zonevm.suites.suite import Result, Status, Suite

__all__ = ["SUITES", "Expected", "Plan", "Report", "Result", "Runner", "Status", "Suite"]
