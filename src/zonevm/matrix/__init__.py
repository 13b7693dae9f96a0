"""Matrices of tests: kernels x disks x workloads, each cell a command line with an exit code."""

from zonevm.matrix.cell import Cell, named
from zonevm.matrix.directory import Directory
from zonevm.matrix.file import load
from zonevm.matrix.merge import merge
from zonevm.matrix.places import factory, here, on_executor
from zonevm.matrix.report import Report
from zonevm.matrix.results import Result
from zonevm.matrix.run import Watcher, reported, run
from zonevm.matrix.shard import Shard

__all__ = [
    "Cell",
    "Directory",
    "Report",
    "Result",
    "Shard",
    "Watcher",
    "factory",
    "here",
    "load",
    "merge",
    "named",
    "on_executor",
    "reported",
    "run",
]
