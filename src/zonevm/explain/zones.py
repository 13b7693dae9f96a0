"""Why a zone did not allow a command (ZBC-2, 4.4 and 4.5).

The zone was read after the command. Where it does not fit what the disk said, another command has changed it
in between, and the words say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zonevm.explain.commands import blocks

if TYPE_CHECKING:
    from zonevm._core import FailedCommand
    from zonevm.explain.sense import Sense

PHYSICAL_BLOCK = 4096


def _unaligned(command: FailedCommand, _: Sense) -> str:
    zone, unit = command.zone, PHYSICAL_BLOCK // command.block_size
    if zone is None or zone.write_pointer is None:
        return "the write does not start at its zone's write pointer, as it must" + _MOVED
    if command.lba != zone.write_pointer:
        return f"the write pointer is at {zone.write_pointer}, so a write must start there"
    if command.blocks is not None and command.blocks % unit:
        return (
            f"a write to a sequential zone must end with a physical block, so give it a multiple of "
            f"{blocks(unit)} ({PHYSICAL_BLOCK} bytes)"
        )
    return f"the write pointer was elsewhere, and has come to {zone.write_pointer} since"


def _crosses(command: FailedCommand, _: Sense) -> str:
    zone, lba = command.zone, command.lba
    if zone is None or lba is None:
        return "the write crosses a boundary that it must not; split it there"
    if zone.conventional:
        end, what = command.conventional_blocks, "the conventional zones end"
        then = "the rest is for the write pointer of the sequential zone there"
    else:
        end, what = zone.start + zone.length, "the zone ends"
        then = "the rest goes to the next zone's write pointer"
    return f"{what} before LBA {end}, so write {blocks(end - lba)} there at most; {then}"


def _unwritten(command: FailedCommand, _: Sense) -> str:
    pointer = command.zone and command.zone.write_pointer
    where = "its zone's write pointer" if pointer is None else f"the write pointer, {pointer}"
    return f"this disk (URSWRZ is 0) reads only what was written, so read blocks before {where}"


def _read_crosses(command: FailedCommand, _: Sense) -> str:
    zone = command.zone
    end = "" if zone is None else f", LBA {zone.start + zone.length}"
    return f"this disk (URSWRZ is 0) has no reads from one zone into another; split it at the zone's end{end}"


def _no_resources(command: FailedCommand, _: Sense) -> str:
    explicit, implicit = command.explicitly_open, command.implicitly_open
    limit = "" if command.max_open is None else f", and {command.max_open} may be"
    return (
        f"{explicit or 0} zones are explicitly open and {implicit or 0} implicitly{limit}; only implicitly "
        "open ones make room by themselves, so close or finish an explicitly open one first"
    )


def _read_only(command: FailedCommand, _: Sense) -> str:
    return f"{_the(command)} is read-only: its data can be read, but it can be neither written nor reset"


def _offline(command: FailedCommand, _: Sense) -> str:
    return f"{_the(command)} is offline: it can be neither read nor written, nor brought back; use another"


def _inactive(command: FailedCommand, _: Sense) -> str:
    return f"{_the(command)} is inactive; activate it (ZONE ACTIVATE), or use another"


def _gap(command: FailedCommand, _: Sense) -> str:
    return f"{_the(command)} is a gap zone, which has no blocks; use the zones before or after it"


def _reset_recommended(command: FailedCommand, _: Sense) -> str:
    return f"the disk recommends to reset a zone's write pointer; REPORT ZONES (option 10h) names it{_AGAIN}"


def full(command: FailedCommand) -> str:
    """Return why a write to a full zone is refused."""
    now = "" if command.zone is None or command.zone.condition == "full" else _MOVED
    return f"{_the(command)} is full, and has to be reset before it can be written again{now}"


def _the(command: FailedCommand) -> str:
    return "a zone of it" if command.zone_number is None else f"zone {command.zone_number}"


_MOVED = " (another command has changed the zone since)"
_AGAIN = ". This command was not carried out; send it again"

REASONS = {
    (0x21, 0x04): _unaligned,
    (0x21, 0x05): _crosses,
    (0x21, 0x06): _unwritten,
    (0x21, 0x07): _read_crosses,
    (0x21, 0x09): _gap,
    (0x27, 0x08): _read_only,
    (0x2A, 0x16): _reset_recommended,
    (0x2C, 0x0E): _offline,
    (0x2C, 0x12): _inactive,
    (0x55, 0x0E): _no_resources,
}
