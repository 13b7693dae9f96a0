"""HOW an emulated disk fails on purpose: what is to fail, its text and TOML forms, and faults in force.

Knows no guest and no QEMU; what a fault does is the core's business.
"""

from zonevm.faults.fault import KINDS, Fault, check_disks
from zonevm.faults.grammar import load, parse
from zonevm.faults.live import Faults, Injected

__all__ = ["KINDS", "Fault", "Faults", "Injected", "check_disks", "load", "parse"]
