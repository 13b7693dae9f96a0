"""Traces of the commands of emulated disks: recorded raw, kept as Parquet, summed up.

While a run lasts, the disks' threads write FILE.raw; at its end :func:`recording` makes FILE of it. Only this
room knows the two formats. pyarrow is asked for when it is needed: it is an optional dependency.
"""

from zonevm.trace.recording import raw_file, recording, recover
from zonevm.trace.summary import DiskSummary, Summary, summarize

__all__ = ["DiskSummary", "Summary", "raw_file", "recording", "recover", "summarize"]
