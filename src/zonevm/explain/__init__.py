"""Words for commands that failed: what was asked for, what the disk was like, what to do about it.

Pure functions of a :class:`zonevm._core.FailedCommand`. Knows no guest and prints nothing.
"""

from zonevm.explain.failures import Failure, failures
from zonevm.explain.sentence import explain

__all__ = ["Failure", "explain", "failures"]
