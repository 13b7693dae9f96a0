"""Sends the same random NVMe commands to two namespaces, and prints where their answers or zones differ.

Usage: same_nvme.py OURS THEIRS SEED COMMANDS; generic nodes (/dev/ngXnY) of namespaces that look alike. A
line of JSON for each difference, then one with what was sent. Zones that came apart are all reset.
"""

from __future__ import annotations

import json
import random
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.guest.tools.nvme import Answer, send

FLUSH, WRITE, READ, UNCORRECTABLE, COMPARE = 0x00, 0x01, 0x02, 0x04, 0x05
WRITE_ZEROES, DATASET, VERIFY, SEND, RECEIVE, APPEND = 0x08, 0x09, 0x0C, 0x79, 0x7A, 0x7D
CLOSE, FINISH, OPEN, RESET, OFFLINE, SET_EXTENSION = 1, 2, 3, 4, 5, 0x10
BLOCK, ZONES, ZONE, CAPACITY, EXTENSION = 512, 32, 256, 248, 64
VALID = 0x80
"""Of a zone's attributes: its descriptor extension is valid."""
HOT = 8
"""Zones that most commands are about, so that they meet."""
MOST_BLOCKS = 64


Drawn = tuple[int, dict[int, int], bytes, int]
"""Opcode, command dwords, what is sent, room for what is received."""


class Zone:
    """A zone descriptor (ZNS 1.1, 3.4.2.2.4)."""

    def __init__(self, raw: bytes) -> None:
        self.state, self.attributes = raw[1] >> 4, raw[2]
        self.start: int
        self.pointer: int
        _, self.start, self.pointer = struct.unpack_from("<QQQ", raw, 8)

    def told(self) -> list[int]:
        """What has to agree: a write pointer only where the state has one."""
        return [self.state, self.attributes, self.start, self.pointer if self.state in (1, 2, 3, 4) else 0]


