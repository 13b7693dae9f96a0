"""Writes to a disk of ours by SCSI commands, so that its zones are right by construction."""

from __future__ import annotations

from pathlib import Path

from zonevm import images
from zonevm.errors import ImageError

_WRITE_16, _WRITE_SAME_16, _ZBC_OUT = 0x8A, 0x93, 0x94
_NO_DATA_OUT = 0x01
_CLOSE, _FINISH = 0x01, 0x02
_LARGEST = 32 << 20
_GOOD = 0


class Writer:
    """The disk of the image ``path``; offsets and lengths in bytes, whole blocks of 4096."""

    def __init__(self, disk: images.Disk, path: Path) -> None:
        self._disk = disk
        self._path = path
        self._block = disk.info()["block_size"]
        disk.execute(bytes(6))  # TEST UNIT READY takes the unit attention of power on

    def write(self, offset: int, data: bytes) -> None:
        """WRITE(16)."""
        self._execute(bytes([_WRITE_16, 0]) + self._range(offset, len(data)) + bytes(2), offset, data)

    def write_zeroes(self, offset: int, length: int) -> None:
        """WRITE SAME(16) without data: zeroes that take no space."""
        for at in range(offset, offset + length, _LARGEST):
            part = self._range(at, min(_LARGEST, offset + length - at))
            self._execute(bytes([_WRITE_SAME_16, _NO_DATA_OUT]) + part + bytes(2), at)

    def finish(self, zone_start: int) -> None:
        """FINISH ZONE: it is full, and reads as zeroes where it was not written."""
        self._manage(_FINISH, zone_start)

    def close(self, zone_start: int) -> None:
        """CLOSE ZONE."""
        self._manage(_CLOSE, zone_start)

    def _manage(self, action: int, zone_start: int) -> None:
        zone = (zone_start // self._block).to_bytes(8, "big")
        self._execute(bytes([_ZBC_OUT, action]) + zone + bytes(6), zone_start)

    def _range(self, offset: int, length: int) -> bytes:
        return (offset // self._block).to_bytes(8, "big") + (length // self._block).to_bytes(4, "big")

    def _execute(self, cdb: bytes, offset: int, data: bytes = b"") -> None:
        response = self._disk.execute(cdb, data)
        if response.status != _GOOD:
            raise ImageError(
                f"{self._path} cannot be written at byte {offset} of the disk: "
                f"sense data {response.sense[:18].hex(' ')}",
                f"Is the file system of {self._path.absolute().parent} full?",
            )
