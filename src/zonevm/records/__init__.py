"""Records of what was written to emulated disks, and every state in which a power cut may have left them."""

from zonevm.records.lost import LostCommand
from zonevm.records.record import Record
from zonevm.records.recording import recording
from zonevm.records.state import Loss, State

__all__ = ["Loss", "LostCommand", "Record", "State", "recording"]
