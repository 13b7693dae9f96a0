"""What this HOST has: programs, QEMU and its abilities, directories. Looks and never changes."""

from zonevm.host.cache import store
from zonevm.host.dirs import RUNTIME_PREFIX, cache_dir, needed, runs_dir, runtime_base
from zonevm.host.programs import find_program, find_udevd, find_virtiofsd, guest_python
from zonevm.host.qemu import Qemu, find_qemu

__all__ = [
    "RUNTIME_PREFIX",
    "Qemu",
    "cache_dir",
    "find_program",
    "find_qemu",
    "find_udevd",
    "find_virtiofsd",
    "guest_python",
    "needed",
    "runs_dir",
    "runtime_base",
    "store",
]