class Dice:
    """Draws commands: opcode, dwords, what is sent, room for what is received."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def command(self, zones: list[Zone]) -> Drawn:
        chance = self._chance
        zone = zones[chance.randrange(HOT if chance.random() < 0.9 else ZONES)]
        kind = chance.choices(
            ("write", "append", "read", "compare", "zeroes", "verify", "send", "all", "receive", "flush",
             "dataset", "other"),
            (24, 10, 12, 4, 4, 3, 22, 1, 6, 2, 2, 3),
        )[0]  # fmt: skip
        drawn: Drawn = getattr(self, f"_{kind}")(zone)
        return drawn

    def _blocks(self, lba: int, count: int, flags: int = 0) -> dict[int, int]:
        if self._chance.random() < 0.05:
            flags |= 1 << 30
        return {10: lba & 0xFFFFFFFF, 11: lba >> 32, 12: (count - 1) | flags}

    def _count(self) -> int:
        return self._chance.choice((1, 1, 2, 7, 8, 31, MOST_BLOCKS))

    def _near(self, zone: Zone) -> int:
        """An LBA at a write pointer, mostly; or elsewhere, also past the end."""
        chance = self._chance
        if chance.random() < 0.8:
            return zone.pointer if zone.pointer < ZONES * ZONE else zone.start
        return chance.choice(
            (zone.start, zone.start + chance.randrange(ZONE), zone.start + CAPACITY - 2, ZONES * ZONE,
             ZONES * ZONE - 1, 1 << 40)
        )  # fmt: skip

    def _write(self, zone: Zone) -> Drawn:
        count = self._count()
        return WRITE, self._blocks(self._near(zone), count), self._chance.randbytes(count * BLOCK), 0

    def _append(self, zone: Zone) -> Drawn:
        count = self._count()
        lba = zone.start + (self._chance.randrange(3) if self._chance.random() < 0.1 else 0)
        return APPEND, self._blocks(lba, count), self._chance.randbytes(count * BLOCK), 0

    def _read(self, zone: Zone) -> Drawn:
        count = self._count()
        lba = self._near(zone) if self._chance.random() < 0.2 else zone.start + self._chance.randrange(ZONE)
        return READ, self._blocks(lba, count), b"", count * BLOCK

    def _compare(self, zone: Zone) -> Drawn:
        data = bytes(BLOCK) if self._chance.random() < 0.5 else self._chance.randbytes(BLOCK)
        return COMPARE, self._blocks(zone.start + self._chance.randrange(ZONE), 1), data, 0

    def _zeroes(self, zone: Zone) -> Drawn:
        return WRITE_ZEROES, self._blocks(self._near(zone), self._count()), b"", 0

    def _verify(self, zone: Zone) -> Drawn:
        return VERIFY, self._blocks(zone.start + self._chance.randrange(ZONE), self._count()), b"", 0

    def _send(self, zone: Zone) -> Drawn:
        chance = self._chance
        action = chance.choice((CLOSE, FINISH, OPEN, RESET, RESET, SET_EXTENSION, OFFLINE, 6))
        if action == OFFLINE and chance.random() < 0.8:
            action = OPEN
        lba = zone.start + (1 if chance.random() < 0.05 else 0)
        if chance.random() < 0.02:
            lba = ZONES * ZONE + chance.randrange(3)
        data = chance.randbytes(EXTENSION) if action == SET_EXTENSION else b""
        return SEND, {10: lba & 0xFFFFFFFF, 11: lba >> 32, 13: action}, data, 0

    def _all(self, _: Zone) -> Drawn:
        action = self._chance.choice((CLOSE, FINISH, OPEN, RESET))
        return SEND, {13: action | 1 << 8}, b"", 0

    def _receive(self, zone: Zone) -> Drawn:
        chance = self._chance
        extended = chance.random() < 0.3
        room = chance.choice((64, 128, 192, 1024, 4096))
        option, partial = chance.randrange(9), chance.randrange(2)
        words = {10: zone.start, 12: room // 4 - 1, 13: extended | option << 8 | partial << 16}
        return RECEIVE, words, b"", room

    def _flush(self, _: Zone) -> Drawn:
        return FLUSH, {}, b"", 0

    def _dataset(self, zone: Zone) -> Drawn:
        ranges = struct.pack("<IIQ", 0, self._count(), zone.start + self._chance.randrange(CAPACITY))
        return DATASET, {10: 0, 11: self._chance.choice((0, 4))}, ranges, 0

    def _other(self, _: Zone) -> Drawn:
        return self._chance.choice((0x03, 0x06, 0x20, 0x7B, 0x7F)), {}, b"", 0


def zones(node: int) -> list[Zone]:
    """All zones of a namespace."""
    room = 64 * (ZONES + 1)
    answer = send(node, RECEIVE, dwords={12: room // 4 - 1}, room=room)
    assert answer.status == 0
    return [Zone(answer.data[at : at + 64]) for at in range(64, room, 64)]


def extensions(node: int) -> list[str]:
    """The descriptor extensions of all zones that have a valid one, by an extended report."""
    length = 64 + EXTENSION
    room = 64 + length * ZONES
    data = send(node, RECEIVE, dwords={12: room // 4 - 1, 13: 1}, room=room).data
    found = (data[at : at + length] for at in range(64, room, length))
    return [each[64:].hex() if Zone(each).attributes & VALID else "" for each in found]


def as_dict(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "result": answer.result, "data": answer.data.hex()}


def main(arguments: list[str]) -> None:
    """Send, compare, print."""
    _, ours, theirs, seed, commands = arguments
    dice, sent, good = Dice(int(seed)), Counter[str](), 0
    with Path(ours).open("rb+", buffering=0) as first, Path(theirs).open("rb+", buffering=0) as second:
        nodes = [first.fileno(), second.fileno()]
        before = zones(nodes[0])
        told = [extensions(node) for node in nodes]
        for number in range(int(commands)):
            opcode, words, data, room = dice.command(before)
            sent[f"{opcode:02x}"] += 1
            one, two = (send(node, opcode, dwords=words, out=data, room=room) for node in nodes)
            good += one.status == 0
            after = [zones(node) for node in nodes]
            apart = [
                [number, ours.told(), theirs.told()]
                for number, (ours, theirs) in enumerate(zip(*after, strict=True))
                if ours.told() != theirs.told()
            ]
            if words.get(13) == SET_EXTENSION:
                told = [extensions(node) for node in nodes]
            if one != two or apart or told[0] != told[1]:
                case = {"number": number, "opcode": opcode, "words": words, "apart": apart}
                case |= {"ours": as_dict(one), "theirs": as_dict(two), "extended": told[0] != told[1]}
                print(json.dumps(case))
            if apart or told[0] != told[1]:
                for node in nodes:
                    send(node, SEND, dwords={13: RESET | 1 << 8})
                after = [zones(node) for node in nodes]
                told = [extensions(node) for node in nodes]
            before = after[0]
    print(json.dumps({"sent": sent, "good": good}))


if __name__ == "__main__":
    main(sys.argv)
