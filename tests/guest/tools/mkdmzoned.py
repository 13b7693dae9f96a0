"""Formats a zoned disk for dm-zoned: Debian has no dm-zoned-tools.

Usage: mkdmzoned.py DEVICE CONVENTIONAL. CONVENTIONAL is the number of conventional zones, which come first
and must hold two sets of metadata and leave some over. Prints the length of the dm device in sectors.
The layout is that of drivers/md/dm-zoned-metadata.c, version 1: a super block, the chunk mapping (8 bytes a
chunk, all unmapped), a bitmap of valid blocks for each zone (all zero); then the same again, as a spare.
"""

import struct
import sys
import zlib
from pathlib import Path

BLOCK = 4096
MAGIC = int.from_bytes(b"DZBD", "big")
RESERVED_SEQUENTIAL = 4
GENERATION = 1
MAP_ENTRIES = BLOCK // 8
BITS = BLOCK * 8


def ceil_div(value: int, by: int) -> int:
    """Rounded up."""
    return -(-value // by)


def format_disk(device: str, conventional: int) -> int:
    """Writes both sets; returns the sectors that the dm device has."""
    queue = Path("/sys/block") / Path(device).name / "queue"
    zone_blocks = int((queue / "chunk_sectors").read_text()) // 8
    zones = int((queue / "nr_zones").read_text())
    bitmap_blocks = zones * max(1, zone_blocks // BITS)
    set_zones = 1
    while True:
        chunks = zones - 2 * set_zones - RESERVED_SEQUENTIAL
        map_blocks = ceil_div(chunks, MAP_ENTRIES)
        meta_blocks = 1 + map_blocks + bitmap_blocks
        if ceil_div(meta_blocks, zone_blocks) <= set_zones:
            break
        set_zones += 1
    if 2 * set_zones >= conventional:
        sys.exit(f"{conventional} conventional zones cannot hold two sets of {set_zones} zones of metadata")

    def super_block(at: int) -> bytes:
        def block(crc: int) -> bytes:
            return struct.pack(
                "<IIQQIIIIII",
                MAGIC, 1, GENERATION, at, meta_blocks, RESERVED_SEQUENTIAL, chunks, map_blocks, bitmap_blocks,
                crc,
            ).ljust(BLOCK, b"\0")  # fmt: skip

        # crc32_le(gen, ...): seeded with the generation, no final inversion
        return block(zlib.crc32(block(0), GENERATION ^ 0xFFFF_FFFF) ^ 0xFFFF_FFFF)

    with Path(device).open("r+b") as disk:
        for first in (0, set_zones * zone_blocks):
            disk.seek(first * BLOCK)
            disk.write(super_block(first))
            disk.write(b"\xff" * BLOCK * map_blocks)
            disk.write(bytes(BLOCK * bitmap_blocks))
    return chunks * zone_blocks * 8


if __name__ == "__main__":
    print(format_disk(sys.argv[1], int(sys.argv[2])))
