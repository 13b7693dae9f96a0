"""What Linux tells of block devices, as facts: read on this host, and in a guest, where this file is run.

In a guest it is a program for the host's interpreter: the standard library only. Its arguments are
``PCI-ADDRESS=COUNT``, controllers and how many disks each has; it waits for these, and prints JSON: of each
address the facts of its disks, in the order of their LUNs.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
import sys
import time
from pathlib import Path

_SECTOR = 512
_TURNS = 400
"""How often to look for the disks: on a busy host a turn takes longer, and so do they."""
_POLL_SECONDS = 0.05

# linux/blkzoned.h: BLKREPORTZONE; struct blk_zone_report (sector, nr_zones, flags) and, of each
# struct blk_zone, the start, length, write pointer, type and, if the first flag is set, capacity.
_REPORT = 0xC0101282
_REPORT_HEAD = struct.Struct("=QII")
_ZONE = struct.Struct("=QQQBBBB4xQ24x")
_REPORT_ZONES = 4096
_HAS_CAPACITY = 1
_CONVENTIONAL = 1

Fact = str | int


def facts(block: Path, node: Path | None) -> dict[str, Fact]:
    """Return the facts of the device in ``block``, a directory of /sys/block; ``node`` shows its zones.

    Sizes are in bytes; a limit of 0 is none. Facts that the kernel does not tell are left out, those of zones
    for a device without.
    """
    queue = block / "queue"
    found: dict[str, Fact] = {
        "zoned model": _text(queue / "zoned") or "none",
        "capacity": _number(block / "size") * _SECTOR,
        "logical block size": _number(queue / "logical_block_size"),
        "physical block size": _number(queue / "physical_block_size"),
    }
    if found["zoned model"] != "none":
        found["zone size"] = _number(queue / "chunk_sectors") * _SECTOR
        found["zone count"] = _number(queue / "nr_zones")
        for name in ("open", "active"):
            if (queue / f"max_{name}_zones").exists():
                found[f"max {name} zones"] = _number(queue / f"max_{name}_zones")
        if node is not None:
            found |= _zone_facts(node)
    serial = _serial(block)
    if serial:
        found["serial"] = serial
    return found


def _zone_facts(node: Path) -> dict[str, Fact]:
    """Return what only a report of the zones tells; nothing where this user may not ask for one."""
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return {}
    conventional, capacity, sector = 0, 0, 0
    try:
        while zones := _report(descriptor, sector):
            conventional += sum(kind == _CONVENTIONAL for _, _, kind, _ in zones)
            capacity = capacity or next((size for _, _, kind, size in zones if kind != _CONVENTIONAL), 0)
            start, length, _, _ = zones[-1]
            sector = start + length
    finally:
        os.close(descriptor)
    return {"conventional zones": conventional, "zone capacity": capacity * _SECTOR}


def _report(descriptor: int, sector: int) -> list[tuple[int, int, int, int]]:
    """Return start, length, type, capacity (in sectors) of the zones from ``sector`` on; none at the end."""
    report = bytearray(_REPORT_HEAD.size + _REPORT_ZONES * _ZONE.size)
    _REPORT_HEAD.pack_into(report, 0, sector, _REPORT_ZONES, 0)
    fcntl.ioctl(descriptor, _REPORT, report)
    _, count, flags = _REPORT_HEAD.unpack_from(report)
    zones = []
    for number in range(count):
        start, length, _, kind, _, _, _, capacity = _ZONE.unpack_from(
            report, _REPORT_HEAD.size + number * _ZONE.size
        )
        zones.append((start, length, kind, capacity if flags & _HAS_CAPACITY else length))
    return zones


def _serial(block: Path) -> str:
    """Return the serial number: of SCSI it is VPD page 80h after 4 bytes (SPC-4, 7.8.15)."""
    try:
        return (block / "device/vpd_pg80").read_bytes()[4:].decode("ascii", "replace").strip("\0 ")
    except OSError:
        return _text(block / "device/serial") or _text(block / "serial")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _disks(address: str) -> list[Path]:
    """Return the whole disks behind a PCI function, which are links in /sys/block."""
    behind = [block for block in Path("/sys/block").iterdir() if f"/{address}/" in str(block.resolve())]
    shown = [block for block in behind if _text(block / "hidden") != "1"]
    return sorted(shown, key=_place)


def _place(block: Path) -> list[int]:
    """Return what tells a disk from others behind its function: of NVMe the namespace identifier.

    Linux scans the namespaces of a controller side by side, and names them in any order (nvme_scan_ns_list).
    """
    identifier = _text(block / "nsid")
    return [int(part) for part in re.findall(r"\d+", identifier or str(block.resolve()))]


def main(arguments: list[str]) -> None:
    """Print the facts of the disks of the controllers in ``arguments``."""
    wanted = {address: int(count) for address, _, count in (each.partition("=") for each in arguments)}
    for _ in range(_TURNS):
        if all(len(_disks(address)) >= count for address, count in wanted.items()):
            break
        time.sleep(_POLL_SECONDS)
    told = {address: [_told(disk) for disk in _disks(address)] for address in wanted}
    json.dump(told, sys.stdout)


def _told(block: Path) -> dict[str, Fact]:
    node = Path("/dev", block.name)
    return {"node": str(node), **facts(block, node)}


if __name__ == "__main__":
    main(sys.argv[1:])
