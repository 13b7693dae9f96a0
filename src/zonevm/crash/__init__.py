"""Records of what was written to emulated disks, and every state in which a power cut may have left them."""

from zonevm.crash.record import Record
from zonevm.crash.recording import recording
from zonevm.crash.state import Loss, State

__all__ = ["Loss", "Record", "State", "recording"]
