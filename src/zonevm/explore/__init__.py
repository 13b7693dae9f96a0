"""Tries states of a record in guests: which, what a check says of each, what of a failing one matters."""

from zonevm.explore.checker import Checker, Verdict
from zonevm.explore.choice import chosen
from zonevm.explore.results import Result, Results
from zonevm.explore.shrinking import shrunk

__all__ = ["Checker", "Result", "Results", "Verdict", "chosen", "shrunk"]
