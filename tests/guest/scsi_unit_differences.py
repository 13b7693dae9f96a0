"""Where the emulated disk and Linux's scsi_debug differ, who is right, and why: commands of the unit."""

from __future__ import annotations

from .scsi_case import GOOD, Case
from .scsi_differences import (
    BAD_FIELD,
    BAD_LIST,
    CONDITION_MET,
    EITHER,
    INQUIRY,
    LIST_LENGTH,
    LOG_SENSE,
    MODE_SELECTS,
    MODE_SENSES,
    NO_SAVING,
    OPERATION_CODES,
    OURS,
    PRE_FETCHES,
    START_STOP_UNIT,
    Difference,
)
from .tools.draw import REPORT_LUNS


def page_at(case: Case) -> int:
    """Where the first page of a MODE SELECT parameter list begins."""
    return 4 + case.sent[3] if case.opcode == 0x15 else 8 + int.from_bytes(case.sent[6:8], "big")


UNIT = [
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
            and c.cdb[2] in (0x84, 0x85, 0x88, 0x89, 0xB7)
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
        "MODE SENSE of saved values",
        EITHER,
        "Saving is optional (SPC-5, 6.14), and resp_mode_sense() has none; it looks at PC first.",
        lambda c: (
            c.opcode in MODE_SENSES
            and c.cdb[2] >> 6 == 3
            and c.ours in (GOOD, BAD_FIELD)
            and c.theirs == NO_SAVING
        ),
    ),
    Difference(
        "MODE SENSE of a page that only ours has",
        EITHER,
        "Power condition, control extension: optional.",
        lambda c: (
            c.opcode in MODE_SENSES
            and (c.cdb[2] & 0x3F == 0x1A or (c.cdb[2] & 0x3F, c.cdb[3]) == (0x0A, 0x01))
            and c.both == (GOOD, BAD_FIELD)
        ),
        rare=True,
    ),
    Difference(
        "MODE SELECT that saves",
        EITHER,
        "SP is optional (SPC-5, 6.13); resp_mode_select() refuses it before it looks at the list.",
        lambda c: (
            c.opcode in MODE_SELECTS
            and bool(c.cdb[1] & 1)
            and c.ours in (GOOD, BAD_LIST, LIST_LENGTH)
            and c.theirs == BAD_FIELD
        ),
    ),
    Difference(
        "MODE SELECT of a page that only ours lets change",
        EITHER,
        "Read-write error recovery, disconnect-reconnect, power condition: resp_mode_select() takes none.",
        lambda c: (
            c.opcode in MODE_SELECTS
            and c.both == (GOOD, BAD_LIST)
            and c.sent[page_at(c)] & 0x3F in (0x01, 0x02, 0x1A)
        ),
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
        rare=True,
    ),
    Difference(
        "REPORT SUPPORTED OPERATION CODES of a code that only one of them has",
        EITHER,
        "That it does not have it is all that the other can say; of its own it says that the reporting"
        " option does not fit (SPC-5, 6.35).",
        lambda c: (
            c.opcode == OPERATION_CODES
            and c.cdb[2] & 0x07 in (1, 2)
            and sorted(c.both) == [BAD_FIELD, GOOD]
            and c.has(c.cdb[3], c.our_table) != c.has(c.cdb[3], c.their_table)
        ),
        rare=True,
    ),
    Difference(
        "LOG SENSE of thresholds",
        OURS,
        "INVALID FIELD IN CDB where there are none (SPC-5, 6.7); resp_log_sense() gives values for them.",
        lambda c: c.opcode == LOG_SENSE and not c.cdb[2] & 0x40 and c.both == (BAD_FIELD, GOOD),
    ),
    Difference(
        "LOG SENSE of a page or a parameter that only one of them has",
        EITHER,
        "Each has pages of its own; a PARAMETER POINTER above the last parameter is refused (SPC-5, 6.7),"
        " which resp_log_sense() ignores.",
        lambda c: c.opcode == LOG_SENSE and bool(c.cdb[2] & 0x40) and sorted(c.both) == [BAD_FIELD, GOOD],
        rare=True,
    ),
    Difference(
        "LOG SENSE: what the pages say",
        EITHER,
        "Which pages there are, a temperature, exceptions: each of its own.",
        lambda c: c.opcode == LOG_SENSE and c.data is not None,
        rare=True,
    ),
    Difference(
        "field pointer of LOG SENSE",
        EITHER,
        "Several fields are wrong, and no order of checks is given.",
        lambda c: c.opcode == LOG_SENSE and None not in c.pointers,
        rare=True,
    ),
    Difference(
        "PRE-FETCH: whether all is in the cache",
        EITHER,
        "Ours has no cache of its own, so that not all fits into it: GOOD; scsi_debug's whole medium is one:"
        " CONDITION MET (SBC-4, 5.11).",
        lambda c: c.opcode in PRE_FETCHES and c.both == (GOOD, CONDITION_MET),
    ),
    Difference(
        "START STOP UNIT with a power condition",
        EITHER,
        "They are optional (SPC-5, 5.14), and scsi_debug has none.",
        lambda c: c.opcode == START_STOP_UNIT and c.cdb[4] >> 4 != 0 and c.theirs == BAD_FIELD,
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
        "Both are wrong, or one of them has the page; each points at what it looks at first.",
        lambda c: c.opcode in MODE_SENSES and c.pointers in (("c00003", "cd0002"), ("cd0002", "c00003")),
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
