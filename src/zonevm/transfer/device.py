"""A zoned block device of this host as a source: real, or emulated by a kernel target or ``null_blk``.

The ioctl and its structures are those of ``include/uapi/linux/blkzoned.h``.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from zonevm.disks import SmrShape, ZnsShape
from zonevm.errors import HostError, ImageError
from zonevm.host.devices import Device, find_device
from zonevm.host.usable import require_usable
from zonevm.transfer.source import Source, SourceZone, like

_SECTOR = 512
_REPORT_ZONES = 0xC0101282
_HEADER = struct.Struct("=QII")
_ZONE = struct.Struct("=QQQBBBB4xQ24x")
_HAS_CAPACITY = 1
_CONVENTIONAL, _REQUIRED = 1, 2
_ZONES_AT_ONCE = 4096
_LARGEST_READ = 1 << 20


class ZonedDevice(Source):
    """A host-managed device, claimed exclusively while it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._zones: list[SourceZone] = []
        self._buffer = mmap.mmap(-1, _LARGEST_READ)

    def __enter__(self) -> ZonedDevice:
        device = find_device(self._path)
        require_usable(device)
        if device.zoned != "host-managed" or device.node is None or device.zones is None:
            raise HostError(
                f"{device} is {device.zoned}, or this kernel does not know zones",
                "Only a host-managed disk with a block node can be imported.",
            )
        # Direct reads, so that read-ahead never goes past a write pointer, where a device may refuse to read.
        flags = os.O_RDONLY | os.O_EXCL | os.O_DIRECT | os.O_CLOEXEC
        try:
            self._descriptor = os.open(device.node, flags)
            self._read_zones(device)
        except OSError as error:
            self._close()
            raise HostError(
                f"{device}: {error.strerror}", "Run zonevm as root, or as a user who may read it."
            ) from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def zones(self) -> Iterator[SourceZone]:
        """Yield the zones as they were when the device was opened."""
        yield from self._zones

    def extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield all of it: a device does not tell where its zeroes are."""
        if start < end:
            yield start, end

    def read(self, offset: int, length: int) -> bytes:
        read = os.preadv(self._descriptor, [memoryview(self._buffer)[:length]], offset)
        return self._buffer[:read]

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read_zones(self, device: Device) -> None:
        assert device.zones is not None
        zones, capacity = _report(self._descriptor, device)
        conventional = sum(zone.conventional for zone in zones)
        if any(zone.conventional for zone in zones[conventional:]):
            raise ImageError(
                f"{device} has conventional zones after sequential ones",
                "Disks of zonevm have their conventional zones at the start.",
            )
        self._zones = zones
        with like(device):
            if device.transport.startswith("nvme"):
                self.shape = ZnsShape(
                    size=device.capacity,
                    zone_size=device.zones.size,
                    zone_capacity=capacity,
                    max_open=device.zones.max_open,
                    max_active=device.zones.max_active,
                    block_size=device.logical_block_size,
                )
                return
            self.shape = SmrShape(
                size=device.capacity,
                zone_size=device.zones.size,
                conventional=conventional,
                block_size=device.logical_block_size,
                max_open=device.zones.max_open,
                zone_capacity=capacity,
            )


def _report(descriptor: int, device: Device) -> tuple[list[SourceZone], int | None]:
    """Return the zones of an open device, and the capacity of sequential ones where that is not their size.

    Raises :class:`ImageError` for what no disk of ours can have.
    """
    zones: list[SourceZone] = []
    at, least = 0, None
    while at < device.capacity:
        report = bytearray(_HEADER.size + _ZONES_AT_ONCE * _ZONE.size)
        _HEADER.pack_into(report, 0, at // _SECTOR, _ZONES_AT_ONCE, 0)
        fcntl.ioctl(descriptor, _REPORT_ZONES, report)
        _, count, flags = _HEADER.unpack_from(report)
        if not count:
            raise ImageError(f"{device} reports no zone at byte {at}", "Its zones cannot be known.")
        for index in range(count):
            start, length, pointer, kind, condition, _, _, capacity = _ZONE.unpack_from(
                report, _HEADER.size + index * _ZONE.size
            )
            if kind not in (_CONVENTIONAL, _REQUIRED):
                raise ImageError(f"{device} has a zone of type {kind}", "It is not a host-managed disk.")
            usable = capacity if flags & _HAS_CAPACITY else length
            if usable != length:
                if least not in (None, usable * _SECTOR):
                    raise ImageError(
                        f"{device} has zones of {least} and of {usable * _SECTOR} usable bytes",
                        "Zones of a disk of zonevm's have one capacity.",
                    )
                least = usable * _SECTOR
            try:
                zone = SourceZone.of(start * _SECTOR, usable * _SECTOR, pointer * _SECTOR, condition)
            except ValueError as error:
                raise ImageError(f"{device} reports an impossible zone: {error}") from error
            zones.append(zone)
            at = (start + length) * _SECTOR
    return zones, least
