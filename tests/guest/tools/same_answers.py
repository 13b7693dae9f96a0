"""Sends the same random commands to two zoned disks, and prints where they differ.

Usage: python3 -m tests.guest.tools.same_answers OURS THEIRS SEED COUNT. OURS and THEIRS are SG nodes of disks
of one geometry. What commands there are is asked of OURS. Each difference is a line of JSON, and is then made
good, so that what follows is compared from the same state; the last line sums up. It does not judge.
"""

import base64
import json
import random
import sys
import time
import zlib
from collections import Counter

from .draw import (
    COMPARE_AND_WRITE,
    MODE_SELECT_6,
    MODE_SELECT_10,
    READ_CAPACITY,
    READS,
    REPORT_LUNS,
    REQUEST_SENSE,
    SERVICE_ACTION_IN,
    VERIFIES,
    WRITES,
    ZONE_IN,
    ZONE_OUT,
    Drawn,
    Source,
    Usage,
    Zone,
    count_of,
    lba_of,
)
from .sg import Answer, Disk

TEST_UNIT_READY, START = bytes(6), bytes.fromhex("1b0000000100")
REPORT_ALL, ROOM = bytes.fromhex("95 00 0000000000000000 00004000 00 00"), 0x4000
CLOSE, FINISH, RESET = 1, 2, 4
STOPPED = [2, 4, 2]
UNIT_ATTENTION = 6
SAME_DATA = READS | {ZONE_IN, READ_CAPACITY, SERVICE_ACTION_IN, REPORT_LUNS, REQUEST_SENSE}
"""Operation codes whose data-in does not say which disk it is."""

CHANGE_NOTHING = SAME_DATA | VERIFIES | {0x00, 0x12, 0x1A, 0x5A, 0x35, 0x91, 0xA3}
"""Operation codes after which zones are looked at each 50th time only, as after what both refused."""
CHECK_EVERY = 50
BLOCK = 512


def zone_out(action: int, start: int, *, every: bool = False) -> bytes:
    """A zone management command (ZBC-2, 5.2 to 5.6)."""
    return bytes([ZONE_OUT, action]) + start.to_bytes(8, "big") + bytes([0, 0, 0, 0, int(every), 0])


def operation_codes(disk: Disk) -> list[Usage]:
    """All commands, by REPORT SUPPORTED OPERATION CODES (SPC-5, 6.35)."""

    def ask(option: int, opcode: int = 0, action: int = 0) -> bytes:
        cdb = bytes([0xA3, 0x0C, option, opcode, *action.to_bytes(2, "big"), 0, 0, 0x20, 0, 0, 0])
        return disk.run(cdb, receive=0x2000).data

    every, table = ask(0), []
    for at in range(4, 4 + int.from_bytes(every[:4], "big"), 8):
        opcode, action, has_action = (
            every[at],
            int.from_bytes(every[at + 2 : at + 4], "big"),
            every[at + 5] & 1,
        )
        one = ask(2, opcode, action) if has_action else ask(1, opcode)
        if one[1] & 7 == 3:
            table.append(Usage(one[4 : 4 + int.from_bytes(one[2:4], "big")], bool(has_action)))
    return table


def packed(data: bytes) -> str:
    """For a line of JSON."""
    return base64.b64encode(zlib.compress(data)).decode()


class Pair:
    """The two disks. What is done to one is done to the other."""

    def __init__(self, ours: str, theirs: str) -> None:
        self.disks = (Disk(ours), Disk(theirs))
        self.settle()
        self.pages = [[self.page(disk, code) for code in (0x08, 0x0A)] for disk in self.disks]
        self.both(zone_out(RESET, 0, every=True))

    def both(self, cdb: bytes, send: bytes = b"", receive: int = 0) -> tuple[Answer, Answer]:
        """The same command to each."""
        ours, theirs = (disk.run(cdb, send=send, receive=receive) for disk in self.disks)
        return ours, theirs

    def settle(self) -> None:
        """Takes the unit attentions that are pending."""
        for disk in self.disks:
            while (sense := disk.run(TEST_UNIT_READY).sense) and sense[0] == UNIT_ATTENTION:
                pass

    @staticmethod
    def page(disk: Disk, code: int) -> bytes:
        """A mode page, as MODE SELECT takes it."""
        data = disk.run(bytes([0x5A, 0x08, code, 0, 0, 0, 0, 1, 0, 0]), receive=256).data[8:]
        return bytes([data[0] & 0x3F]) + data[1 : 2 + data[1]]

    def restore_pages(self) -> None:
        """Mode pages as they were, each disk's own."""
        for disk, pages in zip(self.disks, self.pages, strict=True):
            for page in pages:
                list_ = bytes(8) + page
                disk.run(bytes([0x55, 0x10, 0, 0, 0, 0, 0, 0, len(list_), 0]), send=list_)
        self.settle()

    def flip_sense_format(self) -> None:
        """D_SENSE (SPC-5, 7.5.9) of both."""
        for pages in self.pages:
            control = bytearray(pages[1])
            control[2] ^= 0x04
            pages[1] = bytes(control)
        self.restore_pages()

    def zones(self) -> tuple[list[Zone], list[Zone]] | None:
        """Of each; ``None``: both are stopped."""
        answers = self.both(REPORT_ALL, receive=ROOM)
        stopped = [answer.sense == STOPPED for answer in answers]
        if all(stopped):
            return None
        if any(stopped):
            self.both(START)
            return self.zones()
        ours, theirs = (
            [Zone.parse(answer.data[at : at + 64]) for at in range(64, len(answer.data), 64)]
            for answer in answers
        )
        return ours, theirs

    def heal(self, drawn: Drawn | None, zones: list[Zone]) -> list[Zone]:
        """Makes good what a difference did to zones, and to data if it was one of ``drawn``."""
        conventional = sum(zone.blocks for zone in zones if zone.kind == 1)
        if drawn and drawn.cdb[0] in WRITES | {COMPARE_AND_WRITE}:
            lba = lba_of(drawn.cdb)
            self.both(b"\x93\x01" + bytes(8) + conventional.to_bytes(4, "big") + b"\0\0")
            for zone in zones:
                if zone.kind != 1 and zone.start <= lba + count_of(drawn.cdb) and lba < zone.end:
                    self.both(zone_out(FINISH, zone.start))
                    self.both(zone_out(RESET, zone.start))
        for last in (False, True):
            both = self.zones()
            assert both is not None
            apart = [pair for pair in zip(*both, strict=True) if pair[0] != pair[1]]
            if not apart:
                return both[0]
            for ours, theirs in apart:
                self.both(
                    zone_out(CLOSE if ours.pointer == theirs.pointer and not last else RESET, ours.start)
                )
        self.both(zone_out(RESET, 0, every=True))
        both = self.zones()
        assert both is not None and both[0] == both[1], both
        return both[0]


