"""Makes a zonefs on a zoned disk: Debian has no zonefs-tools.

Usage: mkzonefs.py DEVICE. Writes the super block, as fs/zonefs/zonefs.h has it, to the first zone.
"""

import os
import struct
import sys
import zlib
from pathlib import Path

MAGIC = 0x5A4F4653
SIZE = 4096


def super_block() -> bytes:
    """magic, crc, label[64], uuid[16], features, uid, gid, permissions, reserved."""

    def block(crc: int) -> bytes:
        packed = struct.pack("<II64s16sQIII", MAGIC, crc, b"test", bytes(16), 0, 0, 0, 0o640)
        return packed.ljust(SIZE, b"\0")

    return block(zlib.crc32(block(0)) ^ 0xFFFF_FFFF)  # the kernel's crc32() has no final inversion


if __name__ == "__main__":
    with Path(sys.argv[1]).open("r+b", buffering=0) as device:
        device.write(super_block())
        os.fsync(device.fileno())
