"""Which failures are routine: what an operating system provokes on every disk while it gets to know it.

A rule, not a list of what some kernel sends: a unit attention that tells of power on or a reset; and a
question about the device, one that neither reads nor changes the medium or a zone, to which the disk says
that it does not know the command, the page or the option.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zonevm.explain.sense import Sense

if TYPE_CHECKING:
    from zonevm._core import FailedCommand

_QUESTIONS = frozenset({0x00, 0x03, 0x12, 0x1A, 0x25, 0x4D, 0x5A, 0x5E, 0x9E, 0xA0, 0xA2, 0xA3})
"""TEST UNIT READY, REQUEST SENSE, INQUIRY, MODE SENSE, READ CAPACITY(10), LOG SENSE, PERSISTENT RESERVE IN,
SERVICE ACTION IN(16), REPORT LUNS, SECURITY PROTOCOL IN, MAINTENANCE IN."""
_UNSUPPORTED = frozenset({(0x5, 0x20, 0x00), (0x5, 0x24, 0x00)})
_UNIT_ATTENTION, _RESET = 6, 0x29


def is_routine(command: FailedCommand) -> bool:
    """Whether the failure says nothing but that a system got to know the disk."""
    if command.protocol == "NVMe":
        # Linux asks the controller what it has, and sends a namespace nothing that it says it lacks.
        return False
    sense = Sense.parse(command.sense)
    if (sense.key, sense.asc) == (_UNIT_ATTENTION, _RESET):
        return True
    asked = bool(command.raw) and command.raw[0] in _QUESTIONS
    return asked and sense[:3] in _UNSUPPORTED
