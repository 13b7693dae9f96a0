"""The sentence for a failed command: what was asked for, why it failed, and the status or sense data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zonevm.explain import device, nvme, request, zones
from zonevm.explain.commands import describe
from zonevm.explain.sense import Sense

if TYPE_CHECKING:
    from zonevm._core import FailedCommand

_CHECK_CONDITION = 0x02
_REASONS = {**zones.REASONS, **request.REASONS, **device.REASONS}
"""By additional sense code and qualifier: functions of the command and its sense data."""


def explain(command: FailedCommand) -> str:
    """Return what happened and what to do about it, for any command and any sense data or status."""
    if command.protocol == "NVMe":
        return nvme.explain(command)
    subject = describe(command)
    if command.overrun:
        return f"{subject}: {_OVERRUN}"
    if command.status != _CHECK_CONDITION:
        status, reason = device.STATUSES.get(
            command.status, (f"status {command.status:02X}h", device.UNKNOWN)
        )
        return f"{subject}: {reason} ({status})"
    sense = Sense.parse(command.sense)
    reason = _REASONS.get((sense.asc, sense.ascq), device.other)(command, sense)
    return f"{subject}: {reason} ({sense})"


_OVERRUN = (
    "the buffer that came with it is smaller than the transfer that its CDB asks for, so nothing was done; "
    "make them agree (overrun)"
)
