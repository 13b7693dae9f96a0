"""Kernels and modules of a few bytes, for tests."""

from __future__ import annotations

import struct
from pathlib import Path

ELF = b"\x7fELF\x02"


def bzimage(path: Path, version: str, payload: bytes = b"") -> Path:
    """A file with the header of a boot image: one setup sector, its payload right after it."""
    header = bytearray(1024)
    header[0x1F1] = 1
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<HHH", header, 0x206, 0x020F, 0, 0)
    struct.pack_into("<H", header, 0x20E, 0x300 - 0x200)
    header[0x300 : 0x300 + len(version)] = version.encode()
    struct.pack_into("<II", header, 0x248, 0, len(payload))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(header) + payload)
    return path


def vmlinux(note: int) -> bytes:
    """A small ELF kernel with one note of Xen's."""
    body = struct.pack("<III", 4, 4, note) + b"Xen\0" + bytes(4)
    header = bytearray(64)
    header[:6] = ELF + b"\x01"
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, 1)
    return bytes(header) + struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(body), len(body), 4) + body


def install(root: Path, version: str) -> Path:
    """A kernel as a package unpacks."""
    modules = root / "lib/modules" / version
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    return bzimage(root / f"boot/vmlinuz-{version}", f"{version} (someone@somewhere) #1 SMP")


def minimal_module() -> bytes:
    """An ELF object that depmod accepts: no sections but the null one and their names."""
    names = b"\0.shstrtab\0"
    header = ELF + bytes([1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, 64 + 16, 0, 64, 0, 0, 64, 2, 1)
    section = struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, 64, len(names), 0, 0, 1, 0)
    return header + names.ljust(16, b"\0") + bytes(64) + section
