"""Where the emulated disk and Linux's scsi_debug differ, who is right, and why: commands of the medium.

Each entry is as narrow as it can be said. What scsi_debug does is in the kernel's drivers/scsi/scsi_debug.c,
in the function that is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .scsi_case import GOOD, Case
from .tools.draw import READS, VERIFIES, WRITES, WRITES_SAME, ZONE_IN, ZONE_OUT

ZONE, CONVENTIONAL, BLOCKS = 4096, 2, 79 * 2048
"""In blocks of 512 bytes; the last zone is half a zone."""
LIST_LENGTH, BAD_OPCODE, BAD_FIELD, BAD_LIST = "5/1A/00", "5/20/00", "5/24/00", "5/26/00"
OUT_OF_RANGE, UNALIGNED, WRITE_BOUNDARY = "5/21/00", "5/21/04", "5/21/05"
READ_INVALID, READ_BOUNDARY = "5/21/06", "5/21/07"
NO_SAVING, NO_MEMORY, NO_ZONE_RESOURCES = "5/39/00", "5/55/03", "7/55/0E"
INQUIRY, MODE_SELECTS, MODE_SENSES, OPERATION_CODES = 0x12, (0x15, 0x55), (0x1A, 0x5A), 0xA3
SYNCHRONIZE_CACHES, WRITE_SCATTERED = (0x35, 0x91), 0x9F
LOG_SENSE, PRE_FETCHES, START_STOP_UNIT = 0x4D, (0x34, 0x90), 0x1B
CONDITION_MET = "status 04h, host status 0, sense None"
IMPLICITLY_OPEN, EXPLICITLY_OPEN, CLOSED, FULL = 2, 3, 4, 14
MOST_SAME = 0xFFFF
"""Blocks of a WRITE SAME, by scsi_debug's block limits page."""

OURS, THEIRS, EITHER = "ours is right", "scsi_debug is right", "either is right"


@dataclass(frozen=True)
class Difference:
    """One that is known.

    ``zones``: the zones may come apart though the answers are the same.
    ``rare``: it need not be met in every run.
    """

    name: str
    right: str
    why: str
    when: Callable[[Case], bool]
    zones: bool = False
    rare: bool = False

    def covers(self, case: Case) -> bool:
        if case.apart and not (self.zones if case.ours == case.theirs else GOOD in case.both):
            return False
        return self.when(case)


