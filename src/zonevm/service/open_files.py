"""Lets this process, and QEMU after it, open as many files as a guest's disks need."""

from __future__ import annotations

import resource

_ALWAYS = 256
_EACH = 24
"""Measured: an SMR disk with a controller of its own has 19 here and 13 in QEMU, other disks have fewer."""


def allow(disks: int) -> None:
    """Raise the soft limit of open files to what ``disks`` need, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ALWAYS + _EACH * disks
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reached = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, reached), hard))
