"""The emulated disk beside Linux's own, scsi_debug: thousands of random commands, and the same answers.

The two know nothing of each other, and both are meant to be what SPC-5, SBC-4 and ZBC-2 say. Where they
differ, one is wrong, or the standard leaves it open: each such difference is in :data:`DIFFERENCES`, as
narrowly as it can be said, with who is right and why. Any other fails the test. What scsi_debug does is in
the kernel's drivers/scsi/scsi_debug.c, in the function that is named.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from zonevm import Guest, SmrDisk

from .scsi_case import GOOD, Case, table
from .tools.draw import READS, REPORT_LUNS, VERIFIES, WRITES, WRITES_SAME, ZONE_IN, ZONE_OUT, Usage

pytestmark = pytest.mark.guest

ROOT = Path(__file__).parents[2]
SEED, COMMANDS = 1, 8000
ZONE, CONVENTIONAL, BLOCKS = 4096, 2, 79 * 2048
"""In blocks of 512 bytes; the last zone is half a zone."""
MODULE = (
    "scsi_debug zbc=managed dev_size_mb=79 zone_size_mb=2 zone_nr_conv=2 zone_max_open=4"
    " sector_size=512 physblk_exp=3 strict=1 delay=0 dif=0 no_uld=1"
)

LIST_LENGTH, BAD_OPCODE, BAD_FIELD, BAD_LIST = "5/1A/00", "5/20/00", "5/24/00", "5/26/00"
OUT_OF_RANGE, UNALIGNED, WRITE_BOUNDARY = "5/21/00", "5/21/04", "5/21/05"
READ_INVALID, READ_BOUNDARY = "5/21/06", "5/21/07"
NO_SAVING, NO_MEMORY, NO_ZONE_RESOURCES = "5/39/00", "5/55/03", "7/55/0E"
INQUIRY, MODE_SELECTS, MODE_SENSES, OPERATION_CODES = 0x12, (0x15, 0x55), (0x1A, 0x5A), 0xA3
SYNCHRONIZE_CACHES, WRITE_SCATTERED = (0x35, 0x91), 0x9F
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


def page_at(case: Case) -> int:
    """Where the first page of a MODE SELECT parameter list begins."""
    return 4 + case.sent[3] if case.opcode == 0x15 else 8 + int.from_bytes(case.sent[6:8], "big")


DIFFERENCES = [
    Difference(
        "a command, service action or field that only scsi_debug has",
        EITHER,
        "They are optional: protection information, groups, NACA, PMI, RESERVE and others. What is not"
        " supported is refused (SPC-5, 4.2).",
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
        "An allocation length of 0 is no error, but excuses none (SPC-5, 4.2.5.6); resp_report_zones() is"
        " GOOD before it looks, and forgets the residual count.",
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
    Difference(
        "an allocation length of less than 4 bytes, or of more than 65535",
        OURS,
        "It is the initiator's business alone (SPC-5, 4.2.5.6); resp_report_luns() and"
        " resp_rsup_opcodes() refuse it.",
        lambda c: (
            c.opcode in (REPORT_LUNS, OPERATION_CODES)
            and (c.length < 4 or (c.opcode == OPERATION_CODES and c.length > 0xFFFF))
            and c.both == (GOOD, BAD_FIELD)
        ),
    ),
    Difference(
        "REPORT LUNS of more than the allocation length",
        OURS,
        "No more than that is transferred (SPC-5, 4.2.5.6); resp_report_luns() never looks at it again.",
        lambda c: (
            c.opcode == REPORT_LUNS
            and c.data is not None
            and len(c.data[0]) == c.length < len(c.data[1])
            and c.data[1].startswith(c.data[0][:8])
        ),
    ),
    Difference(
        "REPORT LUNS: the order of logical units",
        EITHER,
        "None is given (SPC-5, 6.33): ours begins with the well-known one, scsi_debug ends with it.",
        lambda c: (
            c.opcode == REPORT_LUNS
            and c.data is not None
            and c.cdb[2] == 2
            and c.data[0] == c.data[1][:8] + c.data[1][16:] + c.data[1][8:16]
        ),
        rare=True,
    ),
    Difference(
        "REPORT LUNS of administrative and subsidiary logical units",
        OURS,
        "There are none, so the list is empty (SPC-5, 6.33); resp_report_luns() refuses to say so.",
        lambda c: c.opcode == REPORT_LUNS and 0x10 <= c.cdb[2] <= 0x12 and c.both == (GOOD, BAD_FIELD),
    ),
    Difference(
        "INQUIRY with a page code, but without EVPD",
        OURS,
        "INVALID FIELD IN CDB (SPC-5, 6.7.1); resp_inquiry() ignores the page code.",
        lambda c: c.opcode == INQUIRY and not c.cdb[1] & 1 and c.cdb[2] != 0 and c.both == (BAD_FIELD, GOOD),
    ),
    Difference(
        "INQUIRY of a page that only scsi_debug has",
        EITHER,
        "Of interfaces, networks, mode pages, ports, ATA and more limits: optional (SPC-5, 7.7).",
        lambda c: (
            c.opcode == INQUIRY
            and bool(c.cdb[1] & 1)
            and c.cdb[2] in (0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0xB7)
            and c.both == (BAD_FIELD, GOOD)
        ),
        rare=True,
    ),
    Difference(
        "MODE SENSE of a page that only scsi_debug has",
        EITHER,
        "Disconnect-reconnect, SAS, informational exceptions, hints; 00h is vendor specific (SPC-5, 7.5),"
        " and empty there.",
        lambda c: (
            c.opcode in MODE_SENSES
            and (c.cdb[2] & 0x3F in (0x00, 0x02, 0x19, 0x1C) or (c.cdb[2] & 0x3F, c.cdb[3]) == (0x0A, 0x05))
            and c.both == (BAD_FIELD, GOOD)
        ),
    ),
    Difference(
        "MODE SENSE of saved values of a page that there is not",
        EITHER,
        "Two faults; resp_mode_sense() looks at PC first.",
        lambda c: c.opcode in MODE_SENSES and c.cdb[2] >> 6 == 3 and c.both == (BAD_FIELD, NO_SAVING),
        rare=True,
    ),
    Difference(
        "MODE SELECT of what cannot be changed",
        OURS,
        "INVALID FIELD IN PARAMETER LIST (SPC-5, 6.13): a page that ours does not have, a field that"
        " cannot be changed, a block descriptor of another disk; resp_mode_select() takes them as they"
        " come.",
        lambda c: c.opcode in MODE_SELECTS and c.both == (BAD_LIST, GOOD),
    ),
    Difference(
        "MODE SELECT with PS or MODE DATA LENGTH",
        EITHER,
        "Both are reserved in MODE SELECT (SPC-5, 7.5), and reserved bits need not be checked: ours lets"
        " an initiator send back what MODE SENSE gave.",
        lambda c: (
            c.opcode in MODE_SELECTS
            and c.both == (GOOD, BAD_LIST)
            and (any(c.sent[: 1 if c.opcode == 0x15 else 2]) or bool(c.sent[page_at(c)] & 0x80))
        ),
        rare=True,
    ),
    Difference(
        "MODE SELECT of a list that is too short and wrong besides",
        EITHER,
        "Two faults.",
        lambda c: c.opcode in MODE_SELECTS and c.both in ((LIST_LENGTH, BAD_LIST), (BAD_LIST, LIST_LENGTH)),
        rare=True,
    ),
    Difference(
        "MODE SELECT of a list that ends too soon",
        OURS,
        "PARAMETER LIST LENGTH ERROR (SPC-5, 6.13); resp_mode_select() takes it for a list without pages.",
        lambda c: c.opcode in MODE_SELECTS and c.both == (LIST_LENGTH, GOOD),
        rare=True,
    ),
    Difference(
        "MODE SELECT of more than 512 bytes",
        EITHER,
        "resp_mode_select() has room for no more; ours refuses what is in such a list.",
        lambda c: c.opcode in MODE_SELECTS and c.length > 512 and c.both == (BAD_LIST, BAD_FIELD),
    ),
    Difference(
        "REPORT SUPPORTED OPERATION CODES of a code that only one of them has",
        EITHER,
        "That it does not have it is all that the other can say; of its own it says that the reporting option does"
        " not fit (SPC-5, 6.35).",
        lambda c: (
            c.opcode == OPERATION_CODES
            and c.cdb[2] & 0x07 in (1, 2)
            and sorted(c.both) == [BAD_FIELD, GOOD]
            and c.has(c.cdb[3], c.our_table) != c.has(c.cdb[3], c.their_table)
        ),
        rare=True,
    ),
    Difference(
        "field pointer of MODE SELECT: PF",
        OURS,
        "PF is what is wrong, or a bit that is reserved; resp_mode_select() points at the length.",
        lambda c: c.opcode in MODE_SELECTS and c.ours == BAD_FIELD and c.pointers[1] in ("c00004", "c00007"),
    ),
    Difference(
        "field pointer of MODE SELECT: the parameter list",
        EITHER,
        "Ours points at the byte that is wrong, resp_mode_select() at the first of the page, or of the list.",
        lambda c: c.opcode in MODE_SELECTS and c.ours == BAD_LIST and None not in c.pointers,
    ),
    Difference(
        "field pointer of MODE SENSE: page and subpage",
        EITHER,
        "Both are wrong; ours looks at the subpage first, resp_mode_sense() at the page.",
        lambda c: c.opcode in MODE_SENSES and c.pointers == ("c00003", "cd0002"),
    ),
    Difference(
        "field pointer of a bit that only scsi_debug's mask has, and of another fault",
        EITHER,
        "Both are wrong; ours looks at its mask first.",
        lambda c: c.outside(c.our_table) and not c.outside(c.their_table) and None not in c.pointers,
        rare=True,
    ),
    Difference(
        "field pointer of REPORT SUPPORTED OPERATION CODES",
        EITHER,
        "A reporting option that does not fit the operation code: ours points at it, resp_rsup_opcodes()"
        " at the service action, or at the allocation length that it does not like either.",
        lambda c: c.opcode == OPERATION_CODES and c.pointers in (("ca0002", "c00004"), ("ca0002", "c00006")),
        rare=True,
    ),
    Difference(
        "field pointer of REPORT LUNS",
        EITHER,
        "SELECT REPORT is wrong; resp_report_luns() does not like the allocation length either.",
        lambda c: c.opcode == REPORT_LUNS and c.pointers == ("c00002", "c00006"),
        rare=True,
    ),
]


def test_answers_like_scsi_debug(kernel: str) -> None:
    disk = SmrDisk(size=BLOCKS * 512, zone_size="2M", conventional=CONVENTIONAL, max_open=4, block_size=512)
    with Guest(disks=[disk], kernel=kernel) as guest:
        guest.run(f"modprobe {MODULE}", check=True)
        listed = guest.run("cd /sys/class/scsi_generic && grep -l scsi_debug */device/model", check=True)
        theirs = "/dev/" + listed.stdout.decode().split("/")[0]
        program = ["python3", "-B", "-m", "tests.guest.tools.same_answers", "/dev/sg0", theirs]
        done = guest.run([*program, str(SEED), str(COMMANDS)], cwd=ROOT, check=True)
    *lines, summary = (json.loads(line) for line in done.stdout.splitlines())
    tables = [
        table([Usage(bytes.fromhex(mask), bool(action)) for mask, action in each])
        for each in summary["tables"]
    ]

    fired: Counter[str] = Counter()
    unknown = []
    for line in lines:
        case = Case(line, *tables)
        known = [difference.name for difference in DIFFERENCES if difference.covers(case)]
        fired.update(known[:1])
        if not known:
            unknown.append(case)
    sent, good = summary["sent"], summary["good"]
    print(f"{COMMANDS} commands, {sum(good.values())} of them GOOD, {len(lines)} differences,", end=" ")
    print(f"{summary['seconds']:.0f} s:", *(f"\n{times:5} {name}" for name, times in fired.most_common()))
    if unknown:
        pytest.fail(
            f"{len(unknown)} differences are unknown:\n" + "\n".join(map(str, unknown[:20])), pytrace=False
        )
    never = [each.name for each in DIFFERENCES if not each.rare and not fired[each.name]]
    assert not never, f"differences that are no more, so that their entries should go: {never}"
    assert {f"{opcode:02x}" for opcode, _ in tables[0]} <= set(sent)
    assert sum(good.values()) > COMMANDS / 2