def reports_alike(case: Case, *, cut: bool = False) -> bool:
    """Whether REPORT ZONES differs in SAME and in the write pointers of full zones alone.

    ``cut``: and in ZONE LIST LENGTH, where the last descriptor is transferred in part.
    """
    if not case.data or case.opcode != ZONE_IN or len(case.data[0]) != len(case.data[1]):
        return False
    ours, theirs = (bytearray(data) for data in case.data)
    if cut:
        counted = [int.from_bytes(data[:4], "big") for data in (ours, theirs)]
        if not case.cdb[14] & 0x80 or counted != [len(ours) - 64, -(-len(ours) // 64) * 64 - 64]:
            return False
        theirs[:4] = ours[:4]
    theirs[4] = ours[4]
    for at in range(64, len(ours), 64):
        if ours[at + 1] >> 4 == FULL:
            theirs[at + 24 : at + 32] = b"\xff" * len(theirs[at + 24 : at + 32])
    return ours == theirs


MEDIUM = [
    Difference(
        "a command, service action or field that only scsi_debug has",
        EITHER,
        "They are optional: protection information, groups, NACA, PMI, third parties and others. What is"
        " not supported is refused (SPC-5, 4.2).",
        lambda c: c.ours in (BAD_OPCODE, BAD_FIELD) and c.only_in(c.their_table, c.our_table),
    ),
    Difference(
        "a command, service action or field that only ours has",
        EITHER,
        "Likewise; scsi_debug checks its masks too (strict=1).",
        lambda c: c.theirs in (BAD_OPCODE, BAD_FIELD) and c.only_in(c.our_table, c.their_table),
        rare=True,
    ),
    Difference(
        "a field that a command of ours alone has not",
        EITHER,
        "Two faults: scsi_debug does not know the command at all.",
        lambda c: c.both == (BAD_FIELD, BAD_OPCODE) and not c.has(c.opcode, c.their_table),
        rare=True,
    ),
    Difference(
        "a service action of an operation code that has only one",
        OURS,
        "There is none with this number; queuecommand() compares it only where there are several.",
        lambda c: c.opcode == WRITE_SCATTERED and c.cdb[1] & 0x1F != 0x12 and c.both == (BAD_OPCODE, GOOD),
        rare=True,
    ),
    Difference(
        "a write that ends within a physical block",
        OURS,
        "A write to a sequential write required zone ends on a physical block boundary (ZBC-2, 4.4.3);"
        " check_zbc_access_params() does not look.",
        lambda c: (
            c.opcode in WRITES
            and (c.lba + c.count) % 8 != 0
            and c.ours == UNALIGNED
            and c.theirs in (GOOD, NO_ZONE_RESOURCES)
        ),
    ),
    Difference(
        "a write with two faults: it crosses its zone's end, and the zone is full or its pointer elsewhere",
        EITHER,
        "No order of checks is given (ZBC-2, 4.4.3); check_zbc_access_params() looks at the boundary first.",
        lambda c: (
            c.opcode in WRITES
            and c.ours in (UNALIGNED, BAD_FIELD)
            and c.theirs == WRITE_BOUNDARY
            and c.crosses((c.lba // ZONE + 1) * ZONE)
        ),
    ),
    Difference(
        "a write of no blocks",
        OURS,
        "It is no error (SBC-4, 5.41); check_zbc_access_params() takes it to end a block before its LBA.",
        lambda c: (
            c.opcode in WRITES - WRITES_SAME
            and c.count == 0
            and c.ours == GOOD
            and c.theirs in (WRITE_BOUNDARY, UNALIGNED, BAD_FIELD, NO_ZONE_RESOURCES)
        ),
    ),
    Difference(
        "a write of no blocks opens a zone",
        OURS,
        "Nothing is written, so there is nothing to open a zone for (ZBC-2, 4.4.3.4);"
        " check_zbc_access_params() opens it all the same.",
        lambda c: c.opcode in WRITES - WRITES_SAME and c.count == 0 and c.both == (GOOD, GOOD),
        zones=True,
        rare=True,
    ),
    Difference(
        "a read or verify of no blocks at the start of the sequential zones",
        OURS,
        "It is no error (SBC-4, 5.15); check_zbc_access_params() takes the block before its LBA to be read.",
        lambda c: (
            c.opcode in READS
            and c.count == 0
            and c.lba == CONVENTIONAL * ZONE
            and c.both == (GOOD, READ_INVALID)
        ),
        rare=True,
    ),
    Difference(
        "no blocks, just past the last one",
        EITHER,
        "That LBA exceeds the last one, but not the number of blocks. «The capacity» (SBC-4) may be either.",
        lambda c: (
            (c.opcode in READS | WRITES or c.opcode in SYNCHRONIZE_CACHES)
            and c.count == 0
            and c.lba == BLOCKS
            and c.ours == OUT_OF_RANGE
        ),
        rare=True,
    ),
    Difference(
        "WRITE SAME of no blocks",
        OURS,
        "Ours says WSNZ (SBC-4, 6.6.4), and refuses it; scsi_debug does not, so that all blocks to the"
        " last are meant, but resp_write_same() writes one.",
        lambda c: (
            c.opcode in WRITES_SAME
            and c.count == 0
            and c.ours == BAD_FIELD
            and c.theirs in (GOOD, WRITE_BOUNDARY, UNALIGNED, NO_ZONE_RESOURCES)
        ),
    ),
    Difference(
        "WRITE SAME of too many blocks, past the last one",
        EITHER,
        "Two faults; resp_write_same_16() looks at the length first.",
        lambda c: (
            c.opcode in WRITES_SAME
            and c.count > MOST_SAME
            and c.lba + c.count > BLOCKS
            and c.both == (OUT_OF_RANGE, BAD_FIELD)
        ),
    ),
    Difference(
        "a read from a conventional zone into a sequential one",
        OURS,
        "READ BOUNDARY VIOLATION (ZBC-2, 4.4.3). In ZBC it was ATTEMPT TO READ INVALID DATA, which"
        " check_zbc_access_params() still has.",
        lambda c: (
            c.opcode in READS | VERIFIES
            and c.both == (READ_BOUNDARY, READ_INVALID)
            and c.crosses(CONVENTIONAL * ZONE)
        ),
    ),
    Difference(
        "VERIFY without data, of blocks that cannot be read",
        OURS,
        "It is refused as a READ is (SBC-4, 5.36); resp_verify() is GOOD before it looks at the LBA.",
        lambda c: (
            c.opcode in VERIFIES
            and c.cdb[1] & 0x06 == 0
            and c.ours in (OUT_OF_RANGE, READ_BOUNDARY, BAD_FIELD)
            and c.theirs == GOOD
        ),
    ),
    Difference(
        "ZONE COUNT",
        OURS,
        "As many zones as it says (ZBC-2, 5.2 to 5.6); scsi_debug has it in its masks, and ignores it.",
        lambda c: c.opcode == ZONE_OUT and c.cdb[14] & 1 == 0 and c.count > 1 and c.both == (GOOD, GOOD),
        zones=True,
    ),
    Difference(
        "ZONE COUNT of more zones than there are, or than can be opened",
        OURS,
        "Likewise: all of them or none.",
        lambda c: (
            c.opcode == ZONE_OUT
            and c.cdb[14] & 1 == 0
            and c.count > 1
            and c.ours in (BAD_FIELD, NO_ZONE_RESOURCES)
            and c.theirs in (GOOD, NO_ZONE_RESOURCES)
        ),
    ),
    Difference(
        "OPEN ZONE with ALL opens zones that it closes to make room",
        OURS,
        "The zones that are closed are opened (ZBC-2, 5.4), not those that were open; zbc_open_all()"
        " comes to them after zbc_close_imp_open_zone().",
        lambda c: (
            c.opcode == ZONE_OUT
            and c.cdb[1] == 3
            and bool(c.cdb[14] & 1)
            and c.both == (GOOD, GOOD)
            and all(
                ours[1] in (IMPLICITLY_OPEN, CLOSED) and (theirs[1], theirs[4]) == (EXPLICITLY_OPEN, ours[4])
                for _, ours, theirs in c.raw["apart"]
            )
        ),
        zones=True,
        rare=True,
    ),
    Difference(
        "REPORT ZONES: SAME, and the write pointers of full zones",
        EITHER,
        "SAME 0h claims nothing, and a full zone's write pointer is invalid (ZBC-2, 5.10, 4.4.3.4):"
        " resp_report_zones() fills in the zone's end, ours all ones.",
        reports_alike,
    ),
    Difference(
        "REPORT ZONES with PARTIAL, and room for a part of a descriptor",
        EITHER,
        "ZONE LIST LENGTH is of what is transferred (ZBC-2, 5.10): ours counts the bytes of the last one,"
        " resp_report_zones() all of it.",
        lambda c: reports_alike(c, cut=True),
        rare=True,
    ),
    Difference(
        "REPORT ZONES without room",
        OURS,
        "An allocation length of 0 is not an error, and hides none (SPC-5, 4.2.5.6); resp_report_zones()"
        " is GOOD before it looks, and forgets the residual count.",
        lambda c: (
            c.opcode == ZONE_IN
            and c.length == 0
            and c.theirs == GOOD
            and (c.ours in (OUT_OF_RANGE, BAD_FIELD) or bool(c.data and not c.data[0]))
        ),
        rare=True,
    ),
    Difference(
        "REPORT ZONES with more room than the kernel has",
        OURS,
        "It is only room; resp_report_zones() allocates all of it.",
        lambda c: c.opcode == ZONE_IN and c.length >= 1 << 16 and c.both == (GOOD, NO_MEMORY),
        rare=True,
    ),
]
