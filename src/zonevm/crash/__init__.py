"""Tries states of a record in guests: which, what a check says of each, what of a failing one matters."""

from zonevm.crash.checker import Checker, Verdict
from zonevm.crash.choice import chosen
from zonevm.crash.report import Report
from zonevm.crash.results import Result, Results
from zonevm.crash.shrinking import shrunk
from zonevm.records import Loss, Record, State

__all__ = [
    "Checker",
    "Loss",
    "Record",
    "Report",
    "Result",
    "Results",
    "State",
    "Verdict",
    "chosen",
    "shrunk",
]
