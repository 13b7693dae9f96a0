"""Why an NVMe command failed: words for its status (NVMe 1.4, 4.6.1; ZNS 1.1, 4.1.1).

The zone was read after the command, as for SCSI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zonevm.explain.commands import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from zonevm._core import FailedCommand

_ZONE_SEND = 0x79
_ACTIONS = {
    0x01: "close",
    0x02: "finish",
    0x03: "open",
    0x04: "reset",
    0x05: "offline",
    0x10: "set zone descriptor extension",
}
_CODE = 0x07FF
"""The status code and its type in the status field."""


def explain(command: FailedCommand) -> str:
    """Return what happened and what to do about it, for any command and any status."""
    code = command.status & _CODE
    name, reason = STATUSES.get(code, (None, _unknown))
    status = f"{code >> 8:X}/{code & 0xFF:02X}" + (f" {name}" if name else "")
    return f"{_subject(command)}: {reason(command)} ({status})"


def _subject(command: FailedCommand) -> str:
    opcode = command.raw[0] if command.raw else 0
    name = command.name or f"opcode {opcode:02X}h"
    zone = "" if command.zone_number is None else f" in zone {command.zone_number}"
    if opcode == _ZONE_SEND and command.name:
        action = _ACTIONS.get(_byte(command, 52), f"action {_byte(command, 52):02X}h")
        if command.lba is None:
            return f"{name}, {action}, of all zones"
        if command.zone is not None and command.lba == command.zone.start:
            return f"{name}, {action}, of zone {command.zone_number}"
        return f"{name}, {action}, at LBA {command.lba}{zone}"
    if command.lba is None:
        return name
    much = "" if command.blocks is None else f" of {blocks(command.blocks)}"
    return f"{name}{much} at LBA {command.lba}{zone}"


def _byte(command: FailedCommand, at: int) -> int:
    return command.raw[at] if at < len(command.raw) else 0


def _opcode(_: FailedCommand) -> str:
    return "the namespace does not have this command; log page 05h lists those that it has (nvme effects-log)"


def _field(command: FailedCommand) -> str:
    if command.zone is not None and command.blocks is None and command.lba != command.zone.start:
        return (
            f"the LBA must be the first one of a zone; zone {command.zone_number} starts at "
            f"{command.zone.start}"
        )
    return "a field of the command has a value that the namespace does not support"


def _out_of_range(command: FailedCommand) -> str:
    last = f"the namespace's last LBA is {command.disk_blocks - 1}"
    if command.lba is None or command.lba >= command.disk_blocks:
        return f"{last}, so use an LBA up to that"
    return f"{last}, so ask for {blocks(command.disk_blocks - command.lba)} from there at most"


def _boundary(command: FailedCommand) -> str:
    zone, lba = command.zone, command.lba
    if zone is None or lba is None:
        return "it crosses the end of a zone, or of its capacity; split it there"
    end = zone.start + zone.length
    if lba >= end:
        return f"zone {command.zone_number} can be written up to LBA {end - 1}; the rest of it has no blocks"
    return f"zone {command.zone_number} ends before LBA {end}, so ask for {blocks(end - lba)} there at most"


def _invalid_write(command: FailedCommand) -> str:
    zone = command.zone
    if zone is None or zone.write_pointer is None:
        return "the write does not start at its zone's write pointer, as it must" + _MOVED
    if command.lba != zone.write_pointer:
        return f"the write pointer is at {zone.write_pointer}, so a write must start there; or append"
    return f"the write pointer was elsewhere, and has come to {zone.write_pointer} since"


def _full(command: FailedCommand) -> str:
    now = "" if command.zone is None or command.zone.condition == "full" else _MOVED
    return f"{_the(command)} is full, and has to be reset before it can be written again{now}"


def _read_only(command: FailedCommand) -> str:
    return f"{_the(command)} is read-only: its data can be read, but it can be neither written nor reset"


def _offline(command: FailedCommand) -> str:
    return f"{_the(command)} is offline: it can be neither read nor written, nor brought back; use another"


def _too_many_active(command: FailedCommand) -> str:
    limit = "" if command.max_active is None else f", and {command.max_active} may be active"
    return f"{_active(command)}{limit}; finish or reset one of them first"


def _too_many_open(command: FailedCommand) -> str:
    limit = "" if command.max_open is None else f", and {command.max_open} may be open"
    return (
        f"{_active(command)}{limit}; only implicitly open ones make room by themselves, so close, finish or "
        "reset an explicitly open one first"
    )


def _active(command: FailedCommand) -> str:
    explicit, implicit = command.explicitly_open or 0, command.implicitly_open or 0
    return (
        f"{explicit} zones are explicitly open, {implicit} implicitly open and {command.closed or 0} closed"
    )


def _transition(command: FailedCommand) -> str:
    if command.zone is None:
        return "a zone's state does not allow it"
    return f"{_the(command)} is {command.zone.condition}, which does not allow it{_UNLESS}"


def _lost(_: FailedCommand) -> str:
    return (
        "the disk failed as a whole: its image was cut short while in use, or the host lost a part of it; "
        "close it, see `zonevm disk check` and the host's kernel log (dmesg)"
    )


def _unknown(_: FailedCommand) -> str:
    return "the namespace did not carry it out, and gives no reason that is known here"


def _said(text: str) -> Callable[[FailedCommand], str]:
    return lambda _: text


def _the(command: FailedCommand) -> str:
    return "a zone of it" if command.zone_number is None else f"zone {command.zone_number}"


_MOVED = " (another command has changed the zone since)"
_UNLESS = ", unless another command has changed it since"

STATUSES: dict[int, tuple[str, Callable[[FailedCommand], str]]] = {
    0x001: ("Invalid Command Opcode", _opcode),
    0x002: ("Invalid Field in Command", _field),
    0x004: ("Data Transfer Error", _said("the host's memory that came with it could not be reached")),
    0x006: ("Internal Error", _lost),
    0x007: ("Command Abort Requested", _said("it was aborted; send it again")),
    0x00B: ("Invalid Namespace or Format", _said("the controller has no such namespace (nvme list-ns)")),
    0x080: ("LBA Out of Range", _out_of_range),
    0x082: ("Namespace Not Ready", _said("the namespace was busy, and did not begin with it; send it again")),
    0x083: ("Reservation Conflict", _said("the namespace is reserved for others (nvme resv-report)")),
    0x1B8: ("Zone Boundary Error", _boundary),
    0x1B9: ("Zone Is Full", _full),
    0x1BA: ("Zone Is Read Only", _read_only),
    0x1BB: ("Zone Is Offline", _offline),
    0x1BC: ("Zone Invalid Write", _invalid_write),
    0x1BD: ("Too Many Active Zones", _too_many_active),
    0x1BE: ("Too Many Open Zones", _too_many_open),
    0x1BF: ("Invalid Zone State Transition", _transition),
    0x280: (
        "Write Fault",
        _said(
            "the device failed to write, unless a fault was asked for: the host's file system is full or has "
            "an I/O error; make space there (df) or see dmesg, then write again"
        ),
    ),
    0x281: (
        "Unrecovered Read Error",
        _said(
            "the medium cannot be read, unless a fault was asked for: that is an I/O error of the host's "
            "file; see the host's kernel log (dmesg)"
        ),
    ),
    0x285: ("Compare Failure", _said("the namespace's data differ from those that came with the command")),
}
"""By status code and type: its name, and what says why."""
