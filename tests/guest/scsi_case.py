"""A command that two disks answered otherwise, as tools/same_answers.py tells of it."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zonevm._core import command_name

from .tools.draw import LENGTH, ZONE_OUT, Usage, count_of, field, lba_of

GOOD = "GOOD"

Table = dict[tuple[int, int], bytes]
"""Usage masks by operation code and service action, or -1."""


def table(usages: list[Usage]) -> Table:
    return {(mask[0], mask[1] & 0x1F if has_action else -1): mask for mask, has_action in usages}


@dataclass(frozen=True)
class Case:
    """``ours`` and ``theirs`` differ, status and sense; or data, the field pointer, or the zones then."""

    raw: dict[str, Any]
    our_table: Table
    their_table: Table

    @cached_property
    def cdb(self) -> bytes:
        return bytes.fromhex(self.raw["cdb"])

    @property
    def opcode(self) -> int:
        return self.cdb[0]

    @cached_property
    def ours(self) -> str:
        return _said(self.raw["ours"])

    @cached_property
    def theirs(self) -> str:
        return _said(self.raw["theirs"])

    @property
    def both(self) -> tuple[str, str]:
        return self.ours, self.theirs

    @cached_property
    def data(self) -> tuple[bytes, bytes] | None:
        """Data-in, where both were GOOD and it differs."""
        packed = self.raw["data"]
        ours, theirs = (zlib.decompress(base64.b64decode(each)) for each in packed or ("eJwDAAAAAAE=",) * 2)
        return (ours, theirs) if packed else None

    @property
    def sent(self) -> bytes:
        """The first bytes of the data-out buffer."""
        return bytes.fromhex(self.raw["sent"])

    @property
    def apart(self) -> bool:
        """Whether zones have come apart."""
        return bool(self.raw["apart"])

    @property
    def pointers(self) -> tuple[str | None, str | None]:
        """The field pointers, where nothing else differs."""
        if self.ours != self.theirs or self.data or self.apart:
            return None, None
        return self.raw["ours"]["pointer"], self.raw["theirs"]["pointer"]

    @property
    def length(self) -> int:
        """The allocation or parameter list length."""
        return field(self.cdb, LENGTH)

    @property
    def lba(self) -> int:
        return lba_of(self.cdb)

    @property
    def count(self) -> int:
        """Of blocks; of zones in a zone management command."""
        return int.from_bytes(self.cdb[12:14], "big") if self.opcode == ZONE_OUT else count_of(self.cdb)

    def crosses(self, boundary: int) -> bool:
        """Whether blocks on both sides of an LBA are meant."""
        return self.lba < boundary < self.lba + self.count

    def key(self, known: Table) -> tuple[int, int]:
        """Of the command in a table, where it is there."""
        plain = (self.opcode, -1)
        return plain if plain in known else (self.opcode, self.cdb[1] & 0x1F)

    @staticmethod
    def has(opcode: int, known: Table) -> bool:
        """Whether a table has any command of an operation code."""
        return any(each == opcode for each, _ in known)

    def outside(self, known: Table) -> bool:
        """Whether the CDB has bits that are not in the command's usage mask."""
        mask = known.get(self.key(known), b"")
        return any(bits & ~used for bits, used in zip(self.cdb[1:], mask[1:], strict=False))

    def only_in(self, one: Table, other: Table) -> bool:
        """Whether ``one`` has the command, with all bits that the CDB has, and ``other`` has not."""
        if self.key(one) not in one or self.outside(one):
            return False
        return self.key(other) not in other or self.outside(other)

    def __str__(self) -> str:
        name = command_name(self.cdb) or "unknown"
        text = f"#{self.raw['number']} {name}: {self.cdb.hex(' ')}"
        for who, said in (("ours", self.ours), ("scsi_debug", self.theirs)):
            pointer = self.raw["ours" if who == "ours" else "theirs"]["pointer"]
            text += f"\n    {who}: {said}" + (f", field pointer {pointer}" if pointer else "")
        if self.sent:
            text += f"\n    sent: {self.sent.hex()}"
        if self.data:
            text += "".join(f"\n    {len(each)} bytes: {each[:128].hex()}" for each in self.data)
        for number, ours, theirs in self.raw["apart"][:3]:
            text += (
                f"\n    zone {number}, [type, condition, blocks, start, pointer]: {ours}, scsi_debug {theirs}"
            )
        return text


def _said(answer: dict[str, Any]) -> str:
    """GOOD, or the sense key, code and qualifier; in words what should not be."""
    status, host, sense = answer["status"], answer["host"], answer["sense"]
    if (status, host, sense) == (0, 0, None):
        return GOOD
    if (status, host) == (2, 0) and sense:
        return f"{sense[0]:X}/{sense[1]:02X}/{sense[2]:02X}"
    return f"status {status:02X}h, host status {host}, sense {sense}"
