"""Runs in an inner guest: tries every zoned disk there, and prints what it saw as JSON, facts by disk.

One process for nearly everything, since to start a program takes long there.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import subprocess
from pathlib import Path

SECTOR = 512
LENGTH = 65536
# linux/blkzoned.h: BLKREPORTZONE with a struct blk_zone_report and one struct blk_zone; BLKRESETZONE.
REPORT, RESET = 0xC0101282, 0x40101283


def written(node: int, zone: int) -> int:
    """The bytes from the start of a zone, in sectors, to its write pointer."""
    report = bytearray(struct.pack("=QII64x", zone, 1, 0))
    fcntl.ioctl(node, REPORT, report)
    start: int
    pointer: int
    start, _, pointer = struct.unpack_from("=QQQ", report, 16)
    return (pointer - start) * SECTOR


def same(node: int, offset: int) -> bool:
    """Whether what is written there is read back."""
    source, target = mmap.mmap(-1, LENGTH), mmap.mmap(-1, LENGTH)
    source.write(os.urandom(LENGTH))
    os.pwrite(node, source, offset)
    os.preadv(node, [target], offset)
    return source[:] == target[:]


def misaligned(sg: str, block: int) -> str:
    """What sg_raw says of a WRITE (16) of 4096 bytes at a logical block."""
    cdb = struct.pack(">BBQIBB", 0x8A, 0, block, 8, 0, 0)
    argv = ["sg_raw", "-s", "4096", "-i", "/dev/zero", f"/dev/{sg}", *(f"{byte:02x}" for byte in cdb)]
    said = subprocess.run(argv, capture_output=True, text=True)
    return " ".join(said.stderr.split())


def tried(block: Path) -> dict[str, object]:
    """The facts of one disk; its third zone is written, read and reset."""
    queue = block / "queue"
    zone = 2 * int((queue / "chunk_sectors").read_text())
    node = os.open(f"/dev/{block.name}", os.O_RDWR | os.O_DIRECT | os.O_EXCL)
    facts: dict[str, object] = {
        "zoned": (queue / "zoned").read_text().strip(),
        "zones": int((queue / "nr_zones").read_text()),
        "zone size": zone // 2 * SECTOR,
        "same": same(node, zone * SECTOR),
        "written": written(node, zone),
    }
    generic = block / "device/scsi_generic"
    if generic.exists():
        facts["product"] = (block / "device/model").read_text().strip()
        facts["sense"] = misaligned(next(generic.iterdir()).name, zone + 256)
    fcntl.ioctl(node, RESET, struct.pack("=QQ", zone, zone // 2))
    facts["after a reset"] = written(node, zone)
    return facts


if __name__ == "__main__":
    disks = {block.name: tried(block) for block in sorted(Path("/sys/block").glob("[sv]d*"))}
    listed = subprocess.run(["lsscsi", "-g"], capture_output=True, text=True).stdout
    print(json.dumps({"lsscsi": listed, "disks": disks}))
