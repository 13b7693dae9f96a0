"""Why the device, or the host behind an emulated one, failed a command: medium, host, resets, statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zonevm.explain.commands import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from zonevm._core import FailedCommand
    from zonevm.explain.sense import Sense

_RECOVERED, _NOT_READY, _UNIT_ATTENTION, _ABORTED = 1, 2, 6, 0xB

UNKNOWN = "the disk did not carry it out, and gives no reason that is known here"


def _read_error(_: FailedCommand, sense: Sense) -> str:
    return (
        f"{_at(sense)}the medium cannot be read; for an emulated disk that is an I/O error of the host's "
        "file, unless a fault was asked for: see the host's kernel log (dmesg)"
    )


def _write_error(_: FailedCommand, sense: Sense) -> str:
    return (
        f"{_at(sense)}the medium cannot be written; for an emulated disk the host's file system is full or "
        "has an I/O error, unless a fault was asked for: make space there (df) or see dmesg, then write again"
    )


def _write_fault(_: FailedCommand, sense: Sense) -> str:
    return f"{_at(sense)}the device failed to write, and the write pointer stays; try again, or another zone"


def _lost(_: FailedCommand, __: Sense) -> str:
    return (
        "the disk failed as a whole; for an emulated disk its image was cut short while in use, or the host "
        "lost a part of it: close it, see `zonevm disk check` and the host's kernel log (dmesg)"
    )


def _miscompare(_: FailedCommand, sense: Sense) -> str:
    where = "" if sense.information is None else f" from LBA {sense.information} on"
    return f"the disk's data differ{where} from those that came with the command"


def _stopped(_: FailedCommand, __: Sense) -> str:
    return "the unit was stopped; start it (START STOP UNIT with START, or sg_start)"


def _self_test(_: FailedCommand, __: Sense) -> str:
    return (
        "a self-test runs, and there can be one at a time; wait for its end (sg_requests --progress), or "
        "abort it (smartctl -X)"
    )


def _failed_self_test(_: FailedCommand, __: Sense) -> str:
    return "the self-test found a block that cannot be read; its log page has the LBA (smartctl -l selftest)"


def _in_progress(what: str) -> Callable[[FailedCommand, Sense], str]:
    return lambda _, __: f"the disk is being {what}; wait for its end (sg_requests --progress)"


def _unformatted(_: FailedCommand, __: Sense) -> str:
    return (
        "a format did not end, or failed, and what is on the disk is neither old nor new; format it "
        "(FORMAT UNIT)"
    )


def _unsanitized(_: FailedCommand, __: Sense) -> str:
    return (
        "a sanitize operation failed: a zone is read-only or offline, or a write failed; sanitize once more, "
        "or leave the failure if that was allowed (sg_sanitize --fail)"
    )


def _write_protected(_: FailedCommand, __: Sense) -> str:
    return "the disk was write protected by a mode page; allow writes again (sdparm --clear=SWP)"


def _power_on(_: FailedCommand, __: Sense) -> str:
    return f"normal after power on: {_ATTENTION}"


def _reset(_: FailedCommand, __: Sense) -> str:
    return f"normal after a reset: {_ATTENTION}"


def other(command: FailedCommand, sense: Sense) -> str:
    """Return words for sense data without words of its own, by its key."""
    if sense.key == _ABORTED:
        return "the disk gave the command up; send it again"
    if sense.key == _UNIT_ATTENTION:
        return f"something about the unit changed: {_ATTENTION}"
    if sense.key == _NOT_READY:
        return "the unit is not ready; try again later, or start it (START STOP UNIT with START)"
    if sense.key == _RECOVERED:
        return "the command was carried out, after a recovery"
    if command.blocks is not None:
        return f"the disk did not move the {blocks(command.blocks)}"
    return UNKNOWN


def _at(sense: Sense) -> str:
    return "" if sense.information is None else f"at LBA {sense.information} "


_ATTENTION = "the next command is told so instead of being carried out; send it again"

STATUSES = {
    0x08: ("BUSY", "the disk was busy and did not begin with it; send it again in a while"),
    0x18: (
        "RESERVATION CONFLICT",
        "the disk is reserved for others, or the key is not the registered one (sg_persist -s)",
    ),
    0x28: ("TASK SET FULL", "the disk has as many commands as it takes; send it again when one has ended"),
    0x30: ("ACA ACTIVE", "an earlier error waits to be cleared (CLEAR ACA)"),
    0x40: ("TASK ABORTED", "it was aborted, by a task management function or another initiator"),
}
"""By status code (SAM-5, 5.3.1): its name, and words."""

REASONS = {
    (0x03, 0x00): _write_fault,
    (0x04, 0x02): _stopped,
    (0x04, 0x04): _in_progress("formatted"),
    (0x04, 0x09): _self_test,
    (0x04, 0x1B): _in_progress("sanitized"),
    (0x0C, 0x00): _write_error,
    (0x11, 0x00): _read_error,
    (0x1D, 0x00): _miscompare,
    (0x27, 0x02): _write_protected,
    (0x29, 0x00): _power_on,
    (0x29, 0x03): _reset,
    (0x31, 0x00): _unformatted,
    (0x31, 0x01): _unformatted,
    (0x31, 0x03): _unsanitized,
    (0x3E, 0x03): _failed_self_test,
    (0x44, 0x00): _lost,
}
