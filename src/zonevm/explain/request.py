"""Why a request itself is wrong: operation code, a field, an address, a parameter list (SPC-5, SBC-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zonevm._core import command_field
from zonevm.explain.commands import blocks, code
from zonevm.explain.zones import full
from zonevm.units import format_size

if TYPE_CHECKING:
    from zonevm._core import FailedCommand
    from zonevm.explain.sense import Field, Sense

_MOST_BYTES = 32 << 20
"""What a command may move: MAXIMUM TRANSFER LENGTH of the Block Limits VPD page, in bytes."""


def _opcode(command: FailedCommand, _: Sense) -> str:
    if not command.raw:
        return "it has no operation code"
    return (
        f"the disk does not have this command (operation code {command.raw[0]:02X}h); "
        "REPORT SUPPORTED OPERATION CODES lists those that it has"
    )


def _out_of_range(command: FailedCommand, _: Sense) -> str:
    last = f"the disk's last LBA is {command.disk_blocks - 1}"
    if command.lba is None:
        return last
    if command.lba >= command.disk_blocks:
        return f"{last}, so use an LBA up to that"
    return f"{last}, so ask for {blocks(command.disk_blocks - command.lba)} from there at most"


def _field(command: FailedCommand, sense: Sense) -> str:
    field = sense.field
    if field is None or not field.in_cdb:
        return "a field of the CDB has a value that is not supported"
    if field.byte >= len(command.raw):
        return f"the CDB has {len(command.raw)} bytes, too few for this command"
    name = command_field(command.raw, field.byte)
    if name == "LOGICAL BLOCK ADDRESS" and field.bit is None and (command.name or "").startswith("WRITE"):
        return full(command)
    if name == "ZONE ID" and command.zone is not None:
        return _zone_id(command)
    if name == "ZONE COUNT" and command.zone is not None:
        return "ZONE COUNT goes past the last zone; use a smaller one"
    if name == "TRANSFER LENGTH" and (command.blocks or 0) * command.block_size > _MOST_BYTES:
        most = _MOST_BYTES // command.block_size
        return f"a command may move {format_size(_MOST_BYTES)} ({blocks(most)}) at most; split it"
    if name == "SERVICE ACTION":
        action = command.raw[1] & 0x1F
        return f"the disk does not have service action {action:02X}h of {code(command.raw, None)}"
    return f"{_place(field, name)} is {_value(command.raw, field)}, which the disk does not support there"


def _zone_id(command: FailedCommand) -> str:
    zone = command.zone
    assert zone is not None
    if zone.conventional:
        return f"zone {command.zone_number} is conventional, and has no write pointer to manage"
    return f"ZONE ID must be the first LBA of a zone; zone {command.zone_number} starts at {zone.start}"


def _place(field: Field, name: str | None) -> str:
    named = f" ({name})" if name else ""
    if field.bit is not None:
        return f"the field at bit {field.bit} of byte {field.byte}{named}"
    return f"the field at byte {field.byte}{named}"


def _value(cdb: bytes, field: Field) -> str:
    byte = cdb[field.byte]
    return f"not zero (the byte is {byte:02X}h)" if field.bit is not None else f"{byte:02X}h"


def _parameter(_: FailedCommand, sense: Sense) -> str:
    where = "a field" if sense.field is None else f"the field at byte {sense.field.byte}"
    return f"{where} of the parameter list that came with it has a value that the disk does not support"


def _parameter_length(_: FailedCommand, __: Sense) -> str:
    return "PARAMETER LIST LENGTH ends the parameter list inside a header or a page; give the whole of it"


def _no_unit(_: FailedCommand, __: Sense) -> str:
    return "there is no logical unit of that number; REPORT LUNS lists those that there are"


def _nothing_echoed(_: FailedCommand, __: Sense) -> str:
    return (
        "nothing was written to the echo buffer since power on or reset; write to it first "
        "(WRITE BUFFER, mode 0Ah)"
    )


REASONS = {
    (0x1A, 0x00): _parameter_length,
    (0x20, 0x00): _opcode,
    (0x21, 0x00): _out_of_range,
    (0x24, 0x00): _field,
    (0x25, 0x00): _no_unit,
    (0x26, 0x00): _parameter,
    (0x2C, 0x00): _nothing_echoed,
}
