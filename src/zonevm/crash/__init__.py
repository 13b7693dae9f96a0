"""Crash tests: states of a record tried in guests, what a check says, what of a failing one matters."""

from zonevm.crash.checker import Checker, Verdict
from zonevm.crash.choice import chosen
from zonevm.crash.explore import Watcher, check_record, explore, of_directory, resume
from zonevm.crash.file_systems import FileSystem
from zonevm.crash.report import Report
from zonevm.crash.results import Result, Results
from zonevm.crash.shrinking import shrunk
from zonevm.crash.test import CrashTest
from zonevm.crash.workloads import Workload, workloads
from zonevm.records import Loss, Record, State

__all__ = [
    "Checker",
    "CrashTest",
    "FileSystem",
    "Loss",
    "Record",
    "Report",
    "Result",
    "Results",
    "State",
    "Verdict",
    "Watcher",
    "Workload",
    "check_record",
    "chosen",
    "explore",
    "of_directory",
    "resume",
    "shrunk",
    "workloads",
]
