"""Copies a source to an image: zone by zone, only what is below the write pointers, holes as holes."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zonevm.disks.shape import PHYSICAL_BLOCK
from zonevm.errors import ImageError
from zonevm.transfer.device import ZonedDevice
from zonevm.transfer.draft import draft, refuse_existing
from zonevm.transfer.source import FULL, OFFLINE, READ_ONLY, Source, SourceZone
from zonevm.transfer.tcmu_image import TcmuImage
from zonevm.transfer.writer import Writer

_READ = 1 << 20
_PIECE = 64 << 10
_ZEROES = bytes(_PIECE)
_NAMED_ZONES = 5

Progress = Callable[[int, int], None]
"""Is told the bytes done so far, holes too, and the bytes in all."""


@dataclass(frozen=True)
class Imported:
    """An import that was done: ``data`` are the bytes copied, ``notes`` what could not be kept."""

    source: Path
    file: Path
    size: int
    zone_size: int
    zones: int
    conventional: int
    data: int
    notes: tuple[str, ...]


def import_disk(source: Path, file: Path, progress: Progress | None = None) -> Imported:
    """Make the image ``file`` from ``source``: a tcmu-runner image, or a zoned device by its node.

    Open zones become closed ones. ``file`` appears when it is complete; until then, and after any failure,
    there is nothing. Raises :class:`ImageError`, and :class:`HostError` for a device that cannot be had.
    """
    refuse_existing(file)
    with _open(source) as disk, draft(file, disk.shape) as made:
        survey = _Survey(disk)
        copy = _Copy(disk, survey.written, Writer(made, file), source, progress or (lambda *_: None))
        copy.run()
    assert disk.shape.size is not None
    return Imported(
        source,
        file,
        disk.shape.size,
        disk.shape.zone_size,
        survey.zones,
        disk.shape.conventional,
        copy.data,
        tuple(survey.notes()),
    )


def _open(source: Path) -> Source:
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise ImageError(f"{source}: {error.strerror}", "Give an existing image or device.") from error
    return TcmuImage(source) if stat.S_ISREG(mode) else ZonedDevice(source)


class _Copy:
    def __init__(self, source: Source, total: int, writer: Writer, name: Path, progress: Progress) -> None:
        self._source = source
        self._writer = writer
        self._name = name
        self._progress = progress
        self._total = total
        self._done = 0
        self.data = 0

    def run(self) -> None:
        for zone in self._source.zones():
            if zone.written:
                (self._conventional if zone.conventional else self._sequential)(zone)
                self._done += zone.written
                self._progress(self._done, self._total)

    def _conventional(self, zone: SourceZone) -> None:
        for offset, data in self._pieces(zone):
            self._writer.write(offset, data)

    def _sequential(self, zone: SourceZone) -> None:
        pointer = zone.start
        for offset, data in self._pieces(zone):
            self._writer.write_zeroes(pointer, offset - pointer)
            self._writer.write(offset, data)
            pointer = offset + len(data)
        if zone.condition in (FULL, READ_ONLY):
            self._writer.finish(zone.start)
        else:
            self._writer.write_zeroes(pointer, _rounded(zone.start + zone.written) - pointer)
            self._writer.close(zone.start)

    def _pieces(self, zone: SourceZone) -> Iterator[tuple[int, bytes]]:
        """Yield what is not zeroes below the write pointer: (offset, data), in whole physical blocks."""
        end = zone.start + zone.written
        for first, stop in self._source.extents(zone.start, end):
            start = first - first % PHYSICAL_BLOCK
            for at in range(start, stop, _READ):
                data = self._read(at, min(_READ, stop - at))
                for low, high in _not_zero(data):
                    part = data[low:high]
                    self.data += len(part)
                    yield at + low, part.ljust(_rounded(len(part)), b"\0")
                self._progress(self._done + at + len(data) - zone.start, self._total)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            data = self._source.read(offset, length)
        except OSError as error:
            raise ImageError(
                f"{self._name} cannot be read at byte {offset} of the disk: {error.strerror}"
            ) from error
        if len(data) != length:
            raise ImageError(f"{self._name} ends before byte {offset + length} of the disk")
        return data


def _not_zero(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the parts (from, to) of ``data`` that are not zeroes, as far as whole pieces tell."""
    start = None
    for at in range(0, len(data), _PIECE):
        piece = data[at : at + _PIECE]
        zero = piece == _ZEROES[: len(piece)]
        if zero and start is not None:
            yield start, at
            start = None
        elif not zero and start is None:
            start = at
    if start is not None:
        yield start, len(data)


def _rounded(length: int) -> int:
    return -(-length // PHYSICAL_BLOCK) * PHYSICAL_BLOCK


class _Survey:
    """What is to be copied in all, and what no disk of ours can be brought to by commands."""

    def __init__(self, source: Source) -> None:
        self.zones = self.written = 0
        self._odd = {what: _Named() for what in _ODD}
        for number, zone in enumerate(source.zones()):
            self.zones += 1
            self.written += zone.written
            for what, applies in _ODD.items():
                if applies(zone):
                    self._odd[what].add(number)

    def notes(self) -> Iterator[str]:
        """Yield in words what could not be kept."""
        return (f"{named}: {what}" for what, named in self._odd.items() if named.count)


class _Named:
    """Zones by their numbers: how many, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[int] = []

    def add(self, number: int) -> None:
        self.count += 1
        if self.count <= _NAMED_ZONES:
            self._first.append(number)

    def __str__(self) -> str:
        more = f" and {self.count - _NAMED_ZONES} more" if self.count > _NAMED_ZONES else ""
        return f"{'zone' if self.count == 1 else 'zones'} {', '.join(map(str, self._first))}{more}"


_ODD: dict[str, Callable[[SourceZone], bool]] = {
    "read-only there, and full here": lambda zone: zone.condition == READ_ONLY,
    "offline there, and empty here": lambda zone: zone.condition == OFFLINE,
    f"written up to no multiple of {PHYSICAL_BLOCK} bytes there, and with zeroes up to the next here": (
        lambda zone: bool(zone.written % PHYSICAL_BLOCK)
    ),
}
