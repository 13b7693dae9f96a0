"""Words for commands that failed: what was asked for, what the disk was like, what to do about it.

Pure functions of a :class:`zonevm._core.FailedCommand`, or of zones. Knows no guest and prints nothing.
"""

from zonevm.explain.failures import Failure, failures
from zonevm.explain.pointers import KERNEL_REFUSES, write_pointers
from zonevm.explain.sentence import explain

__all__ = ["KERNEL_REFUSES", "Failure", "explain", "failures", "write_pointers"]
