"""Writes to a disk of ours by commands of its protocol, so that its zones are right by construction."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from pathlib import Path

from zonevm import images
from zonevm.errors import ImageError

_LARGEST = 32 << 20
_GOOD = 0


class _Commands(ABC):
    """The commands of a protocol; LBAs and numbers of blocks."""

    @abstractmethod
    def write(self, lba: int, count: int) -> bytes: ...
    @abstractmethod
    def write_zeroes(self, lba: int, count: int) -> bytes: ...
    @abstractmethod
    def finish(self, lba: int) -> bytes: ...
    @abstractmethod
    def close(self, lba: int) -> bytes: ...


class _Scsi(_Commands):
    """WRITE(16), WRITE SAME(16) without data, FINISH ZONE, CLOSE ZONE (SBC-4, ZBC-2)."""

    def write(self, lba: int, count: int) -> bytes:
        return struct.pack(">BBQIH", 0x8A, 0, lba, count, 0)

    def write_zeroes(self, lba: int, count: int) -> bytes:
        return struct.pack(">BBQIH", 0x93, 0x01, lba, count, 0)

    def finish(self, lba: int) -> bytes:
        return struct.pack(">BBQ6x", 0x94, 0x02, lba)

    def close(self, lba: int) -> bytes:
        return struct.pack(">BBQ6x", 0x94, 0x01, lba)


class _Nvme(_Commands):
    """Write, Write Zeroes, Zone Management Send (NVMe 1.4, 6; ZNS 1.1, 3.4.3)."""

    def write(self, lba: int, count: int) -> bytes:
        return self._entry(0x01, lba, count - 1)

    def write_zeroes(self, lba: int, count: int) -> bytes:
        return self._entry(0x08, lba, count - 1)

    def finish(self, lba: int) -> bytes:
        return self._entry(0x79, lba, 0, 0x02)

    def close(self, lba: int) -> bytes:
        return self._entry(0x79, lba, 0, 0x01)

    @staticmethod
    def _entry(opcode: int, lba: int, word12: int, word13: int = 0) -> bytes:
        return struct.pack("<B3xI32xQII8x", opcode, 1, lba, word12, word13)


class Writer:
    """The disk of the image ``path``; offsets and lengths in bytes, whole blocks of 4096."""

    def __init__(self, disk: images.Disk, path: Path) -> None:
        info = disk.info()
        self._disk = disk
        self._path = path
        self._block = info["block_size"]
        self._commands: _Commands = _Nvme()
        if images.kind_of(info) == "smr":
            self._commands = _Scsi()
            disk.execute(bytes(6))  # TEST UNIT READY takes the unit attention of power on

    def write(self, offset: int, data: bytes) -> None:
        """Write data."""
        self._execute(self._commands.write(*self._range(offset, len(data))), offset, data)

    def write_zeroes(self, offset: int, length: int) -> None:
        """Write zeroes that take no space."""
        for at in range(offset, offset + length, _LARGEST):
            part = self._range(at, min(_LARGEST, offset + length - at))
            self._execute(self._commands.write_zeroes(*part), at)

    def finish(self, zone_start: int) -> None:
        """Finish a zone: it is full, and reads as zeroes where it was not written."""
        self._execute(self._commands.finish(zone_start // self._block), zone_start)

    def close(self, zone_start: int) -> None:
        """Close a zone, where there is something to close."""
        self._execute(self._commands.close(zone_start // self._block), zone_start)

    def _range(self, offset: int, length: int) -> tuple[int, int]:
        return offset // self._block, length // self._block

    def _execute(self, command: bytes, offset: int, data: bytes = b"") -> None:
        response = self._disk.execute(command, data)
        if response.status != _GOOD:
            sense = response.sense[:18].hex(" ")
            raise ImageError(
                f"{self._path} cannot be written at byte {offset} of the disk: "
                f"{f'sense data {sense}' if sense else f'status {response.status:#x}'}",
                f"Is the file system of {self._path.absolute().parent} full?",
            )
