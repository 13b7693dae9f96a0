"""An image file of tcmu-runner's ``zbc`` handler as a source."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from zonevm import lio
from zonevm.disks import SmrShape
from zonevm.errors import ImageError
from zonevm.inputs import open_regular
from zonevm.transfer.source import Source, SourceZone, like


class TcmuImage(Source):
    """A host-managed disk in an image. A wrong or truncated one is refused when it is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = 0

    def __enter__(self) -> TcmuImage:
        try:
            image = lio.inspect(self._path)
        except ImageError as error:
            raise ImageError(
                error.message,
                "Give an image as tcmu-runner has left it. A raw file of QEMU's ZNS has no zones.",
            ) from error
        if image.model != "HM":
            raise ImageError(
                f"{self._path} is a host-aware disk, which may be written anywhere",
                "Only host-managed disks can be imported.",
            )
        with like(self._path):
            self.shape = SmrShape(
                size=image.size,
                zone_size=image.zone_size,
                conventional=image.conventional,
                block_size=image.block_size,
                max_open=image.max_open or None,
            )
        self._image = image
        self._data = image.data_offset
        try:
            self._file = open_regular(self._path)
        except OSError as error:
            raise ImageError(f"{self._path}: {error.strerror}", "Give a file that can be read.") from error
        self._descriptor = self._file.fileno()
        if _being_written(self._descriptor):
            self._file.close()
            raise ImageError(
                f"{self._path} is in use: a process has it open for writing",
                "Stop the target that it belongs to, or tcmu-runner, first.",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield where the file has no holes."""
        at, stop = self._data + start, self._data + end
        while at < stop:
            try:
                first = os.lseek(self._descriptor, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return
                raise
            if first >= stop:
                return
            at = min(os.lseek(self._descriptor, first, os.SEEK_HOLE), stop)
            yield first - self._data, at - self._data

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, self._data + offset)

    def zones(self) -> Iterator[SourceZone]:
        """Yield the zones, read anew, and check them."""
        image = self._image
        for number, zone in enumerate(lio.read_zones(self._path, image)):
            expected = number * image.zone_size
            length = min(image.zone_size, image.size - expected)
            try:
                if (zone.start, zone.length, zone.conventional) != (
                    expected,
                    length,
                    number < image.conventional,
                ):
                    raise ValueError("it is not where, what or as long as the header has it")
                yield SourceZone.of(zone.start, zone.length, zone.write_pointer, zone.condition)
            except ValueError as error:
                raise ImageError(
                    f"zone {number} of {self._path} is damaged: {error}", "Give another image."
                ) from error


def _being_written(descriptor: int) -> bool:
    """Whether some process can write to the file: then it cannot be leased (fcntl(2), F_SETLEASE)."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
