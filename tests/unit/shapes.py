"""Shapes of emulated disks that only the core has checked."""

from __future__ import annotations

from zonevm.disks import SmrShape


def unchecked_shape(**options: object) -> SmrShape:
    """Return a shape with these fields, held form, also one that Linux would refuse, or that cannot be."""
    shape = SmrShape()
    vars(shape).update(options)
    return shape
