"""How many guests this machine carries at the same time. Starts none."""

from __future__ import annotations

import os
from pathlib import Path

_BESIDE = 256 * 2**20
"""Bytes that QEMU takes beside a guest's memory."""


def carried(memory: int) -> int:
    """Return how many guests of ``memory`` bytes this machine carries: a processor each, and that memory."""
    free = _available() // (memory + _BESIDE)
    return max(1, min(len(os.sched_getaffinity(0)), free))


def _available() -> int:
    """Bytes of memory that can be had without swapping (proc_meminfo(5))."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kib) * 1024