class Run:
    """A stream of commands to a pair, and the differences that it had."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair, self.dice = pair, random.Random(seed)
        self.tables = [operation_codes(disk) for disk in pair.disks]
        self.source = Source(self.tables[0], BLOCK, self.dice)
        self.zones = pair.heal(None, [])
        self.stopped = False
        self.sent: Counter[str] = Counter()
        self.good: Counter[str] = Counter()

    def step(self, number: int) -> None:
        """One command to both, and a line if anything differs."""
        drawn = self.drawn()
        cdb, name = drawn.cdb, drawn.cdb[:1].hex()
        ours, theirs = self.pair.both(*drawn)
        self.sent[name] += 1
        self.good[name] += ours.sense is None
        if self.stopped:
            self.pair.both(START)
            self.stopped = False
        if cdb[0] in (MODE_SELECT_6, MODE_SELECT_10) and None in (ours.sense, theirs.sense):
            self.pair.restore_pages()
        apart: list[list[object]] = []
        refused = ours.outcome == theirs.outcome and ours.sense is not None
        if number % CHECK_EVERY == 0 or not (refused or cdb[0] in CHANGE_NOTHING):
            both = self.pair.zones()
            self.stopped = both is None
            if both:
                self.zones = both[0]
                apart = [[n, *two] for n, two in enumerate(zip(*both, strict=True)) if two[0] != two[1]]
        differs = ours.outcome != theirs.outcome
        data = not differs and cdb[0] in SAME_DATA and ours.data != theirs.data
        detail = any(
            None not in two and two[0] != two[1]
            for two in ((ours.pointer, theirs.pointer), (ours.information, theirs.information))
        )
        if differs or data or detail or apart:
            line: dict[str, object] = {"number": number, "cdb": cdb.hex(), "sent": drawn.send[:64].hex()}
            line |= {"ours": ours.plain(), "theirs": theirs.plain(), "apart": apart}
            line["data"] = [packed(ours.data), packed(theirs.data)] if data else None
            print(json.dumps(line), flush=True)
        if (differs and cdb[0] in WRITES | {COMPARE_AND_WRITE}) or apart:
            self.zones = self.pair.heal(drawn if differs else None, self.zones)

    def drawn(self) -> Drawn:
        """The next command. What a VERIFY compares with is mostly what is there."""
        drawn = self.source.draw(self.zones)
        if drawn.cdb[0] not in VERIFIES or not drawn.send or self.dice.random() > 0.7:
            return drawn
        where = lba_of(drawn.cdb).to_bytes(8, "big") + count_of(drawn.cdb).to_bytes(4, "big")
        there = self.pair.disks[0].run(b"\x88\0" + where + b"\0\0", receive=len(drawn.send)).data
        return drawn._replace(send=there.ljust(len(drawn.send), b"\0"))

    def summary(self) -> dict[str, object]:
        """How many commands there were, by operation code, and how many were GOOD; the disks' tables."""
        tables = [[[usage.mask.hex(), usage.has_action] for usage in table] for table in self.tables]
        return {"sent": self.sent, "good": self.good, "tables": tables}


def main() -> None:
    """Prints the differences, then the summary. Halfway sense data change to the descriptor format."""
    ours, theirs, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    run, began = Run(Pair(ours, theirs), seed), time.monotonic()
    for number in range(count):
        if number == count // 2:
            run.pair.flip_sense_format()
        run.step(number)
    print(json.dumps(run.summary() | {"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
