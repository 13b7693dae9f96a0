"""SCSI commands to a disk in a guest, by the sg3-utils that its user would take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from zonevm import Guest

GOOD: Sense | None = None


class Sense(NamedTuple):
    """Sense key, additional sense code, qualifier."""

    key: int
    asc: int
    ascq: int

    def __str__(self) -> str:
        return f"{self.key:X}/{self.asc:02X}/{self.ascq:02X}"


@dataclass(frozen=True)
class Answer:
    """How a command ended: no sense means GOOD."""

    sense: Sense | None
    data: bytes
    text: str


class Scsi:
    """One disk, through its SG node, so that nothing of Linux's block layer stands in between."""

    def __init__(self, guest: Guest, node: str, zone_blocks: int) -> None:
        self.guest = guest
        self.disk = node
        name = node.removeprefix("/dev/")
        listed = guest.run(["ls", f"/sys/block/{name}/device/scsi_generic"], check=True)
        self.sg = "/dev/" + listed.stdout.decode().strip()
        self.zone_blocks = zone_blocks
        self.raw(bytes(6))  # TEST UNIT READY takes a pending unit attention with it

    def zone(self, number: int) -> int:
        """The first LBA of a zone."""
        return number * self.zone_blocks

    def raw(self, cdb: bytes, *, send: int = 0, receive: int = 0) -> Answer:
        """One CDB, with ``send`` zero bytes of data-out or up to ``receive`` of data-in."""
        argv = ["sg_raw", "-vvv", "-t", "60"]
        if send:
            argv += ["-s", str(send), "-i", "/dev/zero"]
        if receive:
            argv += ["-b", "-r", str(receive), "-o", "/tmp/sg_raw.out"]
        script = 'rm -f /tmp/sg_raw.out; "$@" >&2; code=$?; cat /tmp/sg_raw.out 2>/dev/null; exit $code'
        done = self.guest.run(["sh", "-c", script, "sh", *argv, self.sg, *(f"{byte:02x}" for byte in cdb)])
        text = done.stderr.decode(errors="replace")
        if done.returncode == 0:
            return Answer(GOOD, done.stdout, text)
        return Answer(_sense(text), done.stdout, text)

    def write16(self, lba: int, blocks: int, *, block_size: int = 512) -> Sense | None:
        """WRITE(16) of zeroes."""
        cdb = b"\x8a\0" + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + b"\0\0"
        return self.raw(cdb, send=blocks * block_size).sense

    def read16(self, lba: int, blocks: int, *, block_size: int = 512) -> Answer:
        """READ(16)."""
        cdb = b"\x88\0" + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + b"\0\0"
        return self.raw(cdb, receive=blocks * block_size)

    def zone_out(self, action: int, zone_id: int, *, every: bool = False, count: int = 0) -> Sense | None:
        """ZBC OUT: 1 CLOSE, 2 FINISH, 3 OPEN, 4 RESET WRITE POINTER (ZBC-2, 5)."""
        cdb = bytes([0x94, action]) + zone_id.to_bytes(8, "big") + bytes(2)
        cdb += count.to_bytes(2, "big") + bytes([int(every), 0])
        return self.raw(cdb).sense

    def reset_all(self) -> None:
        """Every sequential zone empty again."""
        assert self.zone_out(4, 0, every=True) is GOOD

    def report(
        self, start: int = 0, option: int = 0, *, partial: bool = False, length: int = 65536
    ) -> Answer:
        """REPORT ZONES."""
        cdb = b"\x95\0" + start.to_bytes(8, "big") + length.to_bytes(4, "big")
        return self.raw(cdb + bytes([option | partial << 7, 0]), receive=length)

    def zones(self, start: int = 0, option: int = 0) -> list[Reported]:
        """The zones that REPORT ZONES tells of."""
        answer = self.report(start, option)
        assert answer.sense is GOOD, answer.text
        listed = int.from_bytes(answer.data[:4], "big") // 64
        return [Reported.parse(answer.data[64 * (n + 1) : 64 * (n + 2)]) for n in range(listed)]

    def condition(self, number: int) -> int:
        """The zone condition code of one zone."""
        return self.zones(self.zone(number))[0].condition


class Reported(NamedTuple):
    """A zone descriptor (ZBC-2, table of REPORT ZONES)."""

    kind: int
    condition: int
    length: int
    start: int
    write_pointer: int

    @classmethod
    def parse(cls, raw: bytes) -> Reported:
        """From the 64 bytes of the wire."""
        number = int.from_bytes
        return cls(raw[0] & 15, raw[1] >> 4, number(raw[8:16]), number(raw[16:24]), number(raw[24:32]))


def _sense(text: str) -> Sense:
    """The sense bytes that sg_raw prints in hex, fixed or descriptor format."""
    found = re.search(r"Raw sense data[^\n]*\n((?:\s+(?:[0-9a-f]{2}\s*)+\n?)+)", text)
    assert found, f"no sense data in what sg_raw printed:\n{text}"
    raw = bytes.fromhex(found[1])
    if raw[0] & 0x7F in (0x72, 0x73):
        return Sense(raw[1] & 15, raw[2], raw[3])
    return Sense(raw[2] & 15, raw[12], raw[13])
