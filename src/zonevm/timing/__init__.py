"""HOW LONG a device takes: timing profiles, what a benchmark sends, and what came of it in virtual time.

Knows no guest and no QEMU; the models are the core's.
"""

from zonevm.timing.bench import Command, Medium, Outcome, run
from zonevm.timing.job import KINDS, Job, parse
from zonevm.timing.profile import PROFILES, Profile, load

__all__ = ["KINDS", "PROFILES", "Command", "Job", "Medium", "Outcome", "Profile", "load", "parse", "run"]
